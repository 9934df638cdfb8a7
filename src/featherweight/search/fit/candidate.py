"""What a candidate is: a few numbers from which its network and its recipe follow.

The networks are stacks of stages (a stem, then stages of equal width, each at half the size of the one before), plain,
depthwise-separable (Chollet, "Xception", 2017) or residual (He et al., "Deep Residual Learning", 2016), which end in a
global average and a linear layer. The family holds the networks of the records (`f3`, `smallest`, `relaxed`), ResNet8
and everything between them.
"""

import math
from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal, get_args

import msgspec
from msgspec import Meta

from featherweight.errors import FileError
from featherweight.experiments.recipe import Augment, HardExamples, OneCycle, Recipe
from featherweight.networks.architecture import Layer, layer

Block = Literal["plain", "separable", "residual"]
BLOCKS: tuple[Block, ...] = get_args(Block)
Bits = Literal[8, 4, 2]
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


Channels = Annotated[int, Meta(ge=1, le=WIDEST)]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A network and how it is trained, for pictures of any size and number of classes.

    The ranges hold what any search proposes and are checked where a candidate is read from a file.
    """

    side: Annotated[int, Meta(ge=0, lt=100)] = 0
    """Position in the list of sizes that the pictures may be brought to."""
    grey: bool = False
    block: Block = "plain"
    """One of BLOCKS: what stages are made of; the stem is always a plain convolution."""
    stem: Channels = 8
    """Channels."""
    kernel: Annotated[int, Meta(ge=1, le=7)] = 3
    """Of the stem, in pixels."""
    stem_stride: Annotated[int, Meta(ge=1, le=4)] = 1
    stem_pool: bool = True
    """Whether a max pool of 2 follows the stem."""
    widths: Annotated[tuple[Channels, ...], Meta(min_length=1, max_length=MOST_STAGES)] = (12,)
    """Channels of each stage."""
    depths: Annotated[
        tuple[Annotated[int, Meta(ge=1, le=DEEPEST)], ...], Meta(min_length=1, max_length=MOST_STAGES)
    ] = (4,)
    """Blocks of each stage."""
    strided: bool = False
    """Whether a stage begins with a stride of 2 in place of a max pool of 2 before it."""
    shrink: Annotated[int, Meta(ge=0, le=DEEPEST)] = 0
    """How many of the last stage's convolutions have no border, so that the map shrinks by 2 with each."""
    preset: str = "shifts"
    changes: tuple[tuple[str, float], ...] = ()
    """What differs from the preset, by name of MOVES."""
    batch: Annotated[int, Meta(ge=2, le=512)] = 64
    lr: Annotated[float, Meta(ge=1e-3, le=1)] = 0.1
    decay: Annotated[float, Meta(ge=0, le=0.01)] = 5e-4
    hard: Annotated[float, Meta(ge=1, le=100)] = 1.0
    """How many times as often the hardest images are taken; 1 takes all alike."""
    smoothing: Annotated[float, Meta(ge=0, le=0.5)] = 0.0
    bits: Bits = 8
    """Of a weight in C, 8, 4 or 2; trained so below 8."""

    def __post_init__(self) -> None:
        if self.preset not in PRESETS:
            raise ValueError(f"there is no augmentation {self.preset!r:.40}")
        for name, value in self.changes:
            if name not in MOVES or not 0 <= value <= max(MOVES[name]):
                raise ValueError(f"there is no augmentation {name!r:.40} of {value}")
        if len(self.widths) != len(self.depths) or self.shrink > self.depths[-1]:
            raise ValueError("the stages do not fit together")

    def moves(self) -> dict[str, float]:
        """The strength of each kind of augmentation that is on."""
        merged = PRESETS[self.preset] | dict(self.changes)
        return {name: value for name, value in merged.items() if value}

    def to_json(self) -> dict[str, Any]:
        """The genes as plain values."""
        return asdict(self) | {"changes": [list(change) for change in self.changes]}

    @classmethod
    def from_json(cls, values: Any) -> "Candidate":
        """The genes that `to_json` wrote; FileError for anything else, or for values that no search proposes."""
        try:
            return msgspec.convert(values, cls, strict=True)
        except msgspec.ValidationError as problem:
            raise FileError(f"A candidate cannot be read ({problem}); start in a new folder.") from problem


def candidate_layers(genes: Candidate) -> tuple[Layer, ...]:
    """The network as data, with the words `channels` and `classes` for the data's own numbers.

    >>> print(*candidate_layers(Candidate(widths=(12,), depths=(2,), shrink=1)), sep="\\n")
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
            found.append(_block_layer(genes.block, before, width, stride, bare))
            before = width
    return (*found, layer("nn.AdaptiveAvgPool2d", 1), layer("nn.Flatten"), layer("nn.Linear", before, "classes"))


def _block_layer(kind: str, before: int, width: int, stride: int, bare: bool) -> Layer:
    settings: dict[str, Any] = {} if kind == "residual" or bare else {"padding": 1}
    settings |= {"stride": stride} if stride > 1 else {}
    name = {"plain": "conv_norm_relu", "separable": "separable_norm_relu", "residual": "residual_norm_relu"}[kind]
    return layer(name, before, width, **settings)


def batch_for(batch: int, images: int) -> int:
    """The least batch size, from this one on, with which no batch of an epoch is of one image alone.

    Batch normalisation of one image on a map of 1 x 1 has nothing to take a variance of.

    >>> batch_for(16, 48), batch_for(16, 49), batch_for(16, 10), batch_for(2, 7)
    (16, 17, 16, 4)
    """
    while images > 1 and images % batch == 1:
        batch += 1
    return batch


def candidate_recipe(genes: Candidate, epochs: int, images: int, shape: tuple[int, int, int]) -> Recipe:
    """How a candidate is trained for so many epochs on so many images of this shape (C H W)."""
    channels, height, width = shape
    side = min(height, width)
    moves = genes.moves()
    batch = batch_for(genes.batch, images)
    steps = max(1, math.ceil(images / batch) * epochs)
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
        batch=batch,
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
