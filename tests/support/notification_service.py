"""A desktop's notification service that only notes what it is told, one JSON line each.

Run by the system's Python, whose D-Bus binding has no types. With the argument `--stuck` it takes
its name and answers nothing.
"""

import json
import sys
import time

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

NAME = "org.freedesktop.Notifications"


class Service(dbus.service.Object):
    @dbus.service.method(NAME, in_signature="susssasa{sv}i", out_signature="u")
    def Notify(  # noqa: N802 - D-Bus's name
        self, app_name, replaces_id, icon, summary, body, actions, hints, timeout
    ):
        told = {"app": app_name, "icon": icon, "summary": summary, "body": body}
        print(json.dumps({**told, "actions": list(actions)}), flush=True)
        return 1

    @dbus.service.method(NAME, out_signature="as")
    def GetCapabilities(self):  # noqa: N802 - D-Bus's name
        return ["body", "body-markup"]

    @dbus.service.method(NAME, out_signature="ssss")
    def GetServerInformation(self):  # noqa: N802 - D-Bus's name
        return ("recorder", "", "1", "1.2")


dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()
if "--stuck" in sys.argv:
    name = dbus.service.BusName(NAME, bus)
    print("{}", flush=True)
    time.sleep(1e6)
else:
    service = Service(dbus.service.BusName(NAME, bus), "/org/freedesktop/Notifications")
    print("{}", flush=True)
    GLib.MainLoop().run()
