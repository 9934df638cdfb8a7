"""What students hand in, as one table: the runs of many folders, judged, and trained again on request.

Only records are read, so that nobody's code is executed; a record that was changed by hand is named. Training again
uses the network, recipe, data and seed that the record holds.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from featherweight.engine import processors
from featherweight.errors import FeatherweightError, InterruptedRunError, UsageError
from featherweight.escape import printable
from featherweight.experiments.budget import Budget
from featherweight.experiments.record import Record, read_record
from featherweight.io import scratch_folder
from featherweight.training.runs.restore import experiment_of
from featherweight.training.runs.run import new_run, train
from featherweight.training.runs.trained import data_of

LAST = 5
"""Epochs whose accuracies are shown."""
PATTERNS = ("record.json", "*/record.json", "*/*/record.json", "*/*/*/record.json")
"""Where a folder may have its runs."""


@dataclass(frozen=True, kw_only=True)
class HandIn:
    """One run of one folder; without a run, why there is none."""

    folder: str
    run: str = ""
    """Its path within the folder."""
    experiment: str = ""
    seed: int | None = None
    parameters: int | None = None
    budget: str = ""
    last: tuple[float, ...] = ()
    """Test accuracies of the last five epochs, in percent."""
    passed: bool | None = None
    verdict: str = ""
    """The reason of the verdict, or what is wrong with the run."""
    again: str = ""
    """What training it again gave; empty unless it was asked for."""

    def to_json(self) -> dict[str, Any]:
        """All fields as plain values."""
        return asdict(self)


def hand_ins(
    folders: Sequence[Path], *, retrain: bool = False, data_dir: Path | None = None, tell: Callable[[str], None] = print
) -> Iterator[HandIn]:
    """The runs of each folder, in order; UsageError for one that does not exist. `tell` is told what is trained."""
    for folder in folders:
        if not folder.is_dir():
            raise UsageError(f"There is no folder {folder}; name one folder for each hand-in.")
    for folder in folders:
        paths = sorted(path for pattern in PATTERNS for path in folder.glob(pattern))
        if not paths:
            yield HandIn(folder=printable(str(folder)), verdict="no run handed in: no record.json in it")
        for path in paths:
            named, run = printable(str(folder)), printable(str(path.parent.relative_to(folder)))
            try:
                record = read_record(path)
                again = _again(record, path.parent, data_dir, tell) if retrain and record.finished else ""
                yield _judged(record, again, folder=named, run=run)
            except InterruptedRunError as problem:  # its folder is gone, so there is nothing to resume
                problem.args = ("Stopped.",)
                raise
            except FeatherweightError as problem:
                yield HandIn(folder=named, run=run, passed=False, verdict=printable(str(problem)))


def _judged(record: Record, again: str, *, folder: str, run: str) -> HandIn:
    verdict = record.verdict if record.rows else None
    reason = verdict.reason if verdict else "no epoch was finished"
    return HandIn(
        folder=folder,
        run=run,
        experiment=printable(record.experiment.replace("\\", "/").rsplit("/", 1)[-1]),
        seed=record.seed,
        parameters=record.parameters,
        budget=Budget(**record.budget).sentence(),
        last=tuple(row.test_accuracy for row in record.rows[-LAST:]),
        passed=verdict.passed if verdict and record.finished else False,
        verdict=reason if record.finished else f"unfinished: {reason}",
        again=again,
    )


def _again(record: Record, folder: Path, data_dir: Path | None, tell: Callable[[str], None]) -> str:
    """Train the same network, recipe, data and seed, and say whether every epoch gives what was handed in, or why that
    cannot be done here, which is no fault of the run."""
    if record.custom:
        return f"not trained: it was trained with functions of its own ({printable(', '.join(record.custom))})"
    tell(f"training {printable(str(folder))} again")
    threads = record.environment.get("threads") or 1
    if threads > processors() and record.engine == "torch":
        return f"not trained: PyTorch's sums depend on the number of threads, {threads} there; here are fewer"
    with scratch_folder() as place:
        try:
            run = new_run(
                experiment_of(record), data_of(record, data_dir), seed=record.seed, out=place, engine=record.engine,
                device=record.environment["device_type"], threads=min(threads, processors()),
            )  # fmt: skip
        except FeatherweightError as problem:
            return f"not trained: {printable(str(problem))}"
        for _ in train(run):
            pass
    handed, found = ([row.test_accuracy for row in one.rows] for one in (record, run.record))
    if handed == found:
        return "the same in every epoch"
    return f"{found[-1]:.2f} % at the last epoch, not {handed[-1]:.2f}"
