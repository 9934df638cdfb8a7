"""Norms: batch norm by the statistics of a batch, group and layer norm by those of each image."""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Size as Shape
from torch import nn

from featherweight.networks.layers.fields import Effect, Units, elementwise, spread
from featherweight.networks.layers.kind import Draft, Kind


def _batch_effect(x: Units, running_mean: Any, running_var: Any, *args: Any, out: Shape, **kwargs: Any) -> Effect:
    training = kwargs.get("training", args[2] if len(args) > 2 else False)
    if training is not False or running_mean is None:
        raise ValueError("it takes its statistics from the batch, so every image sees every other")
    return elementwise(x, out=out)


def _group_effect(x: Units, *args: Any, out: Shape, **kwargs: Any) -> Effect:
    return Effect(axes=spread(x, (2, 3)))


def _layer_effect(x: Units, normalized_shape: Sequence[int], *args: Any, out: Shape, **kwargs: Any) -> Effect:
    last = {4 - at for at in range(1, len(normalized_shape) + 1)} if len(out) == 4 else {2, 3}
    return Effect(axes=spread(x, tuple(last)))


def _require_batch_norm(module: nn.BatchNorm2d | nn.BatchNorm1d, name: str, draft: Draft) -> None:
    draft.require(module.track_running_stats, module, name, "keeps no running statistics")
    draft.require(draft.flat == isinstance(module, nn.BatchNorm1d), module, name, "does not get the shape it is for")
    draft.require(draft.size[0] == module.num_features, module, name, f"takes {module.num_features} channels")


def _batch_native(module: nn.BatchNorm2d | nn.BatchNorm1d, name: str, draft: Draft) -> None:
    _require_batch_norm(module, name, draft)
    draft.gather(
        ("norm", "act", "drop", "kernel"),
        norm=1, eps=module.eps, momentum=-1.0 if module.momentum is None else module.momentum,
        gamma=draft.place(module.weight), beta=draft.place(module.bias),
        mean=draft.place(module.running_mean), variance=draft.place(module.running_var),
        count=draft.place(module.num_batches_tracked),
    )  # fmt: skip


def _batch_exported(module: nn.BatchNorm2d | nn.BatchNorm1d, name: str, draft: Draft) -> None:
    """Folded into a convolution right before it, in float64; elsewhere a convolution of one channel each."""
    _require_batch_norm(module, name, draft)
    assert module.running_mean is not None and module.running_var is not None
    variance = module.running_var.double() + module.eps
    draft.require(bool((variance > 0).all()) and bool(torch.isfinite(variance).all()), module, name,
                  "has a variance that is negative or no number")  # fmt: skip
    scale = 1 / variance.sqrt()
    if module.weight is not None:
        scale = scale * module.weight.detach().double()
    shift = -module.running_mean.double() * scale
    if module.bias is not None:
        shift = shift + module.bias.detach().double()
    last: dict[str, Any] = draft.steps[-1] if draft.steps else {"kind": ""}
    if last["kind"] == "convolution" and draft.current == len(draft.steps) and draft.current not in draft.held:
        weight = (last["weight"].double() * scale.reshape(-1, 1, 1, 1)).float()
        draft.steps[-1] = last | {"weight": weight, "bias": (last["bias"].double() * scale + shift).float()}
    else:
        draft.add(draft.size, "convolution", name=name, groups=draft.size[0], bias=shift.float(),
                  weight=scale.float().reshape(-1, 1, 1, 1))  # fmt: skip


def _groups(module: nn.GroupNorm | nn.LayerNorm, name: str, draft: Draft) -> tuple[int, bool]:
    """The number of groups of channels, and whether each value has weights of its own rather than each channel."""
    wanted: tuple[int, ...]
    got: tuple[int, ...]
    if isinstance(module, nn.GroupNorm):
        groups, wanted, got = module.num_groups, (module.num_channels,), draft.size[:1]
    else:
        groups, wanted, got = 1, tuple(module.normalized_shape), draft.size[:1] if draft.flat else draft.size
    draft.require(got == wanted, module, name, f"takes {wanted} and gets {got}")
    draft.require(math.prod(draft.size) > groups, module, name, "has groups of a single value")
    return groups, len(wanted) > 1


