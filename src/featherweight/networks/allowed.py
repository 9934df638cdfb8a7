"""The layers that a network written as data may be made of, and which values each of their arguments may have.

They are those that `anatomy` can measure. A file from somebody else is read through this table, so nothing in it can
name another class, run code, or ask for more memory than `MOST_WEIGHTS` allows.
"""

import inspect
import math
from collections.abc import Callable, Mapping
from typing import Any

from torch import nn

from featherweight.errors import UsageError, nearest
from featherweight.networks import layers as blocks
from featherweight.networks import preprocessing

LARGEST = 1 << 16
"""Channels, features or groups."""
LONGEST = 1 << 10
"""Pixels of a kernel, a stride, a padding or a dilation."""
MOST_WEIGHTS = 1 << 26
"""Of a whole network: 256 MiB of float32."""
MODES = ("zeros", "reflect", "replicate", "circular", "none", "tanh")
DATA_SIZES = ("channels", "classes")
"""Words that stand for the data's own numbers."""


def _whole(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _each(value: Any, holds: Callable[[Any], bool], lengths: tuple[int, ...] = (2,)) -> bool:
    return holds(value) or (isinstance(value, tuple) and len(value) in lengths and all(map(holds, value)))


def _real(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= 1e6


KINDS: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "count": (lambda v: v in DATA_SIZES or _whole(v, 1, LARGEST), f"a whole number from 1 to {LARGEST:,}"),
    "side": (lambda v: _whole(v, 1, LONGEST), f"a whole number from 1 to {LONGEST:,}"),
    "sides": (lambda v: _each(v, lambda n: _whole(n, 1, LONGEST)), f"one or two whole numbers from 1 to {LONGEST:,}"),
    "stride": (lambda v: v is None or _each(v, lambda n: _whole(n, 1, LONGEST)), "one or two whole numbers, or None"),
    "grid": (lambda v: _each(v, lambda n: n is None or _whole(n, 1, LONGEST)), "one or two whole numbers, or None"),
    "pad": (
        lambda v: v in ("same", "valid") or _each(v, lambda n: _whole(n, 0, LONGEST), (2, 4)),
        f"whole numbers from 0 to {LONGEST:,}, 'same' or 'valid'",
    ),
    "sizes": (lambda v: isinstance(v, tuple) and all(_whole(n, 1, LARGEST) for n in v), "whole numbers from 1"),
    "axis": (lambda v: v is None or _whole(v, -4, 4), "a whole number from -4 to 4"),
    "flag": (lambda v: isinstance(v, bool), "True or False"),
    "share": (lambda v: _real(v) and 0 <= v <= 1, "a number from 0 to 1"),
    "real": (_real, "a number from -1,000,000 to 1,000,000"),
    "momentum": (lambda v: v is None or (_real(v) and 0 <= v <= 1), "a number from 0 to 1, or None"),
    "divisor": (lambda v: v is None or _whole(v, 1, LARGEST), f"a whole number from 1 to {LARGEST:,}, or None"),
    "mode": (lambda v: v in MODES, f"one of {', '.join(MODES)}"),
}
"""What an argument may be, and that in words."""

_CONVOLUTION = (
    "in_channels=count out_channels=count kernel_size=sides stride=sides padding=pad dilation=sides groups=count"
    " bias=flag padding_mode=mode"
)
_NORM = "num_features=count eps=real momentum=momentum affine=flag track_running_stats=flag"
_TABLE = {
    "conv_norm_relu": "inputs=count outputs=count kernel=sides padding=pad dropout=share stride=sides",
    "separable_norm_relu": "inputs=count outputs=count kernel=sides padding=pad stride=sides",
    "residual_norm_relu": "inputs=count outputs=count stride=sides",
    "Crop": "pixels=side",
    "Deskew": "",
    "nn.Conv2d": _CONVOLUTION,
    "nn.Linear": "in_features=count out_features=count bias=flag",
    "nn.BatchNorm1d": _NORM,
    "nn.BatchNorm2d": _NORM,
    "nn.GroupNorm": "num_groups=count num_channels=count eps=real affine=flag",
    "nn.LayerNorm": "normalized_shape=sizes eps=real elementwise_affine=flag bias=flag",
    "nn.MaxPool2d": "kernel_size=sides stride=stride padding=pad dilation=sides return_indices=flag ceil_mode=flag",
    "nn.AvgPool2d": "kernel_size=sides stride=stride padding=pad ceil_mode=flag count_include_pad=flag"
    " divisor_override=divisor",
    "nn.AdaptiveAvgPool2d": "output_size=grid",
    "nn.AdaptiveMaxPool2d": "output_size=grid return_indices=flag",
    "nn.ZeroPad2d": "padding=pad",
    "nn.ReflectionPad2d": "padding=pad",
    "nn.ReplicationPad2d": "padding=pad",
    "nn.ConstantPad2d": "padding=pad value=real",
    "nn.Flatten": "start_dim=axis end_dim=axis",
    "nn.Unflatten": "dim=axis unflattened_size=sizes",
    "nn.Identity": "",
    "nn.Softmax": "dim=axis",
    "nn.Softmin": "dim=axis",
    "nn.LogSoftmax": "dim=axis",
    **{f"nn.{name}": "p=share inplace=flag" for name in ("Dropout", "Dropout1d", "Dropout2d", "AlphaDropout")},
    "nn.FeatureAlphaDropout": "p=share inplace=flag",
    **{f"nn.{name}": "inplace=flag" for name in ("ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid")},
    **{f"nn.{name}": "" for name in ("Sigmoid", "Tanh", "Softsign", "LogSigmoid", "Tanhshrink")},
    **{f"nn.{name}": "alpha=real inplace=flag" for name in ("ELU", "CELU")},
    "nn.LeakyReLU": "negative_slope=real inplace=flag",
    "nn.PReLU": "num_parameters=count init=real",
    "nn.GELU": "approximate=mode",
    "nn.Hardtanh": "min_val=real max_val=real inplace=flag",
    "nn.Softplus": "beta=real threshold=real",
    "nn.Softshrink": "lambd=real",
    "nn.Hardshrink": "lambd=real",
    "nn.Threshold": "threshold=real value=real inplace=flag",
}
ARGUMENTS: Mapping[str, Mapping[str, str]] = {
    make: dict(pair.split("=") for pair in words.split()) for make, words in _TABLE.items()
}
"""Of each layer, the arguments in order and the kind of each."""
OWN = ("conv_norm_relu", "separable_norm_relu", "residual_norm_relu")
"""Blocks of this package that are written as one layer; they are Sequentials of PyTorch's layers."""
PREPARING: Mapping[str, type[nn.Module]] = {kind.__name__: kind for kind in preprocessing.LAYERS}
"""Layers of this package that prepare pictures."""
CONTAINERS: Mapping[str, type[nn.Sequential]] = {
    "nn.Sequential": nn.Sequential,
    "Residual": blocks.Residual,
    "Sum": blocks.Sum,
    "Gated": blocks.Gated,
}
"""What holds other layers, in order."""


def maker(make: str) -> Callable[..., nn.Module]:
    """What makes a layer of this name; UsageError names the nearest when there is none."""
    if make in CONTAINERS:
        return CONTAINERS[make]
    if make not in ARGUMENTS:
        raise UsageError(f"Unknown layer {make!r:.60}; {nearest(str(make), (*CONTAINERS, *ARGUMENTS))}")
    if make in PREPARING:
        return PREPARING[make]
    found: Callable[..., nn.Module] = getattr(blocks if make in OWN else nn, make.removeprefix("nn."))
    return found


def checked(make: str, given: tuple[Any, ...], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a layer by their names; UsageError for one that it has not, or has twice, or out of range."""
    allowed = ARGUMENTS[make]
    if len(given) > len(allowed):
        raise UsageError(f"{make} takes {len(allowed)} arguments; given {len(given)}.")
    named = dict(zip(allowed, given, strict=False))
    for name, value in settings.items():
        if name not in allowed or name in named:
            known = ", ".join(allowed) or "none"
            raise UsageError(f"{make} takes each of these arguments once: {known}; given {name!r:.60} as well.")
        named[name] = value
    for name, value in named.items():
        holds, words = KINDS[allowed[name]]
        if not holds(value):
            raise UsageError(f"The {name} of {make} is {words}; given {value!r:.60}.")
    return named


def weights(make: str, named: Mapping[str, Any]) -> int:
    """At most how many numbers the layer holds, by arithmetic; nothing is made."""
    kinds = {name: ARGUMENTS[make][name] for name in named}
    counts = [n for name, n in named.items() if kinds[name] == "count" and name != "groups" and type(n) is int]
    if make == "residual_norm_relu":
        inputs, outputs = (n if type(n := named[name]) is int else 0 for name in ("inputs", "outputs"))
        return 9 * outputs * (inputs + outputs) + inputs * outputs + 16 * outputs
    if make == "nn.LayerNorm":
        return 2 * math.prod(named["normalized_shape"])
    if make in ("nn.Conv2d", *OWN):
        kernel = named.get("kernel_size", named.get("kernel", 3))
        area = kernel * kernel if isinstance(kernel, int) else math.prod(kernel)
        return math.prod(counts) * area // int(named.get("groups", 1)) + 4 * sum(counts) * max(1, area * (make in OWN))
    return math.prod(counts) + 4 * sum(counts) if counts else 0


def defaults(make: str) -> dict[str, Any]:
    """What a layer's arguments are unless given."""
    signature = inspect.signature(maker(make)).parameters
    return {name: signature[name].default for name in ARGUMENTS[make]}
