"""Somebody else's network from a TensorFlow Lite file, in float32 or in 8 bits.

The file is read as data (`flatbuffer`). Weights of 8 bits become the numbers that they stand for, and each operator
that is understood becomes the operator of ONNX that does the same (`onnx_nodes`); what lies as height, width, channels
there is turned to channels, height, width.

Tables, fields and codes: tensorflow/lite/schema/schema.fbs of TensorFlow.
"""

import math
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from featherweight.errors import FeatherweightError, FileError
from featherweight.escape import printable
from featherweight.json_files import read_regular
from featherweight.networks.foreign import FILE_BYTES
from featherweight.networks.foreign.flatbuffer import FlatTable, root
from featherweight.networks.foreign.onnx_file import MOST_NODES, ForeignNetwork, finished, require_pictures
from featherweight.networks.foreign.onnx_nodes import CONVERTERS, Numbers, Reading, refusal
from featherweight.networks.layers.activations import ACTIVATIONS

MARK = b"TFL3"
MOST_SIDES, MOST_INPUTS = 8, 64
TYPES = {0: "f4", 1: "f2", 2: "i4", 3: "u1", 4: "i8", 9: "i1"}
"""NumPy's names of the types of tensors that are read."""
FLOAT32, INDICES = 0, (2, 4)
BYTES = {3: 0, 9: 128}
"""Types of pictures, with what is taken off a pixel of 0 to 255."""
OPERATORS = {
    0: "ADD", 1: "AVERAGE_POOL_2D", 3: "CONV_2D", 4: "DEPTHWISE_CONV_2D", 6: "DEQUANTIZE", 9: "FULLY_CONNECTED",
    17: "MAX_POOL_2D", 18: "MUL", 20: "RELU_N1_TO_1", 21: "RELU6", 22: "RESHAPE", 25: "SOFTMAX", 34: "PAD", 40: "MEAN",
    41: "SUB", 43: "SQUEEZE", 98: "LEAKY_RELU", 114: "QUANTIZE", 150: "GELU",
    **{it.tflite: it.onnx for it in ACTIVATIONS if it.tflite >= 0},
}  # fmt: skip
ENDINGS = {1: "Relu", 2: "RELU_N1_TO_1", 3: "RELU6", 4: "Tanh"}
"""By their number, the activations that an operator may end in."""
FUSED = {"ADD": 0, "SUB": 0, "MUL": 0, "AVERAGE_POOL_2D": 5, "MAX_POOL_2D": 5, "CONV_2D": 3, "DEPTHWISE_CONV_2D": 4,
         "FULLY_CONNECTED": 0}  # fmt: skip
"""Which field of an operator's options names it."""
PADDING = ("SAME_UPPER", "VALID")


@dataclass(frozen=True, kw_only=True)
class _Tensor:
    name: str
    shape: tuple[int, ...]
    kind: int
    scale: Numbers
    zero: Numbers
    axis: int
    """Along which scales differ."""


def read_tflite(path: Path) -> ForeignNetwork:
    """The network in a TensorFlow Lite file; FileError where it is not one, or holds what cannot be read."""
    content = read_regular(path, FILE_BYTES)
    try:
        if content[4:8] != MARK:
            raise FileError(f"{printable(path)} is not a TensorFlow Lite file: it lacks the mark {MARK.decode()}.")
        return replace(_read(path, root(content)), content=content)
    except FeatherweightError:
        raise
    except Exception as problem:  # what a damaged table raises has no end of kinds
        raise FileError(f"{printable(path)} is not a TensorFlow Lite file, or is damaged.") from problem


