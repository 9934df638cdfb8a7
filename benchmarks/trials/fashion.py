"""Networks and recipes for Fashion-MNIST under 8,000 parameters and 15 epochs.

A network is written as in `separable`: a whole convolution first, `s` for one in two steps, `p` for padding by a pixel,
"P" for a pool, and `+` for a block to which what it takes is added. All end in the average of each channel.
"""

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from benchmarks.sixths import Trial
from benchmarks.trials.separable import F3, network, whole
from featherweight import Augment, OneCycle, Recipe, Residual

PLAIN = Recipe(
    epochs=15, batch=64, lr=0.2, weight_decay=2e-4, schedule=OneCycle(peak_at=0.15), augment=Augment(shift_px=1),
    plain_epochs=2, average=0.998,
)  # fmt: skip


def summed(widths: str) -> Callable[[], nn.Sequential]:
    """The network of these widths, with what they take added to the blocks marked by `+`."""

    def make() -> nn.Sequential:
        layers = list(network(widths.replace("+", ""))())
        parts = iter(layers)
        whole: list[nn.Module] = []
        for place, name in enumerate(widths.split("-")):
            block = [next(parts) for _ in range(1 if name == "P" else 4 if place else 3)]
            whole += [Residual(*block)] if name.startswith("+") else block
        return nn.Sequential(*whole, *parts)

    return make


def _of(title: str, widths: str, **changed: object) -> Trial:
    return _tried(title, summed(widths), replace(PLAIN, **changed))  # type: ignore[arg-type]


def _tried(title: str, made: Callable[[], nn.Module], recipe: Recipe) -> Trial:
    return Trial(title=title, record="fashion", network=made, recipe=recipe, seeds=1, data="fashion-mnist")


F3_NETWORK = network("8-P-9p-10-12-13-14-15", whole)
FIRST = "20-P-30p-30p-30p-30-32-36"
LATER = "18p-24p-P-34p-34p-P-42p-42p"
DEEP = "16p-24p-+24p-P-34p-+34p-+34p-P-36p"
FLIPPED = Augment(shift_px=1, flip=0.5)
WHOLE = Augment(pad_px=1, flip=0.5)

TRIALS = {
    "f3": _tried("8-P-9p-10-12-13-14-15, recipe of `f3`", F3_NETWORK, F3),
    "f3-flips": _tried("8-P-9p-10-12-13-14-15, flips", F3_NETWORK, replace(PLAIN, augment=FLIPPED)),
    "separable": _of("20-P-s30p-s30p-s30p-s30-s32-s36", FIRST),
    "separable-flips": _of("20-P-s30p-s30p-s30p-s30-s32-s36, flips", FIRST, augment=FLIPPED),
    "later-flips": _of("18p-s24p-P-s34p-s34p-P-s42p-s42p, flips: **chosen**", LATER, augment=FLIPPED),
    "later-summed": _of("18p-s24p-P-s34p-+s34p-P-s42p-+s42p, flips", "18p-24p-P-34p-+34p-P-42p-+42p", augment=FLIPPED),
    "later-f3": _tried("18p-s24p-P-s34p-s34p-P-s42p-s42p, recipe of `f3`", summed(LATER), F3),
    "later-fast": _of("18p-s24p-P-s34p-s34p-P-s42p-s42p, flips, rate 0.4", LATER, augment=FLIPPED, lr=0.4),
    "deep-flips": _of(
        "16p-s24p-+s24p-P-s34p-+s34p-+s34p-P-s36p, flips, shifts by a whole pixel, decay 5e-4",
        DEEP,
        augment=WHOLE,
        weight_decay=5e-4,
    ),
}
