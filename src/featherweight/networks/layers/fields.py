"""Receptive fields: their arithmetic along one axis, and what the rules of operators share. Needs no torch.

A rule says how an operator changes the windows of units. It takes the arguments of the call, with `Units` in place of
every tensor that depends on the image, and the shape `out` of the result. For what it cannot follow, it raises
ValueError with a clause ("it ...").
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import Size as Shape


@dataclass(frozen=True, kw_only=True)
class Axis:
    """Units along one axis; unit i sees `size` input pixels, starting with pixel start + i * jump."""

    count: int
    """Number of units; 1 or more."""
    start: int = 0
    """The first pixel that unit 0 sees; pixels below 0 are padding."""
    size: int = 1
    """Width of a unit's own window in pixels."""
    jump: int = 1
    """Distance between the windows of neighbouring units in pixels."""
    shared: tuple[int, int] | None = None
    """The first and last pixel that every unit sees in addition to its own window, if any."""

    def window(self, unit: int) -> tuple[int, int]:
        """The first and last pixel that a unit depends on.

        >>> Axis(count=5, start=-1, size=3, jump=2).window(2)
        (3, 5)
        """
        first = self.start + unit * self.jump
        return _hull((first, first + self.size - 1), self.shared)

    @property
    def field(self) -> int:
        """Width in pixels of the window of the middle unit; if nothing is shared, of every unit."""
        first, last = self.window(middle(self.count))
        return last - first + 1

    @property
    def whole(self) -> tuple[int, int]:
        """The first and last pixel that all units together depend on."""
        return _hull(self.window(0), self.window(self.count - 1))


def pair(value: int | Sequence[int]) -> tuple[int, int]:
    """A setting for height and width that PyTorch, and the rows here, let be one number for both.

    >>> pair(3), pair([1, 2])
    ((3, 3), (1, 2))
    """
    return (value, value) if isinstance(value, int) else (int(value[0]), int(value[-1]))


def middle(count: int) -> int:
    """The index of the middle one of `count` units; the lower of two.

    >>> middle(5), middle(4)
    (2, 1)
    """
    return (count - 1) // 2


def _hull(one: tuple[int, int], other: tuple[int, int] | None) -> tuple[int, int]:
    return one if other is None else (min(one[0], other[0]), max(one[1], other[1]))


def slide(axis: Axis, count: int, *, kernel: int, stride: int = 1, before: int = 0, dilation: int = 1) -> Axis:
    """The axis after a sliding window with `before` pixels of padding at the start, which gives `count` units.

    >>> slide(Axis(count=28), 14, kernel=3, stride=2, before=1)
    Axis(count=14, start=-1, size=3, jump=2, shared=None)
    """
    return replace(
        axis,
        count=count,
        start=axis.start - before * axis.jump,
        size=axis.size + (kernel - 1) * dilation * axis.jump,
        jump=axis.jump * stride,
    )


def gather(axis: Axis, *, pooled: bool) -> Axis:
    """The axis after all units are combined into one; global pooling multiplies the jump, a linear layer does not.

    >>> gather(Axis(count=7, start=-7, size=24, jump=4), pooled=True)
    Axis(count=1, start=-7, size=48, jump=28, shared=None)
    """
    first, last = axis.whole
    jump = axis.jump * axis.count if pooled else axis.jump
    return Axis(count=1, start=first, size=last - first + 1, jump=jump)


def spread_out(axis: Axis, count: int) -> Axis:
    """The axis after each unit has come to depend on all others; or after a single unit is repeated `count` times."""
    first, last = axis.whole
    if axis.count == count:
        return replace(axis, shared=(first, last))
    return Axis(count=count, start=first, size=last - first + 1, jump=0)


