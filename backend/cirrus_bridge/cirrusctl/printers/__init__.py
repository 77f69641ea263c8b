"""Printers without drivers, as `cirrus-printers` offers them."""
