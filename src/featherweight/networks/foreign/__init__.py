"""Somebody else's networks, read from their files as data."""
