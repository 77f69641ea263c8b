"""The devices of a cupsd, as system-config-printer's modules see them; run by the system's Python.

Prints JSON: URI → info, location, make and model, the proposed driver, and how well it fits.
"""

import json
import sys

import cups
import cupshelpers
from cupshelpers.ppds import PPDs

cups.setServer(sys.argv[1])
connection = cups.Connection()
ppds = PPDs(connection.getPPDs2(), language="en_US")
found = {}
for uri, device in cupshelpers.getDevices(connection).items():
    if uri.startswith("cirrus://"):
        said = device.id_dict
        fit, driver = ppds.getPPDNameFromDeviceID(
            said["MFG"], said["MDL"], said["DES"], said["CMD"], uri, device.make_and_model
        )
        found[uri] = [
            device.info,
            device.location,
            device.make_and_model,
            driver,
            fit == PPDs.STATUS_SUCCESS,
        ]
print(json.dumps(found))