def join(one: Axis, other: Axis) -> Axis:
    """The axis of a sum of two branches: each unit sees what its two terms see. A single unit is broadcast.

    Raises ValueError if the branches differ in their number of units or in the distance between them.

    >>> join(Axis(count=4, start=-1, size=3), Axis(count=4, start=0, size=4))
    Axis(count=4, start=-1, size=5, jump=1, shared=None)
    """
    if one.count != other.count:
        lone, many = (one, other) if one.count == 1 else (other, one)
        if lone.count != 1:
            raise ValueError(f"it joins {one.count} units with {other.count}")
        return replace(many, shared=_hull(lone.whole, many.shared))
    if one.jump == 0 or other.jump == 0:  # a repeated unit has no position of its own
        still, many = (one, other) if one.jump == 0 else (other, one)
        return replace(many, shared=_hull(still.window(0), many.shared))
    if one.count > 1 and one.jump != other.jump:
        raise ValueError(f"it joins branches whose units lie {one.jump} and {other.jump} pixels apart")
    start = min(one.start, other.start)
    stop = max(one.start + one.size, other.start + other.size)
    shared = _hull(one.shared, other.shared) if one.shared else other.shared
    return Axis(count=one.count, start=start, size=stop - start, jump=max(one.jump, other.jump), shared=shared)


Axes = tuple[Axis, Axis]
Pair = int | Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Units:
    """What the units of a tensor see that depends on the image: [N C H W], [N C positions] or [N features]."""

    shape: "Shape"
    axes: Axes
    """Height and width; kept when the tensor is flattened, so that a linear layer knows what its inputs see."""


@dataclass(frozen=True, kw_only=True)
class Effect:
    """The effect of an operator."""

    axes: Axes
    macs: int = 0
    """Multiply-adds per image."""
    kernel: tuple[int, int] | None = None
    """Height and width of the sliding window, if there is one."""
    listed: bool = True
    """Whether the table shows a row for it; a copy has none."""


FieldRule = Callable[..., Effect]


def units_in(values: Any) -> Iterator[Units]:
    """Every `Units` in a call's arguments, lists and dictionaries included."""
    if isinstance(values, Units):
        yield values
    elif isinstance(values, list | tuple | dict):
        for value in values.values() if isinstance(values, dict) else values:
            yield from units_in(value)


def image(x: Units) -> Units:
    """These units, which must be of an image; ValueError else."""
    if len(x.shape) != 4:
        raise ValueError(f"it is given {len(x.shape)} dimensions, where N C H W are needed")
    return x


def window(
    x: Units, out: "Shape", kernel: Pair, stride: Pair, padding: Pair, dilation: Pair = 1, macs: int = 0
) -> Effect:
    """The effect of a sliding window."""
    settings = zip(pair(kernel), pair(stride), pair(padding), pair(dilation), strict=True)
    height, width = (
        slide(axis, count, kernel=k, stride=s, before=p, dilation=d)
        for axis, count, (k, s, p, d) in zip(image(x).axes, out[2:], settings, strict=True)
    )
    return Effect(axes=(height, width), macs=macs, kernel=pair(kernel))


def elementwise(*args: Any, out: "Shape", **kwargs: Any) -> Effect:
    """The effect of what computes each number from those at the same position."""
    terms = list(units_in((args, kwargs)))
    if len({len(term.shape) for term in terms}) > 1:
        raise ValueError("its terms differ in their number of dimensions")
    height, width = (reduce(join, column) for column in zip(*(term.axes for term in terms), strict=True))
    return Effect(axes=(height, width))


def spread(x: Units, dims: tuple[int, ...]) -> Axes:
    """The axes after each unit has come to depend on all others along these dimensions, 2 or 3."""
    height, width = (
        spread_out(axis, axis.count) if d in dims else axis for d, axis in zip((2, 3), x.axes, strict=True)
    )
    return height, width


def check_batch(units: Units, batch: int) -> None:
    """Raise ValueError unless a result still holds `batch` images and its axes can be distinguished."""
    shape, (height, width) = units.shape, (axis.count for axis in units.axes)
    if not shape or shape[0] != batch:
        raise ValueError("it mixes the images of a batch, or reads one value from all of them")
    places = {4: tuple(shape[2:]) == (height, width), 3: shape[-1] == height * width}
    if not places.get(len(shape), len(shape) == 2 and shape[1] % math.prod((height, width)) == 0):
        given = " x ".join(map(str, shape[1:]))
        raise ValueError(f"it gives {given}, where height {height} and width {width} cannot be distinguished any more")
