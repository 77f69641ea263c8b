"""Reports of the poller besides CUPS and the log: the hook and the metrics."""
