"""What the programs of records in C score: `python -m benchmarks.in_c WORK NAME...` adds it to the committed records.

Each seed's run is trained again into WORK, which gives the same bits; where it does not, the record stays as it is. The
test set was opened when the record was made; no seed is chosen by this, and none is left out. `featherweight prove`
measures the programs by itself where the bar asks for them (`mean_in_c`).
"""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from featherweight.data import load
from featherweight.experiments.record import Record, read_record
from featherweight.protocol.proof_runs import measured_in_c
from featherweight.protocol.records import FOLDER, RESULTS, keep_record
from featherweight.training.runs.folders import find_runs

ROOT = Path(__file__).parents[1]


def without(names: list[str]) -> Iterator[tuple[Record, bool]]:
    """The records that figures are those of, where they lack this one, and whether they are of fresh seeds."""
    for name in names:
        fresh = ROOT / RESULTS / FOLDER / name
        folder = fresh if fresh.is_dir() else ROOT / RESULTS / name
        for _, record in find_runs([folder], "seed*.json"):
            if record.c_accuracy is None:
                yield record, folder == fresh


def trained(record: Record, work: Path) -> bool:
    """Whether the same run is in the folder, trained if it was not there, with the same figures to the last bit."""
    folder = work / f"{record.experiment}-seed{record.seed}"
    words = ["train", record.experiment, "--seed", str(record.seed), "--out", str(work), "--threads",
             str(record.environment["threads"]), "--engine", record.engine]  # fmt: skip
    if not (folder / "weights.safetensors").exists():
        subprocess.run([sys.executable, "-m", "featherweight", *words], stdout=subprocess.DEVNULL, check=False)
    again = read_record(folder)
    figures = [[(row.train_loss, row.test_loss, row.test_accuracy) for row in one.rows] for one in (record, again)]
    return figures[0] == figures[1]


def main(work: Path, names: list[str]) -> None:
    """Measure what is missing, and say what it is."""
    for record, confirming in without(names):
        label = f"{record.experiment}, seed {record.seed}"
        if not trained(record, work):
            print(f"{label}: other figures than those of the record, which stays as it is", flush=True)
            continue
        data = load(record.data["source"])
        [measured] = measured_in_c(
            [record], [work], data, lambda line, label=label: print(f"{label}: {line}", flush=True)
        )
        keep_record(measured, ROOT, confirming=confirming)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
