"""Activations, each with all its names and forms; a new one is a row here, and a kernel where it is to train fast.

Needs no torch, so that what reads pictures without it knows the curves as well.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featherweight.networks.layers.fields import elementwise
from featherweight.networks.layers.kind import Draft

if TYPE_CHECKING:
    from torch import Tensor, nn

Floats = NDArray[np.float32]


@dataclass(frozen=True, kw_only=True)
class Activation:
    """An activation by all its names."""

    module: str
    """Its class in torch.nn."""
    operator: str
    """Its function in torch.nn.functional."""
    arguments: str = "inplace=flag"
    native: int | None = None
    """Its number in `Activation` of the engine's kernels."""
    step: str = ""
    """Its kind of step in exported forms; in integers, all but `relu` and `clip` look up a table."""
    curve: Callable[[Floats], Floats] | None = None
    """Of a step with a table: its result in float32."""
    javascript: str = ""
    """The same as a function, on the page."""
    everywhere: bool = False
    """Whether every page has that function, used or not."""
    onnx: str = ""
    """Its operator in ONNX."""
    tflite: int = -1
    """The number of its operator in TensorFlow Lite."""
    share: str = ""
    """Another operator in ONNX, whose result is the second thing that goes into it."""
    gate: str = ""
    """The class in torch.nn of the activation that, times the input, it is."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """In ONNX, where they are not the usual ones."""
    form: dict[str, Any] = field(default_factory=dict)
    """The arguments with which it has native and exported forms, where it has not with all."""
    note: str = ""

    def function(self, images: "Tensor") -> "Tensor":
        """Its result in PyTorch, in the form that has a step."""
        from torch.nn import functional

        result: Tensor = getattr(functional, self.operator)(images, **self.form)
        return result


def _sigmoid(x: Floats) -> Floats:
    half = np.float32(0.5)
    found: Floats = half * np.tanh(half * x) + half
    return found


def _hard_sigmoid(x: Floats) -> Floats:
    found: Floats = np.minimum(np.maximum(x / np.float32(6) + np.float32(0.5), np.float32(0)), np.float32(1))
    return found


def _gelu(x: Floats) -> Floats:
    return x * _sigmoid(np.float32(1.5957691216) * (x + np.float32(0.044715) * x * x * x))


_HARD = "Math.min(Math.max(0, value / 6 + 0.5), 1)"
ACTIVATIONS = (
    Activation(module="ReLU", operator="relu", native=1, step="relu", onnx="Relu", tflite=19),
    Activation(module="ReLU6", operator="relu6", native=3, step="clip", onnx="Clip"),
    Activation(module="Hardtanh", operator="hardtanh", arguments="min_val=real max_val=real inplace=flag",
               step="clip", onnx="Clip", note="in exported forms, from 0 or less to more than 0"),
    Activation(module="PReLU", operator="prelu", arguments="num_parameters=count init=real", native=5),
    Activation(module="Sigmoid", operator="sigmoid", arguments="", native=6, step="sigmoid", curve=_sigmoid,
               javascript="(value) => 1 / (1 + Math.exp(-value))", onnx="Sigmoid", tflite=14, everywhere=True),
    Activation(module="Hardsigmoid", operator="hardsigmoid", native=7, step="hard sigmoid", curve=_hard_sigmoid,
               javascript=f"(value) => {_HARD}", onnx="HardSigmoid", everywhere=True, attributes={"alpha": 1 / 6}),
    Activation(module="SiLU", operator="silu", native=2, step="silu", curve=lambda x: x * _sigmoid(x),
               javascript="(value) => value / (1 + Math.exp(-value))", onnx="Mul", everywhere=True, share="Sigmoid",
               gate="Sigmoid"),
    Activation(module="Hardswish", operator="hardswish", native=4, step="hard swish",
               curve=lambda x: x * _hard_sigmoid(x), javascript=f"(value) => value * {_HARD}",
               onnx="HardSwish", tflite=117, everywhere=True, gate="Hardsigmoid"),
    Activation(module="Tanh", operator="tanh", arguments="", step="tanh", curve=np.tanh, javascript="Math.tanh",
               onnx="Tanh", tflite=28, everywhere=True),
    Activation(module="GELU", operator="gelu", arguments="approximate=mode", native=8, step="gelu", curve=_gelu,
               javascript="(value) => value / (1 + Math.exp(-1.5957691216 * (value + 0.044715 * value ** 3)))",
               onnx="Gelu", attributes={"approximate": "tanh"}, form={"approximate": "tanh"}, note="in its tanh form"),
    Activation(module="LeakyReLU", operator="leaky_relu", arguments="negative_slope=real inplace=flag"),
    Activation(module="ELU", operator="elu", arguments="alpha=real inplace=flag"),
    Activation(module="CELU", operator="celu", arguments="alpha=real inplace=flag"),
    Activation(module="SELU", operator="selu"),
    Activation(module="Mish", operator="mish"),
    Activation(module="Softplus", operator="softplus", arguments="beta=real threshold=real"),
    Activation(module="Softsign", operator="softsign", arguments=""),
    Activation(module="LogSigmoid", operator="logsigmoid", arguments=""),
    Activation(module="Tanhshrink", operator="tanhshrink", arguments=""),
    Activation(module="Softshrink", operator="softshrink", arguments="lambd=real"),
    Activation(module="Hardshrink", operator="hardshrink", arguments="lambd=real"),
    Activation(module="Threshold", operator="threshold", arguments="threshold=real value=real inplace=flag"),
)  # fmt: skip
_BY_MODULE = {activation.module: activation for activation in ACTIVATIONS}
CURVES = {activation.step: activation for activation in ACTIVATIONS if activation.curve}
"""Those that integers look up in a table, by their kind of step."""
EFFECTS = dict.fromkeys((*(activation.operator for activation in ACTIVATIONS), "rrelu"), elementwise)


def native(module: "nn.Module", name: str, draft: Draft) -> None:
    """The activation's part of a pass over memory."""
    kind, weight = _of(module, name, draft), {}
    if kind.module == "PReLU":
        parameters, channels = int(module.num_parameters), draft.size[0]  # type: ignore[arg-type]
        many = f"has {parameters} weights for {channels} channels"
        draft.require(parameters in (1, channels), module, name, many)
        weight = {"shared": int(parameters == 1), "act_weight": draft.place(module.weight)}  # type: ignore[arg-type]
    draft.gather(("act", "drop", "kernel"), act=kind.native, **weight)


def exported(module: "nn.Module", name: str, draft: Draft) -> None:
    """The activation as a step."""
    kind, more = _of(module, name, draft), {}
    if kind.step == "clip":
        least, greatest = float(module.min_val), float(module.max_val)  # type: ignore[arg-type]
        draft.require(least <= 0 < greatest, module, name, f"clips to {least:g} to {greatest:g}, without 0")
        more = {"bounds": (least, greatest)}
    draft.add(draft.size, kind.step, name=name, **more)


def _of(module: "nn.Module", name: str, draft: Draft) -> Activation:
    found = _BY_MODULE[type(module).__name__]
    for argument, value in found.form.items():
        given = getattr(module, argument)
        draft.require(given == value, module, name, f"has {argument}={given!r} and needs {argument}={value!r}")
    return found
