"""Records drawn: each function gives a matplotlib figure, to be shown in a notebook or saved."""

import hashlib
import json
from collections.abc import Sequence
from io import BytesIO
from typing import TYPE_CHECKING

from featherweight.experiments.budget import Budget
from featherweight.experiments.record import Record

if TYPE_CHECKING:
    from matplotlib.figure import Figure

TARGET, TEST, TRAIN = "#9a3b00", "#00558c", "#7a7a7a"
"""Told apart in every common kind of colour blindness, and in grey."""


def accuracy_curves(records: Sequence[Record]) -> "Figure":
    """Test and training accuracy by epoch, a line a seed, with the target and the epochs that are judged.

    The axis starts at 97 %: what happens below is over after two epochs.
    """
    from matplotlib.figure import Figure

    budget = Budget(**records[0].budget)
    epochs = [row.epoch for row in records[0].rows]
    figure = Figure(figsize=(8, 4.2), layout="constrained")
    axes = figure.subplots()
    axes.axvspan(epochs[-1] - budget.held + 0.5, epochs[-1] + 0.5, color="#e8eef3", zorder=0)
    axes.axhline(budget.accuracy, color=TARGET, linestyle="--", linewidth=1.2)
    for record in records:
        test, train = [[getattr(row, name) for row in record.rows] for name in ("test_accuracy", "train_accuracy")]
        axes.plot(epochs, train, color=TRAIN, linewidth=1, linestyle=":")
        axes.plot(epochs, test, color=TEST, linewidth=1.2, marker="o", markersize=3)
    axes.set(xlabel="epoch", ylabel="accuracy, %", ylim=(97, 100), xlim=(0.5, epochs[-1] + 0.5), xticks=epochs)
    first, last = records[0].rows[len(epochs) // 2], records[0].rows[-1]
    axes.text(0.7, budget.accuracy + 0.04, f"target {budget.accuracy:.2f} %", color=TARGET)
    # Of a run that stays below the axis, the labels stand at its foot: outside, they would squeeze the picture flat.
    axes.text(last.epoch, max(97.4, last.test_accuracy - 0.12), "test set", color=TEST, ha="right", va="top")
    axes.text(first.epoch, max(97.3, first.train_accuracy - 0.12), "training, as trained", color=TRAIN, va="top")
    axes.text(last.epoch + 0.4, 97.04, f"judged: last {budget.held} epochs", color="#44586b", ha="right")
    axes.grid(axis="y", color="#dddddd", linewidth=0.6)
    for side in ("top", "right"):
        axes.spines[side].set_visible(False)
    return figure


def ladder_curves(records: Sequence[Record]) -> "Figure":
    """A panel for each experiment that the records are of, in their order: test accuracy by epoch, a line a seed.

    Training accuracy is dotted. All panels share their axes, so that rungs can be compared; the axis starts at 97 %.
    """
    from matplotlib.figure import Figure

    names = list(dict.fromkeys(record.experiment for record in records))
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = Figure(figsize=(max(5.0, 2.75 * columns), 1.1 + 2.1 * rows), layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat
    for axes, name in zip(panels, names, strict=False):
        runs = [record for record in records if record.experiment == name]
        axes.axhline(Budget(**runs[0].budget).accuracy, color=TARGET, linestyle="--", linewidth=1)
        for record in runs:
            epochs = [row.epoch for row in record.rows]
            axes.plot(epochs, [row.train_accuracy for row in record.rows], color=TRAIN, linewidth=1, linestyle=":")
            axes.plot(epochs, [row.test_accuracy for row in record.rows], color=TEST, linewidth=1)
        axes.set(title=name, ylim=(97, 100))
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.grid(axis="y", color="#dddddd", linewidth=0.6)
        for side in ("top", "right"):
            axes.spines[side].set_visible(False)
    for axes in list(figure.axes)[len(names) :]:
        axes.remove()
    figure.supxlabel("epoch")
    figure.supylabel("accuracy, %")
    figure.suptitle("test solid, training dotted, target dashed", fontsize=10, color="#444444")
    return figure


def digest(records: Sequence[Record]) -> str:
    """Of the figures a picture is drawn from; written into it, so that a stale picture can be told."""
    rows = [[(row.epoch, row.test_accuracy, row.train_accuracy) for row in record.rows] for record in records]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def svg(figure: "Figure", about: str) -> str:
    """The figure as SVG text, the same for the same input; `about` is kept in its metadata."""
    import matplotlib

    content = BytesIO()
    with matplotlib.rc_context({"svg.hashsalt": "featherweight", "svg.fonttype": "none", "font.family": "sans-serif"}):
        figure.savefig(content, format="svg", metadata={"Date": None, "Description": about})
    return "\n".join(line.rstrip() for line in content.getvalue().decode().splitlines()) + "\n"
