"""Deliveries to devices."""
