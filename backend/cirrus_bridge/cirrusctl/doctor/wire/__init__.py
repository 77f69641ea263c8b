"""What Cirrus Bridge assumes about the print API, and whether a live server agrees.

`assumptions` has one value for each assumption, `attempts` tries them, `examination` reports which
hold. installer/docs/wire.md has the same table for people.
"""
