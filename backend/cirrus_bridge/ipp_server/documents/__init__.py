"""Documents of clients: their formats, and their conversion to what a device takes."""
