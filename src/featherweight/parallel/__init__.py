"""Work spread out: one pool, with local processes or a Ray cluster behind it, and what travels to them."""
