"""How the native engine executes each kind of layer: the nodes it adds to a program, or why it is not supported."""

import math
from collections.abc import Callable
from typing import Any

from torch import nn

from featherweight.engine.program import (
    AVERAGE,
    CHANNELS,
    CONVOLUTION,
    COPY,
    ELEMENTS,
    GELU,
    GROUP_NORM,
    HARD_SIGMOID,
    HARD_SWISH,
    NO_ACTIVATION,
    PRELU,
    PREPARE,
    RELU,
    RELU6,
    SIGMOID,
    SILU,
    Draft,
)  # fmt: skip
from featherweight.errors import UsageError
from featherweight.experiments.preprocessing import Preprocessing
from featherweight.networks.anatomy.axis import pair
from featherweight.networks.preprocessing import LAYERS as PREPARING
from featherweight.networks.preprocessing import in_order, joined

ACTIVATIONS: dict[type[nn.Module], int] = {
    nn.ReLU: RELU,
    nn.ReLU6: RELU6,
    nn.SiLU: SILU,
    nn.Hardswish: HARD_SWISH,
    nn.Sigmoid: SIGMOID,
    nn.Hardsigmoid: HARD_SIGMOID,
    nn.GELU: GELU,
}
DROPOUTS: dict[type[nn.Module], int] = {nn.Dropout: ELEMENTS, nn.Dropout2d: CHANNELS}


def called(module: nn.Module, name: str) -> str:
    """The name of the layer at the beginning of a sentence."""
    return f"Layer {name} ({type(module).__name__})" if name else f"The layer {type(module).__name__}"


def require_layer(holds: bool, module: nn.Module, name: str, otherwise: str) -> None:
    """Raise UsageError, with the clause `otherwise` about the layer, unless the condition holds."""
    if not holds:
        raise UsageError(f"{called(module, name)} {otherwise}; there is no native kernel for this.")


def _both(value: Any) -> int | None:
    """The single number of a setting that PyTorch lets differ by axis; None if it differs."""
    if isinstance(value, int):
        return value
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else None


