"""Assumptions about the print API, and their trial against a live server.

`questions` and `uploads` have the assumptions, each with the attempt that tries it. `examination`
reports which hold. installer/docs/wire.md has the same table for people.
"""
