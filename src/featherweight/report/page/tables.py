"""Records and answers as tables."""

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from statistics import fmean
from typing import Any

from featherweight.experiments.record import Record, summarise
from featherweight.experiments.record import Row as Epoch
from featherweight.experiments.settings import flatten
from featherweight.networks.anatomy import Anatomy, LayerRow
from featherweight.report.analysis import Answers, calibration, class_rows, confusion, mistakes
from featherweight.report.page.blocks import Cell, Column, Table
from featherweight.report.page.load_runs import Group, LoadedRun, Story


def budget_table(record: Record) -> Table:
    """Each clause of a run's budget: the limit, the measured value, and whether it holds."""
    rows: list[tuple[Cell, ...]] = [
        (clause.name, clause.allowed, clause.measured, clause.holds) for clause in record.clauses
    ]
    columns = (
        Column(name="clause", heading="budget"),
        Column(name="allowed", heading="allowed"),
        Column(name="measured", heading="measured"),
        Column(name="holds", heading="holds"),
    )
    return Table(name="budget", caption="The budget, clause by clause", columns=columns, rows=tuple(rows))


def runs_table(runs: Sequence[LoadedRun]) -> Table:
    """One line per run: its costs and its accuracies."""
    rows = []
    for run in runs:
        record = run.record
        verdict = record.verdict if record.rows else None
        wrong = len(mistakes(run.answers)) if run.answers is not None else None
        figures = (verdict.last, verdict.worst_of_last, verdict.best) if verdict else (None, None, None)
        passed = verdict.passed if verdict and record.finished else None
        rows.append((run.name, record.parameters, len(record.rows), *figures, wrong, record.train_seconds, passed))
    columns = (
        Column(name="run", heading="run"),
        Column(name="parameters", heading="parameters", form=",d"),
        Column(name="epochs", heading="epochs", form="d"),
        Column(name="last_percent", heading="last epoch, %", form=".2f"),
        Column(name="worst_judged_percent", heading="worst judged epoch, %", form=".2f"),
        Column(name="best_percent", heading="best, %", form=".2f"),
        Column(name="mistakes", heading="mistakes", form=",d"),
        Column(name="train_seconds", heading="training, s", form=",.0f"),
        Column(name="passed", heading="passed"),
    )
    caption = "The runs; the last epoch is the result"
    return Table(name="runs", caption=caption, columns=columns, rows=tuple(rows), stacked=True)


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
    columns = (
        Column(name="experiment", heading="experiment"),
        Column(name="runs", heading="runs", form="d"),
        Column(name="passed", heading="passed", form="d"),
        Column(name="mean_percent", heading="mean, %", form=".3f"),
        Column(name="standard_deviation_points", heading="standard deviation", form=".3f"),
        Column(name="worst_percent", heading="worst, %", form=".2f"),
        Column(name="worst_judged_percent", heading="worst judged epoch, %", form=".2f"),
        Column(name="parameters", heading="parameters", form=",d"),
        Column(name="macs", heading="multiply-adds", form=",d"),
        Column(name="flash_bytes", heading="flash, bytes", form=",d"),
        Column(name="ram_bytes", heading="RAM, bytes", form=",d"),
        Column(name="train_seconds", heading="training, s", form=",.0f"),
    )
    caption = "The finished runs of each experiment: accuracy at the last epoch, and costs"
    return Table(name="spread", caption=caption, columns=columns, rows=tuple(rows), stacked=True) if rows else None


def epochs_table(runs: Sequence[LoadedRun]) -> Table:
    """Every epoch of every run, from the records."""
    names = tuple(asdict(runs[0].record.rows[0])) if runs[0].record.rows else tuple(Epoch.__dataclass_fields__)
    forms = {"epoch": "d", "lr": ".4g", "train_loss": ".4f", "test_loss": ".4f", "seconds": ".1f"}
    columns = [Column(name="run", heading="run")]
    for name in names:
        heading = {"lr": "rate"}.get(name, name.replace("_", " ")) + ", %" * name.endswith("accuracy")
        columns.append(Column(name=name, heading=heading, form=forms.get(name, ".2f")))
    rows = tuple((run.name, *(getattr(row, name) for name in names)) for run in runs for row in run.record.rows)
    return Table(name="epochs", caption="Every epoch", columns=tuple(columns), rows=rows, folded=True)


