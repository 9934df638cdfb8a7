"""The shared last stage, against its rules done with Python's own whole numbers, pixel by pixel."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from featherweight.reading.normalise import centre_digit


def by_the_rules(ink: list[list[int]]) -> list[list[int]]:
    """The rules of the module's docstring in loops and whole numbers."""
    result = [[0] * 28 for _ in range(28)]
    peak = max((max(row) for row in ink if row), default=0)
    if not peak:
        return result
    dark = [(y, x) for y, row in enumerate(ink) for x, value in enumerate(row) if 8 * value >= peak]
    top, left = min(y for y, _ in dark), min(x for _, x in dark)
    s, t = max(y for y, _ in dark) - top + 1, max(x for _, x in dark) - left + 1
    longer = max(s, t)
    m, n = max(1, (40 * s + longer) // (2 * longer)), max(1, (40 * t + longer) // (2 * longer))
    sums = [[0] * n for _ in range(m)]
    for i in range(m):
        for j in range(n):
            for y in range(s):
                for x in range(t):
                    down = min(m * (y + 1), s * (i + 1)) - max(m * y, s * i)
                    across = min(n * (x + 1), t * (j + 1)) - max(n * x, t * j)
                    if down > 0 and across > 0:
                        sums[i][j] += down * across * ink[top + y][left + x]
    most = max(map(max, sums))
    new = [[(510 * value + most) // (2 * most) for value in row] for row in sums]
    mass = sum(map(sum, new))
    first = (29 * mass - 2 * sum(i * sum(row) for i, row in enumerate(new))) // (2 * mass)
    second = (29 * mass - 2 * sum(j * value for row in new for j, value in enumerate(row))) // (2 * mass)
    first, second = min(max(first, 0), 28 - m), min(max(second, 0), 28 - n)
    for i in range(m):
        result[first + i][second : second + n] = new[i]
    return result


@settings(max_examples=20, deadline=None)
@given(arrays.arrays(np.uint8, st.tuples(st.integers(1, 23), st.integers(1, 23))))
def test_every_byte_follows_from_the_rules(ink: np.ndarray) -> None:
    assert centre_digit(ink).tolist() == by_the_rules(ink.tolist())


@pytest.mark.parametrize("shape", [(0, 5), (1, 1), (7, 3)])
def test_without_ink_all_is_paper(shape: tuple[int, int]) -> None:
    assert centre_digit(np.zeros(shape, dtype=np.uint8)).sum() == 0


def test_a_digit_in_mnist_s_manner_comes_out_as_it_went_in() -> None:
    digit = np.zeros((28, 28), dtype=np.uint8)
    digit[5:25, 14:16] = 255
    digit[5:25, 13] = 130
    assert (centre_digit(digit) == digit).all()


def test_size_and_place_do_not_matter() -> None:
    small = np.zeros((40, 40), dtype=np.uint8)
    small[3:23, 5:12] = np.arange(1, 141, dtype=np.uint8).reshape(20, 7) + 100
    large = np.kron(small, np.ones((11, 11), dtype=np.uint8))
    assert (centre_digit(small) == centre_digit(np.pad(large, ((0, 500), (300, 0))))).all()


def test_large_ink_is_exact() -> None:
    """A sum of 4,000 x 4,000 full pixels is beyond 32 bits."""
    digit = centre_digit(np.full((4000, 4000), 255, dtype=np.uint8))
    assert digit[5:25, 5:25].min() == 255 and digit.sum() == 400 * 255


def test_what_is_fainter_than_an_eighth_is_left_out() -> None:
    ink = np.zeros((30, 30), dtype=np.uint8)
    ink[5:25, 10:15] = 240
    ink[5:25, 20] = 29
    assert centre_digit(ink).tolist() == centre_digit(ink[:, :16]).tolist()
    ink[5:25, 20] = 30
    assert centre_digit(ink).tolist() != centre_digit(ink[:, :16]).tolist()
