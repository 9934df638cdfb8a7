"""What experiments on each data set are held against beside others, and the sets' shorter names. Needs no torch."""

from featherweight.experiments.budget import Budget

RULES = {"mnist": Budget(), "fashion-mnist": Budget(accuracy=92.8, held=1)}
"""By the set's name. MNIST's is the published rule of the exercise; the others' have its limits and ask for an accuracy
that nothing published at that size reaches."""

ALIASES = {"fashion": "fashion-mnist"}
"""Other names of sets."""


def named(name: str) -> str:
    """A set's own name, where this is another one of it.

    >>> named("fashion"), named("mnist")
    ('fashion-mnist', 'mnist')
    """
    return ALIASES.get(name, name)
