"""Somebody else's network from an ONNX file, as layers of PyTorch that everything here can count, quantise and export.

A file may come from anyone: it is read as data, up to `FILE_BYTES`, and whatever is not understood, in an operator, an
attribute or a shape, is refused by the name of its node rather than passed over.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from featherweight.errors import FileError, UsageError
from featherweight.escape import printable
from featherweight.json_files import read_regular
from featherweight.networks.foreign import FILE_BYTES
from featherweight.networks.foreign.onnx_nodes import CONVERTERS, Numbers, Reading, Shape, by_channel, refusal
from featherweight.networks.graph import Graph

FLOAT32 = 1
"""Of ONNX's kinds of numbers."""
MOST_NODES, LONGEST_SIDE = 2_000, 512


@dataclass(frozen=True, kw_only=True)
class ForeignNetwork:
    """A network as its file has it, in evaluation mode."""

    name: str
    network: Graph
    shape: tuple[int, int, int]
    """(C, H, W) of a picture."""
    classes: int
    """How many scores it gives."""
    scale: tuple[float, ...]
    """By channel: what the file's first layers multiply a picture by, before `shift` is added."""
    shift: tuple[float, ...]
    bytes_in: bool
    """Whether the file takes pixels of 0 to 255."""
    ends_in: str
    """What the file's output is, `scores`, `probabilities` or `logarithms` of them; the network's are scores."""
    content: bytes = field(repr=False)
    exact: bool = True
    """Whether the file computes in float32 throughout, as the network does."""


def read_onnx(path: Path) -> ForeignNetwork:
    """The network in an ONNX file; FileError where it is not one, or holds what cannot be read."""
    content = read_regular(path, FILE_BYTES)
    graph = _graph_of(path, content)
    constants = {tensor.name: _values(path, tensor) for tensor in graph.initializer}
    inputs = [given for given in graph.input if given.name not in constants]
    if len(inputs) != 1 or len(graph.output) != 1:
        raise FileError(f"{printable(path)} has {len(inputs)} inputs and {len(graph.output)} outputs, not one of each.")
    shape, bytes_in = _picture_of(path, inputs[0])
    nodes = _used(graph)
    readers = Counter(name for node in nodes for name in node.input)
    reading = Reading(readers=readers, constants=constants, shapes={inputs[0].name: shape}, places={inputs[0].name: 0})
    scale, shift = np.ones(shape[0]), np.zeros(shape[0])
    for node in nodes:
        attributes = _attributes(node)
        if node.op_type == "Constant" and not node.input and "value" in attributes:
            reading.constants[node.output[0]] = attributes["value"]
        elif node.domain not in ("", "ai.onnx") or node.op_type not in (*CONVERTERS, "Cast"):
            raise refusal(node, "is of a kind that is not known")
        elif any(name not in reading.places and name not in reading.constants for name in node.input if name):
            raise refusal(node, "reads what nothing makes")
        elif reading.ends_in != "scores":
            raise refusal(node, "follows the softmax")
        elif (by := _first_scaling(node, reading, shape)) is not None:
            scale, shift = scale * by[0], shift * by[0] + by[1]
            reading.alias(node)
        elif node.op_type == "Cast":
            raise refusal(node, "changes the type of more than the pictures")
        else:
            CONVERTERS[node.op_type](node, attributes, reading)
    found = finished(path, reading, graph.output[0].name, shape)
    return replace(
        found, scale=tuple(map(float, scale)), shift=tuple(map(float, shift)), bytes_in=bytes_in, content=content
    )


def finished(path: Path, reading: Reading, output: str, shape: Shape) -> ForeignNetwork:
    """What was read as a network; FileError unless its last layer gives the output, a row of scores."""
    if reading.places.get(output) != len(reading.plan) or not reading.plan:
        raise FileError(f"{printable(path)} does not give what its last layer makes.")
    if len(reading.shapes[output]) != 1:
        raise FileError(f"{printable(path)} gives {reading.shapes[output]} numbers a picture, which are no scores.")
    return ForeignNetwork(
        name=path.stem, network=Graph(reading.layers, reading.plan).eval(), shape=(shape[0], shape[1], shape[2]),
        classes=reading.shapes[output][0],
        scale=(1.0,) * shape[0], shift=(0.0,) * shape[0], bytes_in=False, ends_in=reading.ends_in, content=b"",
    )  # fmt: skip


