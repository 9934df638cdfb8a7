"""One ONNX file: raw pictures in, probabilities out, normalisation inside. The same network gives the same bytes."""

import io
import json
import warnings
from collections.abc import Callable, Sequence
from contextlib import redirect_stdout
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from torch import Tensor, nn

from featherweight.errors import UsageError
from featherweight.export.lowering import Lowered, Step
from featherweight.networks.layers.activations import CURVES
from featherweight.networks.layers.preprocessing import FLATTEST, STEEPEST

if TYPE_CHECKING:
    from onnx import NodeProto, TensorProto

    from featherweight.export.source import Source

OPSET, IR = 26, 13
"""The newest operator set that ONNX Runtime 1.31 supports officially, and the file format that came with it."""
INPUT, OUTPUT = "pictures", "probabilities"

_INSTALL = "pip install --upgrade onnx onnxruntime onnxscript"


def require_onnx() -> None:
    """Raise UsageError with the install command if the packages for ONNX are missing or too old."""
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ImportError as problem:
        raise UsageError(
            f"ONNX needs packages that are not installed ({problem}); get them with: {_INSTALL}"
        ) from problem
    if onnx.defs.onnx_opset_version() < OPSET:
        raise UsageError(
            f"onnx {onnx.__version__} does not know operator set {OPSET}; get a newer one with: {_INSTALL}"
        )


def model_bytes(source: "Source", lowered: Lowered) -> bytes:
    """The bytes of the whole file, checked by onnx.checker with full shape inference.

    Input `pictures`: uint8, [N 28 28] for one channel and 28 x 28, else [N C H W]; N is free. Output `probabilities`:
    float32 [N classes], in the order of the metadata's `classes`. Raises UsageError if the packages are missing.
    """
    require_onnx()
    import onnx
    from onnx import TensorProto, checker, helper

    channels, height, width = source.shape
    plain = source.shape == (1, 28, 28)
    picture: list[str | int | None] = ["N", height, width] if plain else ["N", channels, height, width]
    nodes, constants = _nodes(source, lowered, plain)
    graph = helper.make_graph(
        nodes,
        source.name,
        [helper.make_tensor_value_info(INPUT, TensorProto.UINT8, picture, "Raw pixels, 0 background to 255 ink.")],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["N", lowered.classes], "Of each class; sum 1.")],
        constants,
        doc_string=source.sentence(),
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR,
        producer_name="featherweight",
        producer_version=source.version,
        doc_string=source.sentence(),
    )
    helper.set_model_props(model, {key: _as_json(value) for key, value in source.about().items()})
    checker.check_model(model, full_check=True)
    assert isinstance(model, onnx.ModelProto)
    written: bytes = model.SerializeToString(deterministic=True)
    return written


def traced_bytes(source: "Source") -> bytes:
    """The same for a network with layers that cannot be lowered, traced by PyTorch's exporter.

    Input and output are as in `model_bytes`. Raises UsageError with PyTorch's reason if it cannot export it either.
    """
    require_onnx()
    from onnx import checker, helper, load_model_from_string

    network = _Whole(source).eval()
    pictures = torch.zeros(2, *(source.shape if source.shape != (1, 28, 28) else source.shape[1:]), dtype=torch.uint8)
    batch = torch.export.Dim("N", min=1)
    try:
        with warnings.catch_warnings(), redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            traced = torch.onnx.export(
                network, (pictures,), input_names=[INPUT], output_names=[OUTPUT], dynamic_shapes=({0: batch},),
                dynamo=True, verbose=False, optimize=True,
            )  # fmt: skip
        assert traced is not None
        model = traced.model_proto
    except Exception as problem:  # whatever tracing somebody's network may raise
        reason = (str(problem).splitlines() or [type(problem).__name__])[0]
        raise UsageError(f"Neither featherweight nor PyTorch can export this network: {reason:.200}") from problem
    model.doc_string = source.sentence()
    helper.set_model_props(model, {key: _as_json(value) for key, value in source.about().items()})
    written: bytes = model.SerializeToString(deterministic=True)
    checker.check_model(load_model_from_string(written), full_check=True)
    return written


