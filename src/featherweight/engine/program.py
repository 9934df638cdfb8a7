"""Programs of the native engine: nodes as defined in kernels/plan.hpp, and the draft that collects them."""

from ctypes import Structure, c_float, c_int32
from dataclasses import dataclass, field
from typing import Any

from torch import Tensor

CONVOLUTION, NORM_ACT_POOL, AVERAGE, ADD, COPY, SCALE, PREPARE, GROUP_NORM = range(8)
NO_ACTIVATION, RELU, SILU, RELU6, HARD_SWISH, PRELU, SIGMOID, HARD_SIGMOID, GELU = range(9)
KEEP, ELEMENTS, CHANNELS = range(3)

NONE = -1  # if a node has no such tensor

PLACES = ("other", "weight", "bias", "gamma", "beta", "mean", "variance", "count", "act_weight")
WHOLE = (
    "kind", "in", "out", "kernel", "stride", "pad", "dilation", "groups", "kernel_w", "stride_w", "norm", "act",
    "shared", "drop", "layer",
)  # fmt: skip
FRACTIONS = ("eps", "momentum", "rate")


class Node(Structure):
    """`Node` of kernels/plan.hpp, field for field."""

    _fields_ = [*((name, c_int32) for name in (*WHOLE, *PLACES)), *((name, c_float) for name in FRACTIONS)]


class Size(Structure):
    """`Size` of kernels/plan.hpp: channels, height, width of a tensor."""

    _fields_ = [(name, c_int32) for name in "chw"]


@dataclass(frozen=True, kw_only=True)
class Program:
    """A network's operations in forward order; each refers to its tensors and to positions in `values`."""

    nodes: list[dict[str, Any]]
    sizes: list[tuple[int, int, int]]
    """(C, H, W) of each tensor; the first one holds the images."""
    values: list[Tensor]
    """Parameters and buffers."""
    log_output: bool
    """Whether the network ends in LogSoftmax."""

    @property
    def classes(self) -> int:
        """The number of outputs per image."""
        return self.sizes[-1][0]


@dataclass
class Draft:
    """The part of a program that has been lowered so far."""

    sizes: list[tuple[int, int, int]]
    nodes: list[dict[str, Any]] = field(default_factory=list)
    values: list[Tensor] = field(default_factory=list)
    current: int = 0
    flat: bool = False
    log_output: bool = False
    pending: dict[str, Any] = field(default_factory=dict)

    @property
    def size(self) -> tuple[int, int, int]:
        """(C, H, W) of the next layer's input."""
        return self.sizes[self.current]

    def place(self, tensor: Tensor | None) -> int:
        """The position of the tensor in `values`, which has each tensor once; NONE for None."""
        if tensor is None:
            return NONE
        known = (i for i, value in enumerate(self.values) if value is tensor)
        index = next(known, len(self.values))
        if index == len(self.values):
            self.values.append(tensor)
        return index

    def add(self, size: tuple[int, int, int], **node: Any) -> None:
        """Add a node from the current tensor to a new one of `size`."""
        self.nodes.append({"in": self.current, "out": len(self.sizes), **node})
        self.current = len(self.sizes)
        self.sizes.append(size)

    def flush(self) -> None:
        """Finish the pending pass, if there is one."""
        if not self.pending:
            return
        node, self.pending = self.pending, {}
        c, h, w = self.size
        kernel, stride = node.setdefault("kernel", 1), node.setdefault("stride", 1)
        self.add((c, (h - kernel) // stride + 1, (w - kernel) // stride + 1), kind=NORM_ACT_POOL, **node)

    def gather(self, after: tuple[str, ...], **part: Any) -> None:
        """Add to the pending pass, or to a new one if it already has one of `after`, which come later in a pass."""
        if any(name in self.pending for name in after):
            self.flush()
        self.pending.update(part)
