"""Cirrus Bridge: print from CUPS to cloud devices."""

__version__ = "0.1.0"
