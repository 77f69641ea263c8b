"""Print pages 2 and 3 of a document on A5 by LibreOffice: QUEUE FILE PROFILE.

Run by the system's Python. Writer is controlled by its own interface (UNO), as by a macro or a mail
merge.
"""

import subprocess
import sys
import time
from pathlib import Path

import uno
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException

queue, document, profile = sys.argv[1:]
office = f"pipe,name={Path(profile).name};urp"
process = subprocess.Popen(
    [
        "soffice",
        "--headless",
        "--norestore",
        f"--accept={office};",
        f"-env:UserInstallation=file://{profile}",
    ]
)


def values(**named):
    return tuple(PropertyValue(Name=name, Value=value) for name, value in named.items())


local = uno.getComponentContext()
resolver = local.ServiceManager.createInstanceWithContext(
    "com.sun.star.bridge.UnoUrlResolver", local
)
for _ in range(600):
    try:
        context = resolver.resolve(f"uno:{office};StarOffice.ComponentContext")
        break
    except NoConnectException:
        time.sleep(0.1)
desktop = context.ServiceManager.createInstanceWithContext("com.sun.star.frame.Desktop", context)
text = desktop.loadComponentFromURL(f"file://{document}", "_blank", 0, values(Hidden=True))
text.setPrinter(values(Name=queue))
styles = text.getStyleFamilies().getByName("PageStyles")
for name in styles.getElementNames():
    style = styles.getByName(name)
    style.Width, style.Height = 14800, 21000  # in 1/100 mm
    style.PrinterPaperTray = "Tray 2"
text.print(
    values(
        CopyCount=3,
        Collate=True,
        Pages="2-3",
        DuplexMode=uno.getConstantByName("com.sun.star.view.DuplexMode.SHORTEDGE"),
        Wait=True,
    )
)
text.close(True)
desktop.terminate()
sys.exit(process.wait())
