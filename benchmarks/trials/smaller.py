"""Two thirds of the parameters of `smallest`, half the multiply-adds of `leanest`, on six sixths."""

from dataclasses import replace

from torch import nn

from benchmarks.sixths import SIXTHS, Trial
from benchmarks.trials.separable import SMALLEST, halved, network, separable, smooth
from featherweight import HardExamples


def smooth_separable(inputs: int, outputs: int, padding: int) -> list[nn.Module]:
    """A separable convolution with SiLU."""
    return [*separable(inputs, outputs, padding)[:-1], nn.SiLU()]


def smooth_halved(inputs: int, outputs: int, padding: int) -> list[nn.Module]:
    """A first convolution of stride 2 with SiLU."""
    return [*halved(3)(inputs, outputs, padding)[:-1], nn.SiLU()]


HARDER = replace(SMALLEST, hard=HardExamples(factor=10))

TRIALS = {
    "leanest-36": Trial(
        title="8-s12-s16-s24-s32-s36, the first of stride 2, hard images ten times as often, six sixths",
        record="leanest",
        network=network("8-12-16-24-32-36", separable, halved(3)),
        recipe=HARDER,
        seeds=SIXTHS,
    ),
    "leanest-40": Trial(
        title="9-s14-s18-s26-s34-s40, the first of stride 2, hard images ten times as often",
        record="leanest",
        network=network("9-14-18-26-34-40", separable, halved(3)),
        recipe=HARDER,
        seeds=SIXTHS,
    ),
    "leanest-40-silu": Trial(
        title="9-s14-s18-s26-s34-s40, the first of stride 2, hard images ten times as often, SiLU in place of ReLU",
        record="leanest",
        network=network("9-14-18-26-34-40", smooth_separable, smooth_halved),
        recipe=HARDER,
        seeds=SIXTHS,
    ),
    "smallest-three-padded": Trial(
        title="13-P-s13p-s13p-s13p-s13-s13-s13, six sixths",
        record="smallest",
        network=network("13-P-13p-13p-13p-13-13-13"),
        recipe=SMALLEST,
        seeds=SIXTHS,
    ),
    "smallest-four-padded": Trial(
        title="13-P-s13p-s13p-s13p-s13p-s13-s13",
        record="smallest",
        network=network("13-P-13p-13p-13p-13p-13-13"),
        recipe=SMALLEST,
        seeds=SIXTHS,
    ),
    "smallest-three-padded-silu": Trial(
        title="13-P-s13p-s13p-s13p-s13-s13-s13, SiLU in place of ReLU",
        record="smallest",
        network=network("13-P-13p-13p-13p-13-13-13", smooth_separable, smooth),
        recipe=SMALLEST,
        seeds=SIXTHS,
    ),
}
