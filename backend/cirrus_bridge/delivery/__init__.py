"""What is known of a submitted document."""
