"""Train the smallest network that meets an accuracy target under a hard budget; prove it, explain it, ship it."""

__version__ = "0.1.0"
