"""Convolutions, plain, grouped, depthwise and dilated; and the linear layer, a convolution as large as its input."""

import math
from collections.abc import Mapping
from typing import Any, cast

import torch
from torch import Size as Shape
from torch import Tensor, nn

from featherweight.networks.layers.fields import Effect, Pair, Units, gather, pair, window
from featherweight.networks.layers.kind import Draft, Kind, Size


def _convolution_effect(
    x: Units, weight: Tensor, bias: Any = None, stride: Pair = 1, padding: Pair | str = 0, dilation: Pair = 1,
    groups: int = 1, *, out: Shape,
) -> Effect:  # fmt: skip
    if not isinstance(weight, Tensor):
        raise ValueError("its weights depend on the image")
    kernel = pair(weight.shape[2:])
    if padding == "same":  # torch puts an odd pixel of padding at the end
        padding = [d * (k - 1) // 2 for d, k in zip(pair(dilation), kernel, strict=True)]
    before = 0 if isinstance(padding, str) else padding
    return window(x, out, kernel, stride, before, dilation, macs=out[1:].numel() * weight[0].numel())


def _linear_effect(x: Units, weight: Tensor, bias: Any = None, *, out: Shape) -> Effect:
    if not isinstance(weight, Tensor):
        raise ValueError("its weights depend on the image")
    if len(x.shape) != 2:
        raise ValueError(f"it is given {len(x.shape)} dimensions, where N features are needed: flatten before it")
    height, width = (gather(axis, pooled=False) for axis in x.axes)
    return Effect(axes=(height, width), macs=weight.numel())


def output_size(size: Size, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, ...],
                dilation: tuple[int, int] = (1, 1)) -> tuple[int, int]:  # fmt: skip
    """Height and width of the result of windows over a tensor; `pad` is above, left, below and right."""
    _, height, width = size
    top, left, bottom, right = pad
    rows, columns = ((side - 1) * apart for side, apart in zip(kernel, dilation, strict=True))
    return (height + top + bottom - rows - 1) // stride[0] + 1, (width + left + right - columns - 1) // stride[1] + 1


def _explicit_padding(module: nn.Conv2d) -> tuple[int, int, int, int]:
    """Padding above, left, below and right; for an even kernel with "same", the larger half is below and right."""
    if module.padding == "valid":
        return 0, 0, 0, 0
    if module.padding == "same":
        kernel, dilation = pair(module.kernel_size), pair(module.dilation)
        rows, columns = ((side - 1) * apart for side, apart in zip(kernel, dilation, strict=True))
        return rows // 2, columns // 2, rows - rows // 2, columns - columns // 2
    rows, columns = pair(cast("tuple[int, int]", module.padding))
    return rows, columns, rows, columns


def _settings(module: nn.Conv2d, name: str, draft: Draft) -> tuple[Size, dict[str, Any]]:
    """The size of the result, and kernel, stride, padding and dilation by axis."""
    channels, height, width = draft.size
    fits = not draft.flat and channels == module.in_channels
    draft.require(fits, module, name, f"takes {module.in_channels} channels, not {channels}")
    kernel, stride, pad = pair(module.kernel_size), pair(module.stride), _explicit_padding(module)
    draft.require(not any(pad) or module.padding_mode == "zeros", module, name, f"pads with {module.padding_mode}")
    dilation = pair(module.dilation)
    rows, columns = output_size(draft.size, kernel, stride, pad, dilation)
    draft.require(rows > 0 and columns > 0, module, name, f"is larger than its input of {height} x {width}")
    return (module.out_channels, rows, columns), {"kernel": kernel, "stride": stride, "pad": pad, "dilation": dilation}


def _convolution_native(module: nn.Conv2d, name: str, draft: Draft) -> None:
    size, by = _settings(module, name, draft)
    (kernel, *_), (stride, *_), (pad, *_), (dilation, *_) = by.values()
    even = all(len(set(by[part])) == 1 for part in ("kernel", "stride", "pad")) and stride in (1, 2)
    draft.require(even, module, name,
                  f"has kernel {module.kernel_size}, stride {module.stride}, padding {module.padding}: not square"
                  " with a stride of 1 or 2 and the same padding on all sides")  # fmt: skip
    same = len(set(by["dilation"])) == 1
    draft.require(same, module, name, f"has dilation {module.dilation}, not the same both ways")
    draft.require(pad <= dilation * (kernel - 1), module, name, f"pads by {pad}, as much as its kernel or more")
    draft.add(size, "convolution", kernel=kernel, stride=stride, pad=pad, dilation=dilation, groups=module.groups,
              weight=draft.place(module.weight), bias=draft.place(module.bias))  # fmt: skip


