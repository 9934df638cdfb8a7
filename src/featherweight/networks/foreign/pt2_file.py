"""Somebody else's network from a program that PyTorch exported (`torch.export.save`).

PyTorch's own reader evaluates expressions that such a file holds, so that opening a stranger's file is running it. Here
the archive is read as data: its graph is JSON, its weights are plain bytes, and each operator that is understood
becomes the operator of ONNX that does the same (`onnx_nodes`).
"""

import math
import zipfile
from collections import Counter
from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np

from featherweight.errors import FeatherweightError, FileError
from featherweight.escape import printable
from featherweight.json_files import parse_json, read_regular
from featherweight.networks.foreign import FILE_BYTES
from featherweight.networks.foreign.onnx_file import MOST_NODES, ForeignNetwork, finished, require_pictures
from featherweight.networks.foreign.onnx_nodes import CONVERTERS, Numbers, Reading, refusal

FLOAT32 = 7
"""PyTorch's number for float32 in such a file."""


def read_pt2(path: Path) -> ForeignNetwork:
    """The network in an exported program; FileError where it is not one, or holds what cannot be read."""
    try:
        return _read(path, read_regular(path, FILE_BYTES))
    except FeatherweightError:
        raise
    except Exception as problem:  # what an archive or a graph that is damaged raises has no end of kinds
        raise FileError(f"{printable(path)} is not a program that PyTorch exported, or is damaged.") from problem


def _read(path: Path, content: bytes) -> ForeignNetwork:
    with zipfile.ZipFile(BytesIO(content)) as archive:
        names = {name.partition("/")[2]: name for name in archive.namelist()}
        program = _json(archive, names["models/model.json"])["graph_module"]
        listed = _json(archive, names["data/weights/model_weights_config.json"])["config"]
        constants, pictures = {}, []
        for spec in program["signature"]["input_specs"]:
            [(kind, about)] = spec.items()
            if kind == "user_input":
                pictures.append(about["arg"]["as_tensor"]["name"])
            elif (stored := listed[about[f"{kind}_name"]])["tensor_meta"]["dtype"] == FLOAT32:
                place = names[f"data/weights/{stored['path_name']}"]
                constants[about["arg"]["name"]] = _weights(path, archive, place, stored)
        [output] = program["signature"]["output_specs"]
    graph = program["graph"]
    if len(pictures) != 1 or len(graph["nodes"]) > MOST_NODES:
        raise FileError(f"{printable(path)} has {len(pictures)} inputs or more than {MOST_NODES:,} nodes.")
    sides = [size.get("as_int", 0) for size in graph["tensor_values"][pictures[0]]["sizes"]]
    shape = require_pictures(path, sides, graph["tensor_values"][pictures[0]]["dtype"] == FLOAT32)
    nodes = [_Node(node) for node in graph["nodes"]]
    readers = Counter(name for node in nodes for name in node.tensors)
    reading = Reading(readers=readers, constants=constants, shapes={pictures[0]: shape}, places={pictures[0]: 0})
    for node in nodes:
        _convert(node, reading)
    return finished(path, reading, output["user_output"]["arg"]["as_tensor"]["name"], shape)


def _json(archive: zipfile.ZipFile, name: str) -> Any:
    with archive.open(name) as file:
        text = file.read(FILE_BYTES + 1)
    if len(text) > FILE_BYTES:
        raise ValueError("too long")
    return parse_json(text.decode("utf-8"))


def _weights(path: Path, archive: zipfile.ZipFile, name: str, stored: dict[str, Any]) -> Numbers:
    """A float32 tensor whose numbers lie one after another."""
    about = stored["tensor_meta"]
    sizes, strides = ([int(one["as_int"]) for one in about[part]] for part in ("sizes", "strides"))
    plain = [math.prod(sizes[at + 1 :]) for at in range(len(sizes))]
    count = math.prod(sizes)
    with archive.open(name) as file:
        content = file.read(FILE_BYTES + 1)
    in_order = all(size == 1 or one == other for size, one, other in zip(sizes, strides, plain, strict=True))
    if stored.get("use_pickle") or not in_order or about["storage_offset"]["as_int"] or len(content) != 4 * count:
        raise FileError(f"{printable(path)} keeps {printable(name)} in another order than its own, or as a pickle.")
    found = np.frombuffer(content, "<f4").reshape(sizes).copy()
    if not np.isfinite(found).all():
        raise FileError(f"{printable(path)} has a tensor whose values are no finite numbers.")
    return found


class _Node:
    """A node of the graph, with its arguments as plain values."""

    def __init__(self, node: dict[str, Any]) -> None:
        self.kind = str(node["target"]).removeprefix("torch.ops.aten.").rpartition(".")[0].removesuffix("_")
        self.given: dict[str, Any] = {}
        for one in node["inputs"]:
            [(kind, value)] = one["arg"].items()
            self.given[one["name"]] = None if kind == "as_none" else value["name"] if kind == "as_tensor" else value
        self.tensors = [one["arg"]["as_tensor"]["name"] for one in node["inputs"] if "as_tensor" in one["arg"]]
        [made] = node["outputs"]
        self.output = [made["as_tensor"]["name"]]
        self.op_type, self.name, self.domain = self.kind, self.output[0], ""

    def pair(self, name: str, default: int) -> list[int]:
        """A value for each axis."""
        value = self.given.get(name) or [default]
        values = value if isinstance(value, list) else [value]
        return values * 2 if len(values) == 1 else values

    def only(self, **wanted: Any) -> None:
        """Refuse arguments other than tensors and these."""
        for name, value in wanted.items():
            if self.given.get(name, value) != value:
                raise refusal(self, f"has {name} = {self.given[name]!r:.40}")


