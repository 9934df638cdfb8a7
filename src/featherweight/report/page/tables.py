"""Records and answers as the tables of a page; their captions and columns are in `texts.toml`."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import astuple
from itertools import groupby
from statistics import fmean
from typing import Any

from featherweight.experiments.record import Record
from featherweight.experiments.settings import flatten
from featherweight.experiments.verdicts import summarise
from featherweight.networks.anatomy import Anatomy, LayerRow
from featherweight.report.analysis import Answers, calibration, class_rows, confusion, mistakes
from featherweight.report.page.blocks import Cell, Column, Table, table
from featherweight.report.page.load_runs import Group, LoadedRun, Story


def budget_table(record: Record) -> Table:
    """Each clause of a run's budget: the limit, the measured value, and whether it holds."""
    return table("budget", [(one.name, one.allowed, one.measured, one.holds) for one in record.clauses])


def runs_table(runs: Sequence[LoadedRun]) -> Table:
    """The table of a report's runs, one line each: its costs and its accuracies."""
    rows = []
    for run in runs:
        record = run.record
        verdict = record.verdict if record.rows else None
        wrong = len(mistakes(run.answers)) if run.answers is not None else None
        figures = (verdict.last, verdict.worst_of_last, verdict.best) if verdict else (None, None, None)
        passed = verdict.passed if verdict and record.finished else None
        rows.append((run.name, record.parameters, len(record.rows), *figures, wrong, record.train_seconds, passed))
    return table("runs", rows)


def spread_table(groups: Sequence[Group]) -> Table | None:
    """One line per experiment: accuracy of its finished runs and its costs; None if no run has finished."""
    rows: list[tuple[Cell, ...]] = []
    for group in groups:
        done = [record for record in group.records if record.finished and record.rows]
        if done:
            s = summarise(done)
            chip = group.chip[0] if isinstance(group.chip, tuple) else None
            macs = group.anatomy.macs if group.anatomy else None
            rows.append((
                group.name, s.runs, s.passed, s.mean, s.standard_deviation if s.runs > 1 else None, s.worst,
                s.worst_of_last, group.records[0].parameters, macs, chip.flash if chip else None,
                chip.ram if chip else None, fmean(record.train_seconds for record in done),
            ))  # fmt: skip
    return table("spread", rows) if rows else None


def epochs_table(runs: Sequence[LoadedRun]) -> Table:
    """Every epoch of every run, from the records."""
    return table("epochs", [(run.name, *astuple(row)) for run in runs for row in run.record.rows])


def differences_table(story: Story) -> Table:
    """What differs between runs, the recipe first: one line per setting or result, one column per run."""
    flat = []
    for run in story.runs:
        record = run.record
        last = record.rows[-1] if record.rows else None
        verdict = record.verdict if record.rows else None
        clean = record.clean_train_accuracy
        results: dict[str, Cell] = {
            "last epoch, %": round(verdict.last, 4) if verdict else None,
            "worst judged epoch, %": round(verdict.worst_of_last, 4) if verdict else None,
            "test loss": round(last.test_loss, 5) if last else None,
            "training images as they are, %": None if clean is None else round(clean, 3),
            "epochs done": len(record.rows),
            "passed": verdict.passed if verdict and record.finished else None,
        }
        settings = {name: getattr(record, name) for name in ("experiment", "seed", "parameters", "engine")}
        parts = {name: getattr(record, name) for name in ("budget", "recipe", "data", "environment")}
        named = {name: _setting_text(value) for name, value in flatten(settings | parts).items()}
        recipe = {name: value for name, value in named.items() if name.startswith("recipe.")}
        flat.append(recipe | {name: named[name] for name in settings} | results | named)
    names = list(dict.fromkeys(name for one in flat for name in one))
    unlike = [name for name in names if len({json.dumps(one.get(name)) for one in flat}) > 1]
    columns = [Column(name=f"run_{place}", heading=run.name, form="g") for place, run in enumerate(story.runs, start=1)]
    return table("differences", [(name, *(one.get(name) for one in flat)) for name in unlike], more=columns)


