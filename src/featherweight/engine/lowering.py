"""A network as the native engine's operations, or an error that names the layer it cannot execute.

Norm, activation, dropout and max pool become a single pass over memory if they follow one another in this order.
"""

from collections.abc import Callable
from typing import Any

from torch import nn

from featherweight.engine.layers import LAYERS, called, require_layer
from featherweight.engine.program import ADD, PREPARE, SCALE, Draft, Program
from featherweight.errors import UsageError
from featherweight.networks.layers import Gated, Residual, Sum


def lower_for_training(network: nn.Module, shape: tuple[int, int, int]) -> Program:
    """The program of `network` for images of `shape` (C, H, W); UsageError, naming the layer, if it has no kernel.

    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten())
    >>> program = lower_for_training(network, (1, 8, 8))
    >>> [node["kind"] for node in program.nodes], program.sizes
    ([0, 1, 4], [(1, 8, 8), (4, 6, 6), (4, 3, 3), (36, 1, 1)])
    """
    draft = Draft(sizes=[shape])
    _lower(network, "", draft)
    draft.flush()
    _require_prepared(draft)
    if not draft.nodes or not draft.flat:
        size = " ".join(str(n) for n in draft.size)
        raise UsageError(f"The network gives [N {size}], not [N classes]; end it with Flatten.")
    return Program(nodes=draft.nodes, sizes=draft.sizes, values=draft.values, log_output=draft.log_output)


def _require_prepared(draft: Draft) -> None:
    """Where pictures are cropped as they are read, nothing has them whole."""
    prepares = bool(draft.nodes) and draft.nodes[0]["kind"] == PREPARE
    if prepares and any(0 in (node["in"], node.get("other")) for node in draft.nodes[1:]):
        raise UsageError("Some layers get preprocessed pictures and others the originals; this has no native kernel.")


def _lower(module: nn.Module, name: str, draft: Draft) -> None:
    if module._forward_hooks or module._forward_pre_hooks or module._backward_hooks:
        raise UsageError(f"{called(module, name)} has hooks, which native kernels would not call.")
    forward = type(module).forward
    if isinstance(module, nn.Sequential) and forward in _CONTAINERS:
        _CONTAINERS[forward](module, name, draft)
        return
    lowered = LAYERS.get(type(module))
    if lowered is None:
        raise UsageError(f"{called(module, name)} has no native kernel.")
    require_layer(
        not draft.log_output or isinstance(module, nn.Identity | nn.Flatten),
        module,
        name,
        "follows LogSoftmax",
    )
    lowered(module, name, draft)


def _chain(module: nn.Module, name: str, draft: Draft) -> None:
    draft.flush()
    for child_name, child in module.named_children():
        _lower(child, f"{name}.{child_name}" if name else child_name, draft)


def _residual(module: nn.Module, name: str, draft: Draft) -> None:
    draft.flush()
    start = draft.current
    _chain(module, name, draft)
    draft.flush()
    require_layer(draft.sizes[start] == draft.size, module, name, "changes the shape, so nothing can be added")
    draft.add(draft.size, kind=ADD, other=start)


def _sum(module: nn.Module, name: str, draft: Draft) -> None:
    draft.flush()
    start, flat, terms = draft.current, draft.flat, list[int]()
    for child_name, child in module.named_children():
        draft.current, draft.flat = start, flat
        _lower(child, f"{name}.{child_name}" if name else child_name, draft)
        draft.flush()
        terms.append(draft.current)
    shapes = {draft.sizes[term] for term in terms}
    require_layer(len(shapes) == 1, module, name, "has terms of several shapes, or none at all")
    for other in terms[-2::-1]:
        draft.add(draft.size, kind=ADD, other=other)


def _gated(module: nn.Module, name: str, draft: Draft) -> None:
    draft.flush()
    start = draft.current
    _chain(module, name, draft)
    draft.flush()
    whole, (channels, height, width) = draft.sizes[start], draft.size
    fits = (channels, height, width) in (whole, (whole[0], 1, 1)) and draft.current != start
    require_layer(fits, module, name, "makes no factor for each channel, or for each pixel, of what it gets")
    draft.add(whole, kind=SCALE, other=start)


_CONTAINERS: dict[Any, Callable[[nn.Module, str, Draft], None]] = {
    nn.Sequential.forward: _chain,
    Residual.forward: _residual,
    Sum.forward: _sum,
    Gated.forward: _gated,
}
