"""The database, and the files that it names."""
