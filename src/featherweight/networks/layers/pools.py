"""Pools: the largest or the mean of windows, of any size and stride, or of as many windows as are asked for."""

from collections.abc import Sequence
from typing import Any

from torch import Size as Shape
from torch import nn

from featherweight.networks.layers.convolution import output_size
from featherweight.networks.layers.fields import Effect, Pair, Units, image, pair, window
from featherweight.networks.layers.kind import Draft, Kind

Window = tuple[int, int]
Pool = nn.MaxPool2d | nn.AvgPool2d | nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d
_NO_ACTIVATION, _RELU = 0, 1


def _max_effect(
    x: Units, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, dilation: Pair = 1,
    *args: Any, out: Shape, **kwargs: Any,
) -> Effect:  # fmt: skip
    return window(x, out, kernel_size, stride or kernel_size, padding, dilation)


def _average_effect(
    x: Units, kernel_size: Pair, stride: Pair | None = None, padding: Pair = 0, *args: Any, out: Shape, **kwargs: Any
) -> Effect:
    return window(x, out, kernel_size, stride or kernel_size, padding)


def _adaptive_effect(x: Units, *args: Any, out: Shape, **kwargs: Any) -> Effect:
    before = [axis.count for axis in image(x).axes]
    if any(count % wanted for count, wanted in zip(before, out[2:], strict=True)):
        sizes = f"{before[0]} x {before[1]} units into {out[2]} x {out[3]}"
        raise ValueError(f"it pools {sizes}, which does not divide, so its windows differ in size")
    kernel = [count // wanted for count, wanted in zip(before, out[2:], strict=True)]
    return Effect(axes=window(x, out, kernel, kernel, 0).axes)


def _windows(module: Pool, name: str, draft: Draft) -> tuple[Window, Window, tuple[int, int, int, int]]:
    """Kernel and stride, rows and columns; and the padding above, left, below and right."""
    _, height, width = draft.size
    if isinstance(module, nn.AdaptiveAvgPool2d | nn.AdaptiveMaxPool2d):
        given: Any = module.output_size  # a number for both sides, or one each; None keeps a side
        rows, columns = given if isinstance(given, Sequence) else (given, given)
        rows, columns = rows or height, columns or width
        even = not draft.flat and height % rows == 0 and width % columns == 0
        draft.require(even, module, name, f"makes {given} of {height} x {width}, not windows of equal size")
        kernel = height // rows, width // columns
        return kernel, kernel, (0, 0, 0, 0)
    kernel, stride, (rows, columns) = pair(module.kernel_size), pair(module.stride), pair(module.padding)
    counts = "gets no pictures, or counts windows upwards"
    draft.require(not draft.flat and not module.ceil_mode, module, name, counts)
    if isinstance(module, nn.MaxPool2d):
        plain = pair(module.dilation) == (1, 1) and not module.return_indices
        draft.require(plain, module, name, "is dilated or returns indices")
    else:
        whole = module.divisor_override is None and (module.count_include_pad or (rows, columns) == (0, 0))
        draft.require(whole, module, name, "does not divide by the size of its window")
    pad = (rows, columns, rows, columns)
    fits = min(output_size(draft.size, kernel, stride, pad)) > 0
    draft.require(fits, module, name, f"is larger than its input of {height} x {width}")
    return kernel, stride, pad


def _unpadded(module: Pool, name: str, draft: Draft) -> tuple[Window, Window]:
    kernel, stride, pad = _windows(module, name, draft)
    draft.require(not any(pad), module, name, "pads")
    return kernel, stride


def _max_native(module: nn.MaxPool2d, name: str, draft: Draft) -> None:
    kernel, stride = _unpadded(module, name, draft)
    draft.require(len(set(kernel)) == len(set(stride)) == 1, module, name, "is not square")
    # In the backward pass, only ReLU's output shows what it and dropout let through; and norm's windows do not overlap.
    act = draft.pending.get("act", _NO_ACTIVATION)
    fits = act == _RELU or not {"act", "drop"} & draft.pending.keys()
    if not fits or ("norm" in draft.pending and kernel != stride):
        draft.flush()
    draft.gather(("kernel",), kernel=kernel[0], stride=stride[0])
    draft.flush()


def _average_native(module: nn.AvgPool2d | nn.AdaptiveAvgPool2d, name: str, draft: Draft) -> None:
    kernel, stride = _unpadded(module, name, draft)
    size = draft.size[0], *output_size(draft.size, kernel, stride, (0, 0, 0, 0))
    draft.add(size, "average", kernel=kernel[0], kernel_w=kernel[1], stride=stride[0], stride_w=stride[1])


def _exported(module: Pool, name: str, draft: Draft) -> None:
    kernel, stride, pad = _windows(module, name, draft)
    kind = "max" if isinstance(module, nn.MaxPool2d | nn.AdaptiveMaxPool2d) else "average"
    size = draft.size[0], *output_size(draft.size, kernel, stride, pad)
    draft.add(size, kind, name=name, kernel=kernel, stride=stride, pad=pad)


_WINDOWS = "kernel_size=sides stride=stride padding=pad"
KINDS = (
    Kind(written="nn.MaxPool2d", make=nn.MaxPool2d, native=_max_native, exported=_exported,
         arguments=f"{_WINDOWS} dilation=sides return_indices=flag ceil_mode=flag",
         note="natively square and without padding"),
    Kind(written="nn.AvgPool2d", make=nn.AvgPool2d, native=_average_native, exported=_exported,
         arguments=f"{_WINDOWS} ceil_mode=flag count_include_pad=flag divisor_override=divisor",
         note="of any stride; natively without padding"),
    Kind(written="nn.AdaptiveAvgPool2d", make=nn.AdaptiveAvgPool2d, arguments="output_size=grid",
         native=_average_native, exported=_exported, note="into windows of equal size"),
    Kind(written="nn.AdaptiveMaxPool2d", make=nn.AdaptiveMaxPool2d, arguments="output_size=grid return_indices=flag",
         exported=_exported, note="into windows of equal size"),
)  # fmt: skip
EFFECTS = {
    "max_pool2d": _max_effect, "avg_pool2d": _average_effect,
    "adaptive_avg_pool2d": _adaptive_effect, "adaptive_max_pool2d": _adaptive_effect,
}  # fmt: skip