def _convolution_exported(module: nn.Conv2d, name: str, draft: Draft) -> None:
    before = _taken_padding(draft) if module.padding_mode == "zeros" else (0, 0, 0, 0)
    size, by = _settings(module, name, draft)
    by["pad"] = tuple(own + more for own, more in zip(by["pad"], before, strict=True))
    size = (size[0], *output_size(draft.size, by["kernel"], by["stride"], by["pad"], by["dilation"]))
    draft.add(size, "convolution", name=name, groups=module.groups, weight=module.weight.detach().clone(),
              bias=_bias(module), **by)  # fmt: skip


def _taken_padding(draft: Draft) -> tuple[int, ...]:
    """Take back the step right before this one if all that it does is to put zeros around; how many on each side."""
    last = draft.steps[-1] if draft.steps and draft.current == len(draft.steps) else {}
    copies = last.get("kind") == "convolution" and last.get("kernel") == (1, 1) and last.get("groups") == draft.size[0]
    if not copies or not any(last.get("pad", ())) or draft.current in draft.held:
        return 0, 0, 0, 0
    if last.get("stride", (1, 1)) != (1, 1) or bool((last["weight"] != 1).any()) or bool(last["bias"].any()):
        return 0, 0, 0, 0
    draft.steps.pop()
    draft.sizes.pop()
    draft.current = last["in"]
    return tuple(last["pad"])


def _bias(module: nn.Conv2d | nn.Linear) -> Tensor:
    return torch.zeros(len(module.weight)) if module.bias is None else module.bias.detach().clone()


def _linear_native(module: nn.Linear, name: str, draft: Draft) -> None:
    _require_features(module, name, draft)
    draft.add((module.out_features, 1, 1), "convolution", kernel=1, stride=1, pad=0, dilation=1, groups=1,
              weight=draft.place(module.weight), bias=draft.place(module.bias))  # fmt: skip


def _linear_exported(module: nn.Linear, name: str, draft: Draft) -> None:
    """A convolution with a kernel as large as the tensor: Flatten keeps channels, rows and columns in its order."""
    _require_features(module, name, draft)
    _, height, width = draft.size
    weight = module.weight.detach().clone().reshape(module.out_features, *draft.size)
    draft.add((module.out_features, 1, 1), "convolution", name=name, kernel=(height, width), weight=weight,
              bias=_bias(module))  # fmt: skip


def _require_features(module: nn.Linear, name: str, draft: Draft) -> None:
    fits = draft.flat and math.prod(draft.size) == module.in_features
    draft.require(fits, module, name, f"takes {module.in_features} features and does not get them flat")


def convolution_weights(named: Mapping[str, Any]) -> int:
    """At most how many numbers a convolution holds."""
    kernel = named.get("kernel_size", 1)
    inputs, outputs = named.get("in_channels", 0), named.get("out_channels", 0)
    return int(inputs * outputs * math.prod(pair(kernel)) // named.get("groups", 1) + outputs)


KINDS = (
    Kind(
        written="nn.Conv2d", make=nn.Conv2d, weights=convolution_weights, native=_convolution_native,
        exported=_convolution_exported,
        arguments="in_channels=count out_channels=count kernel_size=sides stride=sides padding=pad dilation=sides"
        " groups=count bias=flag padding_mode=mode",
        note="natively square, with a stride of 1 or 2 and padding alike on all sides; zeros at the edge",
    ),
    Kind(
        written="nn.Linear", make=nn.Linear, arguments="in_features=count out_features=count bias=flag",
        weights=lambda named: (named.get("in_features", 0) + 1) * named.get("out_features", 0),
        native=_linear_native, exported=_linear_exported,
    ),
)  # fmt: skip
EFFECTS = {"conv2d": _convolution_effect, "linear": _linear_effect}
