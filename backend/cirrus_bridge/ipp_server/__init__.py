"""cirrus-printers: cloud devices as printers without drivers (IPP Everywhere, PWG 5100.14)."""
