"""The tables of networks found by `featherweight fit` and of ways to search, from committed results, for the guide."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from docs.build.rendering import rendered

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
COVERAGE = Path("results", "fit_coverage.json")
COVERAGE_MARKS = (
    "<!-- begin: coverage, written by `python -m docs.build` -->",
    "<!-- end: coverage, written by `python -m docs.build` -->",
)
WORDS = {"fit": "`fit`", "random": "at random, each trained in full", "before": "stacks, TPE and median pruning"}
"""The ways of `benchmarks/searches.py`."""


def fits_of(root: Path) -> dict[str, dict[str, Any]]:
    """The committed results, by name of the pictures."""
    paths = sorted((root / FITS).glob("*.json"))
    return {path.stem: in_words(json.loads(path.read_text(encoding="utf-8"))) for path in paths}


def fits_table(found: Mapping[str, dict[str, Any]]) -> str:
    """A Markdown table with one row per search."""
    return rendered("fits.md.j2", found=found, asked=_asked).rstrip()


def _asked(values: Mapping[str, Any]) -> str:
    asked = values["asked"]
    limits = [f"{what} {most // 1024}k" if most % 1024 == 0 else f"{what} {most:,}"
              for what, most in asked["limits"].items()]  # fmt: skip
    wanted = [f"{asked['accuracy']:g} %, least {asked['minimize']}"] if asked["accuracy"] is not None else []
    return ", ".join([*wanted, *limits])


def ways_table(kept: Mapping[str, Any]) -> str:
    """A Markdown table with one row per set: the best held-out accuracy of each way of searching, in percent.

    >>> curves = {"fit": [[3.0, 90.0], [60.0, 91.25]], "random": [], "before": [[9.0, 91.0]]}
    >>> print(ways_table({"sets": {"cats": curves}}))
    | pictures | `fit` | at random, each trained in full | stacks, TPE and median pruning |
    |---|--:|--:|--:|
    | `cats` | **91.25** | none | 91.00 |
    """
    last = {name: [ways[way][-1][1] if ways[way] else None for way in WORDS] for name, ways in kept["sets"].items()}
    best = {name: max(value for value in values if value is not None) for name, values in last.items()}
    return rendered("fit_ways.md.j2", ways=WORDS, sets=last, best=best).rstrip()


def coverage_line(kept: Sequence[Mapping[str, Any]]) -> str:
    """How often the promise held, in a sentence.

    >>> row = {"pictures": "usps", "covered": True}
    >>> print(coverage_line([row, {"pictures": "shapes", "covered": False}]))
    Over 2 short searches on `shapes` and `usps` (`python -m benchmarks.coverage`), 300 training pictures each, the interval covered the accuracy on other pictures of the same source 1 time.
    """  # noqa: E501 - a line of a page
    *names, last = (f"`{name}`" for name in sorted({row["pictures"] for row in kept}))
    count = sum(bool(row["covered"]) for row in kept)
    return (
        f"Over {len(kept)} short searches on {', '.join(names)} and {last} (`python -m benchmarks.coverage`), 300"
        f" training pictures each, the interval covered the accuracy on other pictures of the same source {count}"
        f" time{'s' * (count != 1)}."
    )


def guide_tables(root: Path) -> list[tuple[tuple[str, str], str]]:
    """The tables of the guide, each with the marks between which it stands."""
    found = [(MARKS, fits_table(fits_of(root)))]
    if (root / COVERAGE).exists():
        found.append((COVERAGE_MARKS, coverage_line(json.loads((root / COVERAGE).read_text(encoding="utf-8")))))
    if (root / WAYS).exists():
        found.append((WAYS_MARKS, ways_table(json.loads((root / WAYS).read_text(encoding="utf-8")))))
    return found