def _read(path: Path, model: FlatTable) -> ForeignNetwork:
    graphs = model.tables(2)
    if len(graphs) != 1:
        raise FileError(f"{printable(path)} holds {len(graphs)} graphs; one is read.")
    [graph] = graphs
    tensors = [_tensor(one) for one in graph.tables(0)]
    inputs, outputs = ([int(at) for at in graph.numbers(field, "i4")] for field in (1, 2))
    nodes = graph.tables(3)
    if (len(inputs), len(outputs)) != (1, 1) or len(nodes) > MOST_NODES:
        raise FileError(
            f"{printable(path)} has {len(inputs)} inputs, {len(outputs)} outputs and {len(nodes):,} operators; one, one"
            f" and at most {MOST_NODES:,} are read."
        )
    given = tensors[inputs[0]]
    sides = [given.shape[at] for at in (0, 3, 1, 2)] if len(given.shape) == 4 else [*given.shape]
    shape = require_pictures(path, sides, given.kind in (FLOAT32, *BYTES))
    buffers = [one.numbers(0, "u1", FILE_BYTES) for one in model.tables(4)]
    constant = {at: buffers[one.number(2, "I")] for at, one in enumerate(graph.tables(0))}
    if sum(map(len, constant.values())) > FILE_BYTES:
        raise FileError(f"{printable(path)} has several tensors of the same weights, and more of them than are read.")
    constants = {_key(at): _values(path, tensors[at], buffer) for at, buffer in constant.items() if len(buffer)}
    codes = [max(one.number(0, "b"), one.number(3)) for one in model.tables(1)]
    read = [_Operator(one, codes, tensors) for one in nodes]
    reading = Reading(
        readers=Counter(name for node in read for name in node.input), constants=constants,
        shapes={_key(inputs[0]): shape}, places={_key(inputs[0]): 0},
    )  # fmt: skip
    for node in read:
        _read_operator(node, reading)
    if _key(outputs[0]) in reading.rows:
        raise FileError(f"{printable(path)} gives the numbers of a map as its scores.")
    found = finished(path, reading, _key(outputs[0]), shape)
    exact = all(one.kind in (FLOAT32, *INDICES) for one in tensors)
    if given.kind not in BYTES:
        return replace(found, exact=exact)
    scale, zero = float(given.scale[0]), float(given.zero[0])
    shift = -scale * (BYTES[given.kind] + zero)
    return replace(found, bytes_in=True, exact=exact, scale=(scale,) * shape[0], shift=(shift,) * shape[0])


def _key(at: int) -> str:
    """A tensor's name while the file is read; names in files need not differ."""
    return f"{at}" if at >= 0 else ""


def _tensor(one: FlatTable) -> _Tensor:
    kind, shape = one.number(1, "b"), tuple(map(int, one.numbers(0, "i4", MOST_SIDES)))
    about = one.table(4)
    scale, zero = (about.numbers(2, "f4"), about.numbers(3, "i8")) if about else (np.zeros(0), np.zeros(0))
    zero = zero if len(zero) else np.zeros(len(scale), np.int64)
    if len(zero) != len(scale) or not np.isfinite(scale).all():
        raise ValueError("scales and zero points that do not fit")
    return _Tensor(name=one.text(3), shape=shape, kind=kind, scale=scale, zero=zero,
                   axis=about.number(6) if about else 0)  # fmt: skip


def _values(path: Path, tensor: _Tensor, buffer: Numbers) -> Numbers:
    """A constant tensor: the numbers that it stands for, float32 where it has a scale."""
    if tensor.kind not in TYPES:
        raise FileError(f"{printable(path)}: tensor {printable(tensor.name)} is of a type that is not read.")
    found = np.frombuffer(buffer.tobytes(), f"<{TYPES[tensor.kind]}").reshape(tensor.shape)
    if tensor.kind in (0, 1) and not np.isfinite(found).all():
        raise FileError(f"{printable(path)}: tensor {printable(tensor.name)} has values that are no finite numbers.")
    if not len(tensor.scale) or tensor.kind in (0, 1):
        return found.astype(np.float32) if tensor.kind in (0, 1) else found.copy()
    wide = [1] * found.ndim
    if len(tensor.scale) > 1:
        wide[tensor.axis] = len(tensor.scale)
    scale, zero = tensor.scale.reshape(wide), tensor.zero.reshape(wide)
    return np.asarray((found - zero) * scale, dtype=np.float32)