def differences_table(story: Story) -> Table:
    """What differs between runs, the recipe first: one line per setting or result, one column per run."""
    flat = []
    for run in story.runs:
        record = run.record
        last = record.rows[-1] if record.rows else None
        verdict = record.verdict if record.rows else None
        results: dict[str, Cell] = {
            "last epoch, %": round(verdict.last, 4) if verdict else None,
            "worst judged epoch, %": round(verdict.worst_of_last, 4) if verdict else None,
            "test loss": round(last.test_loss, 5) if last else None,
            "training images as they are, %": (
                round(record.clean_train_accuracy, 3) if record.clean_train_accuracy is not None else None
            ),
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
    columns = (Column(name="setting", heading="what"), *(
        Column(name=f"run_{place}", heading=run.name, form="g") for place, run in enumerate(story.runs, start=1)
    ))  # fmt: skip
    rows = tuple((name, *(one.get(name) for one in flat)) for name in unlike)
    caption = "Where the runs differ: recipe, results, then everything else. What is not listed is the same in all"
    return Table(name="differences", caption=caption, columns=columns, rows=rows)


def _setting_text(value: Any) -> Cell:
    """A single setting unchanged; several as text."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, list | tuple) else value


def blocks_table(anatomy: Anatomy, key: str) -> Table:
    """The layers in blocks, each with its share of the parameters and of the multiply-adds."""
    columns = (
        Column(name="block", heading="layers"),
        Column(name="kinds", heading="made of"),
        Column(name="output", heading="output"),
        Column(name="parameters", heading="parameters", form=",d", of=anatomy.parameters or None),
        Column(name="macs", heading="multiply-adds", form=",d", of=anatomy.macs or None),
        Column(name="field_px", heading="field, px"),
    )
    found = []
    for rows in blocks(anatomy.rows):
        first, last = (_short(rows[at].name) for at in (0, -1))
        kinds = Counter(row.kind for row in rows)
        made_of = ", ".join(f"{count} × {kind}" if count > 1 else kind for kind, count in kinds.items())
        name = first if first == last else f"{first} – {last}"
        found.append((name, made_of, " x ".join(map(str, rows[-1].output)), sum(row.parameters for row in rows),
                      sum(row.macs for row in rows), str(_extent_text(rows[-1].field))))  # fmt: skip
    caption = f"{anatomy.parameters:,} parameters, {anatomy.macs:,} multiply-adds an image, in blocks"
    return Table(name=f"blocks-{key}", caption=caption, columns=columns, rows=tuple(found), stacked=True)


def _short(name: str) -> str:
    """The first parts of a layer's path, by which its block is found in the source."""
    return name.split(".")[0]


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


def _extent_text(extent: int | tuple[int, int]) -> Cell:
    return extent if isinstance(extent, int) else " x ".join(map(str, extent))


def layers_table(anatomy: Anatomy, key: str) -> Table:
    """Layer by layer: output, parameters, multiply-adds, receptive field and jump."""
    columns = (
        Column(name="layer", heading="layer"),
        Column(name="kind", heading="kind"),
        Column(name="output", heading="output"),
        Column(name="parameters", heading="parameters", form=",d"),
        Column(name="macs", heading="multiply-adds", form=",d"),
        Column(name="field_px", heading="field, px", form="d"),
        Column(name="jump_px", heading="jump, px", form="d"),
    )

    rows = tuple(
        (row.name, row.kind, " x ".join(map(str, row.output)), row.parameters, row.macs, _extent_text(row.field),
         _extent_text(row.jump)) for row in anatomy.rows
    )  # fmt: skip
    caption = f"Layer by layer: all {len(rows)}"
    return Table(name=f"layers-{key}", caption=caption, columns=columns, rows=rows, folded=True)


def classes_table(answers: Answers, key: str) -> Table:
    """Accuracy, precision and recall of each class."""
    columns = (
        Column(name="class", heading="class"),
        Column(name="images", heading="images", form=",d"),
        Column(name="taken_for_it", heading="predicted", form=",d"),
        Column(name="right", heading="right", form=",d"),
        Column(name="accuracy_percent", heading="accuracy", form=".2f"),
        Column(name="precision_percent", heading="precision", form=".2f"),
        Column(name="recall_percent", heading="recall", form=".2f"),
    )
    rows: tuple[tuple[Cell, ...], ...] = tuple(tuple(asdict(row).values()) for row in class_rows(answers))
    return Table(name=f"classes-{key}", caption="Each class: images, and percentages", columns=columns, rows=rows)


def confusion_table(answers: Answers, key: str) -> Table:
    """The confusion matrix: one line per label, one column per predicted class."""
    columns = (Column(name="label", heading="label"), *(
        Column(name=f"taken_for_{name}", heading=name, form=",d") for name in answers.classes
    ))  # fmt: skip
    counts = confusion(answers)
    rows: tuple[tuple[Cell, ...], ...] = tuple((name, *map(int, counts[at])) for at, name in enumerate(answers.classes))
    caption = "Confusion matrix in figures: a row for each label, a column for each predicted class"
    return Table(name=f"confusion-{key}", caption=caption, columns=columns, rows=rows, folded=True)


def calibration_table(answers: Answers, key: str) -> Table:
    """The bins of the calibration curve."""
    columns = (
        Column(name="confidence_above", heading="confidence above", form=".3f"),
        Column(name="confidence_up_to", heading="up to", form=".3f"),
        Column(name="images", heading="images", form=",d"),
        Column(name="mean_confidence", heading="mean confidence", form=".4f"),
        Column(name="accuracy", heading="accuracy", form=".4f"),
    )
    rows = tuple(
        (one.low, one.high, one.images, one.confidence if one.images else None, one.accuracy if one.images else None)
        for one in calibration(answers).bins
    )
    caption = "Confidence and accuracy by bin, each 0 to 1"
    return Table(name=f"calibration-{key}", caption=caption, columns=columns, rows=rows, folded=True)


def mistakes_table(runs: Sequence[LoadedRun], key: str) -> Table:
    """Every misclassified image of every run, the most confident mistake first."""
    columns = (
        Column(name="run", heading="run"),
        Column(name="index", heading="image", form="d"),
        Column(name="label", heading="label"),
        Column(name="taken_for", heading="predicted"),
        Column(name="confidence", heading="confidence", form=".4f"),
        Column(name="left_for_the_label", heading="probability of the label", form=".4f"),
    )
    rows: list[tuple[Cell, ...]] = []
    for run in runs:
        assert run.answers is not None
        names = run.answers.classes
        rows += [
            (run.name, one.index, names[one.truth], names[one.chosen], one.confidence, one.truth_probability)
            for one in mistakes(run.answers)
        ]
    caption = "Every misclassified image, as a table; images are counted from 0"
    return Table(name=f"mistakes-{key}", caption=caption, columns=columns, rows=tuple(rows), folded=True, most=200)
