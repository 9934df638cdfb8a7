"""How each operator changes the windows of units: one small rule per operator, found by its name.

A rule takes the arguments of the call, with `Units` in place of every tensor that depends on the image, and the shape
`out` of the result. For what it cannot follow, it raises ValueError with a clause ("it ...").
"""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

from torch import Size, Tensor

from featherweight.experiments.preprocessing import deskewing_macs
from featherweight.networks.anatomy.axis import Axis, gather, join, pair, slide, spread_out

Axes = tuple[Axis, Axis]
Pair = int | Sequence[int]


@dataclass(frozen=True, kw_only=True)
class Units:
    """What the units of a tensor see that depends on the image: [N C H W], [N C positions] or [N features]."""

    shape: Size
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


def units_in(values: Any) -> Iterator[Units]:
    """Every `Units` in a call's arguments, lists and dictionaries included."""
    if isinstance(values, Units):
        yield values
    elif isinstance(values, list | tuple | dict):
        for value in values.values() if isinstance(values, dict) else values:
            yield from units_in(value)


def _image(x: Units) -> Units:
    if len(x.shape) != 4:
        raise ValueError(f"it is given {len(x.shape)} dimensions, where N C H W are needed")
    return x


def _window(
    x: Units, out: Size, kernel: Pair, stride: Pair, padding: Pair, dilation: Pair = 1, macs: int = 0
) -> Effect:
    kernels, settings = (
        pair(kernel),
        zip(pair(kernel), pair(stride), pair(padding), pair(dilation), strict=True),
    )
    height, width = (
        slide(axis, count, kernel=k, stride=s, before=p, dilation=d)
        for axis, count, (k, s, p, d) in zip(_image(x).axes, out[2:], settings, strict=True)
    )
    return Effect(axes=(height, width), macs=macs, kernel=kernels)


