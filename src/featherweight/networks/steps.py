"""A network as simple steps, and a file of them that numpy alone can read: importing PyTorch takes longer than a digit.

`export.lowering` makes the steps of a network; the exported forms and `reading` carry them out.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from featherweight.experiments.augmentation import NOTHING, Preprocessing

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

Array = TypeVar("Array")

_SETTINGS = ("kind", "name", "kernel", "stride", "pad", "groups", "other")
_KEY = "steps"


@dataclass(frozen=True, kw_only=True)
class Operation(Generic[Array]):
    """One operation, its numbers in PyTorch's tensors or numpy's arrays. Kernel and stride are (rows, columns)."""

    kind: str
    """`convolution`, `relu`, `clip`, `max`, `average`, `add`, `group norm`, or a curve of `layers.activations`."""
    name: str
    """Of the layer it comes from, as `state_dict` spells it."""
    kernel: tuple[int, int] = (1, 1)
    stride: tuple[int, int] = (1, 1)
    pad: tuple[int, int, int, int] = (0, 0, 0, 0)
    """Pixels above, left, below, right: zeros before a convolution or an average, nothing before a maximum."""
    groups: int = 1
    dilation: tuple[int, int] = (1, 1)
    """Of a convolution, from one row and column of its kernel to the next."""
    bounds: tuple[float, float] = (0.0, 0.0)
    """Of a clip: the least and the greatest that it lets through."""
    weight: Array | None = None
    """float32 [outputs, inputs / groups, *kernel] of a convolution; [C 1 1] or [C H W] of a norm."""
    bias: Array | None = None
    """float32 [outputs] of a convolution; of a norm as `weight`."""
    eps: float = 0.0
    """What a norm adds to a variance."""
    other: int = 0
    """The second tensor of a sum."""
    source: int = -1
    """The tensor that is read; -1 for the one before."""

    @property
    def channels(self) -> int:
        """Of a norm."""
        return 0 if self.weight is None else len(self.weight)  # type: ignore[arg-type]

    @property
    def reach(self) -> tuple[int, int]:
        """Rows and columns from the first to the last that a window covers.

        >>> Operation(kind="convolution", name="", kernel=(3, 2), dilation=(2, 5)).reach
        (5, 6)
        """
        return (self.kernel[0] - 1) * self.dilation[0] + 1, (self.kernel[1] - 1) * self.dilation[1] + 1

    def reads(self, index: int) -> tuple[int, ...]:
        """The tensors that it reads as step `index`."""
        first = index if self.source < 0 else self.source
        return (first, self.other) if self.kind == "add" else (first,)


def to_bytes(
    steps: Sequence[Operation[Any]], mean: Sequence[float], std: Sequence[float], by: Preprocessing = NOTHING
) -> bytes:
    """The steps as a safetensors file, with what each channel's pixels, in 0 to 1, are normalised by and, before the
    first step, prepared `by`."""
    import numpy as np
    from safetensors.numpy import save

    plain = [{name: getattr(step, name) for name in _SETTINGS} for step in steps]
    for settings, step in zip(plain, steps, strict=True):
        if step.source >= 0:
            settings["source"] = step.source
        if step.dilation != (1, 1):
            settings["dilation"] = step.dilation
        settings |= {"bounds": step.bounds} if step.kind == "clip" else {"eps": step.eps} if step.eps else {}
    tensors = {
        f"{place}.{part}": np.asarray(values)
        for place, step in enumerate(steps)
        for part, values in (("weight", step.weight), ("bias", step.bias))
        if values is not None
    }
    done = {"preprocessing": asdict(by)} if by else {}
    return save(tensors, {_KEY: json.dumps({"mean": list(mean), "std": list(std), **done, "steps": plain})})


@dataclass(frozen=True, kw_only=True)
class Steps:
    """A network that numpy can carry out."""

    mean: tuple[float, ...]
    std: tuple[float, ...]
    """Of each channel, in 0 to 1."""
    preprocessing: Preprocessing
    steps: "tuple[Operation[NDArray[np.float32]], ...]"


def from_file(path: Path) -> Steps:
    """The steps of a file that `to_bytes` made."""
    from safetensors import safe_open

    with safe_open(path, framework="numpy") as file:
        about: dict[str, Any] = json.loads(file.metadata()[_KEY])
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118, not a mapping
    steps = []
    for place, plain in enumerate(about["steps"]):
        settings: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in plain.items()
        }
        weight, bias = (tensors.get(f"{place}.{part}") for part in ("weight", "bias"))
        steps.append(Operation(**settings, weight=weight, bias=bias))
    done = Preprocessing(**about.get("preprocessing", {}))
    return Steps(mean=tuple(about["mean"]), std=tuple(about["std"]), preprocessing=done, steps=tuple(steps))
