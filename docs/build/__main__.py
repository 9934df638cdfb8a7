"""`python -m docs.build [LETTER --seeds N | --keep RUNS]`, in the root of a checkout: writes all that quotes a record.

With a ladder's letter, its missing runs are trained first; each is entered in the ledger and kept in `results/`. With
a folder of runs, those in it that are finished are kept, such as those of `featherweight ladder benchmarks/companions`.
"""

import argparse
import sys
from pathlib import Path

from docs.build.committed import require_unchanged
from docs.build.keep import keep_runs
from docs.build.publish import write

from featherweight.cli.console import train_shown
from featherweight.errors import FeatherweightError
from featherweight.protocol.ladder import find_ladder, train_ladder
from featherweight.protocol.records import RESULTS, keep_record, source_tree


def main() -> int:
    """Train what is asked for, write what has changed and name it; the exit status."""
    parser = argparse.ArgumentParser(prog="python -m docs.build", description=__doc__)
    parser.add_argument("letter", nargs="?", help="a ladder of the package, whose missing runs are trained first")
    parser.add_argument("--seeds", type=int, default=1, help="train seeds 0 to N-1 of every rung")
    parser.add_argument("--out", type=Path, default=Path("runs"), help="folder for run folders")
    parser.add_argument("--keep", type=Path, help="keep the finished runs in this folder among the committed records")
    asked = parser.parse_args()
    try:
        root = source_tree()
        status = _train(asked.letter, asked.seeds, asked.out, root) if asked.letter else 0
        require_unchanged(root)
        kept = keep_runs(asked.keep, root) if asked.keep else []
        for changed in (*kept, *write(root)):
            print(f"wrote {changed.relative_to(root)}")
    except FeatherweightError as problem:
        print(f"Error: {problem}", file=sys.stderr)
        return problem.exit_status
    return status


def _train(letter: str, seeds: int, out: Path, root: Path) -> int:
    runs = train_ladder(
        find_ladder(letter),
        seeds=seeds,
        out=out,
        kept=root / RESULTS,
        trainer=lambda tasks: train_shown(tasks, as_json=False),
        tell=print,
    )
    for record in (record for records in runs.found.values() for record in records):
        keep_record(record, root)
    return max((failure.exit_status for failure in runs.failed), default=0)


if __name__ == "__main__":
    sys.exit(main())
