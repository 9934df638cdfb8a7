"""Curves of one rung: accuracy and loss of its seeds, beside the published log of its source."""

import hashlib
import json
from collections.abc import Sequence
from typing import TYPE_CHECKING

from docs.build.published import published_log

from featherweight.experiments.record import Record
from featherweight.report.figures.style import COLOURS, TARGET, TEST, TRAIN, blank, in_house_style, legend_above
from featherweight.report.figures.style import epochs as label_epochs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = COLOURS["third"][0]
LOWEST = 97.0
"""Percent at which the axis of accuracies begins; runs are above it after an epoch or two."""
HIGHEST_LOSS = 0.15
"""Nats at which the axis of losses ends, for the same reason."""


@in_house_style
def rung_curves(records: Sequence[Record]) -> "Figure":
    """Accuracy in percent and loss in nats by epoch: one line per seed, and the source's own if it has a log."""
    figure = blank(3.4, 8.4)
    accuracy, loss = figure.subplots(1, 2)
    for place, record in enumerate(records):
        epochs = [row.epoch for row in record.rows]
        for axes, kind in ((accuracy, "accuracy"), (loss, "loss")):
            for part, colour, style in (("train", TRAIN, ":"), ("test", TEST, "-")):
                label = {"train": "training, as trained", "test": "test"}[part] if place == 0 else None
                values = [getattr(row, f"{part}_{kind}") for row in record.rows]
                axes.plot(epochs, values, color=colour, linestyle=style, linewidth=1.2, label=label)
    source = published_log(records[0].experiment)
    if source:
        epochs = list(range(1, len(source["test"]) + 1))
        accuracy.plot(epochs, source["train"], color=SOURCE, linestyle=":", linewidth=1.2, label="source: training")
        accuracy.plot(epochs, source["test"], color=SOURCE, linewidth=1.2, label="source: test")
        if "test_loss" in source:
            loss.plot(epochs, source["test_loss"], color=SOURCE, linewidth=1.2)
    accuracy.axhline(records[0].budget["accuracy"], color=TARGET, linestyle="--", linewidth=1)
    accuracy.set(xlabel="epoch", ylabel="accuracy, %", ylim=(LOWEST, 100))
    loss.set(xlabel="epoch", ylabel="loss, nats", ylim=(0, HIGHEST_LOSS))
    for axes in (accuracy, loss):
        axes.grid(axis="y")
        label_epochs(axes, max(row.epoch for record in records for row in record.rows))
    legend_above(accuracy, columns=4)
    return figure


def digest(records: Sequence[Record]) -> str:
    """The digest of the figures that the curves are drawn from, including the source's."""
    names = ("epoch", "train_accuracy", "test_accuracy", "train_loss", "test_loss")
    rows = [[[getattr(row, name) for name in names] for row in record.rows] for record in records]
    source = {name: list(values) for name, values in published_log(records[0].experiment).items()}
    return hashlib.sha256(json.dumps([rows, source]).encode()).hexdigest()
