"""Each operator of ONNX that is understood, as a layer of PyTorch; everything about one that is not is refused."""

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch import nn

from featherweight.errors import FileError, UsageError
from featherweight.escape import printable
from featherweight.networks.layers.activations import ACTIVATIONS

MOST_NUMBERS, MOST_PRODUCTS = 1 << 26, 20_000_000_000
"""Of any tensor between layers, for one picture; and of all layers together."""
MOST = 1 << 10
"""Of a stride, a padding or a dilation."""
Shape = tuple[int, ...]
Numbers = np.ndarray[Any, Any]


@dataclass(kw_only=True)
class Reading:
    """What has been read of a graph so far."""

    constants: dict[str, Numbers]
    shapes: dict[str, Shape]
    """Of each tensor, for one picture."""
    places: dict[str, int]
    readers: Mapping[str, int]
    """How many nodes read each tensor."""
    layers: dict[str, nn.Module] = field(default_factory=dict)
    plan: list[tuple[str, tuple[int, ...]]] = field(default_factory=list)
    products: int = 0
    ends_in: str = "scores"
    rows: dict[str, Shape] = field(default_factory=dict)
    """Rows of numbers that lie by channel here and by pixel in the file, with the (C, H, W) that they were."""

    def constant(self, node: Any, at: int, what: str) -> Numbers:
        """An input of the node that must be a constant."""
        if at >= len(node.input) or node.input[at] not in self.constants:
            raise refusal(node, f"has a {what} that is no constant")
        return self.constants[node.input[at]]

    def add(self, node: Any, layer: nn.Module, given: str | None = None) -> None:
        """Add a layer that reads the node's first input, or the one that is given."""
        source = given or node.input[0]
        shape = self.shapes[source]
        made = _shape_after(node, layer, shape)
        if isinstance(layer, nn.Conv2d | nn.Linear):
            self.products += layer.weight[0].numel() * int(np.prod(made))
        if self.products > MOST_PRODUCTS or int(np.prod(made)) > MOST_NUMBERS:
            raise refusal(node, "makes the network larger than what is read")
        name = f"{len(self.plan)}_{node.op_type}"
        self.layers[name] = layer
        self._made(node, name, (self.places[source],), made)

    def sum(self, node: Any) -> None:
        """Add the sum of the node's two inputs."""
        one, other = node.input
        if self.shapes[one] != self.shapes[other]:
            raise refusal(node, f"adds {self.shapes[one]} and {self.shapes[other]}")
        self._made(node, "", (self.places[one], self.places[other]), self.shapes[one])

    def flatten(self, node: Any) -> None:
        """Make a row of what the node has made."""
        self.layers[name := f"{len(self.plan)}_Flatten"] = nn.Flatten()
        self._made(node, name, (len(self.plan),), (int(np.prod(self.shapes[node.output[0]])),))

    def alias(self, node: Any) -> None:
        """The node's output is its first input."""
        self.places[node.output[0]] = self.places[node.input[0]]
        self.shapes[node.output[0]] = self.shapes[node.input[0]]

    def _made(self, node: Any, name: str, inputs: tuple[int, ...], shape: Shape) -> None:
        self.plan.append((name, inputs))
        self.places[node.output[0]] = len(self.plan)
        self.shapes[node.output[0]] = shape


def refusal(node: Any, why: str) -> FileError:
    """What is said of a node that is not understood, with a clause that says why."""
    name = printable(node.name or node.output[0])
    return FileError(f"Node {name} ({printable(node.op_type)}) {why}; it is not read.")


def _shape_after(node: Any, layer: nn.Module, shape: Shape) -> Shape:
    """What the layer makes of a tensor of this shape, found without computing anything."""
    try:
        with torch.no_grad():
            made = copy.deepcopy(layer).to("meta").eval()(torch.empty(1, *shape, device="meta"))
    except (RuntimeError, ValueError, IndexError) as problem:
        raise refusal(node, f"does not fit its input of {shape} ({str(problem).splitlines()[0]:.80})") from problem
    return tuple(made.shape[1:])


