"""Runs on disk: their folders and checkpoints, resuming them, and training several at once."""
