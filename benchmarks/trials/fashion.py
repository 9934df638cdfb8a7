"""Networks and recipes for Fashion-MNIST under 8,000 parameters and 15 epochs.

A network is written as in `separable`: a whole convolution first, `s` for one in two steps, `p` for padding by a pixel,
"P" for a pool, `+` for a block to which what it takes is added, and `e` after a block for squeeze-and-excitation. All
end in the average of each channel.
"""

from collections.abc import Callable
from dataclasses import replace

from torch import nn

from benchmarks.sixths import Trial
from benchmarks.trials.separable import F3, network, normed, separable, whole
from featherweight import Augment, Distil, OneCycle, Recipe, Residual, squeeze_excite

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


def with_other(activation: type[nn.Module], made: Callable[[], nn.Sequential]) -> Callable[[], nn.Sequential]:
    """The same network with another activation in place of every ReLU."""

    def replaced(part: nn.Module) -> nn.Module:
        if isinstance(part, nn.Sequential):
            return type(part)(*map(replaced, part))
        return activation() if isinstance(part, nn.ReLU) else part

    def make() -> nn.Sequential:
        return nn.Sequential(*map(replaced, made()))

    return make


def gated() -> nn.Sequential:
    """18p-s24p-P-s30p-s32pe-P-s38p-s38pe."""
    layers = [*whole(1, 18, 1), *separable(18, 24, 1), nn.MaxPool2d(2)]
    layers += [*separable(24, 30, 1), *separable(30, 32, 1), squeeze_excite(32, 5), nn.MaxPool2d(2)]
    layers += [*separable(32, 38, 1), *separable(38, 38, 1), squeeze_excite(38, 6)]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(38, 10))


def one_pointwise() -> nn.Sequential:
    """18p-s24p-P-s48p-s48p-s48p-P-s48p-s48p-s48p, of which the last five blocks share their 1 x 1 convolution."""
    sums = nn.Conv2d(48, 48, 1, bias=False)

    def block() -> list[nn.Module]:
        return [nn.Conv2d(48, 48, 3, padding=1, groups=48, bias=False), sums, nn.BatchNorm2d(48), nn.ReLU()]

    layers = [*whole(1, 18, 1), *separable(18, 24, 1), nn.MaxPool2d(2), *separable(24, 48, 1), *block(), *block()]
    layers += [nn.MaxPool2d(2), *block(), *block(), *block()]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(48, 10))


def large() -> nn.Sequential:
    """16p-16p-P-48p-+48p-P-96p-+96p-+96p of whole convolutions: the teacher, of 239,258 parameters."""
    layers = [*whole(1, 16, 1), *whole(16, 16, 1), nn.MaxPool2d(2)]
    layers += [*whole(16, 48, 1), Residual(*whole(48, 48, 1)), nn.MaxPool2d(2)]
    layers += [*whole(48, 96, 1), Residual(*whole(96, 96, 1)), Residual(*whole(96, 96, 1))]
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(96, 10))


TEACHER = Trial(
    record="fashion-teacher",
    network=large,
    recipe=replace(
        PLAIN, epochs=20, batch=128, weight_decay=5e-4, schedule=OneCycle(peak_at=0.2),
        augment=Augment(pad_px=1, flip=0.5, erase=0.5, erase_area=0.15),
    ),
    data="fashion-mnist",
)  # fmt: skip


def _taught(title: str, made: Callable[[], nn.Module], temperature: float = 2, **changed: object) -> Trial:
    """With 0.9 of the loss from the teacher."""
    distil = Distil(teacher=TEACHER.record, share=0.9, temperature=temperature)
    recipe = replace(FLIPS, distil=distil, **changed)  # type: ignore[arg-type]
    return replace(_tried(title, made, recipe), teachers=(TEACHER,))


F3_NETWORK = network("8-P-9p-10-12-13-14-15", whole)
FIRST = "20-P-30p-30p-30p-30-32-36"
LATER = "18p-24p-P-34p-34p-P-42p-42p"
DEEP = "16p-24p-+24p-P-34p-+34p-+34p-P-36p"
FLIPPED = Augment(shift_px=1, flip=0.5)
FLIPS = replace(PLAIN, augment=FLIPPED)
SWISH = with_other(nn.Hardswish, summed(LATER))
WHOLE = Augment(pad_px=1, flip=0.5)

TRIALS = {
    "f3": _tried("8-P-9p-10-12-13-14-15, recipe of `f3`", F3_NETWORK, F3),
    "f3-flips": _tried("8-P-9p-10-12-13-14-15, flips", F3_NETWORK, FLIPS),
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
    "later-silu": _tried(
        "18p-s24p-P-s34p-s34p-P-s42p-s42p, flips, SiLU in place of ReLU", with_other(nn.SiLU, summed(LATER)), FLIPS
    ),
    "later-hard-swish": _tried("18p-s24p-P-s34p-s34p-P-s42p-s42p, flips, hard swish in place of ReLU", SWISH, FLIPS),
    "later-gated": _tried("18p-s24p-P-s30p-s32pe-P-s38p-s38pe, flips", gated, FLIPS),
    "later-shared": _tried(
        "18p-s24p-P-s48p-s48p-s48p-P-s48p-s48p-s48p, flips, one 1 x 1 convolution shared by the last five",
        one_pointwise,
        FLIPS,
    ),
    "later-batch-32": _tried(
        "18p-s24p-P-s34p-s34p-P-s42p-s42p, flips, batches of 32 at rate 0.1",
        summed(LATER),
        replace(FLIPS, batch=32, lr=0.1, average=0.999),
    ),
    "taught-t1": _taught("18p-s24p-P-s34p-s34p-P-s42p-s42p, flips, hard swish, taught at temperature 1", SWISH, 1),
    "taught-t2": _taught("18p-s24p-P-s34p-s34p-P-s42p-s42p, flips, hard swish, taught at temperature 2", SWISH),
    "taught-t4": _taught("18p-s24p-P-s34p-s34p-P-s42p-s42p, flips, hard swish, taught at temperature 4", SWISH, 4),
    "taught-lighter": _taught(
        "18p-s24p-P-s34p-s34p-P-s42p-s42p, flips, hard swish, taught at temperature 2, decay 5e-5",
        SWISH,
        weight_decay=5e-5,
    ),
    "taught-normed": _taught(
        "18p-s24p-P-s32p-s32p-P-s42p-s42p, a norm after each depthwise kernel, flips, hard swish, taught at"
        " temperature 2",
        with_other(nn.Hardswish, network("18p-24p-P-32p-32p-P-42p-42p", normed)),
    ),
    "taught-deep": _taught(
        "16p-s22p-s22p-P-s32p-s32p-P-s40p-s40p, flips, hard swish, taught at temperature 2",
        with_other(nn.Hardswish, summed("16p-22p-22p-P-32p-32p-P-40p-40p")),
    ),
    "taught-summed": _taught(
        "16p-s22p-s22p-P-s34p-+s34p-+s34p-P-s42p, flips, hard swish, taught at temperature 2",
        with_other(nn.Hardswish, summed("16p-22p-22p-P-34p-+34p-+34p-P-42p")),
    ),
}
