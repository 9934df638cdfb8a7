"""Networks and recipes for Fashion-MNIST under 8,000 parameters and 15 epochs.

A network is written as in `separable`: a whole convolution first, `s` for one in two steps, `p` for padding by a pixel,
"P" for a pool. All end in the average of each channel.
"""

from dataclasses import replace

from benchmarks.sixths import Trial
from benchmarks.trials.separable import network
from featherweight import Augment, OneCycle, Recipe

PLAIN = Recipe(
    epochs=15, batch=64, lr=0.2, weight_decay=2e-4, schedule=OneCycle(peak_at=0.15), augment=Augment(shift_px=1),
    plain_epochs=2, average=0.998,
)  # fmt: skip


def _of(widths: str, seeds: int = 1, **changed: object) -> Trial:
    recipe = replace(PLAIN, **changed)  # type: ignore[arg-type]
    return Trial(record="fashion", network=network(widths), recipe=recipe, seeds=seeds, data="fashion-mnist")


FIRST = "20-P-30p-30p-30p-30-32-36"
FLIPPED = Augment(shift_px=1, flip=0.5)

TRIALS = {
    "20-P-s30p-s30p-s30p-s30-s32-s36, shifts of 1 px": _of(FIRST),
    "that, flips": _of(FIRST, augment=FLIPPED),
    "18p-s24p-P-s34p-s34p-P-s42p-s42p, flips": _of("18p-24p-P-34p-34p-P-42p-42p", augment=FLIPPED),
}
