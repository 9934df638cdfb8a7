"""What a candidate is: a few numbers from which its network and its recipe follow.

The networks are stacks of stages (a stem, then stages of equal width, each at half the size of the one before), plain,
depthwise-separable (Chollet, "Xception", 2017) or residual (He et al., "Deep Residual Learning", 2016), which end in a
global average and a linear layer. The family holds the networks of the records (`f3`, `smallest`, `relaxed`), ResNet8
and everything between them.
"""

import math
from dataclasses import asdict, dataclass, fields
from typing import Any

from featherweight.errors import FileError
from featherweight.experiments.recipe import Augment, HardExamples, OneCycle, Recipe
from featherweight.networks.architecture import Layer, layer

BLOCKS = ("plain", "separable", "residual")
WIDEST, DEEPEST, MOST_STAGES = 256, 8, 4

MOVES: dict[str, tuple[float, ...]] = {
    "shift": (0.0, 0.04, 0.08, 0.12),
    "turn": (0.0, 4.0, 8.0, 15.0),
    "stretch": (0.0, 0.05, 0.1, 0.2),
    "elastic": (0.0, 0.02, 0.035),
    "flip": (0.0, 0.5),
    "light": (0.0, 0.1, 0.2, 0.4),
    "colour": (0.0, 0.15, 0.3),
    "noise": (0.0, 0.02, 0.05),
    "cutout": (0.0, 0.2, 0.35, 0.5),
    "mixup": (0.0, 0.1, 0.2, 0.4),
}
"""The strengths that each kind of augmentation may have: shares of a side, degrees, shares of full brightness;
for mixup the parameter of its distribution."""
PRESETS: dict[str, dict[str, float]] = {
    "shifts": {"shift": 0.08},
    "objects": {"shift": 0.08, "flip": 0.5},
    "handwriting": {"shift": 0.08, "turn": 8.0, "stretch": 0.1, "elastic": 0.02},
    "photographs": {"shift": 0.12, "flip": 0.5, "light": 0.2, "colour": 0.15},
    "signs": {"shift": 0.08, "turn": 4.0, "stretch": 0.1, "light": 0.2},
    "none": {},
    "hidden parts": {"shift": 0.08, "flip": 0.5, "cutout": 0.35},
}
"""Mixtures that suit some kind of picture; which one suits these is found by trial on held-out pictures. Where there is
time for a few only, the first are tried."""


@dataclass(frozen=True, kw_only=True)
class Genes:
    """A network and how it is trained, for pictures of any size and number of classes."""

    side: int = 0
    """Position in the list of sizes that the pictures may be brought to."""
    grey: bool = False
    block: str = "plain"
    """One of BLOCKS: what stages are made of; the stem is always a plain convolution."""
    stem: int = 8
    """Channels."""
    kernel: int = 3
    """Of the stem, in pixels."""
    stem_stride: int = 1
    stem_pool: bool = True
    """Whether a max pool of 2 follows the stem."""
    widths: tuple[int, ...] = (12,)
    """Channels of each stage."""
    depths: tuple[int, ...] = (4,)
    """Blocks of each stage."""
    strided: bool = False
    """Whether a stage begins with a stride of 2 in place of a max pool of 2 before it."""
    shrink: int = 0
    """How many of the last stage's convolutions have no border, so that the map shrinks by 2 with each."""
    preset: str = "shifts"
    changes: tuple[tuple[str, float], ...] = ()
    """What differs from the preset, by name of MOVES."""
    batch: int = 64
    lr: float = 0.1
    decay: float = 5e-4
    hard: float = 1.0
    """How many times as often the hardest images are taken; 1 takes all alike."""
    smoothing: float = 0.0
    bits: int = 8
    """Of a weight in C, 8, 4 or 2; trained so below 8."""

    def moves(self) -> dict[str, float]:
        """The strength of each kind of augmentation that is on."""
        merged = PRESETS[self.preset] | dict(self.changes)
        return {name: value for name, value in merged.items() if value}

    def to_json(self) -> dict[str, Any]:
        """The genes as plain values."""
        return asdict(self) | {"changes": [list(change) for change in self.changes]}

    @classmethod
    def from_json(cls, values: Any) -> "Genes":
        """The genes that `to_json` wrote; FileError for anything else, or for sizes that no search proposes."""
        try:
            known = {field.name for field in fields(cls)}
            given = dict(values)
            genes = cls(**{
                name: value for name, value in given.items() if name in known
            } | {
                "widths": tuple(int(width) for width in given["widths"]),
                "depths": tuple(int(depth) for depth in given["depths"]),
                "changes": tuple((str(name), float(value)) for name, value in given["changes"]),
            })  # fmt: skip
            numbers = (genes.stem, genes.kernel, genes.stem_stride, genes.batch, *genes.widths)
            fine = (
                genes.block in BLOCKS and genes.preset in PRESETS and {name for name, _ in genes.changes} <= set(MOVES)
                and all(isinstance(number, int) and 1 <= number <= 2 * WIDEST for number in numbers)
                and 1 <= len(genes.widths) == len(genes.depths) <= MOST_STAGES
                and all(1 <= depth <= DEEPEST for depth in genes.depths)
                and 0 < genes.lr < 10 and 0 <= genes.decay < 1 and 1 <= genes.hard <= 100 and 0 <= genes.smoothing < 1
                and genes.bits in (8, 4, 2)
                and all(0 <= value <= 90 for _, value in genes.changes) and 0 <= genes.side < 100
            )  # fmt: skip
        except (TypeError, ValueError, KeyError) as problem:
            raise FileError(f"A candidate cannot be read ({problem}); start in a new folder.") from problem
        if not fine:
            raise FileError("A candidate has values that no search proposes; start in a new folder.")
        return genes