class _Whole(nn.Module):
    """Raw pictures to probabilities: normalisation, the network and softmax in one module."""

    def __init__(self, source: "Source") -> None:
        super().__init__()
        self.network, self.plain = source.network, source.shape == (1, 28, 28)
        self.mean, self.std = (torch.tensor(of).reshape(1, -1, 1, 1) for of in (source.mean, source.std))

    def forward(self, pictures: Tensor) -> Tensor:
        """uint8 [N C H W], or [N 28 28], -> [N classes]."""
        images = pictures[:, None] if self.plain else pictures
        scores: Tensor = self.network((images.float() / 255 - self.mean) / self.std)
        return scores.softmax(1)


def _as_json(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value)


def _nodes(source: "Source", lowered: Lowered, plain: bool) -> "tuple[list[NodeProto], list[TensorProto]]":
    """The graph's nodes and the numbers they use."""
    from onnx import TensorProto, helper, numpy_helper

    constants: list[TensorProto] = []
    nodes: list[NodeProto] = []

    def constant(name: str, values: Any) -> str:
        constants.append(numpy_helper.from_array(np.ascontiguousarray(values), name))
        return name

    def node(kind: str, inputs: Sequence[str], output: str, **settings: Any) -> str:
        nodes.append(helper.make_node(kind, list(inputs), [output], name=f"{output} ({kind})", **settings))
        return output

    now = node("Cast", [INPUT], "pixels", to=TensorProto.FLOAT)
    if plain:
        now = node("Unsqueeze", [now, constant("channel axis", np.array([1], np.int64))], "one channel")
    mean = 255 * np.array(source.mean, np.float32).reshape(1, -1, 1, 1)
    std = 255 * np.array(source.std, np.float32).reshape(1, -1, 1, 1)
    now = node("Sub", [now, constant("mean of pixels", mean)], "centred")
    now = node("Div", [now, constant("deviation of pixels", std)], "normalised")
    if lowered.preprocessing.deskew:
        now = onnx_deskewed(now, source.shape, node, constant)
    if crop := lowered.preprocessing.crop:
        ends = {"starts": crop, "ends": -crop}
        parts = [constant(f"crop {end}", np.array([at, at], np.int64)) for end, at in ends.items()]
        now = node("Slice", [now, *parts, constant("crop axes", np.array([2, 3], np.int64))], "cropped")
    names = [now]
    for index, step in enumerate(lowered.steps):
        label = f"{step.name or 'network'} {step.kind} {index}"
        inputs = [names[step.source]]
        if step.kind == "convolution":
            assert step.weight is not None and step.bias is not None
            inputs.append(constant(f"{label} weight", step.weight.numpy()))
            inputs.append(constant(f"{label} bias", step.bias.numpy()))
        elif step.kind == "group norm":
            assert step.weight is not None and step.bias is not None
            for part, values in (("weight", step.weight), ("bias", step.bias)):
                inputs.append(constant(f"{label} {part}", (values[:, 0, 0] if _by_channel(step) else values).numpy()))
        elif step.kind == "add":
            inputs.append(names[step.other])
        elif step.kind == "clip":
            inputs += [
                constant(f"{label} {end}", np.array(bound, np.float32))
                for end, bound in zip(("least", "greatest"), step.bounds, strict=True)
            ]
        elif step.kind in CURVES and (share := CURVES[step.kind].share):
            inputs.append(node(share, inputs, f"{label} share"))
        names.append(node(_operator(step), inputs, label, **_node_attributes(step)))
    flat = node("Flatten", [names[-1]], "scores", axis=1)
    node("Softmax", [flat], OUTPUT, axis=1)
    return nodes, constants


_OPERATORS = {"convolution": "Conv", "relu": "Relu", "max": "MaxPool", "average": "AveragePool", "add": "Add",
              "clip": "Clip"} | {kind: curve.onnx for kind, curve in CURVES.items()}  # fmt: skip


def _operator(step: Step) -> str:
    if step.kind != "group norm":
        return _OPERATORS[step.kind]
    return "GroupNormalization" if _by_channel(step) else "LayerNormalization"


