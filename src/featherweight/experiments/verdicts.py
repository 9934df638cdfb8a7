"""Statistics over the runs of several seeds; verdicts in words, and as the JSON that scripts read. Needs no torch."""

import statistics
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from featherweight.errors import UsageError
from featherweight.experiments.augmentation import preprocessing_words
from featherweight.experiments.budget import Budget
from featherweight.experiments.record import Record


@dataclass(frozen=True, kw_only=True)
class Summary:
    """Accuracies at the last epoch over several runs of one experiment, in percent."""

    mean: float
    standard_deviation: float
    """Over the runs, with n - 1 in the denominator; 0 for a single run."""
    worst: float
    """The lowest accuracy at the last epoch of any run."""
    worst_of_last: float
    """The lowest accuracy of any run in the epochs that its verdict judges."""
    passed: int
    runs: int
    per_seed: dict[int, float] = field(default_factory=dict)
    """Accuracy at the last epoch by seed."""


def summarise(records: Sequence[Record]) -> Summary:
    """Statistics over the last epochs of finished runs, one record per seed; UsageError if there are none."""
    if not records:
        raise UsageError("There is no finished run to summarise; train one first.")
    verdicts = [record.verdict for record in records]
    last = [verdict.last for verdict in verdicts]
    return Summary(
        mean=statistics.fmean(last),
        standard_deviation=statistics.stdev(last) if len(last) > 1 else 0.0,
        worst=min(last),
        worst_of_last=min(verdict.worst_of_last for verdict in verdicts),
        passed=sum(verdict.passed for verdict in verdicts),
        runs=len(records),
        per_seed={record.seed: verdict.last for record, verdict in zip(records, verdicts, strict=True)},
    )


def verdict_sentence(record: Record) -> str:
    """A sentence with the verdict, the data, the deciding figure, and the last epoch with its interval."""
    verdict, data = record.verdict, record.data
    word = "UNDECIDED" if not verdict.decided else "PASSED" if verdict.passed else "FAILED"
    on = f"{data['holdout']:,} held-out images" if data["holdout"] else f"{data['test']:,} test images"
    on = ", ".join([on, *preprocessing_words(record.architecture)])
    last = f"Last epoch {verdict.last:.2f} %"
    if verdict.interval is not None:
        last += " (95 % interval {:.2f} to {:.2f})".format(*verdict.interval)
    return f"{word} on {data['name']} ({on}): {verdict.reason}{_doubt(record)}. {last}."


def _doubt(record: Record) -> str:
    """The clause of a verdict that so few images cannot decide; else empty."""
    verdict, target = record.verdict, Budget(**record.budget).accuracy
    if verdict.decided:
        return ""
    needed, worst = verdict.images_needed, verdict.worst_of_last
    takes = f"at {worst:.2f} % it would take {needed:,}" if needed else "no number of them would at just that figure"
    return f"; but {record.data['test']:,} images cannot show {target:.2f} %: {takes}"


def seeds_sentence(records: Sequence[Record], started: int) -> str:
    """A sentence with the mean, standard deviation and worst of the last epochs, and how many started runs passed."""
    summary = summarise(records)
    held = Budget(**records[0].budget).held
    lost = f", {started - len(records)} did not finish and are not in the figures" if started > len(records) else ""
    return (
        f"{summary.passed} of {started} seeds passed{lost}. Last epoch: mean {summary.mean:.3f} %,"
        f" standard deviation {summary.standard_deviation:.3f}, worst {summary.worst:.2f} %;"
        f" worst of any last {held} epochs {summary.worst_of_last:.2f} %."
    )


def run_json(record: Record, folder: Path) -> dict[str, Any]:
    """The JSON document of one run; its keys are fixed, since users' scripts read them."""
    verdict = record.verdict
    return {
        "experiment": record.experiment,
        "parameters": record.parameters,
        "seed": record.seed,
        "engine": record.engine,
        "epochs": [asdict(row) for row in record.rows],
        "verdict": {
            "passed": verdict.passed,
            "last": verdict.last,
            "worst_of_last": verdict.worst_of_last,
            "best": verdict.best,
            "interval": verdict.interval and list(verdict.interval),
            "decided": verdict.decided,
            "images_needed": verdict.images_needed,
        },
        "run": str(folder),
        **({"preprocessing": words} if (words := preprocessing_words(record.architecture)) else {}),
    }
