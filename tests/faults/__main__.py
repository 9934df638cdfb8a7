"""Every trial and its figures: `PYTHONPATH=tests python -m tests.faults`; `--write` keeps them in results/reliability.

Names of trials after it run those alone; `--page` only writes docs/reliability.md anew from the records.
"""

import argparse
import json
import time
from collections.abc import Callable
from typing import Any

from featherweight.io import write_text

from . import (
    concurrent_runs,
    corrupt_files,
    coverage_fuzz,
    crafted_inputs,
    full_disk,
    killed_commands,
    killed_verbs,
    made_folders,
    mutated_files,
    page,
    random_kills,
    resume_every_step,
    save_timing,
)
from .harness import apart, machine

ENGINES = ("native", "torch")
TRIALS: dict[str, Callable[[], list[dict[str, Any]]]] = {
    "kills": lambda: (
        [random_kills.trial(100, engine) for engine in ENGINES] + [random_kills.trial(40, "native", place=None)]
    ),
    "steps": lambda: [resume_every_step.trial(engine) for engine in ENGINES],
    "damage": lambda: corrupt_files.trial(flips=1000, truncations=200),
    "full_disk": lambda: [full_disk.trial(levels=20)],
    "hostile": lambda: mutated_files.trial(idx=10_000, pictures=2000, weights=2000, records=4000, states=4000),
    "attacks": crafted_inputs.trial,
    "commands": lambda: [killed_commands.trial(25, engine) for engine in ENGINES] + killed_commands.several(5),
    "verbs": lambda: [killed_verbs.trial(verb, 50, 77) for verb in killed_verbs.VERBS],
    "renames": lambda: [killed_verbs.trial(verb, None) for verb in killed_verbs.RENAMING],
    "folders": lambda: [made_folders.trial(100)],
    "crowd": lambda: [apart(lambda: concurrent_runs.trial(24))],
    "saving": lambda: [save_timing.trial()],
    "fuzz": lambda: [coverage_fuzz.trial(reader, seconds=20) for reader in coverage_fuzz.READERS],
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("trials", nargs="*", help=f"of {', '.join(TRIALS)}; all by default")
    parser.add_argument("--write", action="store_true", help="keep the figures, and write the page")
    parser.add_argument("--page", action="store_true", help="run nothing; write the page from the records")
    given = parser.parse_args()
    for name in () if given.page else given.trials or TRIALS:
        started = time.perf_counter()
        rows = TRIALS[name]()
        found = {"trial": name, **machine(), "seconds": round(time.perf_counter() - started), "rows": rows}
        for row in rows:
            print(f"{name}: {', '.join(f'{key} {value}' for key, value in row.items())}", flush=True)
        if given.write:
            page.RESULTS.mkdir(parents=True, exist_ok=True)
            write_text(page.RESULTS / f"{name}.json", json.dumps(found, indent=1) + "\n")
    if given.write or given.page:
        write_text(page.PAGE, page.text(page.PAGE.read_text(encoding="utf-8")))


if __name__ == "__main__":
    main()