def _by_channel(step: Step) -> bool:
    return step.weight is not None and step.weight.shape[1:] == (1, 1)


def _node_attributes(step: Step) -> dict[str, Any]:
    if step.kind == "group norm":
        return {"epsilon": step.eps} | ({"num_groups": step.groups} if _by_channel(step) else {"axis": 1})
    if step.kind in CURVES:
        return CURVES[step.kind].attributes
    if step.kind not in ("convolution", "max", "average"):
        return {}
    settings: dict[str, Any] = {"kernel_shape": step.kernel, "strides": step.stride, "pads": step.pad}
    if step.kind == "convolution":
        settings["group"] = step.groups
        if step.dilation != (1, 1):
            settings["dilations"] = step.dilation
    if step.kind == "average":
        settings["count_include_pad"] = 1
    return settings


Node = Callable[..., str]
"""(operator, names of its inputs, name of its output, settings) -> the name of its output."""
Constant = Callable[[str, Any], str]
"""(name, values) -> the name."""


def onnx_deskewed(images: str, shape: tuple[int, int, int], node: Node, constant: Constant) -> str:
    """The name of the result; `images` is the name of the pictures [N 1 H W], whose (1, H, W) is `shape`."""
    _, height, width = shape
    across, whole = (constant(f"deskew axes {axes}", np.array(axes, np.int64)) for axes in ((3,), (2, 3)))
    rows = constant("deskew rows", np.arange(height, dtype=np.float32).reshape(1, 1, -1, 1))
    columns = constant("deskew columns", np.arange(width, dtype=np.float32).reshape(1, 1, 1, -1))
    middle = constant("deskew middle", np.arange(width, dtype=np.float32) - np.float32((width - 1) / 2))

    def number(name: str, value: float, kind: Any = np.float32) -> str:
        return constant(f"deskew {name}", np.array(value, kind))

    def total(of: str, name: str, axes: str = whole) -> str:
        return node("ReduceSum", [of, axes], name, keepdims=1)

    tiny = number("tiny", 1e-12)
    lowest = node("ReduceMin", [images, whole], "lowest", keepdims=1)
    ink = node("Sub", [images, lowest], "ink")
    mass = total(ink, "ink of rows", across)  # [N 1 H 1]
    moment = total(node("Mul", [ink, middle], "ink aside"), "moments of rows", across)
    all_ink = total(mass, "all ink")
    centre = node("Div", [total(node("Mul", [mass, rows], "ink down"), "ink down, all"),
                          node("Max", [all_ink, tiny], "all ink or more")], "centre")  # fmt: skip
    down = node("Sub", [rows, centre], "from the centre")
    covariance = total(node("Mul", [moment, down], "moments down"), "covariance")
    spread = node("Mul", [node("Mul", [mass, down], "ink from the centre"), down], "spread of rows")
    least = node("Mul", [all_ink, number("flattest", FLATTEST)], "least variance")
    variance = node("Max", [total(spread, "variance"), least, tiny], "variance or more")
    ends = number("steepest left", -STEEPEST), number("steepest right", STEEPEST)
    slant = node("Clip", [node("Div", [covariance, variance], "lean"), *ends], "slant")
    place = node("Add", [columns, node("Mul", [slant, down], "shifts")], "places")  # [N 1 H W]
    left = node("Floor", [place], "places on the left")
    sides = constant("deskew margin", np.array([0, 0, 0, 1, 0, 0, 0, 1], np.int64))
    padded = node("Pad", [ink, sides], "ink with a margin")
    near = []
    for n, side in ((1, "left"), (2, "right")):
        at = node("Add", [left, number(f"step {n}", n)], f"{side} of places")
        within = node("Clip", [at, number(f"{side} from", 0), number(f"{side} to", width + 1)], f"{side} within")
        near.append(node("GatherElements", [padded, node("Cast", [within], f"{side} at", to=7)], f"ink {side}", axis=3))
    part = node("Sub", [place, left], "parts")
    more = node("Mul", [part, node("Sub", near[::-1], "ink between")], "part between")
    return node("Add", [lowest, node("Add", [near[0], more], "ink upright")], "deskewed")