def _setting_text(value: Any) -> Cell:
    """A single setting unchanged; several as text."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | tuple) else value


def environment_table(runs: Sequence[LoadedRun]) -> Table:
    """Where each run was trained: engine, versions, processor, commit."""
    names = list(dict.fromkeys(name for run in runs for name in run.record.environment))
    rows = []
    for run in runs:
        values = (run.record.environment.get(name) for name in names)
        rows.append((run.name, run.record.engine, *(None if value is None else str(value) for value in values)))
    return table("environment", rows, more=[Column(name=name, heading=name.replace("_", " ")) for name in names])


def digests_table(record: Record) -> Table | None:
    """The data's digests, by which a copy is known to be the same; None if the record has none."""
    found = record.data.get("digests") or {}
    return table("digests", [(str(name), str(value)) for name, value in found.items()]) if found else None


def blocks_table(anatomy: Anatomy, key: str) -> Table:
    """The layers in blocks, each with its share of the parameters and of the multiply-adds."""
    found = []
    for rows in blocks(anatomy.rows):
        first, last = (rows[at].name.split(".")[0] for at in (0, -1))  # by which a block is found in the source
        kinds = Counter(row.kind for row in rows)
        made_of = ", ".join(f"{count} × {kind}" if count > 1 else kind for kind, count in kinds.items())
        name = first if first == last else f"{first} – {last}"
        found.append((name, made_of, _sides(rows[-1].output), sum(row.parameters for row in rows),
                      sum(row.macs for row in rows), str(_extent_of(rows[-1].field))))  # fmt: skip
    parameters, macs = anatomy.parameters, anatomy.macs
    wholes = {"parameters": parameters or None, "macs": macs or None}
    return table("blocks", found, key, wholes=wholes, parameters=parameters, macs=macs)


def blocks(rows: Sequence[LayerRow]) -> list[tuple[LayerRow, ...]]:
    """Layers in blocks: a layer that multiplies with what follows it, or all layers of one part of the network.

    >>> from torch import nn
    >>> from featherweight.networks.anatomy import dissect
    >>> layers = nn.Conv2d(1, 2, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2)
    >>> [[row.kind for row in block] for block in blocks(dissect(nn.Sequential(*layers), (1, 9, 9)).rows)]
    [['Conv2d 3x3', 'ReLU'], ['AdaptiveAvgPool2d', 'Flatten', 'Linear']]
    """
    found: list[list[LayerRow]] = []
    for _, part in groupby(rows, key=lambda row: row.name.split(".")[0]):
        layers = list(part)
        multiplies = any(row.macs for row in layers)
        full = bool(found) and any(row.macs for row in found[-1])
        if not found or (full and (multiplies or layers[0].kind.startswith("Adaptive"))):
            found.append([])
        found[-1] += layers
    return [tuple(block) for block in found]


def _sides(sides: Sequence[int]) -> str:
    return " x ".join(map(str, sides))


def _extent_of(extent: int | tuple[int, int]) -> Cell:
    return extent if isinstance(extent, int) else _sides(extent)


def layers_table(anatomy: Anatomy, key: str) -> Table:
    """Layer by layer: output, parameters, multiply-adds, receptive field and jump."""
    rows = [
        (
            row.name,
            row.kind,
            _sides(row.output),
            row.parameters,
            row.macs,
            _extent_of(row.field),
            _extent_of(row.jump),
        )
        for row in anatomy.rows
    ]
    return table("layers", rows, key, count=len(rows))


def classes_table(answers: Answers, key: str) -> Table:
    """Accuracy, precision and recall of each class."""
    return table("classes", map(astuple, class_rows(answers)), key)


def confusion_table(answers: Answers, key: str) -> Table:
    """The confusion matrix: one line per label, one column per predicted class."""
    counts = confusion(answers)
    columns = [Column(name=f"taken_for_{name}", heading=name, form=",d") for name in answers.classes]
    rows: list[tuple[Cell, ...]] = [(name, *map(int, counts[at])) for at, name in enumerate(answers.classes)]
    return table("confusion", rows, key, more=columns)


def calibration_table(answers: Answers, key: str) -> Table:
    """The bins of the calibration curve."""
    rows = [
        (one.low, one.high, one.images, one.confidence if one.images else None, one.accuracy if one.images else None)
        for one in calibration(answers).bins
    ]
    return table("calibration", rows, key)


def mistakes_table(runs: Sequence[LoadedRun], key: str) -> Table:
    """Every misclassified image of every run, the most confident mistake first."""
    rows: list[tuple[Cell, ...]] = []
    for run in runs:
        assert run.answers is not None
        names = run.answers.classes
        rows += [
            (run.name, one.index, names[one.truth], names[one.chosen], one.confidence, one.truth_probability)
            for one in mistakes(run.answers)
        ]
    return table("mistakes", rows, key)
