"""Three steps, three notebooks (published)."""
