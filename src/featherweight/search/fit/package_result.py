"""The chosen candidate as a finished thing: an experiment file, runs, files for the chip, a page, a card."""

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

import torch

from featherweight.data.dataset import Data
from featherweight.data.split import Split
from featherweight.errors import UsageError
from featherweight.experiments.record import Record
from featherweight.experiments.statistics import accuracy_interval
from featherweight.export import Exported, export
from featherweight.export.onnx_model import require_onnx
from featherweight.export.source import pictures_at_hand
from featherweight.io import write_text
from featherweight.json_files import digest_of, read_regular
from featherweight.networks.foreign import FILE_BYTES
from featherweight.report.analysis import Answers, ClassRow, answers_of, class_rows
from featherweight.search.fit.cost import milliseconds_on_chips
from featherweight.search.fit.final_training import RUNS
from featherweight.search.fit.promise import promise
from featherweight.search.fit.result_words import in_file, in_words
from featherweight.search.fit.state import FitState, epochs_for
from featherweight.search.fit.trial import Trial
from featherweight.training.runs.folders import RESULT as RESULT
from featherweight.training.runs.folders import by_seed
from featherweight.training.runs.trained import load_trained

EXPORTS = "export"


@dataclass(frozen=True, kw_only=True)
class Packaged:
    """The runs of the chosen network, and what became of the first of them."""

    trial: Trial
    folders: tuple[Path, ...]
    records: tuple[Record, ...]
    exported: dict[str, Exported]
    usual: float
    """Percent of the test images that are of their commonest class."""
    recalls: tuple[ClassRow, ...] = ()
    """What the first run gets right of each class of the test images."""
    answers: Answers | None = None
    test: Split | None = None
    """The test images, and what the first run answers."""
    suspects: int = 0
    """Training pictures on the page of labels to look at."""
    notes: tuple[str, ...] = ()
    """What could not be written, a sentence each."""

    @property
    def accuracies(self) -> list[float]:
        """Test accuracy at the last epoch of each run, in percent."""
        return [record.rows[-1].test_accuracy for record in self.records]

    @property
    def integers(self) -> dict[str, Any]:
        """What the proof of the C program found of the first run."""
        found: dict[str, Any] = self.exported["c"].about["proof"]
        return found


def package(trial: Trial, out: Path, *, directory: Path | None, data: Data | None = None) -> Packaged:
    """Write the first run's network as C and, where the packages for it are installed, ONNX; and prove both."""
    folders = by_seed(out / RUNS)
    first = load_trained(folders[0])
    place = out / EXPORTS
    data = data or pictures_at_hand(first.record, directory)
    exported = {"c": export(first, "c", place, data_dir=directory, data=data)}
    notes = []
    try:
        require_onnx()
        exported["onnx"] = export(first, "onnx", place, data_dir=directory, data=data)
    except UsageError as problem:
        notes.append(str(problem))
    records = tuple(load_trained(folder).record for folder in folders)
    usual = 100 * int(torch.bincount(data.test.labels).max()) / len(data.test)
    answers = answers_of(first, data)
    return Packaged(
        trial=trial, folders=tuple(folders), records=records, exported=exported, usual=usual, notes=tuple(notes),
        recalls=class_rows(answers), answers=answers, test=data.test,
    )  # fmt: skip


