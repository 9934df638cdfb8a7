"""Curves of one rung or record: accuracy and loss over its seeds, beside the published log of its source."""

import hashlib
import json
import math
from collections.abc import Sequence
from statistics import fmean
from typing import TYPE_CHECKING

from docs.build.published import published_log

from featherweight.experiments.record import Record
from featherweight.report.figures.style import COLOURS, TARGET, TEST, TRAIN, blank, in_house_style, legend_above
from featherweight.report.figures.style import epochs as label_epochs

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SOURCE = COLOURS["third"][0]
LOWEST = 97.0
"""Percent at which the axis of accuracies begins, or below the runs; on MNIST these are above it after two epochs."""
HIGHEST_LOSS = 0.15
"""Nats at which the axis of losses ends, or above the runs."""


@in_house_style
def rung_curves(records: Sequence[Record]) -> "Figure":
    """Accuracy in percent and loss in nats by epoch: the mean of all seeds in a band from the lowest to the highest.

    The source's own log is beside them if it has one.
    """
    figure = blank(3.4, 8.4)
    accuracy, loss = figure.subplots(1, 2)
    epochs = [row.epoch for row in records[0].rows]
    for axes, kind in ((accuracy, "accuracy"), (loss, "loss")):
        for part, colour, style in (("train", TRAIN, ":"), ("test", TEST, "-")):
            label = {"train": "training, as trained", "test": "test"}[part]
            values = [
                [getattr(row, f"{part}_{kind}") for row in of] for of in zip(*(r.rows for r in records), strict=True)
            ]
            axes.plot(epochs, list(map(fmean, values)), color=colour, linestyle=style, linewidth=1.2, label=label)
            if len(records) > 1:
                axes.fill_between(
                    epochs, list(map(min, values)), list(map(max, values)), color=colour, alpha=0.2, linewidth=0
                )
    source = published_log(records[0].experiment)
    if source:
        epochs = list(range(1, len(source["test"]) + 1))
        accuracy.plot(epochs, source["train"], color=SOURCE, linestyle=":", linewidth=1.2, label="source: training")
        accuracy.plot(epochs, source["test"], color=SOURCE, linewidth=1.2, label="source: test")
        if "test_loss" in source:
            loss.plot(epochs, source["test_loss"], color=SOURCE, linewidth=1.2)
    accuracy.axhline(records[0].budget["accuracy"], color=TARGET, linestyle="--", linewidth=1)
    later = [row for record in records for row in record.rows[len(record.rows) // 5 :]]
    lowest = min(LOWEST, *(math.floor(row.test_accuracy) - 1 for row in later))
    accuracy.set(xlabel="epoch", ylabel="accuracy, %", ylim=(lowest, 100))
    loss.set(xlabel="epoch", ylabel="loss, nats", ylim=(0, max(HIGHEST_LOSS, *(row.test_loss for row in later))))
    for axes in (accuracy, loss):
        axes.grid(axis="y")
        label_epochs(axes, len(records[0].rows))
    legend_above(accuracy, columns=4)
    return figure


def digest(records: Sequence[Record]) -> str:
    """The digest of the figures that the curves are drawn from, including the source's."""
    names = ("epoch", "train_accuracy", "test_accuracy", "train_loss", "test_loss")
    rows = [[[getattr(row, name) for name in names] for row in record.rows] for record in records]
    source = {name: list(values) for name, values in published_log(records[0].experiment).items()}
    return hashlib.sha256(json.dumps([rows, source, "bands 2"]).encode()).hexdigest()
