"""Assumptions about the print API, and their trial against a live server.

`assumptions` has one value for each assumption, `attempts` tries them, `examination` reports which
hold. installer/docs/wire.md has the same table for people.
"""