def result(search: FitState, finished: Packaged, out: Path, seconds: float, command: str) -> dict[str, Any]:
    """Everything about the search and what it found, as plain values."""
    trial, found, tested = finished.trial, finished.integers, int(finished.integers["pictures"])
    target = search.aim.target
    accuracy = float(found["accuracy"])
    hoped = promise(search, trial, finished.accuracies)
    balanced = fmean(row.recall for row in finished.recalls if row.recall is not None)
    judged_by = balanced + min(0.0, accuracy - float(found["network_accuracy"])) if search.aim.balanced else accuracy
    interval = accuracy_interval(round(accuracy * tested / 100), tested)
    costs = asdict(trial.price) | {"flash": int(found["flash_estimate"]), "ram": int(found["ram_estimate"])}
    correct, judged = trial.counts(trial.rung)
    limits = {name: value for name, value in asdict(search.aim.limits).items() if value is not None}
    data = finished.records[0].data
    values = {
        "command": command,
        "asked": {"accuracy": target, "minimize": search.aim.minimize, "limits": limits,
                  "trials": search.complete, "balanced": search.aim.balanced,
                  "teacher": teacher_digest(search.teacher)},
        "data": data,
        "search": {
            "seconds": round(seconds, 1), "candidates": len(search.population.trials),
            "trainings": sum(len(updates) for one in search.population.trials for updates in one.updates.values()),
            "held_out": search.views.judged, "parts": len(search.views.folds),
        },
        "chosen": {
            "candidate": trial.number, "genes": trial.genes.to_json(),
            "held_out_accuracy": 100 * correct / judged, "held_out_images": judged,
            "held_out_interval": [hoped.low, hoped.high],
        },
        "promise": hoped.to_json(),
        "over_seeds": over_seeds(finished.accuracies, tested),
        "recalls": [{"name": row.name, "images": row.images, "recall": row.recall} for row in finished.recalls],
        "checks": _checks(search, finished.suspects),
        "cost": costs,
        "milliseconds": milliseconds_on_chips(trial.genes, tuple(data["shape"]), len(data["classes"])),
        "runs": [
            {"folder": str(folder.relative_to(out)), "seed": record.seed, "test_accuracy": accuracy_of}
            for folder, record, accuracy_of in zip(
                finished.folders, finished.records, finished.accuracies, strict=True
            )
        ],
        "mean": fmean(finished.accuracies),
        "worst": min(finished.accuracies),
        "c": {
            "accuracy": accuracy, "interval": list(interval), "images": tested,
            "float_accuracy": float(found["network_accuracy"]), "proved": bool(found.get("same_bytes", False)),
        },
        "met": (target is None or judged_by >= target) and not search.aim.limits.excess(
            replace(trial.price, flash=costs["flash"], ram=costs["ram"])
        ),
        "binding": active_limits(search, trial),
        "front": front_entries(search),
        "baseline": {
            "commonest_class": finished.usual, "epochs": int(finished.records[0].recipe["epochs"]),
            "usual_epochs": epochs_for(len(search.views.labels)),
        },
    }  # fmt: skip
    return in_words(values)


def teacher_digest(teacher: Path | None) -> str | None:
    """SHA-256 of the file of a teacher; None without one."""
    return None if teacher is None else hashlib.sha256(read_regular(teacher, FILE_BYTES)).hexdigest()


def _checks(search: FitState, suspects: int) -> dict[str, Any]:
    """What was found when the pictures were looked at, before the search and after it."""
    views = search.views
    return {
        **{name: getattr(views.checks, name) for name in ("in_both", "two_labels", "twins")},
        "lines": views.checks.lines(search.aim.balanced), "suspects": suspects,
        "groups": views.groups.by if views.groups is not None else None,
    }  # fmt: skip


def over_seeds(accuracies: list[float], images: int) -> dict[str, Any]:
    """The mean over the seeds, and the 95 % interval of a seed's accuracy over seeds as well as pictures.

    >>> found = over_seeds([98.0, 97.0], 400)
    >>> found["mean"], [round(end, 1) for end in found["interval"]], found["seeds"]
    (97.5, [95.0, 99.3], 2)
    """
    mean = fmean(accuracies)
    low, high = accuracy_interval(round(mean * images / 100), images)
    spread = 1.96 * stdev(accuracies) if len(accuracies) > 1 else 0.0
    interval = [max(0.0, mean - math.hypot(mean - low, spread)), min(100.0, mean + math.hypot(high - mean, spread))]
    return {"mean": mean, "interval": interval, "seeds": len(accuracies)}


def active_limits(search: FitState, trial: Trial) -> list[str]:
    """The limits that the candidate uses nine tenths of or more."""
    limits = {name: most for name, most in asdict(search.aim.limits).items() if most is not None}
    return [name for name, most in limits.items() if getattr(trial.price, name) >= 0.9 * most]


def front_entries(search: FitState) -> list[dict[str, Any]]:
    """The candidates that no other one beats in both cost and held-out accuracy, cheapest first; and their figures."""
    by = search.aim.minimize
    done = [one for one in search.population.trials if one.rung >= 0 and not one.failed]
    offsets = search.population.offsets()
    best = -math.inf
    found = []
    for one in sorted(done, key=lambda one: (getattr(one.price, by), search.population.expected(one, None, offsets))):
        expected = -search.population.expected(one, None, offsets)
        if expected > best:
            best = expected
            found.append({"candidate": one.number, "accuracy": one.accuracy(), "rung": one.rung, **asdict(one.price)})
    return found


def save_result(values: dict[str, Any], out: Path) -> None:
    """Write the figures as JSON, with a digest of them."""
    kept = json.loads(json.dumps(in_file(values), allow_nan=False))
    write_text(out / RESULT, json.dumps(kept | {"digest": digest_of(kept)}, indent=1) + "\n")
