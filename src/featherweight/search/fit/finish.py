"""The chosen candidate as a finished thing: an experiment file, runs, files for the chip, a page, a card."""

import json
import math
import re
import shutil
from collections.abc import Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, replace
from keyword import iskeyword
from pathlib import Path
from statistics import fmean
from typing import Any

from featherweight.data import Data
from featherweight.errors import FeatherweightError, UsageError
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import find
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.experiments.statistics import accuracy_interval
from featherweight.files import in_docstring, write_text
from featherweight.search.fit.conduct import FEWEST_EPOCHS, Search
from featherweight.search.fit.genes import layers_of, recipe_of
from featherweight.search.fit.halving import Trial
from featherweight.search.fit.price import kilobytes
from featherweight.search.source import code, function
from featherweight.ship.export import Exported, export
from featherweight.ship.export.onnx_model import require_onnx
from featherweight.training.runs.crews import On
from featherweight.training.runs.events import Event, Failed
from featherweight.training.runs.fanout import HERE, train_all
from featherweight.training.runs.parallel import Task, carry_through
from featherweight.training.runs.run import new_run
from featherweight.training.runs.trained import load_trained

RUNS, EXPORTS, RESULT = "runs", "export", "fit.json"
MOST_SEEDS = 5
SLOWER = 1.1
"""How much longer the last training may take than the trials said."""
STARTING = 6.0
"""Seconds that a process takes before its first step."""


def file_name(search: Search) -> str:
    """Of the experiment file: the data's name as Python would have a module's."""
    name = re.sub(r"\W+", "_", search.views.name, flags=re.ASCII).strip("_").lower()
    return f"{name if name.isidentifier() and not iskeyword(name) else 'pictures'}.py"


@dataclass(frozen=True, kw_only=True)
class Finished:
    """The runs of the chosen network, and what became of the first of them."""

    trial: Trial
    folders: tuple[Path, ...]
    records: tuple[Record, ...]
    exported: dict[str, Exported]
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


def plan(search: Search, trial: Trial, left: float, cores: int) -> tuple[int, int]:
    """Epochs of each run and how many seeds, so that all of them end within `left` seconds."""
    left -= STARTING
    each = SLOWER * search.epoch_seconds(trial.price, trial.shape, len(search.views.labels))
    wanted = max(FEWEST_EPOCHS, search.epochs(trial.price, trial.shape))
    epochs = max(1, min(round(wanted), int(left / each)))
    rounds = max(1, int(left / (epochs * each)))
    return epochs, min(MOST_SEEDS, rounds * cores)


def write_experiment(path: Path, search: Search, trial: Trial, epochs: int) -> Recipe:
    """Write the candidate as an experiment file; its recipe."""
    views, layers = search.views, layers_of(trial.genes)
    recipe = recipe_of(trial.genes, epochs, len(views.labels), trial.shape)
    target = search.aim.target
    budget = Budget(
        parameters=trial.price.parameters + 1, epochs=epochs, accuracy=0.0 if target is None else target, held=1
    )
    fields = {"recipe": recipe, "budget": budget}
    body = "".join(f"    {name}={code(value, 4, len(name) + 2)},\n" for name, value in fields.items())
    title = f"found by fit on {in_docstring(views.name)}"
    write_text(
        path,
        f'"""Found by `featherweight fit`: candidate {trial.number} of {len(search.population.trials)}.\n\n'
        f"Target: {in_docstring(aim_words(search))}.\n\n"
        f"Held-out pictures: {trial.accuracy():.2f} % of {trial.counts(trial.rung)[1]:,}; chosen for that, so expect\n"
        f'a little less. The test set was not read.\n"""\n\nfrom torch import nn\n\nimport featherweight as fw\n\n\n'
        f"{function(layers, trial.shape, search.classes)}\n\n"
        f'experiment = fw.Experiment(\n    title="{title}",\n    network=network,\n{body})\n',
    )
    return recipe


def aim_words(search: Search) -> str:
    """What was asked for, in words."""
    aim, limits = search.aim, search.aim.limits.words()
    if aim.target is None:
        return f"the highest accuracy with {limits}"
    return f"{aim.target:g} % with the least {aim.minimize}" + ("" if limits == "no limit" else f", {limits}")


def train_finalist(
    search: Search,
    trial: Trial,
    out: Path,
    *,
    data: Data | None,
    left: float,
    cores: int,
    directory: Path | None,
    on: On = HERE,
) -> Iterator[Event]:
    """Train the candidate on all training images with several seeds, yielding what happens; finished runs are kept.

    `data` is given where it cannot be loaded again. Raises the first failure once all have ended.
    """
    epochs, seeds = plan(search, trial, left, cores)
    runs, file = out / RUNS, out / file_name(search)
    if runs.exists():
        shutil.rmtree(runs)
    write_experiment(file, search, trial, epochs)
    view = search.views.sizes[trial.genes.side]
    if data is not None and on.here:
        experiment = find(str(file))
        for seed in range(seeds):
            run = new_run(experiment, data, seed=seed, out=runs, threads=cores)
            with closing(carry_through(Task(experiment=str(file), seed=seed), run)) as events:
                yield from events
        return
    tasks = [
        Task(
            experiment=str(file), seed=seed, out=runs, data=search.views.source, data_dir=directory, size=view.size,
            grey=trial.genes.grey, threads=1,
        )
        for seed in range(seeds)
    ]  # fmt: skip
    failed: Failed | None = None
    ready = None if data is None else (find(str(file)), data)
    for event in train_all(tasks, on, ready):
        failed = failed or (event if isinstance(event, Failed) else None)
        yield event
    if failed is not None:
        problem = FeatherweightError(f"{failed.label}: {failed.sentence}")
        problem.exit_status = failed.exit_status
        raise problem


