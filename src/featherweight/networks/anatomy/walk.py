"""Measuring a network: a copy filled with zeros runs once, and a rule is applied to every operator called."""

import copy
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NoReturn

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.overrides import TorchFunctionMode

from featherweight.errors import UsageError
from featherweight.networks.anatomy.rows import Anatomy, LayerRow, extent
from featherweight.networks.layers import MEASURED, effects
from featherweight.networks.layers.fields import Axis, Effect, Units, check_batch, middle
from featherweight.networks.layers.preprocessing import LAYERS

_BATCH = 2  # with a single image, squeeze() would drop the batch dimension
_SHAPE_QUERIES = """
    size shape dim ndim ndimension numel nelement len stride dtype device layout is_contiguous is_floating_point
    is_complex is_sparse is_quantized is_nested is_cuda is_cpu is_mps is_meta is_leaf requires_grad grad_fn
    element_size itemsize nbytes get_device is_inference
"""
"""The attributes and methods of a tensor that a network may use without reading its values."""


@dataclass(frozen=True, kw_only=True)
class _Call:
    """A running call of a module."""

    module: nn.Module
    shown: str
    """Its dotted name in the table; empty for the network itself."""
    whole: bool
    """Whether it is, or runs within, one of torch's own layers or one that prepares pictures: a single row each."""

    @property
    def kind(self) -> str:
        """The name of the module's class."""
        return type(self.module).__name__

    @property
    def place(self) -> str:
        """The module as named in messages."""
        return f"layer {self.shown} ({self.kind})" if self.shown else f"the network itself ({self.kind})"


