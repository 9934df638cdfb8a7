"""The tables of networks found by `featherweight fit` and of ways to search, from committed results, for the guide."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from featherweight.search.fit.result_words import in_words

FITS = Path("results", "fit")
MARKS = (
    "<!-- begin: table of searches, written by `python -m docs.build` -->",
    "<!-- end: table of searches, written by `python -m docs.build` -->",
)
WAYS = Path("results", "search", "ways.json")
WAYS_MARKS = (
    "<!-- begin: table of ways, written by `python -m docs.build` -->",
    "<!-- end: table of ways, written by `python -m docs.build` -->",
)
WORDS = {"fit": "`fit`", "random": "at random, each trained in full", "before": "stacks, TPE and median pruning"}
"""The ways of `benchmarks/searches.py`."""
HEADINGS = (
    "pictures", "asked", "minutes", "candidates", "held out, %", "in C on the test set, % (95 % interval)",
    "float, %", "in C, mean of seeds (how many)", "flash, kB", "RAM, kB", "million MACs", "met",
)  # fmt: skip


def fits_of(root: Path) -> dict[str, dict[str, Any]]:
    """The committed results, by name of the pictures."""
    paths = sorted((root / FITS).glob("*.json"))
    return {path.stem: in_words(json.loads(path.read_text(encoding="utf-8"))) for path in paths}


def fits_table(found: Mapping[str, dict[str, Any]]) -> str:
    """A Markdown table with one row per search."""
    lines = [f"| {' | '.join(HEADINGS)} |", "|---|---|" + "--:|" * (len(HEADINGS) - 3) + "---|"]
    return "\n".join([*lines, *(_row(name, values) for name, values in found.items())])


def _row(name: str, values: Mapping[str, Any]) -> str:
    c, cost, asked = values["c"], values["cost"], values["asked"]
    limits = [f"{what} {most // 1024}k" if most % 1024 == 0 else f"{what} {most:,}"
              for what, most in asked["limits"].items()]  # fmt: skip
    wanted = [f"{asked['accuracy']:g} %, least {asked['minimize']}"] if asked["accuracy"] is not None else []
    low, high = c["interval"]
    seeds = values["in_c"]["seeds"]
    cells = [
        f"`{name}`",
        ", ".join([*wanted, *limits]),
        f"{values['search']['seconds'] / 60:.1f}",
        f"{values['search']['candidates']}",
        f"{values['chosen']['held_out_accuracy']:.2f}",
        f"{c['accuracy']:.2f} ({low:.2f} to {high:.2f})",
        f"{c['float_accuracy']:.2f}",
        f"{sum(seeds) / len(seeds):.2f} ({len(seeds)})",
        f"{values['in_c']['flash'] / 1000:.1f}",
        f"{cost['ram'] / 1000:.1f}",
        f"{cost['macs'] / 1e6:.2f}",
        "yes" if values["met"] else "**no**",
    ]
    return f"| {' | '.join(cells)} |"


def ways_table(kept: Mapping[str, Any]) -> str:
    """A Markdown table with one row per set: the best held-out accuracy of each way of searching, in percent.

    >>> curves = {"fit": [[3.0, 90.0], [60.0, 91.25]], "random": [], "before": [[9.0, 91.0]]}
    >>> print(ways_table({"sets": {"cats": curves}}))
    | pictures | `fit` | at random, each trained in full | stacks, TPE and median pruning |
    |---|--:|--:|--:|
    | `cats` | **91.25** | none | 91.00 |
    """
    lines = [f"| pictures | {' | '.join(WORDS.values())} |", "|---|" + "--:|" * len(WORDS)]
    for name, ways in kept["sets"].items():
        last = {way: ways[way][-1][1] if ways[way] else None for way in WORDS}
        most = max(value for value in last.values() if value is not None)
        shown = ["none" if value is None else f"**{value:.2f}**" if value == most else f"{value:.2f}"
                 for value in last.values()]  # fmt: skip
        lines.append(f"| `{name}` | {' | '.join(shown)} |")
    return "\n".join(lines)


def guide_tables(root: Path) -> list[tuple[tuple[str, str], str]]:
    """The tables of the guide, each with the marks between which it stands."""
    found = [(MARKS, fits_table(fits_of(root)))]
    if (root / WAYS).exists():
        found.append((WAYS_MARKS, ways_table(json.loads((root / WAYS).read_text(encoding="utf-8")))))
    return found
