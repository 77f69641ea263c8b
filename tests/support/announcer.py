"""A program that announces printers, for tests of DNS-SD in another network namespace.

Arguments: the address to listen on, the plain port and the TLS port. Each line on standard input
is a JSON object of the API's devices, which are announced from then on. The program answers with
the instance names, as JSON, once they have changed. At the end of the input, it says goodbye.
"""

from __future__ import annotations

import json
import sys
import time

from cirrus_bridge.base.model import Place
from cirrus_bridge.drivers.offered_printers import offered_printers
from cirrus_bridge.ipp_server.dns_sd import Announcements, Ports
from cirrus_bridge.ipp_server.txt_record import AnnouncedPrinter

PLACE = Place("print.example.com", "Acme", "Paris")


def main() -> None:
    listen, plain, tls = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    announcements = Announcements(listen, Ports(plain, tls))
    for line in sys.stdin:
        answer = {"Name": "Paris", "Devices": json.loads(line)}
        printers = list(offered_printers([(PLACE, answer)], lambda *_: True))
        formats = ("application/pdf", "image/jpeg")
        announcements.update(AnnouncedPrinter(each, formats) for each in printers)
        wanted = {each.name for each in printers}
        while set(announcements.names()) != wanted:
            time.sleep(0.05)
        print(json.dumps(sorted(announcements.names().values())), flush=True)
    announcements.close()


if __name__ == "__main__":
    main()
