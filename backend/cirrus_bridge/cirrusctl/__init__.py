"""The administrator's program `cirrusctl`: looks at, sets up and explains what the others do.

Nothing that takes part in printing imports anything of this package.
"""