class _Recorder(TorchFunctionMode):
    """Intercepts every torch function called while it is active: inside modules, `x + y` and `F.relu(x)` alike."""

    def __init__(self, network: nn.Module) -> None:
        super().__init__()
        self.rows: list[LayerRow] = []
        self.calls = [_Call(module=network, shown="", whole=False)]
        self._units: dict[int, tuple[Tensor, Units]] = {}  # holding the tensor prevents its id from being reused
        self._uses: Counter[str] = Counter()
        self._counted: set[int] = set()
        self._parameters = 0
        self._effects: list[Effect] = []
        for module in network.modules():
            module.register_forward_pre_hook(self._enter)
            module.register_forward_hook(self._leave)

    def follow(self, tensor: Tensor, axes: tuple[Axis, Axis]) -> Units:
        """Record what the units of this tensor see."""
        units = Units(shape=tensor.shape, axes=axes)
        check_batch(units, _BATCH)
        self._units[id(tensor)] = tensor, units
        return units

    def of(self, tensor: Any) -> Units | None:
        """What the units of a tensor see; None for anything that does not depend on the image."""
        return self._units[id(tensor)][1] if id(tensor) in self._units else None

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = dict(kwargs or {})
        result = func(*args, **kwargs)
        name = (func.__self__ if func.__name__ == "__get__" else func).__name__.strip("_")
        depends = any(self.of(tensor) for tensor in _tensors_in((args, kwargs)))
        if isinstance(result, Tensor):
            self._count((args, kwargs))
            if depends:
                self._apply(name, args, kwargs, result)
        elif depends and (name == "setitem" or any(True for _ in _tensors_in(result))):
            self._refuse(name, "its windows are not known")
        elif depends and name not in _SHAPE_QUERIES.split():
            self._refuse(name, "it reads pixel values, and what a network does must not depend on them")
        return result

    def _count(self, arguments: Any) -> None:
        for tensor in _tensors_in(arguments):
            if isinstance(tensor, nn.Parameter) and id(tensor) not in self._counted:
                self._counted.add(id(tensor))
                self._parameters += tensor.numel()

    def _apply(self, name: str, args: Any, kwargs: Any, result: Tensor) -> None:
        if name not in effects():
            self._refuse(name, "its windows are not known")
        if "input" in kwargs:
            args = (kwargs.pop("input"), *args)
        if "axis" in kwargs:  # numpy's spelling, which torch accepts too
            kwargs["dim"] = kwargs.pop("axis")
        try:
            effect = effects()[name](*self._replaced(args), out=result.shape, **self._replaced(kwargs))
            units = self.follow(result, effect.axes)
        except ValueError as error:
            self._refuse(name, str(error))
        if self.calls[-1].whole:
            self._effects.append(effect)
        elif effect.listed:
            self._row(self._shown(name), _layer_kind(name, [effect]), units, [effect])

    def _replaced(self, value: Any) -> Any:
        if isinstance(value, dict):
            return {key: self._replaced(item) for key, item in value.items()}
        if type(value) in (list, tuple):
            return type(value)(self._replaced(item) for item in value)
        return self.of(value) or value

    def _enter(self, module: nn.Module, _: Any) -> None:
        outer = self.calls[-1]
        own = type(module).forward.__module__.startswith("torch.nn.modules") and not isinstance(module, nn.Sequential)
        own = own or isinstance(module, LAYERS)
        homes = (outer.module, self.calls[0].module)  # a module may call another that is not its child
        name = next(name for home in homes for name, child in home.named_modules() if child is module)
        shown = self._shown(name) if module is not self.calls[0].module else ""
        self.calls.append(_Call(module=module, shown=shown, whole=own or outer.whole))

    def _leave(self, module: nn.Module, _: Any, output: Any) -> None:
        call, outer = self.calls[-1], self.calls[-2]
        if call.whole and not outer.whole:
            units = self.of(output)
            if units is not None:
                self._row(call.shown or call.kind, _layer_kind(call.kind, self._effects), units, self._effects)
            self._effects = []
        self.calls.pop()

    def _shown(self, name: str) -> str:
        path = ".".join(part for part in (self.calls[-1].shown, name) if part)
        self._uses[path] += 1
        return path if self._uses[path] == 1 else f"{path}#{self._uses[path]}"

    def _row(self, name: str, kind: str, units: Units, effects: list[Effect]) -> None:
        height, width = units.axes
        row = LayerRow(
            name=name,
            kind=kind,
            output=tuple(units.shape[1:]),
            parameters=self._parameters,
            macs=sum(effect.macs for effect in effects),
            field=extent((height.field, width.field)),
            jump=extent((height.jump, width.jump)),
            window=(height.window(middle(height.count)), width.window(middle(width.count))),
        )
        self._parameters = 0
        self.rows.append(row)

    def _refuse(self, name: str, clause: str) -> NoReturn:
        call = self.calls[-1]
        what = f"{call.place} cannot be measured" if call.whole else f"In {call.place}, {name} cannot be measured"
        raise UsageError(
            f"{what[0].upper()}{what[1:]}: {clause}. Supported are {MEASURED}; build the network from these."
        )


def _tensors_in(values: Any) -> Iterator[Tensor]:
    if isinstance(values, Tensor):
        yield values
    elif isinstance(values, list | tuple | dict):
        for value in values.values() if isinstance(values, dict) else values:
            yield from _tensors_in(value)


def _layer_kind(name: str, effects: list[Effect]) -> str:
    kernels = [effect.kernel for effect in effects if effect.kernel]
    return f"{name} {kernels[-1][0]}x{kernels[-1][1]}" if kernels else name


def _zeros(tensor: Tensor) -> Tensor:
    return torch.zeros(tensor.shape, dtype=tensor.dtype)


def _skeleton(network: nn.Module) -> nn.Module:
    """A copy of the network in evaluation mode, filled with zeros on the CPU; the network itself is not touched.

    The meta device is not used, since torch would first load its symbolic mathematics, which takes a second.
    """
    empty: dict[int, Any] = {}
    for parameter in network.parameters():
        if is_lazy(parameter):
            raise UsageError(
                "The network has a lazy layer, whose size is not known yet; pass one batch through it first."
            )
        empty[id(parameter)] = nn.Parameter(_zeros(parameter), parameter.requires_grad)
    empty.update({id(tensor): _zeros(tensor) for tensor in [*network.buffers(), *_undeclared(network)]})
    try:
        skeleton = copy.deepcopy(network, empty).eval()
    except (RuntimeError, TypeError) as error:
        raise UsageError(f"The network cannot be copied, so it cannot be measured: {error}") from error
    for module in skeleton.modules():  # a user's hooks would record or print meaningless values
        module._forward_hooks.clear()
        module._forward_pre_hooks.clear()
    return skeleton


