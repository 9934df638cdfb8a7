"""A network as plain data: which layers it is made of, with which arguments. What a run keeps of its network.

A layer is what would be called to make it, the name and its arguments, nested where it holds others. The data say
nothing of weights and name nothing but the kinds in `layers`, so a network can be built from a stranger's file.
"""

import inspect
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from inspect import Parameter
from typing import Any, TypeAlias

import torch
from torch import nn

from featherweight.errors import UsageError
from featherweight.networks.checks import fingerprint
from featherweight.networks.layers import MOST_WEIGHTS, by_class, checked, kind_of
from featherweight.networks.layers.blocks import CONTAINERS
from featherweight.networks.layers.kind import Kind

MOST_LAYERS = 1 << 12
DEEPEST = 16
"""Containers inside containers."""
Value: TypeAlias = "int | float | str | bool | None | tuple[int | None, ...] | Layer"


@dataclass(frozen=True)
class Layer:
    """One layer as plain data: what makes it, and with which arguments."""

    make: str
    """`conv_norm_relu` or another block of this package, or a layer of PyTorch as `nn.MaxPool2d`."""
    given: tuple[Value, ...] = ()
    """Arguments in order: numbers, or layers inside a container such as `nn.Sequential`; `"channels"` and `"classes"`
    stand for those of the data."""
    settings: tuple[tuple[str, Value], ...] = ()
    """Arguments by name; inside a container, layers whose names are not 0, 1, 2 and so on."""

    def __str__(self) -> str:
        arguments = [*map(str, self.given), *(f"{name}={value}" for name, value in self.settings)]
        return f"{self.make}({', '.join(arguments)})"


def layer(make: str, *given: Value, **settings: Value) -> Layer:
    """A layer, written as it is called; UsageError when there is no such layer.

    >>> print(layer("conv_norm_relu", "channels", 8, kernel=5))
    conv_norm_relu(channels, 8, kernel=5)
    """
    _require_known(make)
    return Layer(make, given, tuple(settings.items()))


def _require_known(make: str) -> None:
    if make not in CONTAINERS:
        kind_of(make)


def build_layers(network: Sequence[Layer], channels: int = 1, classes: int = 10) -> nn.Sequential:
    """A fresh network of these layers one after another, its weights drawn by PyTorch's generator."""
    made = make(Layer("nn.Sequential", tuple(network)), channels, classes)
    assert isinstance(made, nn.Sequential)
    return made


def make(whole: Layer, channels: int = 1, classes: int = 10) -> nn.Module:
    """A fresh network of this layer and all inside it.

    Raises UsageError, before anything is made, for an argument out of range and for more layers or weights than any
    network here has; and whatever PyTorch raises for arguments that do not go together.

    >>> make(layer("nn.Sequential", layer("nn.Flatten"), layer("nn.Linear", 12, "classes")), classes=3)
    Sequential(
      (0): Flatten(start_dim=1, end_dim=-1)
      (1): Linear(in_features=12, out_features=3, bias=True)
    )
    """
    sizes = {"channels": channels, "classes": classes}
    _require_bounded(whole, sizes)
    return _build_layer(whole, sizes)


def _named(one: Layer, sizes: dict[str, int]) -> dict[str, Any]:
    """The arguments of a layer that holds no others, by name, with the data's numbers in place of their words."""
    named = checked(one.make, one.given, dict(one.settings))
    return {name: sizes.get(value, value) if isinstance(value, str) else value for name, value in named.items()}


def _inside(one: Layer) -> list[tuple[str, Layer]]:
    """The layers that a container holds, by name; UsageError for anything else in it."""
    parts = [*((str(at), part) for at, part in enumerate(one.given)), *one.settings]
    if len({name for name, _ in parts}) < len(parts):
        raise UsageError(f"Two layers inside a {one.make} have the same name.")
    for name, part in parts:
        if not isinstance(part, Layer) or not name or "." in name:
            raise UsageError(
                f"{one.make} holds layers, each with a name without dots; given {name!r:.60}: {part!r:.60}."
            )
    return [(name, part) for name, part in parts if isinstance(part, Layer)]


