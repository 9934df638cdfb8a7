"""One network under the relaxed rule (published)."""

from featherweight.budget import Budget

RULE = Budget(parameters=20_000, epochs=19)
"""Fewer than 20,000 parameters in fewer than 20 epochs; the other ladders are judged by the rule of the exercise."""
