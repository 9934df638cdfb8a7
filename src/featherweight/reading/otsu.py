"""The level that separates values into dark and bright, or weak and strong."""

from typing import Any

import numpy as np
from numpy.typing import NDArray


def parting(values: NDArray[np.floating[Any]]) -> float:
    """The level at which two classes differ most, of 64 equal steps from the least value to the greatest (Otsu, 1979).

    Values below it are the first class, the others the second:

    >>> parting(np.array([1.0, 2.0, 1.5, 8.0, 9.0])).__round__(3)
    2.125
    """
    counts, edges = np.histogram(values, 64)
    middles = (edges[1:] + edges[:-1]) / 2
    below = np.cumsum(counts)[:-1]
    above = values.size - below
    sums = np.cumsum(counts * middles)
    apart = sums[:-1] / np.maximum(below, 1) - (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    return float(edges[1 + int(np.argmax(below * above * apart**2))])