def _walk(one: Layer, depth: int = 0) -> Iterator[Layer]:
    if depth > DEEPEST:
        raise UsageError(f"A network's layers are nested at most {DEEPEST} deep.")
    yield one
    if one.make in CONTAINERS:
        for _, part in _inside(one):
            yield from _walk(part, depth + 1)


def _require_bounded(whole: Layer, sizes: dict[str, int]) -> None:
    total = 0
    for number, one in enumerate(_walk(whole), start=1):
        _require_known(one.make)
        total += 0 if one.make in CONTAINERS else kind_of(one.make).weights(_named(one, sizes))
        if number > MOST_LAYERS or total > MOST_WEIGHTS:
            raise UsageError(
                f"A network has at most {MOST_LAYERS:,} layers and {MOST_WEIGHTS:,} weights; this one has more."
            )


def _build_layer(one: Layer, sizes: dict[str, int]) -> nn.Module:
    if one.make not in CONTAINERS:
        return kind_of(one.make).make(**_named(one, sizes))
    container = CONTAINERS[one.make]()
    for name, part in _inside(one):
        container.add_module(name, _build_layer(part, sizes))
    return container


def to_json(one: Layer) -> list[Any]:
    """[name, [arguments in order], {arguments by name}], layers inside it likewise.

    >>> to_json(layer("nn.Conv2d", 3, 5, (3, 1), bias=False))
    ['nn.Conv2d', [3, 5, [3, 1]], {'bias': False}]
    """

    def plain(value: Value) -> Any:
        if isinstance(value, Layer):
            return to_json(value)
        return list(value) if isinstance(value, tuple) else value

    return [one.make, [plain(value) for value in one.given], {name: plain(value) for name, value in one.settings}]


def from_json(values: Any, depth: int = 0) -> Layer:
    """The layer that `to_json` wrote; UsageError when it is something else or not allowed."""
    match values:
        case [str(name), list(given), dict(settings)] if depth <= DEEPEST:
            read = Layer(
                name,
                tuple(_value(value, depth) for value in given),
                tuple((key, _value(value, depth)) for key, value in settings.items()),
            )
        case _:
            raise UsageError(f"A layer is [name, [arguments], {{arguments by name}}]; given {values!r:.80}.")
    _require_known(name)
    if name in CONTAINERS:
        _inside(read)
    else:
        checked(name, read.given, dict(read.settings))
    return read


def _value(value: Any, depth: int) -> Value:
    if isinstance(value, list):
        return from_json(value, depth + 1) if value and isinstance(value[0], str) else tuple(value)
    checked_value: Value = value
    return checked_value


def describe_network(network: nn.Module) -> tuple[Layer | None, str]:
    """The network as data, and ""; or None, and what in it cannot be written as data.

    `make` builds it again, equal in every layer and setting and in the names of its weights, which are drawn anew.

    >>> print(describe_network(nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.ReLU()))[0])
    nn.Sequential(nn.Conv2d(1, 4, 3, bias=False), nn.ReLU())
    >>> describe_network(nn.Sequential(nn.Flatten(), nn.Bilinear(2, 3, 4)))
    (None, 'layer 1 (Bilinear)')
    """
    try:
        whole = _described(network, "", set())
        with torch.random.fork_rng(devices=[]):
            again = make(whole)
    except _ForeignError as problem:
        return None, str(problem)
    except UsageError as problem:
        return None, f"the network itself: {problem}"
    if fingerprint(again) != fingerprint(network):
        return None, "the network itself, which has more to it than its layers"
    return whole, ""


class _ForeignError(Exception):
    """A module that is not written as data; its text says which."""


_HOLDERS = {kind: make for make, kind in CONTAINERS.items()}


