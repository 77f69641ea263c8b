"""The state of submitted documents."""
