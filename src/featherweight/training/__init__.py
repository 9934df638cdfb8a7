"""The loop and what it needs; `runs` is its life on disk."""
