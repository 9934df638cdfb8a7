"""Six iterations on four architectures (published)."""
