"""Three models (published)."""
