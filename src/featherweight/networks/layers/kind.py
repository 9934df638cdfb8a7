"""A kind of layer: how it is written, executed and exported; and the draft that collects a network's steps."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from featherweight.errors import UsageError
from featherweight.experiments.augmentation import NOTHING, Preprocessing

if TYPE_CHECKING:
    from torch import Tensor, nn

Size = tuple[int, int, int]
"""Channels, height, width."""
NONE = -1
"""In place of a tensor that a step has not."""

LARGEST = 1 << 16
"""Channels, features or groups."""
LONGEST = 1 << 10
"""Pixels of a kernel, a stride, a padding or a dilation."""
MODES = ("zeros", "reflect", "replicate", "circular", "none", "tanh")
DATA_SIZES = ("channels", "classes")
"""Words that stand for the data's own numbers."""


def _whole(value: Any, least: int, most: int) -> bool:
    return type(value) is int and least <= value <= most


def _each(value: Any, holds: Callable[[Any], bool], lengths: tuple[int, ...] = (2,)) -> bool:
    return holds(value) or (isinstance(value, tuple) and len(value) in lengths and all(map(holds, value)))


def _real(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value) and abs(value) <= 1e6


VALUES: Mapping[str, tuple[Callable[[Any], bool], str]] = {
    "count": (lambda v: v in DATA_SIZES or _whole(v, 1, LARGEST), f"a whole number from 1 to {LARGEST:,}"),
    "side": (lambda v: _whole(v, 1, LONGEST), f"a whole number from 1 to {LONGEST:,}"),
    "sides": (lambda v: _each(v, lambda n: _whole(n, 1, LONGEST)), f"one or two whole numbers from 1 to {LONGEST:,}"),
    "stride": (lambda v: v is None or _each(v, lambda n: _whole(n, 1, LONGEST)), "one or two whole numbers, or None"),
    "grid": (lambda v: _each(v, lambda n: n is None or _whole(n, 1, LONGEST)), "one or two whole numbers, or None"),
    "pad": (
        lambda v: v in ("same", "valid") or _each(v, lambda n: _whole(n, 0, LONGEST), (2, 4)),
        f"whole numbers from 0 to {LONGEST:,}, 'same' or 'valid'",
    ),
    "sizes": (lambda v: isinstance(v, tuple) and all(_whole(n, 1, LARGEST) for n in v), "whole numbers from 1"),
    "axis": (lambda v: v is None or _whole(v, -4, 4), "a whole number from -4 to 4"),
    "flag": (lambda v: isinstance(v, bool), "True or False"),
    "share": (lambda v: _real(v) and 0 <= v <= 1, "a number from 0 to 1"),
    "real": (_real, "a number from -1,000,000 to 1,000,000"),
    "momentum": (lambda v: v is None or (_real(v) and 0 <= v <= 1), "a number from 0 to 1, or None"),
    "divisor": (lambda v: v is None or _whole(v, 1, LARGEST), f"a whole number from 1 to {LARGEST:,}, or None"),
    "mode": (lambda v: v in MODES, f"one of {', '.join(MODES)}"),
}
"""What an argument may be, and that in words."""


@dataclass(frozen=True, kw_only=True)
class Form:
    """What a network is lowered to, and how a refusal is worded."""

    rule: str
    """The field of `Kind` that holds the rule."""
    unknown: str
    """What is said of a layer without one."""
    ending: str
    """The end of a sentence that says what is wrong with a layer."""
    lacked: str
    """What a layer without it has not."""
    hooks: tuple[str, ...] = ("_forward_hooks", "_forward_pre_hooks")
    """The hooks that it would not call."""


NATIVE = Form(
    rule="native", unknown="has no native kernel.", lacked="native kernel",
    ending="there is no native kernel for this.",
    hooks=("_forward_hooks", "_forward_pre_hooks", "_backward_hooks"),
)  # fmt: skip
"""A program of the native engine."""
EXPORTED = Form(
    rule="exported", ending="the network cannot be exported.", lacked="C, page or plain ONNX",
    unknown="is of a kind that has no exported form; the network cannot be exported.",
)  # fmt: skip
"""The steps that every exported form can execute."""


