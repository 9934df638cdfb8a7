"""Depthwise-separable convolutions in place of whole ones: a kernel for each channel, then a 1 x 1 convolution.

`s` marks them and `p` padding by a pixel; "P" is a pool. Recipes are those of `smallest` and `f3` unless said
otherwise.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

from torch import nn

from benchmarks.sixths import Trial
from benchmarks.trials.soap import soap
from featherweight import Augment, HardExamples, OneCycle, Recipe, separable_norm_relu

SMALLEST = Recipe(
    epochs=15, batch=64, lr=0.2, weight_decay=2e-4, schedule=OneCycle(peak_at=0.15), hard=HardExamples(factor=5),
    augment=Augment(rotate_deg=8, shift_px=2.2, scale=0.1, shear=0.1, elastic_px=0.4, elastic_cells=6),
    plain_epochs=2, average=0.998,
)  # fmt: skip
F3 = replace(SMALLEST, augment=replace(SMALLEST.augment, elastic_px=0.6), hard=HardExamples(factor=10))

Block = Callable[[int, int, int], Sequence[nn.Module]]
"""(inputs, outputs, padding) -> the layers of a convolution."""


def whole(inputs: int, outputs: int, padding: int, activation: type[nn.Module] = nn.ReLU) -> list[nn.Module]:
    """One 3 x 3 convolution, its norm and its activation."""
    kernel = nn.Conv2d(inputs, outputs, 3, padding=padding, bias=False)
    return [kernel, nn.BatchNorm2d(outputs), activation()]


def smooth(inputs: int, outputs: int, padding: int) -> list[nn.Module]:
    """The same with SiLU."""
    return whole(inputs, outputs, padding, nn.SiLU)


def separable(inputs: int, outputs: int, padding: int) -> list[nn.Module]:
    """The project's block."""
    return list(separable_norm_relu(inputs, outputs, padding=padding))


def normed(inputs: int, outputs: int, padding: int, activation: type[nn.Module] = nn.ReLU) -> list[nn.Module]:
    """A norm between the depthwise kernel and the 1 x 1 convolution."""
    first, second, norm, _ = separable_norm_relu(inputs, outputs, padding=padding)
    return [first, nn.BatchNorm2d(inputs), second, norm, activation()]


def normed_smooth(inputs: int, outputs: int, padding: int) -> list[nn.Module]:
    """The same with SiLU."""
    return normed(inputs, outputs, padding, nn.SiLU)


def turned(inputs: int, outputs: int, padding: int) -> list[nn.Module]:
    """The 1 x 1 convolution first (Haase and Amthor, "Blueprint Separable Convolutions", 2020)."""
    sums = nn.Conv2d(inputs, outputs, 1, bias=False)
    kernels = nn.Conv2d(outputs, outputs, 3, padding=padding, groups=outputs, bias=False)
    return [sums, kernels, nn.BatchNorm2d(outputs), nn.ReLU()]


def doubled(inputs: int, outputs: int, padding: int) -> list[nn.Module]:
    """Two kernels for each channel."""
    kernels = nn.Conv2d(inputs, 2 * inputs, 3, padding=padding, groups=inputs, bias=False)
    return [kernels, nn.Conv2d(2 * inputs, outputs, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]


def halved(kernel: int) -> Block:
    """A first convolution of stride 2, in place of one and a pool."""

    def block(inputs: int, outputs: int, padding: int) -> list[nn.Module]:
        strided = nn.Conv2d(inputs, outputs, kernel, stride=2, padding=padding, bias=False)
        return [strided, nn.BatchNorm2d(outputs), nn.ReLU()]

    return block


def shared(width: int, depth: int, padded: int) -> Callable[[], nn.Sequential]:
    """Blocks with kernels of their own that share one 1 x 1 convolution; the first `padded` ones are padded."""

    def make() -> nn.Sequential:
        layers: list[nn.Module] = [*whole(1, width, 0), nn.MaxPool2d(2)]
        sums = nn.Conv2d(width, width, 1, bias=False)
        for place in range(depth):
            kernels = nn.Conv2d(width, width, 3, padding=int(place < padded), groups=width, bias=False)
            layers += [kernels, sums, nn.BatchNorm2d(width), nn.ReLU()]
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 10))

    return make