def _described(module: nn.Module, name: str, seen: set[int]) -> Layer:
    called = f"{f'layer {name}' if name else 'the network itself'} ({type(module).__name__})"
    own = [*module.parameters(recurse=False)]
    if id(module) in seen or seen & {id(tensor) for tensor in own}:
        raise _ForeignError(f"{called}, which is used twice")
    seen |= {id(module), *map(id, own)}
    if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks or "forward" in vars(module):
        raise _ForeignError(f"{called}, which has hooks or a forward of its own")
    if any(not tensor.requires_grad or tensor.dtype != torch.float32 for tensor in own):
        raise _ForeignError(f"{called}, which is frozen or not of float32")
    if isinstance(module, nn.Sequential) and type(module) in _HOLDERS:
        inside = [(key, part) for key, part in module._modules.items() if part is not None]
        parts = [(key, _described(part, f"{name}.{key}" if name else key, seen)) for key, part in inside]
        counted = all(key == str(at) for at, (key, _) in enumerate(parts))
        held = tuple(part for _, part in parts) if counted else ()
        return _folded(Layer(_HOLDERS[type(module)], held, () if counted else tuple(parts)), module)
    kind = by_class().get(type(module))
    if kind is None:
        raise _ForeignError(called)
    return _layer_of(module, kind, called)


def _layer_of(module: nn.Module, kind: Kind, called: str) -> Layer:
    """A layer of PyTorch with those of its arguments that are not as they are by default."""
    signature, make = inspect.signature(kind.make).parameters, kind.written
    usual = {name: signature[name].default for name in kind.ranges}
    given: list[Value] = []
    settings: list[tuple[str, Value]] = []
    for name, default in usual.items():
        value = getattr(module, name)
        if name == "bias":
            value = value is not None
        if make == "nn.Conv2d" and isinstance(value, tuple) and len(set(value)) == 1:
            value = value[0]  # which PyTorch makes a pair again; of pools it keeps what it was given
        if name == "stride" and make != "nn.Conv2d" and value == getattr(module, "kernel_size", None):
            continue
        if default is Parameter.empty:
            given.append(value)
        elif value != default or type(value) is not type(default):
            settings.append((name, value))
    found = Layer(make, tuple(given), tuple(settings))
    try:
        checked(make, found.given, dict(found.settings))
    except UsageError as problem:
        raise _ForeignError(f"{called}: {problem}") from problem
    return found


_CONV, _NORM, _RELU, _DROP = "nn.Conv2d", "nn.BatchNorm2d", "nn.ReLU", "nn.Dropout"
_BLOCKS = {
    (_CONV, _NORM, _RELU): "conv_norm_relu",
    (_CONV, _NORM, _RELU, _DROP): "conv_norm_relu",
    (_CONV, _CONV, _NORM, _RELU): "separable_norm_relu",
}


def _folded(one: Layer, module: nn.Module) -> Layer:
    """A block of this package in place of the layers that it is made of, where they are exactly those."""
    candidate = _candidate(one)
    if candidate is None or one.make != "nn.Sequential" or one.settings:
        return one
    try:
        with torch.random.fork_rng(devices=[]):
            same = fingerprint(make(candidate)) == fingerprint(module)
    except UsageError:
        return one
    return candidate if same else one


def _candidate(one: Layer) -> Layer | None:
    """The block that the layers might be, by their kinds."""
    parts = [part for part in one.given if isinstance(part, Layer)]
    kinds = tuple(part.make for part in parts)
    if kinds in (("Sum", _RELU), ("Residual", _RELU)):
        main = parts[0].given[0] if parts[0].make == "Sum" and parts[0].given else parts[0]
        inside = [part for part in main.given if isinstance(part, Layer)] if isinstance(main, Layer) else []
        convolutions = [part for part in inside if part.make == _CONV]
        if len(convolutions) != 2:
            return None
        stride = dict(convolutions[0].settings).get("stride", 1)
        settings: dict[str, Value] = {"stride": stride} if stride != 1 else {}
        widths = (convolutions[0].given[0], convolutions[1].given[1])
        return Layer("residual_norm_relu", widths, tuple(settings.items()))
    block = _BLOCKS.get(kinds)
    if block is None:
        return None
    first, sizes = dict(parts[0].settings), [part.given for part in parts if part.make == _CONV]
    settings = {} if sizes[0][2] == 3 else {"kernel": sizes[0][2]}
    settings |= {name: first[name] for name in ("padding", "stride") if name in first}
    if parts[-1].make == _DROP:
        settings["dropout"] = dict(parts[-1].settings).get("p", 0.5)
    return Layer(block, (sizes[0][0], sizes[-1][1]), tuple(settings.items()))
