"""A run on disk: its folder, its states, resuming it, and many at once."""