def grey(data: Data) -> Data:
    """The data without their colours."""
    from featherweight.data.split import Split, mean_and_std
    from featherweight.search.fit.views import grey_of

    def without(part: Split) -> Split:
        return Split(images=grey_of(part.images), labels=part.labels)

    train = without(data.train)
    mean, std = mean_and_std(train.images)
    return replace(data, train=train, test=without(data.test), mean=mean, std=std)


def ship(trial: Trial, out: Path, *, directory: Path | None, data: Data | None = None) -> Finished:
    """Write the first run's network as C and, where the packages for it are installed, ONNX; and prove both."""
    folders = sorted((out / RUNS).iterdir(), key=lambda folder: int(folder.name.rpartition("seed")[2]))
    first = load_trained(folders[0])
    place = out / EXPORTS
    if place.exists():
        shutil.rmtree(place)
    exported = {"c": export(first, "c", place, data_dir=directory, data=data)}
    notes = []
    try:
        require_onnx()
        exported["onnx"] = export(first, "onnx", place, data_dir=directory, data=data)
    except UsageError as problem:
        notes.append(str(problem))
    records = tuple(load_trained(folder).record for folder in folders)
    return Finished(trial=trial, folders=tuple(folders), records=records, exported=exported, notes=tuple(notes))


def result(search: Search, finished: Finished, out: Path, seconds: float, command: str) -> dict[str, Any]:
    """Everything about the search and what it found, as plain values."""
    trial, found, tested = finished.trial, finished.integers, int(finished.integers["pictures"])
    target = search.aim.target
    accuracy = float(found["accuracy"])
    interval = accuracy_interval(round(accuracy * tested / 100), tested)
    costs = asdict(trial.price) | {"flash": int(found["flash_estimate"]), "ram": int(found["ram_estimate"])}
    correct, judged = trial.counts(trial.rung)
    limits = {name: value for name, value in asdict(search.aim.limits).items() if value is not None}
    values = {
        "command": command,
        "asked": {"accuracy": target, "minimize": search.aim.minimize, "limits": limits},
        "data": finished.records[0].data,
        "search": {
            "seconds": round(seconds, 1), "candidates": len(search.population.trials),
            "trainings": sum(len(told) for one in search.population.trials for told in one.told.values()),
            "held_out": search.views.judged, "parts": len(search.views.folds),
        },
        "chosen": {
            "candidate": trial.number, "genes": trial.genes.to_json(),
            "held_out_accuracy": 100 * correct / judged, "held_out_images": judged,
            "held_out_interval": list(accuracy_interval(correct, judged)),
        },
        "cost": costs,
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
        "met": (target is None or accuracy >= target) and not search.aim.limits.excess(
            replace(trial.price, flash=costs["flash"], ram=costs["ram"])
        ),
        "binding": binding(search, trial),
        "front": front(search),
    }  # fmt: skip
    return values | {"sentence": sentence(values)}


def binding(search: Search, trial: Trial) -> list[str]:
    """The limits that the candidate uses nine tenths of or more."""
    limits = {name: most for name, most in asdict(search.aim.limits).items() if most is not None}
    return [name for name, most in limits.items() if getattr(trial.price, name) >= 0.9 * most]


def front(search: Search) -> list[dict[str, Any]]:
    """The candidates that no other one beats in both cost and held-out accuracy, cheapest first; and their figures."""
    by = search.aim.minimize
    done = [one for one in search.population.trials if one.rung >= 0 and not one.failed]
    offsets = search.population.offsets()
    best = -math.inf
    found = []
    for one in sorted(done, key=lambda one: (getattr(one.price, by), one.error(one.rung) + offsets[one.rung])):
        expected = -(one.error(one.rung) + offsets[one.rung])
        if expected > best:
            best = expected
            found.append({"candidate": one.number, "accuracy": one.accuracy(), "rung": one.rung, **asdict(one.price)})
    return found


def sentence(values: dict[str, Any]) -> str:
    """The answer.

    >>> values = {"asked": {"accuracy": 95.0, "minimize": "flash", "limits": {}}, "met": True, "binding": [],
    ...           "cost": {"flash": 4100, "ram": 1900}, "c": {"accuracy": 95.8, "interval": [94.9, 96.5]}}
    >>> sentence(values)
    'smallest found that meets 95 %: 4.1 kB flash, 1.9 kB RAM, 95.8 % (94.9-96.5)'
    """
    cost, found, target = values["cost"], values["c"], values["asked"]["accuracy"]
    low, high = found["interval"]
    figures = (
        f"{kilobytes(cost['flash'])} flash, {kilobytes(cost['ram'])} RAM,"
        f" {found['accuracy']:.1f} % ({low:.1f}-{high:.1f})"
    )
    if target is None:
        return f"most accurate found within the limits: {figures}"
    if values["met"]:
        least = {"flash": "smallest"}.get(values["asked"]["minimize"], f"least {values['asked']['minimize']}")
        return f"{least} found that meets {target:g} %: {figures}"
    names = {"flash": "flash", "ram": "RAM", "macs": "MACs", "parameters": "parameters", "cycles": "cycles"}
    limit = ", ".join(names[name] for name in values["binding"])
    why = f"what binds is the limit of {limit}" if limit else "no limit binds: more minutes or more pictures may help"
    return f"nothing found meets {target:g} %; the nearest: {figures}; {why}"


def save_result(values: dict[str, Any], out: Path) -> None:
    """Write the figures as JSON."""
    write_text(out / RESULT, json.dumps(values, indent=1, allow_nan=False) + "\n")