def _group_exported(module: nn.GroupNorm | nn.LayerNorm, name: str, draft: Draft) -> None:
    """A step that takes in the whole map, its `kernel`, for each row that it makes."""
    if draft.flat and isinstance(module, nn.LayerNorm) and draft.size[1:] != (1, 1):
        fits, groups, shape = tuple(module.normalized_shape) == (math.prod(draft.size),), 1, draft.size
        draft.require(fits, module, name, f"takes {module.normalized_shape} and gets {draft.size}")
    else:
        groups, each = _groups(module, name, draft)
        shape = draft.size if each else (draft.size[0], 1, 1)
    weight, bias = (
        torch.full(shape, usual) if given is None else given.detach().clone().reshape(shape)
        for given, usual in ((module.weight, 1.0), (module.bias, 0.0))
    )
    draft.add(draft.size, "group norm", name=name, kernel=draft.size[1:], stride=(0, 0), groups=groups, eps=module.eps,
              weight=weight, bias=bias)  # fmt: skip


JAVASCRIPT = """(step, from) => {
    const area = from.h * from.w, size = (from.c / step.groups) * area, each = step.each ? 1 : area;
    const mean = (values) => values.reduce((a, b) => a + b, 0) / size;
    const groups = Array.from({ length: step.groups }, (_, at) => {
      const values = from.v.subarray(at * size, (at + 1) * size), middle = mean(values);
      return [middle, Math.sqrt(mean(values.map((value) => (value - middle) ** 2)) + step.eps)];
    });
    const value = (it, at) => (it - groups[Math.floor(at / size)][0]) / groups[Math.floor(at / size)][1];
    const by = (first, at) => numbers[first + Math.floor(at / each)];
    return { ...from, v: from.v.map((it, at) => value(it, at) * by(step.weight, at) + by(step.bias, at)) };
  }"""
"""A group norm on the page."""


def _group_native(module: nn.GroupNorm | nn.LayerNorm, name: str, draft: Draft) -> None:
    groups, each = _groups(module, name, draft)
    draft.add(draft.size, "group_norm", groups=groups, eps=module.eps, shared=int(each),
              gamma=draft.place(module.weight), beta=draft.place(module.bias))  # fmt: skip


_BATCH = "num_features=count eps=real momentum=momentum affine=flag track_running_stats=flag"


def _batch_weights(named: Mapping[str, Any]) -> int:
    return 5 * int(named.get("num_features", 0))


KINDS = (
    Kind(written="nn.BatchNorm1d", make=nn.BatchNorm1d, arguments=_BATCH, weights=_batch_weights,
         native=_batch_native, exported=_batch_exported),
    Kind(written="nn.BatchNorm2d", make=nn.BatchNorm2d, arguments=_BATCH, weights=_batch_weights,
         native=_batch_native, exported=_batch_exported),
    Kind(written="nn.GroupNorm", make=nn.GroupNorm,
         arguments="num_groups=count num_channels=count eps=real affine=flag",
         weights=lambda named: 2 * int(named.get("num_channels", 0)), native=_group_native, exported=_group_exported,
         note="its statistics are each image's, over the whole map: so is its field"),
    Kind(written="nn.LayerNorm", make=nn.LayerNorm,
         arguments="normalized_shape=sizes eps=real elementwise_affine=flag bias=flag",
         weights=lambda named: 2 * math.prod(named.get("normalized_shape", ())), native=_group_native,
         exported=_group_exported,
         note="over channels, height and width, or features; the same holds of its field"),
)  # fmt: skip
EFFECTS = {"batch_norm": _batch_effect, "group_norm": _group_effect, "layer_norm": _layer_effect}