def _graph_of(path: Path, content: bytes) -> Any:
    try:
        import onnx
    except ImportError as problem:
        raise UsageError("An ONNX file needs a package that is missing: pip install onnx onnxruntime") from problem

    try:
        model = onnx.load_model_from_string(content)
        onnx.checker.check_model(model)
    except Exception as problem:  # protobuf raises its own errors, and the checker others
        reason = printable(str(problem)).splitlines() or [type(problem).__name__]
        raise FileError(f"{printable(path)} is not an ONNX file that can be read: {reason[0]:.120}") from problem
    if len(model.graph.node) > MOST_NODES:
        raise FileError(f"{printable(path)} has {len(model.graph.node):,} nodes; at most {MOST_NODES:,} are read.")
    if model.functions or model.graph.sparse_initializer:
        raise FileError(f"{printable(path)} has functions or sparse tensors, which are not read.")
    return model.graph


def _values(path: Path, tensor: Any) -> Numbers:
    import onnx

    if tensor.data_location == onnx.TensorProto.EXTERNAL:
        raise FileError(f"{printable(path)} keeps its weights in other files; save it whole.")
    try:
        found = onnx.numpy_helper.to_array(tensor)
    except (ValueError, TypeError, KeyError) as problem:
        raise FileError(f"{printable(path)} has a tensor that does not hold what it declares.") from problem
    if found.dtype.kind not in "fiub" or (found.dtype.kind == "f" and not np.isfinite(found).all()):
        raise FileError(f"{printable(path)} has a tensor whose values are no finite numbers.")
    return np.array(found)


def _attributes(node: Any) -> dict[str, Any]:
    import onnx

    found = {}
    for attribute in node.attribute:
        value = onnx.helper.get_attribute_value(attribute)
        if isinstance(value, onnx.TensorProto):
            value = _values(Path(node.name), value)
        found[attribute.name] = value.decode("utf-8", "replace") if isinstance(value, bytes) else value
    return found


def _picture_of(path: Path, given: Any) -> tuple[Shape, bool]:
    """Channels, height and width of the input, and whether it takes bytes."""
    import onnx

    kind = given.type.tensor_type
    bytes_in = kind.elem_type == onnx.TensorProto.UINT8
    sides = [dim.dim_value for dim in kind.shape.dim]
    return require_pictures(path, sides, bytes_in or kind.elem_type == onnx.TensorProto.FLOAT), bytes_in


def require_pictures(path: Path, sides: list[int], of_known_numbers: bool) -> Shape:
    """Channels, height and width of an input with these sides; FileError for one that takes no pictures."""
    right = len(sides) == 4 and 1 <= sides[1] <= 4 and all(1 <= side <= LONGEST_SIDE for side in sides[2:])
    if not right or not of_known_numbers:
        raise FileError(
            f"{printable(path)} takes {sides} (0 where it does not say), and what is read takes pictures as [N C H W]"
            f" of up to 4 channels and {LONGEST_SIDE} pixels a side, in float32 or uint8, with sides that are fixed."
        )
    return tuple(sides[1:])


def _used(graph: Any) -> list[Any]:
    """The nodes that the output depends on, in order."""
    wanted, found = {graph.output[0].name}, []
    for node in reversed(graph.node):
        if wanted & set(node.output):
            found.append(node)
            wanted |= set(node.input)
            if any(attribute.type in (5, 10) for attribute in node.attribute):  # a graph, or several
                raise refusal(node, "holds a graph of its own")
    return found[::-1]


def _first_scaling(node: Any, reading: Reading, shape: Shape) -> tuple[Numbers, Numbers] | None:
    """What a node multiplies the pictures by and then adds, where it is among the first and does nothing else."""
    if reading.plan or not node.input or reading.places.get(node.input[0]) != 0:
        return None
    if node.op_type == "Identity" or (node.op_type == "Cast" and _attributes(node).get("to") == FLOAT32):
        return np.ones(shape[0]), np.zeros(shape[0])
    if node.op_type not in ("Add", "Sub", "Mul", "Div") or node.input[1] not in reading.constants:
        return None
    by = by_channel(node, reading.constants[node.input[1]], shape)
    none, nought = np.ones(shape[0]), np.zeros(shape[0])
    return {"Add": (none, by), "Sub": (none, -by), "Mul": (by, nought), "Div": (1 / np.where(by == 0, 1, by), nought)}[
        node.op_type
    ]
