"""Print three pages by Qt 5: QUEUE; run by the system's Python, with QT_QPA_PLATFORM=offscreen."""

import sys

from PyQt5.QtCore import QPointF
from PyQt5.QtGui import QPageSize, QPainter
from PyQt5.QtPrintSupport import QPrinter, QPrinterInfo
from PyQt5.QtWidgets import QApplication

application = QApplication(sys.argv)
printer = QPrinter(QPrinterInfo.printerInfo(sys.argv[1]), QPrinter.HighResolution)
printer.setDocName("Qt document")
printer.setCopyCount(3)
printer.setCollateCopies(True)
printer.setDuplex(QPrinter.DuplexShortSide)
printer.setColorMode(QPrinter.GrayScale)
printer.setPageSize(QPageSize(QPageSize.A5))
painter = QPainter(printer)
for number in (1, 2, 3):
    painter.drawText(QPointF(500, 500), f"Page {number}")
    if number < 3:
        printer.newPage()
painter.end()
