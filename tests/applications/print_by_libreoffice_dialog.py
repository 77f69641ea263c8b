"""Print by LibreOffice's own print dialog: QUEUE FILE PROFILE; run by the system's Python.

SAL_USE_VCLPLUGIN is svp, which draws to memory. With --headless, Writer would print without its
dialog. The script sets copies, collation, pages, both sides and paper by the interface of
LibreOffice's own tests, and clicks Print. The Properties button opens nothing without a display.
"""

import atexit
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import uno
import unohelper
from com.sun.star.beans import PropertyValue
from com.sun.star.connection import NoConnectException
from com.sun.star.view import XPrintJobListener
from com.sun.star.view.PrintableState import JOB_COMPLETED, JOB_SPOOLED, JOB_STARTED

queue, document, profile = sys.argv[1:]
office = f"pipe,name={Path(profile).name};urp"
process = subprocess.Popen(
    ["soffice", "--norestore", f"--accept={office};", f"-env:UserInstallation=file://{profile}"],
    start_new_session=True,
)


@atexit.register
def stop():
    """End LibreOffice after a failure."""
    if process.poll() is None:
        os.killpg(process.pid, signal.SIGKILL)


ended = []  # the states of the print job after its start


class PrintJobListener(unohelper.Base, XPrintJobListener):
    def printJobEvent(self, event):  # noqa: N802 (UNO's name)
        if event.State != JOB_STARTED:
            ended.append(event.State)

    def disposing(self, _event):
        pass


def values(**named):
    return tuple(PropertyValue(Name=name, Value=value) for name, value in named.items())


def until(found):
    """Wait for a true value of a function; return it."""
    for _ in range(600):
        if value := found():
            return value
        time.sleep(0.1)
    sys.exit("LibreOffice did not come this far")


def connected():
    try:
        return resolver.resolve(f"uno:{office};StarOffice.ComponentContext")
    except NoConnectException:
        return None


def opened():
    window = tests.getTopFocusWindow()
    return window if window and "printersbox" in window.getChildren() else None


def act(name, action, **arguments):
    dialog.getChild(name).executeAction(action, values(**arguments))


def state(name, key):
    return {each.Name: each.Value for each in dialog.getChild(name).getState()}[key]


def choose(name, start):
    """Select the first choice of a list that begins with `start`."""
    for position in range(int(state(name, "EntryCount"))):
        act(name, "SELECT", POS=str(position))
        if state(name, "SelectEntryText").startswith(start):
            return
    raise LookupError(start)


local = uno.getComponentContext()
resolver = local.ServiceManager.createInstanceWithContext(
    "com.sun.star.bridge.UnoUrlResolver", local
)
context = until(connected)
services = context.ServiceManager
desktop = services.createInstanceWithContext("com.sun.star.frame.Desktop", context)
tests = services.createInstanceWithContext("org.libreoffice.uitest.UITest", context)
text = desktop.loadComponentFromURL(f"file://{document}", "_blank", 0, ())
text.setPrinter(values(Name=queue))
text.addPrintJobListener(PrintJobListener())
tests.executeDialog(".uno:Print")
dialog = until(opened)
act("exRangeExpander", "EXPAND")
until(lambda: state("sidesbox", "ReallyVisible") == "true")
choose("sidesbox", "Print on both sides (duplex short edge)")
choose("papersizebox", "A5")
act("rbRangePages", "CLICK")
until(lambda: state("pagerange", "Enabled") == "true")
act("pagerange", "TYPE", KEYCODE="CTRL+A")
act("pagerange", "TYPE", TEXT="2-3")
act("copycount", "UP")
act("copycount", "UP")
until(lambda: state("collate", "Enabled") == "true")
if state("collate", "Selected") != "true":
    act("collate", "CLICK")
fields = [state("copycount", "Text"), state("pagerange", "Text"), state("collate", "Selected")]
assert fields == ["3", "2-3", "true"], fields
act("ok", "CLICK")
until(lambda: ended)
if ended[0] not in (JOB_SPOOLED, JOB_COMPLETED):
    sys.exit(f"the job ended as {ended[0].value}")
text.close(True)
desktop.terminate()
sys.exit(process.wait())