def network(widths: str, block: Block = separable, first: Block = whole) -> Callable[[], nn.Sequential]:
    """What makes the network of these widths: `12-P-16p-16` is a convolution, a pool, a padded block and another."""

    def make() -> nn.Sequential:
        layers: list[nn.Module] = []
        before = 1
        for part in widths.split("-"):
            if part == "P":
                layers.append(nn.MaxPool2d(2))
            else:
                width = int(part.removesuffix("p"))
                layers += (block if layers else first)(before, width, int(part.endswith("p")))
                before = width
        return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(before, 10))

    return make


def _small(title: str, widths: str, block: Block = separable, first: Block = whole, **changed: object) -> Trial:
    return _trial(title, "smallest", SMALLEST, network(widths, block, first), changed)


def _f3(title: str, widths: str, block: Block = separable, **changed: object) -> Trial:
    return _trial(title, "f3", F3, network(widths, block), changed)


def _leanest(title: str, widths: str, first: Block = whole, **changed: object) -> Trial:
    return _trial(title, "leanest", SMALLEST, network(widths, separable, first), changed)


def _trial(title: str, record: str, recipe: Recipe, made: Callable[[], nn.Module], changed: dict[str, object]) -> Trial:
    """A trial; what is changed is either its own (`seeds`, `optimizer`) or the recipe's."""
    own = {name: changed.pop(name) for name in ("seeds", "optimizer") if name in changed}
    return Trial(title=title, record=record, network=made, recipe=replace(recipe, **changed), **own)  # type: ignore[arg-type]


NARROW = "6-8-P-8-9-9-9"
SIX = "12-16-P-16-20-20-20"