class _Operator:
    """An operator with what it reads and makes."""

    def __init__(self, one: FlatTable, codes: list[int], tensors: list[_Tensor]) -> None:
        code = codes[one.number(0, "I")]
        self.kind = OPERATORS.get(code, f"operator {code}")
        self.input = [_key(int(at)) for at in one.numbers(1, "i4", MOST_INPUTS)]
        [made] = one.numbers(2, "i4")
        self.output = [_key(int(made))]
        self.made = tensors[int(made)]
        self.options = one.table(4)
        self.op_type, self.name = self.kind, self.made.name

    def option(self, field: int, kind: str = "i", default: float = 0) -> Any:
        """A number of the options."""
        return self.options.number(field, kind, default) if self.options else default


def _read_operator(node: _Operator, reading: Reading) -> None:
    """Read an operator as those of ONNX that do the same."""
    if node.kind in ("DEQUANTIZE", "QUANTIZE") and node.input[0] in reading.constants:
        reading.constants[node.output[0]] = reading.constants[node.input[0]]
        return
    if any(name and name not in reading.places and name not in reading.constants for name in node.input):
        raise refusal(node, "reads what nothing makes")
    if reading.ends_in != "scores" and node.kind not in ("DEQUANTIZE", "QUANTIZE"):
        raise refusal(node, "follows the softmax")
    for name in {*node.input} & {*reading.rows}:
        if node.kind in SIMPLE:
            reading.rows[node.output[0]] = reading.rows[name]
        elif node.kind != "FULLY_CONNECTED":
            raise refusal(node, "reads the numbers of a map as a row")
    code = node.option(FUSED[node.kind], "b") if node.kind in FUSED else 0
    if code and code not in ENDINGS:
        raise refusal(node, f"ends in activation {code}")
    made = f"{node.output[0]} before its activation" if code else node.output[0]
    if code:
        reading.readers = {**reading.readers, made: 1}
    kind, attributes, inputs = _onnx_form(node, reading)
    _carry(node, kind, attributes, inputs, made, reading)
    if code:
        _carry(node, *SIMPLE[ENDINGS[code]], [made], node.output[0], reading)


def _carry(
    node: _Operator, kind: str, attributes: dict[str, Any], inputs: list[str], output: str, reading: Reading
) -> None:
    CONVERTERS[kind](SimpleNamespace(op_type=kind, input=inputs, output=[output], name=node.name), attributes, reading)


SIMPLE: dict[str, tuple[str, dict[str, Any]]] = {
    **{it.onnx: (it.onnx, {}) for it in ACTIVATIONS if it.tflite >= 0},
    "RELU6": ("Clip", {"min": 0.0, "max": 6.0}), "RELU_N1_TO_1": ("Clip", {"min": -1.0, "max": 1.0}),
    "QUANTIZE": ("Identity", {}), "DEQUANTIZE": ("Identity", {}),
}  # fmt: skip
"""Operators that have no settings."""


