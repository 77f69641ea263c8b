"""The poller `cirrus-statusd`."""
