"""What the poller tells beside CUPS and the log."""