def by_channel(node: Any, values: Numbers, shape: Shape) -> Numbers:
    """A constant that is one number for each channel, or one for all, float64 [C]."""
    channels = shape[0]
    sides = values.shape[-len(shape) :] if values.ndim >= len(shape) else values.shape
    plain = (1,) * (len(shape) - len(sides)) + tuple(sides)
    whole = values.size == 1 or (values.size == channels == plain[0])
    if not whole or (node.op_type == "Div" and (values == 0).any()):
        raise refusal(node, f"has a constant of {values.shape}, not one number for each channel")
    found: Numbers = np.broadcast_to(values.astype(np.float64).ravel(), (channels,)).copy()
    return found


def affine(scale: Numbers, shift: Numbers, flat: bool) -> nn.Module:
    """A layer that multiplies each channel by one number and adds another."""
    norm: nn.BatchNorm1d | nn.BatchNorm2d = (nn.BatchNorm1d if flat else nn.BatchNorm2d)(len(scale), eps=0.0)
    with torch.no_grad():
        norm.weight.copy_(torch.from_numpy(scale))
        norm.bias.copy_(torch.from_numpy(shift))
    return norm.eval()


# ------------------------------------------------------------------------------------------- convolutions and the like


def _allow(node: Any, given: Mapping[str, Any], *names: str, **only: Any) -> None:
    """Refuse attributes other than these names, and of `only` values other than these."""
    for name, value in given.items():
        if name not in names and (name not in only or value != only[name]):
            raise refusal(node, f"has {printable(name)} = {str(value)[:40]!r}")


