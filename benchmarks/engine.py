"""The engines' table: `python -m benchmarks.engine` prints it; `--write` also saves results/bench/engine.json."""

import argparse
import json
from pathlib import Path

from featherweight.bench import measure, table

RESULT = Path(__file__).parents[1] / "results" / "bench" / "engine.json"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=469, help="steps of each engine; 469 are an epoch")
    parser.add_argument("--no-scaling", action="store_true", help="leave out batch, width and side")
    parser.add_argument("--write", action="store_true", help=f"save as {RESULT.name}")
    given = parser.parse_args()
    found = measure(steps=given.steps, scaling=not given.no_scaling, tell=lambda line: print(line, flush=True))
    print(table(found))
    if given.write:
        RESULT.parent.mkdir(parents=True, exist_ok=True)
        RESULT.write_text(json.dumps(found, indent=1) + "\n")


if __name__ == "__main__":
    main()
