"""What cirrusctl writes, and how it exits."""