def _onnx_form(node: _Operator, reading: Reading) -> tuple[str, dict[str, Any], list[str]]:
    """The operator, its attributes and its inputs."""
    given = node.input[0]
    if node.kind in SIMPLE:
        return *SIMPLE[node.kind], [given]
    match node.kind:
        case "CONV_2D" | "DEPTHWISE_CONV_2D":
            return "Conv", *_conv_2d(node, reading)
        case "FULLY_CONNECTED":
            return "Gemm", {"transB": 1}, _fully_connected(node, reading)
        case "ADD" | "SUB" | "MUL":
            kind = node.kind.capitalize()
            return kind, {}, [_along_channels(node, name, reading) for name in node.input]
        case "AVERAGE_POOL_2D" | "MAX_POOL_2D":
            about = {"kernel_shape": [node.option(4), node.option(3)], "strides": [node.option(2), node.option(1)],
                     "auto_pad": PADDING[node.option(0, "b")]}  # fmt: skip
            return "AveragePool" if node.kind == "AVERAGE_POOL_2D" else "MaxPool", about, [given]
        case "MEAN":
            axes = sorted(int(at) % 4 for at in reading.constant(node, 1, "axes").ravel())
            if axes != [1, 2]:
                raise refusal(node, f"takes the mean over the axes {axes}, not over height and width")
            return "ReduceMean", {"axes": [2, 3], "keepdims": int(node.option(0, "?", False))}, [given]
        case "RESHAPE" | "SQUEEZE":
            whole = len(node.made.shape) == 2 and math.prod(reading.shapes[given]) == node.made.shape[1]
            if not whole:
                raise refusal(node, f"makes {node.made.shape}, not a row of numbers for each picture")
            if len(reading.shapes[given]) == 3 and reading.shapes[given][1:] != (1, 1):
                reading.rows[node.output[0]] = reading.shapes[given]
            return "Flatten", {"axis": 1}, [given]
        case "PAD":
            pads = reading.constant(node, 1, "paddings").reshape(4, 2).tolist()
            (n, top, left, c), (n_, bottom, right, c_) = zip(*pads, strict=True)
            return "Pad", {"pads": [n, c, top, left, n_, c_, bottom, right]}, [given]
        case "SOFTMAX" if node.option(0, "f") == 1:
            return "Softmax", {"axis": -1}, [given]
        case "LEAKY_RELU":
            return "LeakyRelu", {"alpha": node.option(0, "f")}, [given]
        case "GELU":
            return "Gelu", {"approximate": "tanh" if node.option(0, "?", False) else "none"}, [given]
    raise refusal(node, "is of a kind, or has settings, that are not known")


def _conv_2d(node: _Operator, reading: Reading) -> tuple[dict[str, Any], list[str]]:
    weight = reading.constant(node, 1, "weight")
    shape, deep = reading.shapes[node.input[0]], node.kind == "DEPTHWISE_CONV_2D"
    if weight.ndim != 4 or len(shape) != 3:
        raise refusal(node, f"has a weight of {weight.shape} for an input of {shape}")
    inputs = weight.shape[3]
    apart = 5 if deep else 4
    about = {
        "strides": [node.option(2), node.option(1)], "auto_pad": PADDING[node.option(0, "b")],
        "dilations": [node.option(apart + 1, default=1), node.option(apart, default=1)],
        "group": shape[0] if deep else max(1, shape[0] // max(1, inputs)),
    }  # fmt: skip
    name = f"{node.output[0]} weight"
    reading.constants[name] = weight.transpose((3, 0, 1, 2) if deep else (0, 3, 1, 2))
    return about, [node.input[0], name, *[one for one in node.input[2:3] if one]]


def _fully_connected(node: _Operator, reading: Reading) -> list[str]:
    """What a fully connected layer reads: a row, and weights in the order of that row here."""
    given, weight = node.input[0], reading.constant(node, 1, "weight")
    shape = reading.shapes[given]
    if node.option(1, "b"):
        raise refusal(node, "has weights in an order of its own")
    if len(shape) == 3:
        row = f"{node.output[0]} row"
        _carry(node, "Flatten", {"axis": 1}, [given], row, reading)
        given = row
    else:
        shape = reading.rows.get(given, shape)
    if len(shape) == 3 and weight.ndim == 2 and weight.shape[1] == math.prod(shape):
        channels, height, width = shape
        turned = weight.reshape(-1, height, width, channels).transpose(0, 3, 1, 2)
        weight = turned.reshape(len(weight), -1)
    name = f"{node.output[0]} weight"
    reading.constants[name] = weight
    return [given, name, *[one for one in node.input[2:3] if one]]


def _along_channels(node: _Operator, name: str, reading: Reading) -> str:
    """An input of an operator on two; a constant with its channels first."""
    values = reading.constants.get(name)
    if values is None:
        return name
    if values.size > 1 and any(side != 1 for side in values.shape[:-1]):
        raise refusal(node, f"has a constant of {values.shape}, not one number for each channel")
    flat = any(len(reading.shapes[one]) == 1 for one in node.input if one in reading.shapes)
    reading.constants[f"{name} of {node.output[0]}"] = values.reshape(-1) if flat else values.reshape(-1, 1, 1)
    return f"{name} of {node.output[0]}"
