"""Figures of records alone: accuracy, loss and learning rate by epoch, a ladder at a glance, the spread over seeds."""

import json
import math
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from featherweight.errors import UsageError
from featherweight.experiments.budget import Budget
from featherweight.experiments.recipe import Plateau, Recipe
from featherweight.experiments.record import Record
from featherweight.report.figures.style import (
    BAND,
    INK,
    SERIES,
    TARGET,
    TEST,
    TRAIN,
    accuracies,
    blank,
    epoch_ticks,
    epochs,
    in_house_style,
    legend_above,
    logarithmic,
    plot,
    short,
)
from featherweight.report.figures.svg import hover_points
from featherweight.training.schedule import rate

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

DASHES: tuple[Any, ...] = ("-", (0, (5, 1.5)), (0, (6, 1.5, 1.2, 1.5)), (0, (2.5, 1.2)))
"""Line styles of different experiments, so that they never differ in colour alone."""
LADDER_LOWEST = 97.0
"""Percent at which the axis of a ladder begins if every run ends above it."""
MOST_MARKED = 40
"""Of longer runs, epochs are not marked by dots: these would touch."""
MOST_POINTS = 200
"""Nor of more runs than have so many epochs together."""


def _runs_with_rows(records: Sequence[Record]) -> list[Record]:
    kept = [record for record in records if record.rows]
    if not kept:
        raise UsageError("A curve needs a run with one finished epoch or more; train one first.")
    return kept


def _experiments(records: Sequence[Record]) -> list[str]:
    return list(dict.fromkeys(record.experiment for record in records))


def _legend_name(experiment: str) -> str:
    """The name for a legend: for a path, the name of the file."""
    return short(experiment.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".py"), 24)


def _line_style(number: int, color: str) -> dict[str, Any]:
    return {"color": color, "linestyle": DASHES[number % len(DASHES)], "linewidth": 1.5}


def _epochs(axes: "Axes", records: Sequence[Record]) -> None:
    """Set up the axis of epochs; the judged epochs are marked if all runs share them."""
    last = {record.rows[-1].epoch for record in records}
    held = {int(record.budget["held"]) for record in records}
    end = max(last)
    axes.set(xlim=(0.5, end + 0.5), xlabel="epoch")
    epochs(axes, end)
    if len(last) == len(held) == 1:
        first = max(0.5, end - held.pop() + 0.5)
        judged = "the last epoch" if end - first < 1 else f"last {round(end + 0.5 - first)} epochs"
        axes.axvspan(first, end + 0.5, color=BAND, linewidth=0, zorder=0, label=f"judged: {judged}")


def _augments(records: Sequence[Record]) -> bool:
    """Whether a recipe changes images, at least in some epochs."""
    recipes = [Recipe.from_json(record.recipe) for record in records]
    return any(bool(recipe.augment) and recipe.plain_epochs < recipe.epochs for recipe in recipes)


def _pairs(axes: "Axes", records: Sequence[Record], quantity: str, form: str) -> None:
    """Draw the test values of one quantity, one line per run and one style per experiment; training thin and dotted.

    A label that begins with an underscore does not appear in the legend. `form` is the format of the values shown
    under the pointer.
    """
    names = _experiments(records)
    alone = len(names) == 1
    counts = [len(record.rows) for record in records]
    marked = max(counts) <= MOST_MARKED and sum(counts) <= MOST_POINTS
    training = "training, augmented" if _augments(records) else "training"
    labelled: set[str] = set()
    for record in records:
        number = names.index(record.experiment)
        color = TEST if alone else SERIES[number % len(SERIES)]
        passed = [row.epoch for row in record.rows]
        train, test = [[getattr(row, f"{part}_{quantity}") for row in record.rows] for part in ("train", "test")]
        label = "test" if alone else f"{_legend_name(record.experiment)}, test"
        dot, square = ("o", "s") if marked else ("", "")
        line = _line_style(number, color)
        axes.plot(passed, test, marker=dot, markersize=3, label="_" * (label in labelled) + label, **line)
        beside = training if alone else f"{training}, dotted"
        shade, dots = TRAIN if alone else color, (0, (1, 1.5))
        axes.plot(passed, train, color=shade, linewidth=1, linestyle=dots, marker=square, markersize=2,
                  label="_" * bool(labelled) + beside)  # fmt: skip
        labelled.add(label)
        who = "" if len(records) == 1 else f"{_legend_name(record.experiment)} seed {record.seed}, "
        for part, values in (("training", train), ("test", test)):
            texts = [f"{who}epoch {at}: {part} {value:{form}}" for at, value in zip(passed, values, strict=True)]
            hover_points(axes, passed, values, [one + " %" * (quantity == "accuracy") for one in texts])


