"""The experiments: one folder a ladder, one file a rung."""
