"""The guided setup and the test page."""
