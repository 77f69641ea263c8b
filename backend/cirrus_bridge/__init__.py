"""Cirrus Bridge: print from CUPS to cloud devices."""
