"""A network as a list of simple steps that every exported form can execute, or an error that names the layer it cannot.

The steps are convolutions (which linear layers and norms become), activations, the two kinds of pool, and sums. Step i
reads tensor i (the pictures are tensor 0) or, where branches split, an earlier one, and makes tensor i + 1; a sum reads
a second one.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, cast

import torch
from torch import Tensor, nn

from featherweight.errors import UsageError
from featherweight.experiments.preprocessing import NOTHING, Preprocessing
from featherweight.export.preprocessing import LARGEST
from featherweight.networks import steps
from featherweight.networks.anatomy.axis import pair
from featherweight.networks.layers import Residual, Sum
from featherweight.networks.preprocessing import LAYERS, in_order, joined

Size = tuple[int, int, int]
Step = steps.Operation[Tensor]


@dataclass(frozen=True, kw_only=True)
class Lowered:
    """A network in steps. Its last tensor holds the scores of the classes, [classes 1 1]."""

    steps: tuple[Step, ...]
    sizes: tuple[Size, ...]
    """(C, H, W) of each tensor, one more than there are steps; the first one is a picture after `preprocessing`."""
    bits: int = 8
    """Of each weight in the C program."""
    preprocessing: Preprocessing = NOTHING
    """What is done to a picture before the first step."""
    log_output: bool
    """Whether the network itself ends in LogSoftmax, which the steps leave out; the probabilities are the same."""

    @property
    def classes(self) -> int:
        """The number of scores per picture."""
        return self.sizes[-1][0]


@dataclass
class _Draft:
    sizes: list[Size]
    steps: list[Step] = field(default_factory=list)
    flat: bool = False
    log_output: bool = False
    preprocessing: Preprocessing = NOTHING
    held: set[int] = field(default_factory=set)
    """Tensors that a later sum or branch will read, so that nothing may be folded into the steps that make them."""
    current: int = 0
    """The tensor that the next step reads."""

    @property
    def size(self) -> Size:
        """The size of the tensor that the next step reads."""
        return self.sizes[self.current]

    def add(self, size: Size, **step: Any) -> None:
        source = -1 if self.current == len(self.steps) else self.current
        self.steps.append(Step(**step, source=source))
        self.sizes.append(size)
        self.current = len(self.steps)


def lower(network: nn.Module, shape: Size, bits: int = 8) -> Lowered:
    """The steps of a network in evaluation mode on pictures of `shape` (C, H, W), with weights of 8, 4 or 2 bits in C.

    Batch norm right after a convolution is folded into it (in float64); elsewhere it becomes a convolution of one
    channel each. Raises UsageError, naming the layer, if a layer cannot be lowered.

    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    >>> lowered = lower(network.eval(), (1, 8, 8))
    >>> [step.kind for step in lowered.steps], lowered.sizes
    (['convolution', 'relu', 'convolution'], ((1, 8, 8), (4, 6, 6), (4, 6, 6), (3, 1, 1)))
    """
    draft = _Draft(sizes=[shape])
    _lower_module(network, "", draft)
    classes, height, width = draft.size
    if not draft.steps or not draft.flat or (height, width) != (1, 1):
        raise UsageError(f"The network gives {classes} x {height} x {width} numbers per picture, which are not scores"
                         " of classes; end it with Flatten, after a pool or a linear layer.")  # fmt: skip
    return Lowered(steps=tuple(draft.steps), sizes=tuple(draft.sizes), log_output=draft.log_output, bits=bits,
                   preprocessing=draft.preprocessing)  # fmt: skip


def _lower_module(module: nn.Module, name: str, draft: _Draft) -> None:
    hooked = module._forward_hooks or module._forward_pre_hooks
    _require_layer(not hooked, module, name, "has hooks")
    if isinstance(module, nn.Sequential) and type(module).forward in _CONTAINERS:
        _CONTAINERS[type(module).forward](module, name, draft)
        return
    lowered = _LOWERED.get(type(module))
    _require_layer(lowered is not None, module, name, "is of a kind that has no exported form")
    passes = isinstance(module, nn.Identity | nn.Flatten)
    _require_layer(not draft.log_output or passes, module, name, "follows LogSoftmax")
    assert lowered is not None
    lowered(module, name, draft)


def _lower_sequence(module: nn.Sequential, name: str, draft: _Draft) -> None:
    for child_name, child in module.named_children():
        _lower_module(child, f"{name}.{child_name}" if name else child_name, draft)


def _lower_residual(module: nn.Sequential, name: str, draft: _Draft) -> None:
    start = draft.current
    draft.held.add(start)
    _lower_sequence(module, name, draft)
    same = draft.sizes[start] == draft.size
    _require_layer(same, module, name, "changes the shape, so nothing can be added")
    draft.add(draft.size, kind="add", name=name, other=start)


def _lower_sum(module: nn.Sequential, name: str, draft: _Draft) -> None:
    start, flat, terms = draft.current, draft.flat, list[int]()
    draft.held.add(start)
    for child_name, child in module.named_children():
        draft.current, draft.flat = start, flat
        _lower_module(child, f"{name}.{child_name}" if name else child_name, draft)
        terms.append(draft.current)
        draft.held.add(draft.current)
    same = len({draft.sizes[term] for term in terms}) == 1
    _require_layer(same, module, name, "has terms of several shapes, or none at all")
    for other in terms[-2::-1]:
        draft.add(draft.size, kind="add", name=name, other=other)


_CONTAINERS: dict[Any, Callable[[Any, str, _Draft], None]] = {
    nn.Sequential.forward: _lower_sequence,
    Residual.forward: _lower_residual,
    Sum.forward: _lower_sum,
}


def _require_layer(holds: bool, module: nn.Module, name: str, otherwise: str) -> None:
    if not holds:
        called = f"Layer {name} ({type(module).__name__})" if name else f"The layer {type(module).__name__}"
        raise UsageError(f"{called} {otherwise}; the network cannot be exported.")


def _output_size(size: Size, kernel: tuple[int, int], stride: tuple[int, int], pad: tuple[int, ...],
           dilation: tuple[int, int] = (1, 1)) -> tuple[int, int]:  # fmt: skip
    """Height and width of the result of windows over a tensor."""
    _, height, width = size
    top, left, bottom, right = pad
    rows, columns = ((side - 1) * apart for side, apart in zip(kernel, dilation, strict=True))
    return (height + top + bottom - rows - 1) // stride[0] + 1, (width + left + right - columns - 1) // stride[1] + 1


def _lower_convolution(module: nn.Conv2d, name: str, draft: _Draft) -> None:
    channels = draft.size[0]
    fits = not draft.flat and channels == module.in_channels
    _require_layer(fits, module, name, f"takes {module.in_channels} channels, not {channels}")
    kernel, stride, pad = pair(module.kernel_size), pair(module.stride), _explicit_padding(module)
    _require_layer(not any(pad) or module.padding_mode == "zeros", module, name, f"pads with {module.padding_mode}")
    dilation = pair(module.dilation)
    height, width = _output_size(draft.size, kernel, stride, pad, dilation)
    _require_layer(height > 0 and width > 0, module, name, "is larger than what it gets")
    draft.add(
        (module.out_channels, height, width), kind="convolution", name=name, kernel=kernel, stride=stride, pad=pad,
        groups=module.groups, dilation=dilation, weight=module.weight.detach().clone(),
        bias=_bias(module.bias, module.out_channels),
    )  # fmt: skip


def _bias(bias: Tensor | None, outputs: int) -> Tensor:
    return torch.zeros(outputs) if bias is None else bias.detach().clone()


def _explicit_padding(module: nn.Conv2d) -> tuple[int, int, int, int]:
    """Padding above, left, below and right; for an even kernel with "same", the larger half is below and right."""
    if module.padding == "valid":
        return 0, 0, 0, 0
    if module.padding == "same":
        kernel, dilation = pair(module.kernel_size), pair(module.dilation)
        rows, columns = ((side - 1) * apart for side, apart in zip(kernel, dilation, strict=True))
        return rows // 2, columns // 2, rows - rows // 2, columns - columns // 2
    rows, columns = pair(cast("tuple[int, int]", module.padding))
    return rows, columns, rows, columns


def _lower_linear(module: nn.Linear, name: str, draft: _Draft) -> None:
    """A convolution with a kernel as large as the tensor: Flatten keeps channels, rows and columns in its order."""
    channels, height, width = draft.size
    fits = draft.flat and channels * height * width == module.in_features
    _require_layer(fits, module, name, f"takes {module.in_features} features and does not get them flat")
    weight = module.weight.detach().clone().reshape(-1, channels, height, width)
    draft.add((module.out_features, 1, 1), kind="convolution", name=name, kernel=(height, width), weight=weight,
              bias=_bias(module.bias, module.out_features))  # fmt: skip


def _lower_preprocessing(module: nn.Module, name: str, draft: _Draft) -> None:
    begins = not (draft.steps or draft.held or draft.flat)
    _require_layer(begins, module, name, "comes after other layers or in a branch")
    before, (channels, height, width) = draft.preprocessing, draft.size
    _require_layer(in_order(before, module), module, name, "comes after another layer that prepares pictures")
    draft.preprocessing = joined(before, module)
    fits = not draft.preprocessing.deskew or (channels == 1 and max(height, width) <= LARGEST)
    _require_layer(fits, module, name, f"takes pictures of one channel and at most {LARGEST} x {LARGEST}")
    draft.sizes = [replace(draft.preprocessing, crop=draft.preprocessing.crop - before.crop).size(draft.size)]
    _require_layer(min(draft.size) > 0, module, name, f"leaves nothing of {height} x {width}")


def _lower_norm(module: nn.BatchNorm2d | nn.BatchNorm1d, name: str, draft: _Draft) -> None:
    _require_layer(module.running_mean is not None, module, name, "keeps no running statistics")
    assert module.running_mean is not None and module.running_var is not None
    size = draft.size
    right_shape = draft.flat == isinstance(module, nn.BatchNorm1d) and size[0] == module.num_features
    _require_layer(right_shape, module, name, "does not get the shape it is for")
    spread = module.running_var.double() + module.eps
    _require_layer(bool((spread > 0).all()) and bool(torch.isfinite(spread).all()), module, name,
             "has a variance that is negative or no number")  # fmt: skip
    scale = 1 / spread.sqrt()
    if module.weight is not None:
        scale = scale * module.weight.detach().double()
    shift = -module.running_mean.double() * scale
    if module.bias is not None:
        shift = shift + module.bias.detach().double()
    last = draft.steps[-1] if draft.steps else None
    if (
        last is not None
        and last.kind == "convolution"
        and draft.current == len(draft.steps)
        and draft.current not in draft.held
    ):
        assert last.weight is not None and last.bias is not None
        weight = (last.weight.double() * scale.reshape(-1, 1, 1, 1)).float()
        draft.steps[-1] = replace(last, weight=weight, bias=(last.bias.double() * scale + shift).float())
    else:
        draft.add(size, kind="convolution", name=name, groups=size[0], bias=shift.float(),
                  weight=scale.float().reshape(-1, 1, 1, 1))  # fmt: skip


def _clip(module: nn.Hardtanh, name: str, draft: _Draft) -> None:
    """Hardtanh, including ReLU6, which is Hardtanh from 0 to 6."""
    bounds = (float(module.min_val), float(module.max_val))
    _require_layer(bounds[0] <= 0 < bounds[1], module, name, f"clips to {bounds[0]:g} to {bounds[1]:g}, without 0")
    draft.add(draft.size, kind="clip", name=name, bounds=bounds)


def _lower_activation(_module: nn.Module, name: str, draft: _Draft, kind: steps.Kind) -> None:
    draft.add(draft.size, kind=kind, name=name)


def _pool(module: nn.MaxPool2d | nn.AvgPool2d, name: str, draft: _Draft) -> None:
    kernel, stride = pair(module.kernel_size), pair(module.stride)
    rows, columns = pair(module.padding)
    _require_layer(not draft.flat and not module.ceil_mode, module, name, "gets no pictures, or counts windows upwards")
    if isinstance(module, nn.MaxPool2d):
        _require_layer(pair(module.dilation) == (1, 1) and not module.return_indices, module, name,
                 "is dilated or returns indices")  # fmt: skip
    else:
        whole = module.divisor_override is None and (module.count_include_pad or (rows, columns) == (0, 0))
        _require_layer(whole, module, name, "does not divide by the size of its window")
    _windows(module, name, draft, kernel, stride, (rows, columns, rows, columns))


def _adaptive(module: nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d, name: str, draft: _Draft) -> None:
    _, height, width = draft.size
    wanted: Any = module.output_size  # a number for both sides, or one each; None keeps a side
    rows, columns = wanted if isinstance(wanted, tuple) else (wanted, wanted)
    rows, columns = rows or height, columns or width
    even = not draft.flat and height % rows == 0 and width % columns == 0
    _require_layer(even, module, name, f"makes {rows} x {columns} of {height} x {width}, not windows of equal size")
    kernel = height // rows, width // columns
    _windows(module, name, draft, kernel, kernel, (0, 0, 0, 0))


def _windows(module: nn.Module, name: str, draft: _Draft, kernel: tuple[int, int], stride: tuple[int, int],
             pad: tuple[int, int, int, int]) -> None:  # fmt: skip
    channels = draft.size[0]
    height, width = _output_size(draft.size, kernel, stride, pad)
    _require_layer(height > 0 and width > 0, module, name, "is larger than what it gets")
    kind = "max" if isinstance(module, nn.MaxPool2d | nn.AdaptiveMaxPool2d) else "average"
    draft.add((channels, height, width), kind=kind, name=name, kernel=kernel, stride=stride, pad=pad)


def _lower_flatten(module: nn.Flatten, name: str, draft: _Draft) -> None:
    whole = (module.start_dim, module.end_dim) in ((1, -1), (1, 3))
    _require_layer(whole, module, name, "keeps an axis or takes the pictures'")
    draft.flat = True


def _lower_log_softmax(module: nn.LogSoftmax, name: str, draft: _Draft) -> None:
    of_classes = module.dim == 1 or (module.dim == -1 and draft.flat)
    _require_layer(of_classes and draft.size[1:] == (1, 1), module, name, "is not over the classes of one picture")
    draft.log_output = True


_LOWERED: dict[type[nn.Module], Callable[[Any, str, _Draft], None]] = {
    nn.Conv2d: _lower_convolution,
    nn.Linear: _lower_linear,
    nn.BatchNorm2d: _lower_norm,
    nn.BatchNorm1d: _lower_norm,
    nn.ReLU: partial(_lower_activation, kind="relu"),
    nn.ReLU6: _clip,
    nn.Hardtanh: _clip,
    nn.Sigmoid: partial(_lower_activation, kind="sigmoid"),
    nn.Hardsigmoid: partial(_lower_activation, kind="hard sigmoid"),
    nn.SiLU: partial(_lower_activation, kind="silu"),
    nn.Hardswish: partial(_lower_activation, kind="hard swish"),
    nn.Tanh: partial(_lower_activation, kind="tanh"),
    nn.MaxPool2d: _pool,
    nn.AvgPool2d: _pool,
    nn.AdaptiveAvgPool2d: _adaptive,
    nn.AdaptiveMaxPool2d: _adaptive,
    nn.Flatten: _lower_flatten,
    nn.LogSoftmax: _lower_log_softmax,
}
_LOWERED |= dict.fromkeys(LAYERS, _lower_preprocessing)
_LOWERED |= dict.fromkeys((nn.Identity, nn.Dropout, nn.Dropout2d), lambda *_: None)  # outside training, nothing
