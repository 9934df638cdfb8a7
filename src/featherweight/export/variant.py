"""The parts of the C program that a network needs; they decide its text and the sizes of its code and tables."""

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from featherweight.networks.layers.activations import CURVES
from featherweight.networks.steps import Operation

KINDS = ("max", "average", "add")
"""Kinds of step other than convolutions, which every network has."""

Variant = tuple[str, ...]
"""The kinds of step that occur, in the order of `KINDS`; then "rows" if a layer takes in its input row by row, and
"sums" if such a layer keeps sums between rows; "table" if activations are looked up; "dilated" if kernels have gaps;
"packed" if a byte holds several weights."""


def variant_of(steps: Sequence[Operation[Any]], streams: Sequence[int | None], bits: int = 8) -> Variant:
    """The variant of a network with these steps and weights of so many bits; `streams` is as in `Memory`."""
    present = {step.kind for step in steps}
    by_row = [step.kind for step, stream in zip(steps, streams, strict=True) if stream is not None]
    found: list[str] = [kind for kind in KINDS if kind in present]
    found += ["rows"] if by_row else []
    found += ["sums"] if any(kind != "max" for kind in by_row) else []
    found += ["table"] if present & set(CURVES) else []
    found += ["dilated"] if any(step.dilation != (1, 1) for step in steps) else []
    return (*found, *(["packed"] if bits < 8 else []))


def name_of(variant: Variant) -> str:
    """The name under which the measured figures are stored.

    >>> name_of(()), name_of(("max", "rows"))
    ('plain', 'max+rows')
    """
    return "+".join(variant) or "plain"


def progress_bytes(variant: Variant) -> int:
    """The bytes that the C program keeps per tensor on its stack: two numbers of 16 bits, or three.

    >>> progress_bytes(()), progress_bytes(("max", "rows"))
    (4, 6)
    """
    return 6 if "rows" in variant else 4


def all_variants() -> list[Variant]:
    """Every possible variant.

    >>> len(all_variants())
    160
    """
    found: list[Variant] = []
    for count in range(len(KINDS) + 1):
        for kinds in combinations(KINDS, count):
            found += [kinds, (*kinds, "rows", "sums")]
            found += [(*kinds, "rows")] if "max" in kinds else []
    found = [(*variant, *more) for more in _LAST for variant in found]
    return found + [(*variant, "packed") for variant in found]


_LAST = ((), ("table",), ("dilated",), ("table", "dilated"))
