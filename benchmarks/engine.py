"""The table of engines: `python -m benchmarks.engine` prints it; `--write` also saves its figures and docs/speed.md."""

import argparse
import json
from pathlib import Path
from typing import Any

from docs.build.inject import with_part_between

from featherweight.io import write_text
from featherweight.training.bench import measure, table

ROOT = Path(__file__).parents[1]
RESULT, PAGE = ROOT / "results" / "bench" / "engine.json", ROOT / "docs" / "speed.md"
_BY = "table, written by `python -m benchmarks.engine --write`"
MARKS = (f"<!-- begin: {_BY} -->", f"<!-- end: {_BY} -->")


def page(text: str, found: dict[str, Any]) -> str:
    """The text of the page with its table replaced by one of these figures."""
    return with_part_between(text, MARKS, f"```\n{table(found)}\n```", PAGE)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=469, help="steps to time for each engine; an epoch has 469")
    parser.add_argument(
        "--no-scaling", action="store_true", help="skip the timings by batch size, width and image side"
    )
    parser.add_argument("--write", action="store_true", help=f"save as {RESULT.name}")
    given = parser.parse_args()
    found = measure(steps=given.steps, scaling=not given.no_scaling, tell=lambda line: print(line, flush=True))
    print(table(found))
    if given.write:
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        write_text(RESULT, json.dumps(found, indent=1) + "\n")
        write_text(PAGE, page(PAGE.read_text(encoding="utf-8"), found))


if __name__ == "__main__":
    main()
