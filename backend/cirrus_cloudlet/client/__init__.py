"""A location's client: it fetches the location's jobs from a server, and delivers them."""
