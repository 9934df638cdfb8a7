"""The learning-rate range test: one short sweep from a rate too low to matter to one at which training diverges.

After Smith, "Cyclical Learning Rates for Training Neural Networks" (2017), with three differences: the rate rises
exponentially, the loss is that of the training batches under the recipe, and the sweep ends where the loss diverges. It
runs on a copy: network, gradients and optimiser are untouched, and all random number generators are restored, even
after an error.
"""

import copy
import math
import random
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from featherweight import engine as engines
from featherweight.data.dataset import Data
from featherweight.errors import UsageError
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.recipe import Recipe
from featherweight.io import write_bytes
from featherweight.report.figures.style import SERIES, TARGET, TEST, TRAIN, in_house_style, legend_above, plot
from featherweight.report.figures.svg import png, svg
from featherweight.training.runs.prepare import prepare
from featherweight.training.state import draw_seed, initial_state
from featherweight.training.step import Teacher, train_batch

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOWEST, HIGHEST = 1e-5, 10.0
"""Limits of the sweep: six decades, wide enough for the usual rates of SGD and Adam on small networks."""
FEWEST = 50
"""Minimum number of steps; with fewer, the curve is meaningless."""
WINDOW = 0.04
"""The fraction of the sweep over which losses are smoothed, and slopes measured on each side: a quarter of a decade,
whatever the number of steps; at least five steps, to average out differences between batches."""
DIVERGED = 0.25
"""The loss has diverged once its smoothed value exceeds its minimum by this fraction of its initial value, that is, of
its smoothed value after the first window."""
RULE = (
    "the middle, on a logarithmic scale, between the rate at which the smoothed loss falls fastest"
    " and a tenth of the rate at which it diverges"
)


@dataclass(frozen=True, kw_only=True)
class Point:
    """One step of a learning-rate sweep."""

    rate: float
    loss: float
    """Mean loss of the batch before the step, in nats."""
    smoothed: float
    """The bias-corrected exponential moving average of the losses so far."""


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """The result of a learning-rate range test."""

    points: tuple[Point, ...]
    """The steps in order of rising rates, up to divergence or the highest rate."""
    fastest: float | None
    """The rate at which the smoothed loss falls fastest per decade of the rate; None if it never falls."""
    diverged: float | None
    """The rate at which the loss diverged; None if it did not diverge up to the highest rate."""

    @property
    def upper(self) -> float:
        """A tenth of the rate at which the loss diverged or, if it did not, of the highest rate tried."""
        return (self.diverged or self.points[-1].rate) / 10

    @property
    def suggestion(self) -> float | None:
        """The peak rate according to `RULE`, to two significant digits; None if the loss never falls."""
        return None if self.fastest is None else float(f"{math.sqrt(self.fastest * self.upper):.2g}")

    def sentence(self) -> str:
        """The suggestion in words, with the figures and the rule behind it."""
        if self.fastest is None:
            return "The loss never falls in this sweep, so it suggests no rate; try more steps, or look at the network."
        end = "diverges at" if self.diverged else "has not diverged at the highest rate tried,"
        return (
            f"Suggested peak rate: {self.suggestion:.2g}. The smoothed loss falls fastest at {self.fastest:.2g}"
            f" and {end} {self.diverged or self.points[-1].rate:.2g}; the suggestion is {RULE}."
        )

    def to_json(self) -> dict[str, Any]:
        """The result as plain values."""
        return {
            "suggestion": self.suggestion,
            "rule": RULE,
            "fastest": self.fastest,
            "diverged": self.diverged,
            "rows": [asdict(point) for point in self.points],
        }

    def figure(self, recipe_lr: float | None = None) -> "Figure":
        """The losses by rate as a matplotlib figure, with the rates that the rule uses, and `recipe_lr` if given."""
        return rate_curve(self, recipe_lr)