@dataclass
class Draft:
    """The part of a network that has been lowered so far: step i makes tensor i + 1, and tensor 0 is the pictures."""

    form: Form
    sizes: list[Size]
    """Of each tensor; the first is that of the prepared pictures."""
    steps: list[dict[str, Any]] = field(default_factory=list)
    values: "list[Tensor]" = field(default_factory=list)
    """Parameters and buffers that the steps name by their place."""
    current: int = 0
    """The tensor that the next step reads."""
    flat: bool = False
    """Whether it has been flattened."""
    log_output: bool = False
    preprocessing: Preprocessing = NOTHING
    held: set[int] = field(default_factory=set)
    """Tensors that a later sum or branch will read, so that nothing may be folded into the steps that make them."""
    pending: dict[str, Any] = field(default_factory=dict)
    """Norm, activation, dropout and pool that follow one another in this order: one pass over memory natively."""

    @property
    def size(self) -> Size:
        """The size of the tensor that the next step reads."""
        return self.sizes[self.current]

    def place(self, tensor: "Tensor | None") -> int:
        """The position of the tensor in `values`, which has each tensor once; NONE for None."""
        if tensor is None:
            return NONE
        known = (i for i, value in enumerate(self.values) if value is tensor)
        index = next(known, len(self.values))
        if index == len(self.values):
            self.values.append(tensor)
        return index

    def add(self, size: Size, kind: str, **settings: Any) -> None:
        """Add a step from the current tensor to a new one of `size`."""
        self.flush()
        self.steps.append({"kind": kind, "in": self.current, **settings})
        self.sizes.append(size)
        self.current = len(self.steps)

    def flush(self) -> None:
        """Finish the pending pass, if there is one."""
        if not self.pending:
            return
        step, self.pending = self.pending, {}
        c, h, w = self.size
        kernel, stride = step.setdefault("kernel", 1), step.setdefault("stride", 1)
        self.add((c, (h - kernel) // stride + 1, (w - kernel) // stride + 1), "norm_act_pool", **step)

    def gather(self, after: tuple[str, ...], **part: Any) -> None:
        """Add to the pending pass, or to a new one if it already has one of `after`, which come later in a pass."""
        if any(name in self.pending for name in after):
            self.flush()
        self.pending.update(part)

    def require(self, holds: bool, module: "nn.Module", name: str, otherwise: str) -> None:
        """Raise UsageError, with the clause `otherwise` about the layer, unless the condition holds."""
        if not holds:
            raise UsageError(f"{called(module, name)} {otherwise}; {self.form.ending}")


def called(module: "nn.Module", name: str) -> str:
    """The name of a layer at the beginning of a sentence."""
    return f"Layer {name} ({type(module).__name__})" if name else f"The layer {type(module).__name__}"


Rule = Callable[[Any, str, Draft], None]
"""Adds the steps of a module with this name to a draft; UsageError, naming it, for settings that have none."""


def nothing(module: "nn.Module", name: str, draft: Draft) -> None:
    """The rule of a layer that does nothing outside training, or nothing at all."""


def _all_counts(named: Mapping[str, int]) -> int:
    counts = [n for n in named.values() if type(n) is int]
    return math.prod(counts) + 4 * sum(counts)


@dataclass(frozen=True, kw_only=True)
class Kind:
    """All that is known of a kind of layer but how it changes fields, which goes by operator: see `fields`."""

    written: str
    """Its name in an architecture: `nn.Conv2d`, or that of a block of this package."""
    make: "Callable[..., nn.Module]"
    """What makes it: a class, or the function of a block."""
    arguments: str = ""
    """Those that an architecture may give, in order, each with the kind of its values (`VALUES`)."""
    weights: Callable[[Mapping[str, Any]], int] = lambda _: 0
    """At most how many numbers it holds, from its arguments by name."""
    native: Rule | None = None
    """Its step in the native engine."""
    exported: Rule | None = None
    """Its steps in exported forms: ONNX, C in integers, and the page."""
    note: str = ""
    """What else is to be known of it, in the table of kinds."""

    @property
    def ranges(self) -> dict[str, str]:
        """The kind of values of each argument, in order."""
        return dict(pair.split("=") for pair in self.arguments.split())