TRIALS = {
    "smallest-narrow": _small("6-8-P-8-9-9-9, average: the `smallest` before", NARROW, whole),
    "smallest-narrow-30-epochs": _small(
        "6-8-P-8-9-9-9, average, 30 epochs: more than the rule allows", NARROW, whole, epochs=30
    ),
    "smallest-narrow-silu": _small("6-8-P-8-9-9-9, average, SiLU in place of ReLU", NARROW, smooth, smooth),
    "smallest-narrow-soap003": _small(
        "6-8-P-8-9-9-9, average, SOAP at rate 0.003", NARROW, whole, lr=0.003, optimizer=soap()
    ),
    "smallest-narrow-soap006": _small(
        "6-8-P-8-9-9-9, average, SOAP at rate 0.006", NARROW, whole, lr=0.006, optimizer=soap()
    ),
    "smallest-narrow-soap012": _small(
        "6-8-P-8-9-9-9, average, SOAP at rate 0.012", NARROW, whole, lr=0.012, optimizer=soap(), seeds=2
    ),
    "smallest-six-normed": _small("12-s16-P-s16-s20-s20-s20, a norm after each depthwise kernel", SIX, normed),
    "smallest-six-normed-silu": _small(
        "12-s16-P-s16-s20-s20-s20, a norm after each depthwise kernel, SiLU in place of ReLU",
        SIX,
        normed_smooth,
        smooth,
    ),
    "smallest-six-normed-soap006": _small(
        "12-s16-P-s16-s20-s20-s20, a norm after each depthwise kernel, SOAP at rate 0.006",
        SIX,
        normed,
        lr=0.006,
        optimizer=soap(),
    ),
    "smallest-padded-six-normed": _small(
        "12-s16p-s16-P-s16-s20-s20-s20, a norm after each depthwise kernel", "12-16p-16-P-16-20-20-20", normed, seeds=2
    ),
    "smallest-six": _small("12-s16-P-s16-s20-s20-s20", SIX),
    "smallest-six-pointwise-first": _small(
        "12-s16-P-s16-s20-s20-s20, each 1 x 1 convolution before its depthwise one", SIX, turned
    ),
    "smallest-six-two-kernels": _small("8-s12-P-s12-s14-s14-s14, two kernels a channel", "8-12-P-12-14-14-14", doubled),
    "smallest-six-slim": _small("10-s12-P-s12-s14-s14-s16", "10-12-P-12-14-14-16"),
    "smallest-seven": _small("12-s16-P-s16p-s16-s16-s16-s16", "12-16-P-16p-16-16-16-16"),
    "smallest-padded-six": _small("12-s16p-s16-P-s16-s20-s20-s20", "12-16p-16-P-16-20-20-20", seeds=2),
    "smallest-eight": _small("12-s16-P-s16p-s16p-s20-s20-s20-s20", "12-16-P-16p-16p-20-20-20-20"),
    "smallest-pool1-seven-16": _small("12-P-s16p-s16p-s16p-s16-s16-s16", "12-P-16p-16p-16p-16-16-16"),
    "smallest-pool1-seven-16-padded4": _small("12-P-s16p-s16p-s16p-s16p-s16-s16", "12-P-16p-16p-16p-16p-16-16"),
    "smallest-pool1-seven-16-to-20": _small("12-P-s16p-s16p-s18-s18-s20-s20", "12-P-16p-16p-18-18-20-20"),
    "smallest-pool1-seven-18": _small(
        "12-P-s18p-s18p-s18p-s18-s18-s20: **chosen** for `smallest`", "12-P-18p-18p-18p-18-18-20"
    ),
    "smallest-pool1-seven-13": _small("10-P-s13p-s13p-s13p-s13-s13-s14", "10-P-13p-13p-13p-13-13-14"),
    "smallest-shared-pointwise": _trial(
        "18-P-s18p-s18p-s18p-s18-s18-s18, one 1 x 1 convolution shared by all",
        "smallest",
        SMALLEST,
        shared(18, 6, 3),
        {},
    ),
    "f3-deep": _f3("8-P-9p-10-12-13-14-15, average: `f3` as it is", "8-P-9p-10-12-13-14-15", whole),
    "f3-deep-soap006": _f3(
        "8-P-9p-10-12-13-14-15, average, SOAP at rate 0.006", "8-P-9p-10-12-13-14-15", whole, lr=0.006, optimizer=soap()
    ),
    "f3-26-to-30": _f3("16-P-s26p-s26p-s26p-s26p-s26-s26-s30", "16-P-26p-26p-26p-26p-26-26-30"),
    "f3-24-to-32-two-padded": _f3("16-P-s24p-s24p-s26-s26-s28-s30-s32", "16-P-24p-24p-26-26-28-30-32"),
    "f3-24-to-36-two-padded": _f3("16-P-s24p-s24p-s26-s28-s30-s34-s36", "16-P-24p-24p-26-28-30-34-36"),
    "f3-24-to-32-deep": _f3("14-P-s24p-s24p-s24p-s24-s26-s28-s30-s32", "14-P-24p-24p-24p-24-26-28-30-32"),
    "f3-24-to-36": _f3("16-P-s24p-s24p-s24p-s26-s28-s32-s36", "16-P-24p-24p-24p-26-28-32-36"),
    "f3-24-to-36-elastic09": _f3(
        "16-P-s24p-s24p-s24p-s26-s28-s32-s36, elastic changes of 0.9 px",
        "16-P-24p-24p-24p-26-28-32-36",
        augment=replace(F3.augment, elastic_px=0.9),
        seeds=2,
    ),
    "relaxed-48-to-60": _trial(
        "24-P-s48p-s48p-s48p-s52-s56-s60, 19 epochs: **chosen** for `relaxed`",
        "relaxed",
        replace(F3, epochs=19),
        network("24-P-48p-48p-48p-52-56-60"),
        {"seeds": 2},
    ),
    "leanest-14-to-24": _leanest("6-P-s14-s18-s20-s24; recipe of `smallest`", "6-P-14-18-20-24"),
    "leanest-two-pools": _leanest("5-P-s14-P-s24p-s28p-s32p-s34", "5-P-14-P-24p-28p-32p-34"),
    "leanest-stride-5x5": _leanest("8-s14-s20-s28-s32, the first of 5 x 5 and stride 2", "8-14-20-28-32", halved(5)),
    "leanest-stride-38": _leanest("8-s12-s16-s24-s32-s38, the first of stride 2", "8-12-16-24-32-38", halved(3)),
    "leanest-stride-46": _leanest("6-s12-s16-s24-s36-s46, the first of stride 2", "6-12-16-24-36-46", halved(3)),
    "leanest-stride-36-hard10": _leanest(
        "8-s12-s16-s24-s32-s36, the first of stride 2, hard images ten times as often",
        "8-12-16-24-32-36",
        halved(3),
        hard=HardExamples(factor=10),
    ),
    "leanest-stride-40-hard10": _leanest(
        "8-s12-s16-s24-s30-s34-s40, the first of stride 2, hard images ten times as often",
        "8-12-16-24-30-34-40",
        halved(3),
        hard=HardExamples(factor=10),
    ),
}
