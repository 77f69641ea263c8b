"""Print by Qt 5's own print dialog: QUEUE; run by the system's Python.

QT_QPA_PLATFORM is offscreen. The script sets printer, copies, pages and both sides in the real
dialog. It sets paper, tray and gray in the printer's properties, and clicks Print.
"""

import sys

from PyQt5.QtCore import QTimer
from PyQt5.QtGui import QTextDocument
from PyQt5.QtPrintSupport import QPrintDialog, QPrinter
from PyQt5.QtWidgets import QApplication, QComboBox, QPushButton, QRadioButton, QSpinBox

SETTLE_MS = 200
application = QApplication(sys.argv)
problems = []


def widget(kind, name):
    (found,) = [each for each in dialog.findChildren(kind) if each.objectName() == name]
    return found


def in_properties():
    (box,) = [w for w in application.topLevelWidgets() if w.inherits("QPrintPropertiesDialog")]
    for text in ("A5", "Tray 2", "Grayscale"):
        offering = [each for each in box.findChildren(QComboBox) if each.findText(text) >= 0]
        if len(offering) == 1:
            offering[0].setCurrentText(text)
        else:
            problems.append(f"{len(offering)} fields offer {text}")
    box.accept()


def by_hand():
    widget(QComboBox, "printers").setCurrentText(sys.argv[1])
    QTimer.singleShot(SETTLE_MS, in_properties)
    widget(QPushButton, "properties").click()  # returns when that dialog is closed
    widget(QSpinBox, "copies").setValue(3)
    widget(QRadioButton, "duplexShort").click()
    widget(QRadioButton, "printRange").click()
    widget(QSpinBox, "from").setValue(2)
    widget(QSpinBox, "to").setValue(3)
    dialog.accept()


document = QTextDocument()
breaks = '<p style="page-break-before: always">Page {}</p>'
document.setHtml("<p>Page 1</p>" + "".join(breaks.format(number) for number in (2, 3, 4)))
printer = QPrinter(QPrinter.HighResolution)
printer.setDocName("Qt dialog")
dialog = QPrintDialog(printer)
dialog.setMinMax(1, 4)
QTimer.singleShot(SETTLE_MS, by_hand)
if dialog.exec() != QPrintDialog.Accepted or problems:
    sys.exit("; ".join(problems) or "the dialog was left")
document.print_(printer)
