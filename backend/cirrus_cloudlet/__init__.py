"""An embedded cloud: a small real server of the print API, for one machine."""
