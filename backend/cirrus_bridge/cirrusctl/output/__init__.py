"""Output and exit statuses of cirrusctl."""