def _undeclared(network: nn.Module, *, computed: bool = True) -> list[Tensor]:
    """The tensors that modules hold as plain attributes, with or without those that hooks compute from parameters, such
    as the `weight` of `weight_orig`."""
    return [
        value
        for module in network.modules()
        for name, value in vars(module).items()
        if isinstance(value, Tensor)
        and (computed or not any(own.startswith(f"{name}_") for own, _ in module.named_parameters(recurse=False)))
    ]


def _constants(network: nn.Module) -> list[Tensor]:
    """The buffers of a network, and constants that its modules hold without declaring them, each once."""
    held = [*network.buffers(), *_undeclared(network, computed=False)]
    return list({id(tensor): tensor for tensor in held}.values())


def walk(network: nn.Module, shape: tuple[int, int, int]) -> tuple[list[LayerRow], Units]:
    """The rows of a network for images of this shape (C H W), and what the units of its output see."""
    skeleton = _skeleton(network)
    recorder = _Recorder(skeleton)
    floating = [tensor.dtype for tensor in network.parameters() if tensor.is_floating_point()]
    images = torch.zeros(_BATCH, *shape, dtype=floating[0] if floating else None)
    recorder.follow(images, (Axis(count=shape[1]), Axis(count=shape[2])))
    try:
        with torch.no_grad(), torch.random.fork_rng(devices=[]), recorder:
            output = skeleton(images)
    except UsageError:
        raise
    except Exception as error:  # the network's own code runs here and may raise anything
        says = (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
        raise UsageError(
            f"The network cannot be run on an image of {' x '.join(map(str, shape))}:"
            f" {recorder.calls[-1].place} says: {says}."
        ) from error
    units = recorder.of(output)
    if units is None:
        raise UsageError(
            f"The network returns a {type(output).__name__} that was not computed from the image;"
            " it must return one tensor that was."
        )
    return recorder.rows, units


def dissect(network: nn.Module, shape: tuple[int, int, int] = (1, 28, 28)) -> Anatomy:
    """The anatomy of a network for images of this shape (C H W); the network is not changed.

    Raises UsageError, naming the layer, if something cannot be measured exactly or the network rejects the shape.

    >>> print(dissect(nn.Sequential(nn.Conv2d(1, 3, 5, stride=2, bias=False), nn.ReLU()), (1, 11, 11)))
    layer  kind        output  parameters   MACs  field  jump
    ─────────────────────────────────────────────────────────
    0      Conv2d 5x5  3x4x4           75  1,200      5     2
    1      ReLU        3x4x4            0      0      5     2
    ─────────────────────────────────────────────────────────
    75 parameters, 1,200 MACs, 0 numbers in buffers.
    The receptive field of 5 px is within the image's 11 px.
    """
    if len(shape) != 3 or any(side < 1 for side in shape):
        raise UsageError(f"An image's shape must be channels, height and width, each 1 or more; given {shape}.")
    rows, units = walk(network, shape)
    height, width = units.axes
    return Anatomy(
        rows=tuple(rows),
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        macs=sum(row.macs for row in rows),
        buffers=sum(constant.numel() for constant in _constants(network)),
        image=(shape[1], shape[2]),
        field=extent((height.field, width.field)),
    )


def parameters_by_layer(network: nn.Module) -> list[tuple[str, int]]:
    """(dotted name, number of own parameters) of every layer that has any, largest first; shared ones count once.

    >>> parameters_by_layer(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 5)))
    [('2', 20), ('0', 9)]
    """
    seen: set[int] = set()
    counts: list[tuple[str, int]] = []
    for name, layer in network.named_modules():
        own = [p for p in layer.parameters(recurse=False) if id(p) not in seen]
        seen |= {id(p) for p in own}
        if own:
            counts.append((name or "the network itself", sum(p.numel() for p in own)))
    return sorted(counts, key=lambda count: -count[1])