def _convolution(module: nn.Conv2d, name: str, draft: Draft) -> None:
    kernel, stride = _both(module.kernel_size), _both(module.stride)
    pad = _padding(module)
    require_layer(kernel is not None and pad is not None and stride in (1, 2), module, name,
             f"has kernel {module.kernel_size}, stride {module.stride}, padding {module.padding}: not square"
             " with a stride of 1 or 2 and the same padding on all sides")  # fmt: skip
    assert kernel is not None and pad is not None and stride is not None
    dilation = _both(module.dilation)
    require_layer(dilation is not None, module, name, f"has dilation {module.dilation}, not the same both ways")
    assert dilation is not None
    reach = dilation * (kernel - 1) + 1
    require_layer(pad < reach, module, name, f"pads by {pad}, as much as its kernel or more")
    require_layer(pad == 0 or module.padding_mode == "zeros", module, name, f"pads with {module.padding_mode}")
    draft.flush()
    c, h, w = draft.size
    require_layer(
        not draft.flat and c == module.in_channels,
        module,
        name,
        f"takes {module.in_channels} channels, not {c}",
    )
    require_layer(min(h, w) + 2 * pad >= reach, module, name, f"is larger than its input of {h} x {w}")
    rows, columns = ((side + 2 * pad - reach) // stride + 1 for side in (h, w))
    draft.add((module.out_channels, rows, columns), kind=CONVOLUTION, kernel=kernel, stride=stride, pad=pad,
              dilation=dilation, groups=module.groups,
              weight=draft.place(module.weight), bias=draft.place(module.bias))  # fmt: skip


def _padding(module: nn.Conv2d) -> int | None:
    if module.padding == "valid":
        return 0
    kernel = _both(module.kernel_size)
    if module.padding == "same":
        dilation = _both(module.dilation)
        whole = None if kernel is None or dilation is None else dilation * (kernel - 1)
        return None if whole is None or whole % 2 else whole // 2
    return _both(module.padding)


def _linear(module: nn.Linear, name: str, draft: Draft) -> None:
    draft.flush()
    features = draft.size[0]
    require_layer(draft.flat and features == module.in_features, module, name,
             f"takes {module.in_features} features and does not get them flat")  # fmt: skip
    draft.add((module.out_features, 1, 1), kind=CONVOLUTION, kernel=1, stride=1, pad=0, dilation=1, groups=1,
              weight=draft.place(module.weight), bias=draft.place(module.bias))  # fmt: skip


def _norm(module: nn.BatchNorm2d | nn.BatchNorm1d, name: str, draft: Draft) -> None:
    require_layer(module.track_running_stats, module, name, "keeps no running statistics")
    require_layer(draft.flat == isinstance(module, nn.BatchNorm1d), module, name, "does not get the shape it is for")
    require_layer(draft.size[0] == module.num_features, module, name, f"takes {module.num_features} channels")
    draft.gather(
        ("norm", "act", "drop", "kernel"),
        norm=1, eps=module.eps, momentum=-1.0 if module.momentum is None else module.momentum,
        gamma=draft.place(module.weight), beta=draft.place(module.bias),
        mean=draft.place(module.running_mean), variance=draft.place(module.running_var),
        count=draft.place(module.num_batches_tracked),
    )  # fmt: skip


def _group_norm(module: nn.GroupNorm | nn.LayerNorm, name: str, draft: Draft) -> None:
    by_channel = isinstance(module, nn.GroupNorm)
    wanted = (module.num_channels,) if by_channel else tuple(module.normalized_shape)
    got = draft.size if not draft.flat and not by_channel else draft.size[:1]
    require_layer(got == wanted, module, name, f"takes {wanted} and gets {got}")
    groups = module.num_groups if by_channel else 1
    require_layer(math.prod(draft.size) > groups, module, name, "has groups of a single value")
    draft.flush()
    draft.add(draft.size, kind=GROUP_NORM, groups=groups, eps=module.eps, shared=int(len(wanted) > 1),
              gamma=draft.place(module.weight), beta=draft.place(module.bias))  # fmt: skip


def _activation(module: nn.Module, name: str, draft: Draft) -> None:
    exact = isinstance(module, nn.GELU) and module.approximate != "tanh"
    require_layer(not exact, module, name, 'is not the tanh form, nn.GELU(approximate="tanh")')
    draft.gather(("act", "drop", "kernel"), act=ACTIVATIONS[type(module)])


def _prelu(module: nn.PReLU, name: str, draft: Draft) -> None:
    channels = draft.size[0]
    require_layer(module.num_parameters in (1, channels), module, name,
             f"has {module.num_parameters} weights for {channels} channels")  # fmt: skip
    draft.gather(
        ("act", "drop", "kernel"),
        act=PRELU,
        shared=int(module.num_parameters == 1),
        act_weight=draft.place(module.weight),
    )


def _dropout(module: nn.Dropout | nn.Dropout2d, name: str, draft: Draft) -> None:
    require_layer(not (draft.flat and isinstance(module, nn.Dropout2d)), module, name, "gets no channels to drop")
    if module.p > 0:
        draft.gather(("drop", "kernel"), drop=DROPOUTS[type(module)], rate=module.p, layer=_dropouts(draft))


def _dropouts(draft: Draft) -> int:
    return sum("drop" in node for node in [*draft.nodes, draft.pending])


def _max_pool(module: nn.MaxPool2d, name: str, draft: Draft) -> None:
    kernel, stride = _both(module.kernel_size), _both(module.stride)
    require_layer(kernel is not None and stride is not None, module, name, "is not square")
    assert kernel is not None and stride is not None
    _require_windows(module, name, (kernel, kernel), draft)
    require_layer(
        _both(module.dilation) == 1 and not module.return_indices,
        module,
        name,
        "is dilated or returns indices",
    )
    # In the backward pass, only ReLU's output shows what it and dropout let through; and norm's windows do not overlap.
    act = draft.pending.get("act", NO_ACTIVATION)
    fits = act == RELU or not {"act", "drop"} & draft.pending.keys()
    if not fits or ("norm" in draft.pending and kernel != stride):
        draft.flush()
    draft.gather(("kernel",), kernel=kernel, stride=stride)
    draft.flush()


def _average_pool(module: nn.AvgPool2d, name: str, draft: Draft) -> None:
    kernel, stride = pair(module.kernel_size), pair(module.stride)
    _require_windows(module, name, kernel, draft)
    require_layer(module.divisor_override is None, module, name, "has a divisor of its own")
    _average(kernel, stride, draft)


def _average(kernel: tuple[int, int], stride: tuple[int, int], draft: Draft) -> None:
    draft.flush()
    c, h, w = draft.size
    draft.add(
        (c, (h - kernel[0]) // stride[0] + 1, (w - kernel[1]) // stride[1] + 1),
        kind=AVERAGE,
        kernel=kernel[0],
        kernel_w=kernel[1],
        stride=stride[0],
        stride_w=stride[1],
    )


def _require_windows(module: nn.MaxPool2d | nn.AvgPool2d, name: str, kernel: tuple[int, int], draft: Draft) -> None:
    require_layer(_both(module.padding) == 0 and not module.ceil_mode, module, name, "pads, or counts windows upwards")
    _, h, w = draft.size
    fits = not draft.flat and kernel[0] <= h and kernel[1] <= w
    require_layer(fits, module, name, f"is larger than its input of {h} x {w}")


def _adaptive_pool(module: nn.AdaptiveAvgPool2d, name: str, draft: Draft) -> None:
    draft.flush()
    _, h, w = draft.size
    given: Any = module.output_size
    wanted = given if isinstance(given, tuple | list) else (given, given)
    rows, columns = h if wanted[0] is None else int(wanted[0]), w if wanted[1] is None else int(wanted[1])
    require_layer(h % rows == 0 and w % columns == 0 and not draft.flat, module, name,
             f"makes {module.output_size} of {h} x {w}, not windows of equal size")  # fmt: skip
    _average(window := (h // rows, w // columns), window, draft)


def _flatten(module: nn.Flatten, name: str, draft: Draft) -> None:
    require_layer(
        (module.start_dim, module.end_dim) in ((1, -1), (1, 3)),
        module,
        name,
        "keeps an axis or takes the images'",
    )
    draft.flush()
    c, h, w = draft.size
    if not draft.flat:
        draft.add((c * h * w, 1, 1), kind=COPY)
        draft.flat = True


def _log_softmax(module: nn.LogSoftmax, name: str, draft: Draft) -> None:
    draft.flush()
    of_classes = module.dim == 1 or (module.dim == -1 and draft.flat)
    require_layer(of_classes and draft.size[1:] == (1, 1), module, name, "is not over the classes of one image")
    draft.log_output = True


def _prepare(module: nn.Module, name: str, draft: Draft) -> None:
    before = [node["kind"] for node in draft.nodes]
    begins = before in ([], [PREPARE]) and draft.current == len(before) and not draft.pending
    require_layer(begins, module, name, "comes after other layers")
    node = draft.nodes[0] if draft.nodes else {"pad": 0, "shared": 0}
    so_far = Preprocessing(deskew=bool(node["shared"]), crop=node["pad"])
    require_layer(in_order(so_far, module), module, name, "comes after another layer that prepares pictures")
    done = joined(so_far, module)
    require_layer(not done.deskew or draft.sizes[0][0] == 1, module, name, "gets more than one channel")
    size = done.size(draft.sizes[0])
    require_layer(min(size) > 0, module, name, "leaves nothing of {} x {}".format(*draft.sizes[0][1:]))
    draft.nodes, draft.sizes, draft.current = [], draft.sizes[:1], 0
    draft.add(size, kind=PREPARE, pad=done.crop, shared=int(done.deskew))


def _identity(module: nn.Module, name: str, draft: Draft) -> None:
    pass


LAYERS: dict[type[nn.Module], Callable[[Any, str, Draft], None]] = {
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    nn.BatchNorm2d: _norm,
    nn.BatchNorm1d: _norm,
    nn.GroupNorm: _group_norm,
    nn.LayerNorm: _group_norm,
    **dict.fromkeys(ACTIVATIONS, _activation),
    nn.PReLU: _prelu,
    nn.Dropout: _dropout,
    nn.Dropout2d: _dropout,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _average_pool,
    nn.AdaptiveAvgPool2d: _adaptive_pool,
    nn.Flatten: _flatten,
    nn.LogSoftmax: _log_softmax,
    nn.Identity: _identity,
    **dict.fromkeys(PREPARING, _prepare),
}
