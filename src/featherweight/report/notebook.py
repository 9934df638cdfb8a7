"""Output for notebooks besides the figures: a live bar, examples of the data, a run beside its experiment's text.

Needs IPython, which every notebook has. Everything printed is plain text, so that it reads the same in Jupyter, on
Colab and on sites that only display notebooks.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from featherweight.data.dataset import Data
from featherweight.errors import UsageError
from featherweight.experiments.claims import findings
from featherweight.experiments.experiment import parts
from featherweight.experiments.record import Record
from featherweight.experiments.verdicts import verdict_sentence
from featherweight.report.analysis import ClassRow
from featherweight.report.figures.images import rgb, sheet
from featherweight.report.figures.style import in_house_style, short
from featherweight.report.figures.svg import png
from featherweight.training.runs.events import live
from featherweight.training.runs.restore import experiment_of
from featherweight.training.runs.run import Run
from featherweight.training.runs.task import Task, run_task

if TYPE_CHECKING:
    from matplotlib.figure import Figure

SHOWN_WIDTH = 480
"""The width of a figure on the page, in pixels: half that of its PNG, for high-resolution screens."""


def train(run: Run) -> Record:
    """Train the run to its end and return its record; shows a bar that is redrawn in place and a line per epoch."""
    show = live(run)
    for event in run_task(Task(experiment=run.experiment.name, seed=run.record.seed), run):
        show(event)
    return run.record


def picture(figure: "Figure", alt: str) -> Any:
    """The figure as an image to display, at the size its fonts are made for; `alt` describes it in words."""
    from IPython.display import Image

    return Image(data=png(figure), format="png", width=SHOWN_WIDTH, alt=alt)  # type: ignore[no-untyped-call]


@in_house_style
def examples(data: Data, each: int = 4) -> "Figure":
    """The first training images of each class, in the set's order; UsageError if a class has none."""
    labels = data.train.labels.cpu().numpy()
    chosen = [np.flatnonzero(labels == at)[:each] for at in range(len(data.classes))]
    if not all(len(places) for places in chosen):
        raise UsageError(f"A class of {data.name} has no training image, so there is nothing to show.")
    places = [int(places[at]) for at in range(each) for places in chosen if at < len(places)]
    images = rgb(data.train.images.cpu().numpy()[places])
    captions = [short(data.classes[labels[place]], 8) for place in places]
    return sheet(images, captions, columns=min(10, len(data.classes))).figure


def class_table(rows: Sequence[ClassRow]) -> str:
    """Accuracy, precision and recall of each class in percent, as text.

    >>> print(class_table([ClassRow(name="7", images=50, chosen=40, right=39, accuracy=95.0, precision=97.5,
    ...                             recall=78.0)]))
    class     images  right  accuracy %  precision %  recall %
    7             50     39       95.00        97.50     78.00
    """
    lines = ["class     images  right  accuracy %  precision %  recall %"]
    for row in rows:
        figures = (("-" if value is None else f"{value:.2f}") for value in (row.accuracy, row.precision, row.recall))
        cells = "{:>11} {:>12} {:>9}".format(*figures)
        lines.append(f"{short(row.name, 8):8} {row.images:7,} {row.right:6,} {cells}")
    return "\n".join(lines)


def story(record: Record) -> str:
    """Target, result and analysis of a finished run, as Markdown.

    Target, reason and results on record are the experiment's own text, which is generated from the committed records;
    the answer of this run alone to each claim is decided here.
    """
    rung = experiment_of(record)
    text = parts(rung.text)
    lines = []
    for label in ("Target", "Why"):
        lines += [f"**{label}.** {text[label][0].upper()}{text[label][1:]}", ""]
    lines += [f"**Result of this run.** {verdict_sentence(record)}", ""]
    lines += [f"**Result on record.** {text['Result']}", "", f"**Analysis on record.** {text['Analysis']}", ""]
    lines += ["| sentence | this run alone says | figures |", "|---|---|---|"]
    rows = findings(rung, {rung.id: [record]})
    return "\n".join(lines + [f"| {claim.says} | {outcome} | {figures} |" for claim, outcome, figures in rows])
