"""What computes nothing from images: shapes, edges, dropout; and softmax, reductions and joins along an axis."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Size as Shape
from torch import nn

from featherweight.networks.layers.fields import (
    Effect,
    FieldRule,
    Pair,
    Units,
    elementwise,
    gather,
    spread,
    spread_out,
    units_in,
    window,
)
from featherweight.networks.layers.kind import Draft, Kind, nothing


def _pad(x: Units, pad: Sequence[int], mode: str = "constant", *args: Any, out: Shape, **kwargs: Any) -> Effect:
    if mode == "circular":
        raise ValueError("it pads with the opposite side of the image")
    left, top = pad[0], pad[2] if len(pad) > 2 else 0
    return Effect(axes=window(x, out, 1, 1, (top, left)).axes)


def _concatenate(tensors: Sequence[Any], dim: int = 0, *, out: Shape) -> Effect:
    if dim % len(out) != 1:
        raise ValueError(f"it joins along dimension {dim}, where only channels (1) can be followed")
    parts = list(units_in(list(tensors)))
    if len({tuple(axis.count for axis in part.axes) for part in parts}) > 1:
        raise ValueError("it joins features of different grids: pool them, or give each its own linear layer, first")
    return elementwise(parts, out=out)


def _softmax(x: Units, dim: int | None = None, *args: Any, out: Shape, **kwargs: Any) -> Effect:
    dimensions = len(out)
    along = (1 if dim is None else dim) % dimensions
    if dimensions == 4 or along == 0:
        return Effect(axes=spread(x, (along,)))
    return Effect(axes=x.axes if dimensions == 3 and along == 1 else spread(x, (2, 3)))


def _reduction(x: Units, dim: Pair | None = None, *args: Any, out: Shape, **kwargs: Any) -> Effect:
    dimensions = len(x.shape)
    if dim is None or dimensions == 2:
        raise ValueError("it reduces more than height, width or channels")
    dims = {d % dimensions for d in ([dim] if isinstance(dim, int) else dim)}
    gone = {2, 3} if dimensions == 3 and 2 in dims else dims  # N C positions: the last dimension holds both axes
    height, width = (gather(axis, pooled=True) if d in gone else axis for d, axis in zip((2, 3), x.axes, strict=True))
    return Effect(axes=(height, width))


def _reshape(x: Units, *args: Any, out: Shape, **kwargs: Any) -> Effect:
    return Effect(axes=x.axes)  # `check_batch` decides whether height and width are still distinguishable


def _index(x: Units, index: Any, *, out: Shape) -> Effect:
    places = index if isinstance(index, tuple) else (index,)
    if any(place not in (None, Ellipsis, slice(None)) for place in places):
        raise ValueError("it takes a part of a tensor; only new dimensions, as in x[:, :, None, None], can be followed")
    return Effect(axes=x.axes)


def _expand(x: Units, *args: Any, out: Shape, **kwargs: Any) -> Effect:
    if len(out) != 4:
        return Effect(axes=x.axes)
    height, width = (spread_out(a, n) if a.count == 1 < n else a for a, n in zip(x.axes, out[2:], strict=True))
    return Effect(axes=(height, width))


def _copy(x: Units, *args: Any, out: Shape, **kwargs: Any) -> Effect:
    return Effect(axes=x.axes, listed=False)


def _flatten(module: nn.Flatten, name: str, draft: Draft) -> None:
    whole = (module.start_dim, module.end_dim) in ((1, -1), (1, 3))
    draft.require(whole, module, name, "keeps an axis or takes the pictures'")
    draft.flush()
    draft.flat = True


def _flatten_native(module: nn.Flatten, name: str, draft: Draft) -> None:
    c, h, w = draft.size
    flat = draft.flat
    _flatten(module, name, draft)
    if not flat:
        draft.add((c * h * w, 1, 1), "copy")


def _zero_pad(module: nn.ZeroPad2d, name: str, draft: Draft) -> None:
    """A convolution that copies, which the next one takes over."""
    left, right, top, bottom = module.padding
    draft.require(not draft.flat and min(module.padding) >= 0, module, name, "pads no map, or cuts it")
    channels, height, width = draft.size
    draft.add((channels, height + top + bottom, width + left + right), "convolution", name=name, groups=channels,
              kernel=(1, 1), pad=(top, left, bottom, right), weight=torch.ones(channels, 1, 1, 1),
              bias=torch.zeros(channels))  # fmt: skip


def _log_softmax(module: nn.LogSoftmax, name: str, draft: Draft) -> None:
    of_classes = module.dim == 1 or (module.dim == -1 and draft.flat)
    draft.require(of_classes and draft.size[1:] == (1, 1), module, name, "is not over the classes of one picture")
    draft.flush()
    draft.log_output = True


_DROPS = {nn.Dropout: 1, nn.Dropout2d: 2}
"""Their numbers in `Drop` of the engine's kernels."""


def _dropout_native(module: nn.Dropout | nn.Dropout2d, name: str, draft: Draft) -> None:
    channels = isinstance(module, nn.Dropout2d)
    draft.require(not (draft.flat and channels), module, name, "gets no channels to drop")
    if module.p > 0:
        before = sum("drop" in step for step in [*draft.steps, draft.pending])
        draft.gather(("drop", "kernel"), drop=_DROPS[type(module)], rate=module.p, layer=before)


def _kinds(names: str, arguments: str, **settings: Any) -> tuple[Kind, ...]:
    return tuple(
        Kind(written=f"nn.{name}", make=getattr(nn, name), arguments=arguments, **settings) for name in names.split()
    )


KINDS = (
    *_kinds("ZeroPad2d", "padding=pad", exported=_zero_pad, note="its zeros join the convolution after it"),
    *_kinds("ReflectionPad2d ReplicationPad2d", "padding=pad"),
    *_kinds("ConstantPad2d", "padding=pad value=real"),
    *_kinds("Flatten", "start_dim=axis end_dim=axis", native=_flatten_native, exported=_flatten),
    *_kinds("Unflatten", "dim=axis unflattened_size=sizes"),
    *_kinds("Identity", "", native=nothing, exported=nothing),
    *_kinds("Softmax Softmin", "dim=axis"),
    *_kinds("LogSoftmax", "dim=axis", native=_log_softmax, exported=_log_softmax, note="over the classes, at the end"),
    *_kinds("Dropout Dropout2d", "p=share inplace=flag", native=_dropout_native, exported=nothing),
    *_kinds("Dropout1d AlphaDropout FeatureAlphaDropout", "p=share inplace=flag"),
)
_SPELLINGS: dict[FieldRule, str] = {
    _pad: "pad",
    _concatenate: "cat concat concatenate",
    _softmax: "softmax log_softmax softmin",
    _reduction: "mean sum amax amin",
    _reshape: "flatten view reshape squeeze unsqueeze unflatten view_as reshape_as",
    _index: "getitem",
    _expand: "expand expand_as",
    _copy: "contiguous clone detach to float double half type_as",
    elementwise: "dropout dropout2d feature_dropout alpha_dropout feature_alpha_dropout clamp abs neg exp log sqrt"
    " square pow reciprocal"
    " add iadd radd sub isub rsub mul imul rmul div idiv truediv itruediv rtruediv maximum minimum",
}
EFFECTS = {name: rule for rule, names in _SPELLINGS.items() for name in names.split()}
