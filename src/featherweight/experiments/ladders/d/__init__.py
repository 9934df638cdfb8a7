"""One network under the relaxed rule (published)."""
