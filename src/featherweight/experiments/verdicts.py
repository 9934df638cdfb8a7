"""Verdicts in words, and as the JSON document that scripts read. Needs no torch."""

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from featherweight.experiments.budget import Budget
from featherweight.experiments.record import Record, summarise


def verdict_sentence(record: Record) -> str:
    """A sentence with the verdict, the data, the deciding figure and the accuracy at the last epoch."""
    verdict, data = record.verdict, record.data
    word = "PASSED" if verdict.passed else "FAILED"
    on = f"{data['holdout']:,} held-out images" if data["holdout"] else f"{data['test']:,} test images"
    return f"{word} on {data['name']} ({on}): {verdict.reason}. Last epoch {verdict.last:.2f} %."


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
        },
        "run": str(folder),
    }
