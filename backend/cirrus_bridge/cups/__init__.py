"""CUPS: its command line, its option strings, and IPP to the local cupsd."""
