"""Two thirds of the parameters of `smallest`, three fifths of the multiply-adds of `leanest`, on six sixths."""

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from benchmarks.sixths import SIXTHS, Trial
from benchmarks.trials.separable import SMALLEST, halved, network, separable, smooth
from featherweight import HardExamples, Recipe


def smooth_separable(inputs: int, outputs: int, padding: int) -> list[nn.Module]:
    """A separable convolution with SiLU."""
    return [*separable(inputs, outputs, padding)[:-1], nn.SiLU()]


def smooth_halved(inputs: int, outputs: int, padding: int) -> list[nn.Module]:
    """A first convolution of stride 2 with SiLU."""
    return [*halved(3)(inputs, outputs, padding)[:-1], nn.SiLU()]


HARDER = replace(SMALLEST, hard=HardExamples(factor=10))
LEAN = "9-s14-s18-s26-s34-s40, the first of stride 2, hard images ten times as often"
SMALL = "13-P-s13p-s13p-s13p-s13-s13-s13"


def _trial(title: str, record: str, recipe: Recipe, made: Callable[[], nn.Sequential]) -> Trial:
    return Trial(title=title, record=record, network=made, recipe=recipe, seeds=SIXTHS)


def _leanest(title: str, widths: str) -> Trial:
    return _trial(title, "leanest", HARDER, network(widths, separable, halved(3)))


TRIALS = {
    "leanest-36": _leanest(
        "8-s12-s16-s24-s32-s36, the first of stride 2, hard images ten times as often, six sixths", "8-12-16-24-32-36"
    ),
    "leanest-40": _leanest(LEAN, "9-14-18-26-34-40"),
    "leanest-40-silu": _trial(
        f"{LEAN}, SiLU in place of ReLU",
        "leanest",
        HARDER,
        network("9-14-18-26-34-40", smooth_separable, smooth_halved),
    ),
    "smallest-three-padded": _trial(f"{SMALL}, six sixths", "smallest", SMALLEST, network("13-P-13p-13p-13p-13-13-13")),
    "smallest-four-padded": _trial(
        "13-P-s13p-s13p-s13p-s13p-s13-s13", "smallest", SMALLEST, network("13-P-13p-13p-13p-13p-13-13")
    ),
    "smallest-three-padded-silu": _trial(
        f"{SMALL}, SiLU in place of ReLU",
        "smallest",
        SMALLEST,
        network("13-P-13p-13p-13p-13-13-13", smooth_separable, smooth),
    ),
}