def _convert(node: _Node, reading: Reading) -> None:
    """Read a node as the operator of ONNX that does the same."""
    kind, attributes, others = _as_onnx(node, reading)
    given = node.given.get("input", node.given.get("self"))
    inputs = [given, *others]
    if any(name and name not in reading.places and name not in reading.constants for name in inputs):
        raise refusal(node, "reads what nothing makes")
    if reading.ends_in != "scores" and kind != "Identity":
        raise refusal(node, "follows the softmax")
    CONVERTERS[kind](
        SimpleNamespace(op_type=kind, input=inputs, output=node.output, name=node.name), attributes, reading
    )


Read = tuple[str, dict[str, Any], list[str]]


def _as_onnx(node: _Node, reading: Reading) -> Read:
    """The operator, its attributes and its further inputs."""
    given = node.given
    match node.kind:
        case "conv2d":
            padding = given.get("padding", [0, 0])
            pads = [0, 0] if isinstance(padding, str) else node.pair("padding", 0)
            more: dict[str, Any] = {"auto_pad": "SAME_UPPER"} if padding == "same" else {"pads": [*pads, *pads]}
            strides, apart = node.pair("stride", 1), node.pair("dilation", 1)
            weights = [given["weight"], *([given["bias"]] if given.get("bias") else [])]
            return "Conv", {"strides": strides, "dilations": apart, "group": given.get("groups", 1), **more}, weights
        case "batch_norm":
            node.only(training=False)
            names = [given[name] for name in ("weight", "bias", "running_mean", "running_var")]
            return "BatchNormalization", {"epsilon": given["eps"]}, names
        case "linear":
            return "Gemm", {"transB": 1}, [given["weight"], *([given["bias"]] if given.get("bias") else [])]
        case "max_pool2d" | "avg_pool2d":
            node.only(divisor_override=None)
            kernel, pads = node.pair("kernel_size", 1), node.pair("padding", 0)
            strides = node.pair("stride", 1) if given.get("stride") else kernel
            found = {"kernel_shape": kernel, "strides": strides, "pads": [*pads, *pads],
                     "ceil_mode": int(given.get("ceil_mode", False))}  # fmt: skip
            if node.kind == "max_pool2d":
                return "MaxPool", found | {"dilations": node.pair("dilation", 1)}, []
            return "AveragePool", found | {"count_include_pad": int(given.get("count_include_pad", True))}, []
        case "adaptive_avg_pool2d" if node.pair("output_size", 0) == [1, 1]:
            return "GlobalAveragePool", {}, []
        case "mean":
            return "ReduceMean", {"axes": given.get("dim") or [], "keepdims": int(given.get("keepdim", False))}, []
        case "flatten":
            node.only(end_dim=-1)
            return "Flatten", {"axis": given.get("start_dim", 0)}, []
        case "view" | "reshape":
            return "Reshape", {}, [_constant(node, reading, given.get("size") or given.get("shape"))]
        case "hardtanh" | "relu6":
            low, high = (0.0, 6.0) if node.kind == "relu6" else (given.get("min_val", -1.0), given.get("max_val", 1.0))
            return "Clip", {"min": low, "max": high}, []
        case "silu":
            name = f"{node.output[0]} gate"
            gate = SimpleNamespace(op_type="Sigmoid", input=[given["self"]], output=[name], name=node.name)
            CONVERTERS["Sigmoid"](gate, {}, reading)
            reading.readers = {**reading.readers, name: 1}
            return "Mul", {}, [name]
        case "add" | "mul":
            node.only(alpha=1)
            if not isinstance(given.get("other"), str):
                raise refusal(node, "adds or multiplies what is no tensor")
            return {"add": "Add", "mul": "Mul"}[node.kind], {}, [given["other"]]
        case "softmax" | "log_softmax":
            node.only(dtype=None)
            return {"softmax": "Softmax", "log_softmax": "LogSoftmax"}[node.kind], {"axis": given["dim"]}, []
        case "dropout" | "feature_dropout":
            node.only(train=False)
            return "Identity", {}, []
        case "pad" | "constant_pad_nd":
            node.only(mode="constant", value=None)
            left, right, top, bottom = given["pad"]
            return "Pad", {"pads": [0, 0, top, left, 0, 0, bottom, right]}, []
        case "hardsigmoid":
            return "HardSigmoid", {"alpha": 1 / 6}, []
        case "gelu":
            return "Gelu", {"approximate": given.get("approximate", "none")}, []
        case "leaky_relu":
            return "LeakyRelu", {"alpha": given.get("negative_slope", 0.01)}, []
        case "relu" | "sigmoid" | "tanh" | "mish":
            return node.kind.capitalize(), {}, []
    known = {f"aten {it.lower()}": it for it in CONVERTERS}
    if f"aten {node.kind}" not in known:
        raise refusal(node, "is of a kind that is not known")
    return known[f"aten {node.kind}"], {}, []


def _constant(node: _Node, reading: Reading, values: Any) -> str:
    name = f"{node.output[0]} shape"
    reading.constants[name] = np.array([one["as_int"] if isinstance(one, dict) else one for one in values])
    return name
