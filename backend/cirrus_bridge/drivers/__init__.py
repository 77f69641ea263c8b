"""Cloud devices as CUPS devices and drivers."""
