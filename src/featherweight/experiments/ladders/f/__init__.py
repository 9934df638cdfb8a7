"""Our own ladder: the exercise in exactly three steps."""
