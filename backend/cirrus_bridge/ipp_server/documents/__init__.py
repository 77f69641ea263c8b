"""Documents of clients: their formats, and their conversion to a format that a device takes."""
