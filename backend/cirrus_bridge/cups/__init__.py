"""CUPS: command line, option strings, spool, and IPP to the local cupsd."""