def _pads(node: Any, given: Mapping[str, Any], kernel: tuple[int, int], shape: Shape) -> tuple[int, int, int, int]:
    """Padding above, left, below and right."""
    auto = given.get("auto_pad", "NOTSET")
    if auto in ("SAME_UPPER", "SAME_LOWER"):
        stride, apart = _pair(node, given, "strides"), _pair(node, given, "dilations")
        whole = [max(0, (-(-side // step) - 1) * step + (size - 1) * gap + 1 - side)
                 for side, step, size, gap in zip(shape[1:], stride, kernel, apart, strict=True)]  # fmt: skip
        less, more = [part // 2 for part in whole], [part - part // 2 for part in whole]
        (top, left), (bottom, right) = (less, more) if auto == "SAME_UPPER" else (more, less)
        return top, left, bottom, right
    pads = tuple(given.get("pads", (0, 0, 0, 0))) if auto == "NOTSET" else (0, 0, 0, 0)
    if auto not in ("NOTSET", "VALID") or len(pads) != 4 or not all(0 <= pad <= MOST for pad in pads):
        raise refusal(node, f"pads by {auto}, {pads}")
    return pads[0], pads[1], pads[2], pads[3]


def _pair(node: Any, given: Mapping[str, Any], name: str) -> tuple[int, int]:
    found = tuple(given.get(name, (1, 1)))
    if len(found) != 2 or not all(1 <= one <= MOST for one in found):
        raise refusal(node, f"has {name} {found}, not two")
    return found[0], found[1]


def _padded(node: Any, reading: Reading, pads: tuple[int, int, int, int]) -> str | None:
    """The tensor that a node reads, padded where it is padded unevenly; None for the node's own input."""
    top, left, bottom, right = pads
    if (top, left) == (bottom, right):
        return None
    name = f"{node.output[0]} padded"
    reading.add(_Padding(node, name), nn.ZeroPad2d((left, right, top, bottom)))
    return name


class _Padding:
    """The padding of a node as a node of its own."""

    op_type = "Pad"

    def __init__(self, node: Any, output: str) -> None:
        self.input, self.output, self.name = [node.input[0]], [output], node.name


def _conv(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    _allow(node, given, "auto_pad", "dilations", "group", "kernel_shape", "pads", "strides")
    weight = reading.constant(node, 1, "weight")
    bias = reading.constant(node, 2, "bias") if len(node.input) > 2 and node.input[2] else None
    shape, groups = reading.shapes[node.input[0]], given.get("group", 1)
    written = tuple(given.get("kernel_shape", weight.shape[2:]))
    fits = weight.ndim == 4 and len(shape) == 3 and written == weight.shape[2:]
    if not fits or groups < 1 or weight.shape[1] * groups != shape[0] or weight.shape[0] % groups:
        raise refusal(node, f"has a weight of {weight.shape} and {groups} groups for an input of {shape}")
    kernel = (weight.shape[2], weight.shape[3])
    pads = _pads(node, given, kernel, shape)
    source = _padded(node, reading, pads)
    layer = nn.Conv2d(
        shape[0], weight.shape[0], kernel, _pair(node, given, "strides"), pads[:2] if source is None else 0,
        _pair(node, given, "dilations"), groups, bias=bias is not None,
    )  # fmt: skip
    _fill(node, layer, weight, bias)
    reading.add(node, layer, source)


def _fill(node: Any, layer: nn.Conv2d | nn.Linear, weight: Numbers, bias: Numbers | None) -> None:
    if bias is not None and bias.shape != (len(weight),):
        raise refusal(node, f"has a bias of {bias.shape} for {len(weight)} outputs")
    with torch.no_grad():
        layer.weight.copy_(torch.from_numpy(np.ascontiguousarray(weight, dtype=np.float32)))
        if bias is not None and layer.bias is not None:
            layer.bias.copy_(torch.from_numpy(np.ascontiguousarray(bias, dtype=np.float32)))


def _gemm(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    _allow(node, given, "transB", alpha=1.0, beta=1.0, transA=0)
    weight = reading.constant(node, 1, "weight")
    bias = reading.constant(node, 2, "bias") if len(node.input) > 2 and node.input[2] else None
    _linear(node, reading, weight if given.get("transB", 0) else weight.T, bias)


def _matmul(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    _linear(node, reading, reading.constant(node, 1, "weight").T, None)


def _linear(node: Any, reading: Reading, weight: Numbers, bias: Numbers | None) -> None:
    shape = reading.shapes[node.input[0]]
    if weight.ndim != 2 or len(shape) != 1:
        raise refusal(node, f"has a weight of {weight.shape} for an input of {shape}")
    layer = nn.Linear(weight.shape[1], weight.shape[0], bias=bias is not None)
    _fill(node, layer, weight, None if bias is None else bias.reshape(-1))
    reading.add(node, layer)


def _batch_norm(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    _allow(node, given, "epsilon", "momentum", training_mode=0, spatial=1)
    parts = [reading.constant(node, at, "statistic") for at in range(1, 5)]
    shape = reading.shapes[node.input[0]]
    if len(node.output) > 1 or any(part.shape != shape[:1] for part in parts) or len(shape) not in (1, 3):
        raise refusal(node, f"has statistics that do not fit an input of {shape}")
    kind = nn.BatchNorm2d if len(shape) == 3 else nn.BatchNorm1d
    layer = kind(shape[0], eps=given.get("epsilon", 1e-5))
    assert layer.running_mean is not None and layer.running_var is not None
    with torch.no_grad():
        for to, values in zip((layer.weight, layer.bias, layer.running_mean, layer.running_var), parts, strict=True):
            to.copy_(torch.from_numpy(values))
    reading.add(node, layer)


# ------------------------------------------------------------------------------------------- pools, shapes


def _pool(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    _allow(node, given, "auto_pad", "kernel_shape", "pads", "strides", "ceil_mode", "count_include_pad",
           "dilations", storage_order=0)  # fmt: skip
    shape = reading.shapes[node.input[0]]
    if len(node.output) > 1 or len(shape) != 3 or "kernel_shape" not in given:
        raise refusal(node, f"has several outputs or an input of {shape}")
    kernel, stride = _pair(node, given, "kernel_shape"), _pair(node, given, "strides")
    pads = _pads(node, given, kernel, shape)
    if (
        _pair(node, given, "dilations") != (1, 1)
        or pads[:2] != pads[2:]
        or any(2 * pad > size for pad, size in zip(pads, kernel, strict=False))
    ):
        raise refusal(node, f"pads by {pads}, or has dilations")
    windows = zip(shape[1:], pads[:2], kernel, stride, strict=True)
    rest = [(side + 2 * pad - size) % step for side, pad, size, step in windows]
    if given.get("ceil_mode", 0) and any(rest):
        raise refusal(node, "has ceil_mode where windows do not fit")
    if node.op_type == "MaxPool":
        reading.add(node, nn.MaxPool2d(kernel, stride, pads[:2]))
    else:
        whole = bool(given.get("count_include_pad", 0)) or not any(pads)
        reading.add(node, nn.AvgPool2d(kernel, stride, pads[:2], count_include_pad=whole))


def _global(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    _allow(node, given)
    kind = nn.AdaptiveAvgPool2d if node.op_type == "GlobalAveragePool" else nn.AdaptiveMaxPool2d
    reading.add(node, kind(1))


def _mean(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    _allow(node, given, "axes", "keepdims", noop_with_empty_axes=0)
    axes = reading.constant(node, 1, "axes").ravel().tolist() if len(node.input) > 1 else given.get("axes", [])
    if len(reading.shapes[node.input[0]]) != 3 or sorted(axis % 4 for axis in axes) != [2, 3]:
        raise refusal(node, f"takes the mean over the axes {list(axes)}, not over height and width")
    reading.add(node, nn.AdaptiveAvgPool2d(1))
    if not given.get("keepdims", 1):
        reading.flatten(node)


def _flatten(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    shape = reading.shapes[node.input[0]]
    if node.op_type == "Flatten":
        _allow(node, given, axis=1)
    elif node.op_type == "Reshape":
        _allow(node, given, "allowzero")
        to = reading.constant(node, 1, "shape").ravel().tolist()
        if (
            (given.get("allowzero", 0) and 0 in to)
            or len(to) != 2
            or to[1] not in (-1, int(np.prod(shape)))
            or to[0] not in (-1, 0, 1)
        ):
            raise refusal(node, f"makes {to} of {shape}, not a row of numbers for each picture")
    else:  # Squeeze
        _allow(node, given, "axes")
        axes = reading.constant(node, 1, "axes").ravel().tolist() if len(node.input) > 1 else given.get("axes", [])
        if shape[1:] != (1, 1) or sorted(axis % 4 for axis in axes) != [2, 3]:
            raise refusal(node, f"leaves out the axes {list(axes)} of {shape}")
    if len(shape) == 1:
        reading.alias(node)
    else:
        reading.add(node, nn.Flatten())


def _pad(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    _allow(node, given, "pads", mode="constant", value=0.0)
    pads = reading.constant(node, 1, "pads").ravel().tolist() if len(node.input) > 1 else list(given.get("pads", []))
    value = reading.constant(node, 2, "value") if len(node.input) > 2 and node.input[2] else np.zeros(())
    edges = [*pads[:2], *pads[4:6]]
    right = len(pads) == 8 and not any(edges) and all(0 <= pad <= MOST for pad in pads) and not value.any()
    if not right or len(node.input) > 3 or len(reading.shapes[node.input[0]]) != 3:
        raise refusal(node, f"pads by {pads} with {value.tolist()}, not height and width with zeros")
    _, _, top, left, _, _, bottom, right_ = pads
    reading.add(node, nn.ZeroPad2d((left, right_, top, bottom)))


# ------------------------------------------------------------------------------------------- activations, arithmetic


def _clip(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    _allow(node, given, "min", "max")
    ends = [given.get("min", -np.inf), given.get("max", np.inf)]
    for at in (1, 2):
        if len(node.input) > at and node.input[at]:
            ends[at - 1] = float(reading.constant(node, at, "bound"))
    low, high = map(float, ends)
    if low >= high or not np.isfinite(high if low == 0 else [low, high]).all():
        if (low, high) != (0.0, np.inf):
            raise refusal(node, f"clips from {low} to {high}")
        reading.add(node, nn.ReLU())
        return
    reading.add(node, nn.ReLU6() if (low, high) == (0.0, 6.0) else nn.Hardtanh(low, high))


def _leaky(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    _allow(node, given, "alpha")
    if node.op_type == "LeakyRelu":
        reading.add(node, nn.LeakyReLU(given.get("alpha", 0.01)))
    else:
        reading.add(node, nn.ELU(given.get("alpha", 1.0)))


def _activation(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    """One that has exported forms, in the form that has them."""
    try:
        import onnx
    except ImportError as problem:
        raise UsageError("A network's file needs a package that is missing: pip install onnx onnxruntime") from problem

    it = next(it for it in ACTIVATIONS if it.onnx == node.op_type)
    defaults = {name: onnx.helper.get_attribute_value(attribute.default_value)
                for name, attribute in onnx.defs.get_schema(node.op_type).attributes.items()
                if attribute.default_value.name}  # fmt: skip
    wanted = defaults | it.attributes
    if set(given) - set(wanted) or any(not _same(given.get(name, defaults.get(name)), wanted[name]) for name in wanted):
        raise refusal(node, f"has {dict(given)}, not {wanted}")
    reading.add(node, getattr(nn, it.module)(**it.form))


def _same(one: Any, other: Any) -> bool:
    return bool(one == other or (isinstance(one, float) and abs(one - other) < 1e-6))


def _simple(make: Callable[[], nn.Module]) -> "Converter":
    def convert(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
        _allow(node, given)
        reading.add(node, make())

    return convert


def _arithmetic(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    _allow(node, given)
    one, other = node.input
    if one in reading.constants and node.op_type in ("Add", "Mul"):
        one, other = other, one
    if one in reading.constants:
        raise refusal(node, "has a constant where it reads a tensor")
    if other not in reading.constants:
        _of_two(node, one, other, reading)
        return
    shape = reading.shapes[one]
    by = by_channel(node, reading.constants[other], shape)
    last = reading.layers.get(reading.plan[-1][0]) if reading.plan else None
    alone = reading.readers[one] == 1 and reading.places[one] == len(reading.plan)
    if node.op_type == "Add" and isinstance(last, nn.Linear) and last.bias is None and alone:
        last.bias = nn.Parameter(torch.from_numpy(by).float())
        reading.places[node.output[0]], reading.shapes[node.output[0]] = reading.places[one], shape
        return
    none, nought = np.ones(shape[0]), np.zeros(shape[0])
    does = {
        "Add": (none, by),
        "Sub": (none, -by),
        "Mul": (by, nought),
        "Div": (none / np.where(by == 0, 1, by), nought),
    }
    reading.add(node, affine(*does[node.op_type], flat=len(shape) == 1), one)


def _of_two(node: Any, one: str, other: str, reading: Reading) -> None:
    if node.op_type == "Add":
        reading.sum(node)
        return
    # An activation as the input times a gate, such as x * sigmoid(x).
    for x, gate in ((one, other), (other, one)):
        at = reading.places[gate]
        name, inputs = reading.plan[at - 1] if at else ("", ())
        made = reading.layers.get(name)
        kind = next((getattr(nn, it.module) for it in ACTIVATIONS if it.gate == type(made).__name__), None)
        alone = reading.readers[gate] == 1 and at == len(reading.plan)
        if node.op_type == "Mul" and kind and inputs == (reading.places[x],) and alone:
            del reading.layers[name]
            reading.plan.pop()
            reading.add(node, kind(), x)
            return
    raise refusal(node, "is of two tensors, which is read of sums alone, and of x * sigmoid(x)")


def _passed(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    reading.alias(node)


def _softmax(node: Any, given: Mapping[str, Any], reading: Reading) -> None:
    _allow(node, given, "axis")
    if given.get("axis", -1) not in (-1, 1) or len(reading.shapes[node.input[0]]) != 1:
        raise refusal(node, "is not over the classes of a picture")
    reading.ends_in = "probabilities" if node.op_type == "Softmax" else "logarithms"
    reading.alias(node)


Converter = Callable[[Any, Mapping[str, Any], Reading], None]
CONVERTERS: Mapping[str, Converter] = {
    **{it.onnx: _activation for it in ACTIVATIONS if it.onnx},
    "Conv": _conv, "Gemm": _gemm, "MatMul": _matmul, "BatchNormalization": _batch_norm, "MaxPool": _pool,
    "AveragePool": _pool, "GlobalAveragePool": _global, "GlobalMaxPool": _global, "ReduceMean": _mean,
    "Flatten": _flatten, "Reshape": _flatten, "Squeeze": _flatten, "Pad": _pad, "Clip": _clip, "LeakyRelu": _leaky,
    "Elu": _leaky, "Softplus": _simple(nn.Softplus), "Mish": _simple(nn.Mish), "Add": _arithmetic, "Sub": _arithmetic,
    "Mul": _arithmetic, "Div": _arithmetic, "Identity": _passed, "Dropout": _passed, "Softmax": _softmax,
    "LogSoftmax": _softmax,
}  # fmt: skip
"""What understands each operator."""
