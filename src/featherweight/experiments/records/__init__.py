"""Records: each a target of its own, to be proved over five or ten seeds."""
