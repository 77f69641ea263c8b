"""The requests of the API."""
