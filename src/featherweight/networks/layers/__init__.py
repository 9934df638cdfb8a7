"""One file for each kind of layer, with all that is known of it; everybody else asks here.

A file says how its layers are written in an architecture and which values their arguments may have (`Kind`), how they
change shapes and receptive fields (`EFFECTS`, by operator), and which steps they become in the native engine and in
exported forms. Kinds are loaded when somebody asks: `activations` alone can be had without torch.
"""

from collections.abc import Iterator, Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

from featherweight.errors import UsageError, nearest
from featherweight.networks.layers.kind import EXPORTED, NATIVE, VALUES, Draft, Kind, called

if TYPE_CHECKING:
    from torch import nn

    from featherweight.networks.layers.fields import FieldRule

MOST_WEIGHTS = 1 << 26
"""Of a whole network written as data: 256 MiB of float32."""
MEASURED = (
    "Conv2d, Linear, max, average and adaptive pooling, padding, batch, group and layer norm, dropout, activations,"
    " softmax, sums, products, concatenated channels, means over height and width, flatten and reshape"
)
"""What `anatomy` can measure, in words."""


@cache
def kinds() -> Mapping[str, Kind]:
    """Every kind of layer, by its name in an architecture. They are those that `anatomy` can measure."""
    from torch import nn

    from featherweight.networks.layers import (
        activations,
        blocks,
        convolution,
        norms,
        pools,
        preprocessing,
        shapes,
    )

    curves = (
        Kind(written=f"nn.{it.module}", make=getattr(nn, it.module), arguments=it.arguments, note=it.note,
             weights=lambda named: int(named.get("num_parameters", 0)),
             native=activations.native if it.native else None, exported=activations.exported if it.step else None)
        for it in activations.ACTIVATIONS
    )  # fmt: skip
    found = (
        *blocks.KINDS,
        *preprocessing.KINDS,
        *convolution.KINDS,
        *norms.KINDS,
        *pools.KINDS,
        *shapes.KINDS,
        *curves,
    )
    return {kind.written: kind for kind in found}


@cache
def effects() -> "Mapping[str, FieldRule]":
    """How operators change fields, by their names in torch without underscores around them."""
    from featherweight.networks.layers import activations, convolution, norms, pools, preprocessing, shapes

    files = (activations, convolution, norms, pools, preprocessing, shapes)
    return {name: rule for file in files for name, rule in file.EFFECTS.items()}


@cache
def by_class() -> "Mapping[type[nn.Module], Kind]":
    """The kinds of layers that are classes."""
    return {kind.make: kind for kind in kinds().values() if isinstance(kind.make, type)}


@cache
def _containers() -> "Mapping[str, type[nn.Sequential]]":
    from featherweight.networks.layers.blocks import CONTAINERS

    return CONTAINERS


def kind_of(written: str) -> Kind:
    """The kind of this name; UsageError names the nearest when there is none."""
    if written not in kinds():
        raise UsageError(f"Unknown layer {written!r:.60}; {nearest(str(written), (*_containers(), *kinds()))}")
    return kinds()[written]


def checked(written: str, given: tuple[Any, ...], settings: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments of a layer by their names; UsageError for one that it has not, or has twice, or out of range."""
    allowed = kind_of(written).ranges
    if len(given) > len(allowed):
        raise UsageError(f"{written} takes {len(allowed)} arguments; given {len(given)}.")
    named = dict(zip(allowed, given, strict=False))
    for name, value in settings.items():
        if name not in allowed or name in named:
            known = ", ".join(allowed) or "none"
            raise UsageError(f"{written} takes each of these arguments once: {known}; given {name!r:.60} as well.")
        named[name] = value
    for name, value in named.items():
        holds, words = VALUES[allowed[name]]
        if not holds(value):
            raise UsageError(f"The {name} of {written} is {words}; given {value!r:.60}.")
    return named


def lacking(network: "nn.Module", shape: tuple[int, int, int]) -> dict[str, list[str]]:
    """The layers of a network that lack a native kernel or an exported form, by what they lack, each as `1.0 (Mish)`.

    Each is asked with the input that it gets of pictures of `shape` (C, H, W). The network, in evaluation mode, gets
    hooks, which are removed again.
    """
    import torch
    from torch import nn

    from featherweight.networks.layers.blocks import LOWERED, Gated

    def parts(module: nn.Module, name: str) -> Iterator[tuple[nn.Module, str]]:
        holds = isinstance(module, nn.Sequential) and type(module).forward in LOWERED
        if not holds or isinstance(module, Gated):
            yield module, name
        for key, child in module.named_children() if holds else ():
            yield from parts(child, f"{name}.{key}" if name else key)

    sizes: dict[nn.Module, torch.Size] = {}
    every = list(parts(network, ""))
    hooks = [it.register_forward_pre_hook(lambda it, given: sizes.update({it: given[0].shape})) for it, _ in every]
    with torch.no_grad():
        network(torch.zeros(2, *shape))
    for hook in hooks:
        hook.remove()
    found: dict[str, list[str]] = {}
    for form in (NATIVE, EXPORTED):
        for module, name in every:
            _, channels, height, width = (*sizes.get(module, ()), 1, 1, 1, 1)[:4]
            draft = Draft(form=form, sizes=[(channels, height, width)], flat=len(sizes.get(module, ())) == 2)
            try:
                lower(module, name, draft)
            except UsageError:
                found.setdefault(form.lacked, []).append(f"{name or 'the network'} ({type(module).__name__})")
    return found


def lower(module: "nn.Module", name: str, draft: Draft) -> None:
    """Add the steps of a module with this name to a draft; UsageError, naming it, if it has none in this form."""
    from torch import nn

    from featherweight.networks.layers.blocks import LOWERED

    hooked = any(getattr(module, hooks) for hooks in draft.form.hooks)
    draft.require(not hooked, module, name, "has hooks, which would not be called")
    if isinstance(module, nn.Sequential) and type(module).forward in LOWERED:
        LOWERED[type(module).forward](module, name, draft, lower)
        return
    kind = by_class().get(type(module))
    rule = getattr(kind, draft.form.rule, None)
    if rule is None:
        raise UsageError(f"{called(module, name)} {draft.form.unknown}")
    passes = isinstance(module, nn.Identity | nn.Flatten)
    draft.require(not draft.log_output or passes, module, name, "follows LogSoftmax")
    rule(module, name, draft)
