"""The data sets that the package's experiments are about: the shape of their pictures, what experiments on each are
compared by, and their titles. Needs no torch."""

from featherweight.experiments.budget import Budget

RULES = {
    "mnist": Budget(),
    "fashion-mnist": Budget(accuracy=92.8, held=1),
    "cifar10": Budget(parameters=50_000, epochs=20, accuracy=85.0),
}
"""By the set's name. MNIST's is the published rule of the exercise. Fashion-MNIST's has the same limits and asks for an
accuracy that nothing published at that size reaches. CIFAR-10's asks for MLPerf Tiny's 85 %, which that sets for a
network of 78,000 parameters."""

SHAPES = {"mnist": (1, 28, 28), "fashion-mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
"""Channels, height and width of each set's pictures."""

TITLES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
"""The sets' names as people write them."""


def worded(text: str, data: str) -> str:
    """A text about MNIST reworded for another data set, whose pictures are not digits.

    >>> worded("all 10,000 test digits", "mnist"), worded("all 10,000 test digits", "cifar10")
    ('all 10,000 test digits', 'all 10,000 test pictures')
    """
    return text if data == "mnist" else text.replace("digit", "picture")