def layers_of(genes: Genes) -> tuple[Layer, ...]:
    """The network as data, with the words `channels` and `classes` for the data's own numbers.

    >>> print(*layers_of(Genes(widths=(12,), depths=(2,), shrink=1)), sep="\\n")
    conv_norm_relu(channels, 8)
    nn.MaxPool2d(2)
    conv_norm_relu(8, 12, padding=1)
    conv_norm_relu(12, 12)
    nn.AdaptiveAvgPool2d(1)
    nn.Flatten()
    nn.Linear(12, classes)
    """
    stem: dict[str, Any] = {"kernel": genes.kernel} if genes.kernel != 3 else {}
    if genes.stem_stride > 1:
        stem |= {"padding": genes.kernel // 2, "stride": genes.stem_stride}
    elif not genes.stem_pool:
        stem |= {"padding": genes.kernel // 2}
    found = [layer("conv_norm_relu", "channels", genes.stem, **stem)]
    found += [layer("nn.MaxPool2d", 2)] * genes.stem_pool
    before, last = genes.stem, len(genes.widths) - 1
    for stage, (width, depth) in enumerate(zip(genes.widths, genes.depths, strict=True)):
        halved = stage > 0
        if halved and not genes.strided:
            found.append(layer("nn.MaxPool2d", 2))
        for number in range(depth):
            stride = 2 if halved and genes.strided and number == 0 else 1
            bare = stage == last and number >= depth - genes.shrink
            found.append(_block(genes.block, before, width, stride, bare))
            before = width
    return (*found, layer("nn.AdaptiveAvgPool2d", 1), layer("nn.Flatten"), layer("nn.Linear", before, "classes"))


def _block(kind: str, before: int, width: int, stride: int, bare: bool) -> Layer:
    settings: dict[str, Any] = {} if kind == "residual" or bare else {"padding": 1}
    settings |= {"stride": stride} if stride > 1 else {}
    name = {"plain": "conv_norm_relu", "separable": "separable_norm_relu", "residual": "residual_norm_relu"}[kind]
    return layer(name, before, width, **settings)


def recipe_of(genes: Genes, epochs: int, images: int, shape: tuple[int, int, int]) -> Recipe:
    """How a candidate is trained for so many epochs on so many images of this shape (C H W)."""
    channels, height, width = shape
    side = min(height, width)
    moves = genes.moves()
    steps = max(1, math.ceil(images / genes.batch) * epochs)
    picture = {name: moves.get(name, 0.0) for name in MOVES}
    colour = picture["colour"] if channels == 3 else 0.0
    augment = Augment(
        shift_px=round(picture["shift"] * side, 2),
        rotate_deg=picture["turn"],
        scale=picture["stretch"],
        shear=picture["stretch"],
        elastic_px=round(picture["elastic"] * side, 2),
        elastic_cells=6 if picture["elastic"] else 4,
        flip=picture["flip"],
        border="reflect" if channels == 3 and picture["shift"] else "black",
        brightness=picture["light"],
        contrast=picture["light"],
        saturation=colour,
        hue_deg=round(40 * colour, 1),
        noise=picture["noise"],
        cutout_px=round(picture["cutout"] * side),
        mixup=picture["mixup"],
    )
    return Recipe(
        epochs=epochs,
        batch=genes.batch,
        lr=genes.lr,
        weight_decay=genes.decay,
        schedule=OneCycle(peak_at=0.2),
        label_smoothing=genes.smoothing,
        augment=augment,
        hard=HardExamples(factor=genes.hard) if genes.hard > 1 and epochs > 3 else None,
        plain_epochs=epochs // 10,
        weight_bits=genes.bits if genes.bits < 8 else 0,
        average=round(min(0.999, 1 - 1 / max(10.0, 0.035 * steps)), 5),
    )
