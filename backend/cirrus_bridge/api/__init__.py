"""The print API over HTTP. No other package knows HTTP."""