def find_lr(
    network: nn.Module,
    recipe: Recipe,
    data: Data,
    *,
    seed: int = 0,
    engine: str = "auto",
    threads: int = 1,
    steps: int = 400,
    teacher: Teacher | None = None,
) -> Sweep:
    """A learning-rate sweep of this many steps from `LOWEST` to `HIGHEST`, starting from the network's current weights.

    Trains a copy according to `recipe`, but with the sweep's rates instead of the schedule's, on the training images of
    `data` ([N C H W]) and on the network's device. A recipe with `distil` needs its `teacher`, which maps images
    [N C H W], augmented and normalised, to probabilities [N classes]. The given network, its gradients and mode, and
    the random generators of Python, NumPy and PyTorch are bit for bit unchanged afterwards, even after an interruption.
    Raises UsageError for fewer than 50 steps, a missing teacher, or an engine that cannot execute the network.
    """
    if recipe.distil and teacher is None:
        raise UsageError(
            f"The recipe learns from {recipe.distil.teacher}, but no teacher was given; give one, or test the recipe"
            " without `distil`."
        )
    if steps < FEWEST:
        raise UsageError(f"A sweep takes {FEWEST} steps or more; given {steps}.")
    rates = [LOWEST * (HIGHEST / LOWEST) ** (step / (steps - 1)) for step in range(steps)]
    window = max(5, round(WINDOW * steps))
    keep = 1 - 1 / window
    points: list[Point] = []
    diverged, average, lowest, begun = None, 0.0, math.inf, math.inf
    with _generators_kept():
        losses = _losses(copy.deepcopy(network), recipe, data, seed, engine, threads, rates, teacher)
        for step, (rate, loss) in enumerate(zip(rates, losses, strict=True), start=1):
            average = keep * average + (1 - keep) * loss
            smoothed = average / (1 - keep**step)
            if not math.isfinite(smoothed) or smoothed > lowest + DIVERGED * begun:
                diverged = rate
                break
            points.append(Point(rate=rate, loss=loss, smoothed=smoothed))
            lowest = min(lowest, smoothed)
            if step == window:
                begun = lowest = smoothed
    return Sweep(points=tuple(points), fastest=_fastest(points, window), diverged=diverged)


def sweep_of(
    experiment: Experiment, data: Data, *, seed: int, device: str, engine: str, steps: int
) -> tuple[Sweep, list[str]]:
    """A sweep from the initial weights of a run with this seed, and the lines to show before it."""
    run = prepare(experiment, data, seed=seed, engine=engine, device=device, threads=1)
    recipe = experiment.recipe
    sweep = find_lr(run.state.network, recipe, run.data, seed=seed, engine=run.engine.name, steps=steps,
                    teacher=run.teacher)  # fmt: skip
    what = (
        f"{experiment.id}: {steps} steps of {recipe.batch} images of {data.name},"
        f" rates from {LOWEST:g} to {HIGHEST:g}, {run.engine.name} engine"
    )
    return sweep, [line for line in (data.note, run.engine.note, what) if line]


def _losses(
    network: nn.Module,
    recipe: Recipe,
    data: Data,
    seed: int,
    engine: str,
    threads: int,
    rates: list[float],
    teacher: Teacher | None,
) -> Iterator[float]:
    """The loss of each step of training at these rates; the network is trained in place."""
    recipe = replace(recipe, average=0.0)  # training losses do not depend on the average
    device = next(network.parameters()).device
    state = initial_state(network, recipe, device, len(data.train))
    _, channels, height, width = data.train.images.shape
    bound = engines.build_engine(
        engine, network, recipe, shape=(channels, height, width), device=device, threads=threads
    )
    data = data.to(device)
    for step, (rate, chosen) in enumerate(zip(rates, _batches(len(data.train), recipe.batch, seed), strict=False)):
        place = draw_seed(seed, "find-lr step", step=step)
        loss, _ = train_batch(state, data, chosen.to(device), recipe, bound, teacher, seed=place, lr=rate)
        yield loss.item()


def _batches(images: int, batch: int, seed: int) -> Iterator[Tensor]:
    """Yield the positions [batch] of each step's images, without end; short last batches of a pass are left out."""
    for epoch in count():
        order = torch.randperm(images, generator=torch.Generator().manual_seed(draw_seed(seed, "find-lr order", epoch)))
        for start in range(0, max(1, images - batch + 1), batch):
            yield order[start : start + batch]


