"""A network as the native engine's program: nodes as defined in kernels/plan.hpp, or an error that names the layer.

Norm, activation, dropout and max pool become a single pass over memory if they follow one another in this order.
"""

from ctypes import Structure, c_float, c_int32
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

from featherweight.errors import UsageError
from featherweight.networks.layers import lower
from featherweight.networks.layers.kind import NATIVE, Draft

KINDS = ("convolution", "norm_act_pool", "average", "add", "copy", "scale", "prepare", "group_norm")
"""Of nodes, in the order of `Kind` in the kernels."""
CONVOLUTION, PREPARE = KINDS.index("convolution"), KINDS.index("prepare")

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


def lower_for_training(network: nn.Module, shape: tuple[int, int, int]) -> Program:
    """The program of `network` for images of `shape` (C, H, W); UsageError, naming the layer, if it has no kernel.

    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    >>> program = lower_for_training(network, (1, 8, 8))
    >>> [node["kind"] for node in program.nodes], program.sizes
    ([0, 1, 4], [(1, 8, 8), (4, 6, 6), (4, 3, 3), (36, 1, 1)])
    """
    draft = Draft(form=NATIVE, sizes=[shape])
    lower(network, "", draft)
    draft.flush()
    nodes, sizes, by = draft.steps, draft.sizes, draft.preprocessing
    if by:  # a node more, which pictures go through as they are packed
        nodes = [{"kind": "prepare", "in": 0, "pad": by.crop, "shared": int(by.deskew)}, *map(_after_it, nodes)]
        sizes = [shape, *sizes]
    if not nodes or not draft.flat:
        size = " ".join(str(n) for n in draft.size)
        raise UsageError(f"The network gives [N {size}], not [N classes]; end it with Flatten.")
    nodes = [{**node, "kind": KINDS.index(node["kind"]), "out": at} for at, node in enumerate(nodes, start=1)]
    return Program(nodes=nodes, sizes=sizes, values=draft.values, log_output=draft.log_output)


def _after_it(node: dict[str, Any]) -> dict[str, Any]:
    return node | {name: node[name] + 1 for name in ("in", "other") if name in node}
