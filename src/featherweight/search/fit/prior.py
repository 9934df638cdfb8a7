"""What did well elsewhere, for the first candidates: networks of this package's records and of its own searches."""

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from featherweight.search.fit.genes import PRESETS, Genes

FILE = Path(__file__).with_name("prior.json")


@lru_cache(maxsize=1)
def networks() -> tuple[Genes, ...]:
    """The networks, in the order in which they are tried."""
    return tuple(Genes.from_json(one["genes"]) for one in json.loads(FILE.read_text(encoding="utf-8")))


def first(coloured: bool) -> tuple[list[Genes], list[Genes]]:
    """One network with every augmentation in turn, which shows what suits the pictures; and every other network."""
    middle, *others = networks()
    presets = [preset for preset in PRESETS if coloured or preset != "photographs"]
    return [replace(middle, preset=preset) for preset in presets], others