def _fastest(points: list[Point], reach: int) -> float | None:
    """The rate, up to that of the lowest smoothed loss, around which the loss falls most within `reach` steps a side.

    >>> losses = [2.3, 2.3, 2.2, 1.0, 0.95, 0.9]
    >>> points = [Point(rate=10.0**n, loss=loss, smoothed=loss) for n, loss in enumerate(losses)]
    >>> _fastest(points, 1)
    100.0
    """
    smoothed = [point.smoothed for point in points]
    last = min(smoothed.index(min(smoothed)) + 1, len(points) - reach) if points else 0
    slopes = [(smoothed[at + reach] - smoothed[at - reach], at) for at in range(reach, last)]
    fall, at = min(slopes, default=(0.0, 0))
    return points[at].rate if fall < 0 else None


@contextmanager
def _generators_kept() -> Iterator[None]:
    """Restore on exit every global random number generator and PyTorch's number of threads."""
    python, numpy, threads = random.getstate(), np.random.get_state(), torch.get_num_threads()
    cpu = torch.get_rng_state()
    cuda = torch.cuda.get_rng_state_all() if torch.cuda.is_available() else []
    mps = torch.mps.get_rng_state() if torch.backends.mps.is_available() else None
    try:
        yield
    finally:
        random.setstate(python)
        np.random.set_state(numpy)
        torch.set_rng_state(cpu)
        torch.set_num_threads(threads)
        if cuda:
            torch.cuda.set_rng_state_all(cuda)
        if mps is not None:
            torch.mps.set_rng_state(mps)


def sweep_table(sweep: Sweep, lines: int = 20) -> str:
    """A text table of at most this many steps, evenly spaced and including the first and the last.

    >>> print(sweep_table(Sweep(points=(Point(rate=0.001, loss=2.3, smoothed=2.31),), fastest=None, diverged=None)))
          rate     loss  smoothed
         0.001   2.3000    2.3100
    """
    chosen = sorted({round(at * (len(sweep.points) - 1) / max(1, lines - 1)) for at in range(lines)})
    rows = (sweep.points[at] for at in chosen)
    body = [f"{point.rate:10.3g} {point.loss:8.4f} {point.smoothed:9.4f}" for point in rows]
    return "\n".join([f"{'rate':>10} {'loss':>8} {'smoothed':>9}", *body])


@in_house_style
def rate_curve(sweep: Sweep, recipe_lr: float | None = None) -> "Figure":
    """A figure of the losses by rate, raw and smoothed, with the rates that the rule uses; losses start at zero.

    `recipe_lr` is marked too, if given.
    """
    figure, axes = plot(3.4)
    rates = [point.rate for point in sweep.points]
    axes.plot(rates, [point.loss for point in sweep.points], ".", color="#b9bec5", markersize=2.5)
    axes.plot(rates, [point.smoothed for point in sweep.points], color=TEST, linewidth=1.6, label="smoothed loss")
    marks = [(sweep.fastest, "falls fastest", TRAIN, ":"), (sweep.suggestion, "suggested", TARGET, "-"),
             (recipe_lr, "the recipe's", SERIES[2], "--"), (sweep.diverged, "diverges", TRAIN, "-.")]  # fmt: skip
    for rate, name, colour, line in marks:
        if rate is not None:
            axes.axvline(rate, color=colour, linestyle=line, linewidth=1.3, zorder=1, label=f"{name}: {rate:.2g}")
    axes.set_xscale("log", subs=())
    axes.set(xticks=[1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 10], xlabel="learning rate", ylabel="training loss")
    axes.set(ylim=(0, 1.25 * max(point.smoothed for point in sweep.points)))
    axes.xaxis.set_major_formatter(lambda rate, place: np.format_float_positional(rate, trim="-"))
    legend_above(axes, columns=2)
    return figure


def require_picture(path: Path) -> None:
    """Raise UsageError unless the path ends in .svg or .png and its folder exists."""
    if path.suffix.lower() not in (".svg", ".png"):
        raise UsageError(f"A curve must be written to an .svg or .png file; given {path.name}.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent} to write {path.name} into; create it, or choose another.")


def draw_sweep(figure: "Figure", path: Path) -> None:
    """Write the figure of a learning-rate sweep in the format of the file's suffix, .svg or .png."""
    require_picture(path)
    write_bytes(path, png(figure) if path.suffix.lower() == ".png" else svg(figure).encode())
