"""The CUPS backend `cirrus` (backend(7))."""
