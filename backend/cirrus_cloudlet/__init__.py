"""An embedded cloud: a small real server of the print API, for one machine."""

__version__ = "0.1.0"
