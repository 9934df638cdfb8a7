"""What did well elsewhere, for the first candidates: learned from searches on several sets (`benchmarks/prior.py`)."""

import json
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from featherweight.search.fit.candidate import PRESETS, Bits, Candidate

FILE = Path(__file__).with_name("prior.json")


@lru_cache(maxsize=1)
def networks() -> tuple[Candidate, ...]:
    """The networks, in the order in which they are tried."""
    return tuple(Candidate.from_json(one["genes"]) for one in json.loads(FILE.read_text(encoding="utf-8")))


def sources() -> tuple[str, ...]:
    """Where each of them comes from, in words."""
    return tuple(str(one["from"]) for one in json.loads(FILE.read_text(encoding="utf-8")))


def first(coloured: bool, small: bool, bits: Bits = 8) -> tuple[list[Candidate], list[Candidate]]:
    """One network with every augmentation in turn, which shows what suits the pictures; and every other network, with
    weights of so many bits.

    Of a `small` set batches are small, so that an epoch has more than a few steps.
    """
    middle, *others = [replace(_in_small_batches(one) if small else one, bits=bits) for one in networks()]
    presets = [preset for preset in PRESETS if coloured or preset != "photographs"]
    return [replace(middle, preset=preset) for preset in presets], others


def anchor(others: Sequence[Candidate]) -> Candidate:
    """Of the other networks, what is made as large as the limits allow and always trained to its end: the stack of
    separable convolutions with the most stages, as a good engineer would begin with (MobileNet, 2017)."""
    return max((one for one in others if one.block == "separable"), key=lambda one: len(one.widths))


def _in_small_batches(genes: Candidate) -> Candidate:
    """A quarter of the batch at half the rate: between what keeps the mean and what keeps the noise of the steps."""
    return replace(genes, batch=16, lr=genes.lr / 2)
