"""A network as the native engine's operations; or the sentence that says which layer it cannot do.

Norm, activation, dropout and max pool that follow one another in this order become one pass over memory.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from featherweight.engine.program import (
    ADD,
    AVERAGE,
    CHANNELS,
    CONVOLUTION,
    COPY,
    ELEMENTS,
    NO_ACTIVATION,
    RELU,
    SILU,
    Draft,
    Program,
)  # fmt: skip
from featherweight.errors import UsageError
from featherweight.networks.layers import Residual

ACTIVATIONS: dict[type[nn.Module], int] = {nn.ReLU: RELU, nn.SiLU: SILU}
DROPOUTS: dict[type[nn.Module], int] = {nn.Dropout: ELEMENTS, nn.Dropout2d: CHANNELS}


def lower(network: nn.Module, shape: tuple[int, int, int]) -> Program:
    """The program of `network` on images of `shape` (C, H, W); UsageError names the layer that has no kernel.

    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    >>> program = lower(network, (1, 8, 8))
    >>> [node["kind"] for node in program.nodes], program.sizes
    ([0, 1, 4], [(1, 8, 8), (4, 6, 6), (4, 3, 3), (36, 1, 1)])
    """
    draft = Draft(sizes=[shape])
    _lower(network, "", draft)
    draft.flush()
    if not draft.nodes or not draft.flat:
        size = " ".join(str(n) for n in draft.size)
        raise UsageError(f"The network gives [N {size}], not [N classes]; end it with Flatten.")
    return Program(nodes=draft.nodes, sizes=draft.sizes, values=draft.values, log_output=draft.log_output)


def _lower(module: nn.Module, name: str, draft: Draft) -> None:
    if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks:
        raise UsageError(f"{_called(module, name)} has hooks, which native kernels would not call.")
    if isinstance(module, nn.Sequential) and type(module).forward in (
        nn.Sequential.forward,
        Residual.forward,
    ):
        draft.flush()
        start = draft.current
        for child_name, child in module.named_children():
            _lower(child, f"{name}.{child_name}" if name else child_name, draft)
        if type(module).forward is Residual.forward:
            draft.flush()
            _require(draft.sizes[start] == draft.size, module, name, "changes the shape, so nothing can be added")
            draft.add(draft.size, kind=ADD, other=start)
        return
    lowered = _LOWERED.get(type(module))
    if lowered is None:
        raise UsageError(f"{_called(module, name)} has no native kernel.")
    _require(
        not draft.log_output or isinstance(module, nn.Identity | nn.Flatten),
        module,
        name,
        "follows LogSoftmax",
    )
    lowered(module, name, draft)


def _called(module: nn.Module, name: str) -> str:
    return f"Layer {name} ({type(module).__name__})" if name else f"The layer {type(module).__name__}"


def _require(holds: bool, module: nn.Module, name: str, otherwise: str) -> None:
    if not holds:
        raise UsageError(f"{_called(module, name)} {otherwise}; there is no native kernel for this.")


def _both(value: Any) -> int | None:
    """The one number of a setting that PyTorch lets differ by axis; None where it does."""
    if isinstance(value, int):
        return value
    return value[0] if isinstance(value, tuple) and len(set(value)) == 1 else None


def _convolution(module: nn.Conv2d, name: str, draft: Draft) -> None:
    kernel, stride = _both(module.kernel_size), _both(module.stride)
    pad = _padding(module)
    _require(kernel is not None and pad is not None and stride in (1, 2), module, name,
             f"has kernel {module.kernel_size}, stride {module.stride}, padding {module.padding}: not square"
             " with a stride of 1 or 2 and the same padding on all sides")  # fmt: skip
    assert kernel is not None and pad is not None and stride is not None
    _require(_both(module.dilation) == 1, module, name, f"has dilation {module.dilation}")
    _require(pad < kernel, module, name, f"pads by {pad}, as much as its kernel or more")
    _require(pad == 0 or module.padding_mode == "zeros", module, name, f"pads with {module.padding_mode}")
    draft.flush()
    c, h, w = draft.size
    _require(
        not draft.flat and c == module.in_channels,
        module,
        name,
        f"takes {module.in_channels} channels, not {c}",
    )
    _require(min(h, w) + 2 * pad >= kernel, module, name, f"is larger than its input of {h} x {w}")
    rows, columns = ((side + 2 * pad - kernel) // stride + 1 for side in (h, w))
    draft.add((module.out_channels, rows, columns), kind=CONVOLUTION, kernel=kernel, stride=stride, pad=pad,
              groups=module.groups, weight=draft.place(module.weight), bias=draft.place(module.bias))  # fmt: skip


def _padding(module: nn.Conv2d) -> int | None:
    if module.padding == "valid":
        return 0
    kernel = _both(module.kernel_size)
    if module.padding == "same":
        return kernel // 2 if kernel is not None and kernel % 2 else None
    return _both(module.padding)


def _linear(module: nn.Linear, name: str, draft: Draft) -> None:
    draft.flush()
    features = draft.size[0]
    _require(draft.flat and features == module.in_features, module, name,
             f"takes {module.in_features} features and does not get them flat")  # fmt: skip
    draft.add((module.out_features, 1, 1), kind=CONVOLUTION, kernel=1, stride=1, pad=0, groups=1,
              weight=draft.place(module.weight), bias=draft.place(module.bias))  # fmt: skip


def _norm(module: nn.BatchNorm2d | nn.BatchNorm1d, name: str, draft: Draft) -> None:
    _require(module.track_running_stats, module, name, "keeps no running statistics")
    _require(draft.flat == isinstance(module, nn.BatchNorm1d), module, name, "does not get the shape it is for")
    _require(draft.size[0] == module.num_features, module, name, f"takes {module.num_features} channels")
    draft.gather(
        ("norm", "act", "drop", "kernel"),
        norm=1, eps=module.eps, momentum=-1.0 if module.momentum is None else module.momentum,
        gamma=draft.place(module.weight), beta=draft.place(module.bias),
        mean=draft.place(module.running_mean), variance=draft.place(module.running_var),
        count=draft.place(module.num_batches_tracked),
    )  # fmt: skip


def _activation(module: nn.Module, name: str, draft: Draft) -> None:
    draft.gather(("act", "drop", "kernel"), act=ACTIVATIONS[type(module)])


def _dropout(module: nn.Dropout | nn.Dropout2d, name: str, draft: Draft) -> None:
    _require(not (draft.flat and isinstance(module, nn.Dropout2d)), module, name, "gets no channels to drop")
    if module.p > 0:
        draft.gather(("drop", "kernel"), drop=DROPOUTS[type(module)], rate=module.p, layer=_dropouts(draft))


def _dropouts(draft: Draft) -> int:
    return sum("drop" in node for node in [*draft.nodes, draft.pending])


def _max_pool(module: nn.MaxPool2d, name: str, draft: Draft) -> None:
    kernel, stride = _pooling(module, name, draft)
    _require(
        _both(module.dilation) == 1 and not module.return_indices,
        module,
        name,
        "is dilated or returns indices",
    )
    # Backward, ReLU's output says what it let through and dropout kept, others' does not; and norm's windows are apart.
    act = draft.pending.get("act", NO_ACTIVATION)
    fits = act == RELU or not {"act", "drop"} & draft.pending.keys()
    if not fits or ("norm" in draft.pending and kernel != stride):
        draft.flush()
    draft.gather(("kernel",), kernel=kernel, stride=stride)
    draft.flush()


def _average_pool(module: nn.AvgPool2d, name: str, draft: Draft) -> None:
    kernel, stride = _pooling(module, name, draft)
    _require(module.divisor_override is None, module, name, "has a divisor of its own")
    _average(kernel, stride, draft)


def _average(kernel: int, stride: int, draft: Draft) -> None:
    draft.flush()
    c, h, w = draft.size
    draft.add(
        (c, (h - kernel) // stride + 1, (w - kernel) // stride + 1),
        kind=AVERAGE,
        kernel=kernel,
        stride=stride,
    )


def _pooling(module: nn.MaxPool2d | nn.AvgPool2d, name: str, draft: Draft) -> tuple[int, int]:
    kernel, stride = _both(module.kernel_size), _both(module.stride)
    _require(kernel is not None and stride is not None, module, name, "is not square")
    assert kernel is not None and stride is not None
    _require(_both(module.padding) == 0 and not module.ceil_mode, module, name, "pads, or counts windows upwards")
    _, h, w = draft.size
    _require(not draft.flat and kernel <= min(h, w), module, name, f"is larger than its input of {h} x {w}")
    return kernel, stride


def _adaptive_pool(module: nn.AdaptiveAvgPool2d, name: str, draft: Draft) -> None:
    side = _both(module.output_size)
    draft.flush()
    _, h, w = draft.size
    _require(side is not None and h == w and h % side == 0 and not draft.flat, module, name,
             f"makes {module.output_size} of {h} x {w}, not squares of equal size")  # fmt: skip
    assert side is not None
    _average(h // side, h // side, draft)


def _flatten(module: nn.Flatten, name: str, draft: Draft) -> None:
    _require(
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
    _require(of_classes and draft.size[1:] == (1, 1), module, name, "is not over the classes of one image")
    draft.log_output = True


def _identity(module: nn.Module, name: str, draft: Draft) -> None:
    pass


_LOWERED: dict[type[nn.Module], Callable[[Any, str, Draft], None]] = {
    nn.Conv2d: _convolution,
    nn.Linear: _linear,
    nn.BatchNorm2d: _norm,
    nn.BatchNorm1d: _norm,
    nn.ReLU: _activation,
    nn.SiLU: _activation,
    nn.Dropout: _dropout,
    nn.Dropout2d: _dropout,
    nn.MaxPool2d: _max_pool,
    nn.AvgPool2d: _average_pool,
    nn.AdaptiveAvgPool2d: _adaptive_pool,
    nn.Flatten: _flatten,
    nn.LogSoftmax: _log_softmax,
    nn.Identity: _identity,
}