@in_house_style
def accuracy(*records: Record) -> "Figure":
    """Test and training accuracy by epoch, one line per run, with the target and the judged epochs.

    The axis holds every value; close to 100 % it is stretched, as `style.accuracies` says. UsageError if no run has a
    finished epoch.
    """
    kept = _runs_with_rows(records)
    figure, axes = plot(3.5)
    targets = sorted({float(record.budget["accuracy"]) for record in kept})
    for target in targets:
        axes.axhline(target, color=TARGET, linestyle=(0, (6, 2)), linewidth=1.3, label=f"target {target:.2f} %")
    _pairs(axes, kept, "accuracy", ".2f")
    rows = [row for record in kept for row in record.rows]
    accuracies(axes, [*targets, *(row.test_accuracy for row in rows), *(row.train_accuracy for row in rows)])
    axes.set(ylabel="accuracy, %")
    _epochs(axes, kept)
    legend_above(axes)
    return figure


def _lowest(records: Sequence[Record]) -> float:
    """Where the axis of a ladder's accuracies begins, in percent."""
    if min(record.rows[-1].test_accuracy for record in records) >= LADDER_LOWEST:
        return LADDER_LOWEST
    return 10 * (min(row.test_accuracy for record in records for row in record.rows) // 10)


@in_house_style
def ladder(*records: Record) -> "Figure":
    """A panel for each experiment, in the order of the records: test accuracy by epoch, one line per seed.

    Training accuracy is dotted. All panels share their axes, so that rungs can be compared: from 97 to 100 %, or from
    the ten below the lowest epoch where a run ends lower than that.
    UsageError if no run has a finished epoch.
    """
    kept = _runs_with_rows(records)
    names = _experiments(kept)
    columns = min(4, len(names))
    rows = -(-len(names) // columns)
    figure = blank(1.1 + 2.1 * rows, max(5.0, 2.75 * columns))
    panels = list(figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False).flat)
    for axes, name in zip(panels, names, strict=False):
        runs = [record for record in kept if record.experiment == name]
        target = float(runs[0].budget["accuracy"])
        axes.axhline(target, color=TARGET, linestyle=(0, (6, 2)), linewidth=1, label="target")
        for place, record in enumerate(runs):
            passed, hidden = [row.epoch for row in record.rows], "_" * (place > 0)
            test, train = [[getattr(row, f"{part}_accuracy") for row in record.rows] for part in ("test", "train")]
            axes.plot(passed, train, color=TRAIN, linewidth=1, linestyle=(0, (1, 1.5)), label=f"{hidden}training")
            axes.plot(passed, test, color=TEST, linewidth=1, label=f"{hidden}test")
        axes.set(title=_legend_name(name), ylim=(_lowest(kept), 100))
        axes.grid(axis="y")
        epochs(axes, max(record.rows[-1].epoch for record in kept))
    for axes in panels[len(names) :]:
        axes.remove()
    figure.supxlabel("epoch", fontsize=10)
    figure.supylabel("accuracy, %", fontsize=10)
    legend_above(panels[0], columns=3)
    return figure


@in_house_style
def loss(*records: Record) -> "Figure":
    """Test and training loss by epoch, one line per run, on a logarithmic axis, with the judged epochs marked."""
    kept = _runs_with_rows(records)
    figure, axes = plot(3.2)
    _pairs(axes, kept, "loss", ".4f")
    losses = [value for record in kept for row in record.rows for value in (row.train_loss, row.test_loss)]
    if min(losses) > 0:
        logarithmic(axes.yaxis, min(losses), max(losses))
    axes.set(ylabel="loss (log scale)" if min(losses) > 0 else "loss")
    _epochs(axes, kept)
    legend_above(axes)
    return figure


def _rates(record: Record) -> Iterator[tuple[float, float]]:
    """Pairs of epochs passed and learning rate, about forty per epoch, from the schedule of the finished steps."""
    recipe = Recipe.from_json(record.recipe)
    steps = math.ceil(int(record.data["train"]) / recipe.batch)
    stride = max(1, steps // 40)
    for epoch in range(len(record.rows)):
        history = record.rows[:epoch] if isinstance(recipe.schedule, Plateau) else ()
        for step in sorted({*range(0, steps, stride), steps - 1}):
            yield epoch + (step + 1) / steps, rate(recipe, epoch * steps + step, steps, history)


@in_house_style
def learning_rate(*records: Record) -> "Figure":
    """The learning rate over the run, step by step from the schedule; dots are recorded rates at the ends of epochs.

    Runs of one experiment and recipe share one line, that of the longest run.
    """
    kept = _runs_with_rows(records)
    figure, axes = plot(2.6)
    alike: dict[str, Record] = {}
    for record in sorted(kept, key=lambda record: len(record.rows)):
        alike[json.dumps([record.experiment, record.recipe], sort_keys=True)] = record
    names = [record.experiment for record in alike.values()]
    for number, record in enumerate(sorted(alike.values(), key=kept.index)):
        places, rates = zip(*_rates(record), strict=True)
        color, name = SERIES[number % len(SERIES)], _legend_name(record.experiment)
        if names.count(record.experiment) > 1:
            name += f", {record.recipe['epochs']} epochs"
        axes.plot(places, rates, label=name, **_line_style(number, color))
        ends = [row.epoch for row in record.rows], [row.lr for row in record.rows]
        if len(record.rows) <= MOST_MARKED:
            axes.plot(*ends, "o", markersize=3, color=color, clip_on=False)
        who = f"{name}, " if len(alike) > 1 else ""
        hover_points(axes, *ends, [f"{who}end of epoch {at}: rate {lr:.3g}" for at, lr in zip(*ends, strict=True)])
    axes.set(xlabel="epochs passed", ylabel="learning rate", xlim=(0, max(len(record.rows) for record in kept)))
    axes.set_ylim(bottom=0)
    last = max(len(record.rows) for record in kept)
    axes.set_xticks([0, *(tick for tick in epoch_ticks(last) if tick > 1 or last < 4)])
    if len(alike) > 1:
        legend_above(axes)
    return figure


@in_house_style
def spread(*records: Record) -> "Figure":
    """One line per run: its judged epochs as rings, the last as a dot; with the target and the mean of the last."""
    from matplotlib.ticker import MaxNLocator

    kept = _runs_with_rows(records)
    figure, axes = plot(1.5 + 0.27 * len(kept), grid="x")
    names = _experiments(kept)
    for place, record in enumerate(kept):
        budget = Budget(**record.budget)
        judged = [row.test_accuracy for row in record.rows[-budget.held :]]
        color = TEST if len(names) == 1 else SERIES[names.index(record.experiment) % len(SERIES)]
        hidden = "_" if place else ""
        axes.plot([min(judged), max(judged)], [place, place], color=color, linewidth=1)
        axes.plot(judged[:-1], [place] * (len(judged) - 1), "o", markersize=6, markerfacecolor="none", color=color,
                  label=f"{hidden}judged epoch")  # fmt: skip
        first = record.rows[-1].epoch - len(judged) + 1
        hover_points(axes, judged, [place] * len(judged), [
            f"seed {record.seed}, epoch {at}: test {value:.2f} %" for at, value in enumerate(judged, start=first)
        ])  # fmt: skip
        axes.plot(judged[-1:], [place], "o", markersize=6, color=color, label=f"{hidden}last epoch")
    if len(names) == 1:
        mean = sum(record.rows[-1].test_accuracy for record in kept) / len(kept)
        axes.axvline(mean, color=INK, linewidth=1, linestyle=(0, (1, 1)), label=f"mean of the last {mean:.3f} %")
    targets = {float(record.budget["accuracy"]) for record in kept}
    for target in sorted(targets):
        axes.axvline(target, color=TARGET, linestyle=(0, (6, 2)), linewidth=1.3, label=f"target {target:.2f} %")
    labels = [f"{_legend_name(record.experiment)}, seed {record.seed}" for record in kept]
    axes.set_yticks(range(len(kept)), labels)
    axes.set(xlabel="test accuracy, %", ylim=(len(kept) - 0.4, -0.6))
    axes.xaxis.set_major_locator(MaxNLocator(nbins=6, steps=[1, 2, 5, 10]))
    axes.ticklabel_format(axis="x", useOffset=False)
    legend_above(axes)
    return figure