def _convolution_effect(
    x: Units, weight: Tensor, bias: Any = None, stride: Pair = 1, padding: Pair | str = 0, dilation: Pair = 1,
    groups: int = 1, *, out: Size,
) -> Effect:  # fmt: skip
    if not isinstance(weight, Tensor):
        raise ValueError("its weights depend on the image")
    kernel = pair(weight.shape[2:])
    if padding == "same":  # torch puts an odd pixel of padding at the end
        padding = [d * (k - 1) // 2 for d, k in zip(pair(dilation), kernel, strict=True)]
    before = 0 if isinstance(padding, str) else padding
    return _window(x, out, kernel, stride, before, dilation, macs=out[1:].numel() * weight[0].numel())


def _linear_effect(x: Units, weight: Tensor, bias: Any = None, *, out: Size) -> Effect:
    if not isinstance(weight, Tensor):
        raise ValueError("its weights depend on the image")
    if len(x.shape) != 2:
        raise ValueError(f"it is given {len(x.shape)} dimensions, where N features are needed: flatten before it")
    height, width = (gather(axis, pooled=False) for axis in x.axes)
    return Effect(axes=(height, width), macs=weight.numel())


def _max_pool_effect(
    x: Units, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1,
    *args: Any, out: Size, **kwargs: Any,
) -> Effect:  # fmt: skip
    return _window(x, out, kernel_size, stride or kernel_size, padding, dilation)


def _average_pool_effect(
    x: Units,
    kernel_size: Pair,
    stride: Pair | None = None,
    padding: Pair = 0,
    *args: Any,
    out: Size,
    **kwargs: Any,
) -> Effect:
    return _window(x, out, kernel_size, stride or kernel_size, padding)


def _adaptive_pool_effect(x: Units, *args: Any, out: Size, **kwargs: Any) -> Effect:
    before = [axis.count for axis in _image(x).axes]
    if any(count % wanted for count, wanted in zip(before, out[2:], strict=True)):
        sizes = f"{before[0]} x {before[1]} units into {out[2]} x {out[3]}"
        raise ValueError(f"it pools {sizes}, which does not divide, so its windows differ in size")
    kernel = [count // wanted for count, wanted in zip(before, out[2:], strict=True)]
    return Effect(axes=_window(x, out, kernel, kernel, 0).axes)


def _pad(x: Units, pad: Sequence[int], mode: str = "constant", *args: Any, out: Size, **kwargs: Any) -> Effect:
    if mode == "circular":
        raise ValueError("it pads with the opposite side of the image")
    left, top = pad[0], pad[2] if len(pad) > 2 else 0
    return Effect(axes=_window(x, out, 1, 1, (top, left)).axes)


def _elementwise(*args: Any, out: Size, **kwargs: Any) -> Effect:
    terms = list(units_in((args, kwargs)))
    if len({len(term.shape) for term in terms}) > 1:
        raise ValueError("its terms differ in their number of dimensions")
    height, width = (reduce(join, column) for column in zip(*(term.axes for term in terms), strict=True))
    return Effect(axes=(height, width))


def _batch_norm(x: Units, running_mean: Any, running_var: Any, *args: Any, out: Size, **kwargs: Any) -> Effect:
    training = kwargs.get("training", args[2] if len(args) > 2 else False)
    if training is not False or running_mean is None:
        raise ValueError("it takes its statistics from the batch, so every image sees every other")
    return _elementwise(x, out=out)


def _group_norm(x: Units, *args: Any, out: Size, **kwargs: Any) -> Effect:
    return Effect(axes=_spread(x, (2, 3)))


def _layer_norm(x: Units, normalized_shape: Sequence[int], *args: Any, out: Size, **kwargs: Any) -> Effect:
    last = {4 - at for at in range(1, len(normalized_shape) + 1)} if len(out) == 4 else {2, 3}
    return Effect(axes=_spread(x, tuple(last)))


def _deskewed(x: Units, *, out: Size) -> Effect:
    _, _, height, width = _image(x).shape
    return Effect(axes=_spread(x, (2, 3)), macs=deskewing_macs(height, width))  # its slant follows from all its pixels


def _concatenate(tensors: Sequence[Any], dim: int = 0, *, out: Size) -> Effect:
    if dim % len(out) != 1:
        raise ValueError(f"it joins along dimension {dim}, where only channels (1) can be followed")
    parts = list(units_in(list(tensors)))
    if len({tuple(axis.count for axis in part.axes) for part in parts}) > 1:
        raise ValueError("it joins features of different grids: pool them, or give each its own linear layer, first")
    return _elementwise(parts, out=out)


def _spread(x: Units, dims: tuple[int, ...]) -> Axes:
    height, width = (
        spread_out(axis, axis.count) if d in dims else axis for d, axis in zip((2, 3), x.axes, strict=True)
    )
    return height, width


def _softmax(x: Units, dim: int | None = None, *args: Any, out: Size, **kwargs: Any) -> Effect:
    dimensions = len(out)
    along = (1 if dim is None else dim) % dimensions
    if dimensions == 4 or along == 0:
        return Effect(axes=_spread(x, (along,)))
    return Effect(axes=x.axes if dimensions == 3 and along == 1 else _spread(x, (2, 3)))


def _reduction(x: Units, dim: Pair | None = None, *args: Any, out: Size, **kwargs: Any) -> Effect:
    dimensions = len(x.shape)
    if dim is None or dimensions == 2:
        raise ValueError("it reduces more than height, width or channels")
    dims = {d % dimensions for d in ([dim] if isinstance(dim, int) else dim)}
    gone = {2, 3} if dimensions == 3 and 2 in dims else dims  # N C positions: the last dimension holds both axes
    height, width = (gather(axis, pooled=True) if d in gone else axis for d, axis in zip((2, 3), x.axes, strict=True))
    return Effect(axes=(height, width))


def _reshape(x: Units, *args: Any, out: Size, **kwargs: Any) -> Effect:
    return Effect(axes=x.axes)  # `check_batch` decides whether height and width are still distinguishable


def _index(x: Units, index: Any, *, out: Size) -> Effect:
    places = index if isinstance(index, tuple) else (index,)
    if any(place not in (None, Ellipsis, slice(None)) for place in places):
        raise ValueError("it takes a part of a tensor; only new dimensions, as in x[:, :, None, None], can be followed")
    return Effect(axes=x.axes)


def _expand(x: Units, *args: Any, out: Size, **kwargs: Any) -> Effect:
    if len(out) != 4:
        return Effect(axes=x.axes)
    height, width = (spread_out(a, n) if a.count == 1 < n else a for a, n in zip(x.axes, out[2:], strict=True))
    return Effect(axes=(height, width))


def _copy(x: Units, *args: Any, out: Size, **kwargs: Any) -> Effect:
    return Effect(axes=x.axes, listed=False)


def check_batch(units: Units, batch: int) -> None:
    """Raise ValueError unless a result still holds `batch` images and its axes can be distinguished."""
    shape, (height, width) = units.shape, (axis.count for axis in units.axes)
    if not shape or shape[0] != batch:
        raise ValueError("it mixes the images of a batch, or reads one value from all of them")
    places = {4: tuple(shape[2:]) == (height, width), 3: shape[-1] == height * width}
    if not places.get(len(shape), len(shape) == 2 and shape[1] % math.prod((height, width)) == 0):
        given = " x ".join(map(str, shape[1:]))
        raise ValueError(f"it gives {given}, where height {height} and width {width} cannot be distinguished any more")


_ELEMENTWISE = """
    relu relu6 leaky_relu prelu rrelu elu selu celu gelu silu mish hardswish hardsigmoid hardtanh sigmoid tanh
    softplus softsign logsigmoid tanhshrink softshrink hardshrink threshold clamp
    abs neg exp log sqrt square pow reciprocal
    dropout dropout2d feature_dropout alpha_dropout feature_alpha_dropout
    add iadd radd sub isub rsub mul imul rmul div idiv truediv itruediv rtruediv maximum minimum
"""
_SPELLINGS: dict[Callable[..., Effect], str] = {
    _convolution_effect: "conv2d",
    _linear_effect: "linear",
    _max_pool_effect: "max_pool2d",
    _average_pool_effect: "avg_pool2d",
    _adaptive_pool_effect: "adaptive_avg_pool2d adaptive_max_pool2d",
    _pad: "pad",
    _elementwise: _ELEMENTWISE,
    _batch_norm: "batch_norm",
    _group_norm: "group_norm",
    _layer_norm: "layer_norm",
    _deskewed: "deskewed",
    _concatenate: "cat concat concatenate",
    _softmax: "softmax log_softmax softmin",
    _reduction: "mean sum amax amin",
    _reshape: "flatten view reshape squeeze unsqueeze unflatten view_as reshape_as",
    _index: "getitem",
    _expand: "expand expand_as",
    _copy: "contiguous clone detach to float double half type_as",
}
RULES: dict[str, Callable[..., Effect]] = {name: rule for rule, names in _SPELLINGS.items() for name in names.split()}
"""The rule of every operator that can be measured, by the operator's name in torch without surrounding underscores."""

MEASURED = (
    "Conv2d, Linear, max, average and adaptive pooling, padding, batch, group and layer norm, dropout, activations,"
    " softmax, sums, products, concatenated channels, means over height and width, flatten and reshape"
)
"""What can be measured, in words."""
