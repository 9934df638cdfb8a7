"""How an experiment differs from another, or a run from its experiment, computed from what both consist of."""

from collections import Counter
from collections.abc import Iterator
from difflib import SequenceMatcher
from typing import Any

from torch import nn

from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.experiments.settings import budget_changes, recipe_changes
from featherweight.networks.checks import fingerprint


def differences(rung: Experiment | Record, parent: Experiment | Record) -> list[str]:
    """One phrase per change, those of the network first; empty if nothing differs.

    Either side is an experiment or the record of a run, such as `fw.load("runs/f3-seed0").record`. Normalisation
    layers that merely follow a changed width are left out. A record's network is compared by its fingerprint alone.
    The budget is compared between experiments or runs of one name: it shows what was changed for a run, whereas the
    rungs of a ladder each have their own budget.

    >>> from featherweight.experiments.experiment import find
    >>> differences(find("a5"), find("a4"))
    ['added: 6 × `Dropout2d 0.05`']
    >>> from dataclasses import replace
    >>> differences(replace(find("f3"), budget=Budget(held=2)), find("f3"))
    ['`budget.held` 5 → 2']
    """
    (name, recipe, budget), (other, before, allowed) = _settings(rung), _settings(parent)
    same = name == other
    return [
        *_network_changes(rung, parent),
        *recipe_changes(recipe, before),
        *(budget_changes(budget, allowed) if same else []),
    ]


def _settings(side: Experiment | Record) -> tuple[str, Recipe, Budget]:
    if isinstance(side, Record):
        return side.experiment, Recipe.from_json(side.recipe), Budget(**side.budget)
    return side.name, side.recipe, side.budget


def _network_changes(rung: Experiment | Record, parent: Experiment | Record) -> list[str]:
    if not isinstance(rung, Record) and not isinstance(parent, Record):
        return layer_changes(rung.build(), parent.build())
    data = next(side.data for side in (rung, parent) if isinstance(side, Record))
    ours, theirs = (_fingerprint(side, data) for side in (rung, parent))
    return [] if ours == theirs else [f"network of fingerprint {theirs} → {ours}"]


def _fingerprint(side: Experiment | Record, data: dict[str, Any]) -> str:
    """Of a record's network, or of an experiment's, built for the images and classes of `data`."""
    if isinstance(side, Record):
        return side.network
    return fingerprint(side.build(channels=data["shape"][0], classes=len(data["classes"])))


def layer_changes(network: nn.Module, before: nn.Module) -> list[str]:
    """Layers that were added, removed or given another width or setting; identical changes are counted together."""
    new, old = list(_layers(network)), list(_layers(before))
    added: Counter[str] = Counter()
    removed: Counter[str] = Counter()
    changed: Counter[str] = Counter()
    # Aligned by kind, so that a layer that merely became narrower is one change, not a removal and an addition.
    matcher = SequenceMatcher(a=[kind for kind, _ in old], b=[kind for kind, _ in new], autojunk=False)
    for what, from_old, to_old, from_new, to_new in matcher.get_opcodes():
        if what == "equal":
            for (kind, was), (_, now) in zip(old[from_old:to_old], new[from_new:to_new], strict=True):
                if was != now and not kind.startswith("BatchNorm"):
                    changed[f"`{kind} {was}` → `{now}`"] += 1
        else:
            removed.update(_layer_text(*layer) for layer in old[from_old:to_old])
            added.update(_layer_text(*layer) for layer in new[from_new:to_new])
    found = {"removed": removed, "added": added, "changed": changed}
    return [f"{verb}: {', '.join(_counted(counts))}" for verb, counts in found.items() if counts]


def _layer_text(kind: str, settings: str) -> str:
    """An added or removed layer; the width of a batch norm is left out, since it follows from its input."""
    return f"`{kind}`" if kind.startswith("BatchNorm") or not settings else f"`{kind} {settings}`"


def _counted(counts: Counter[str]) -> Iterator[str]:
    for text, count in counts.items():
        yield text if count == 1 else f"{count} × {text}"


def _layers(network: nn.Module) -> Iterator[tuple[str, str]]:
    """Kind and settings of every layer without child layers, in order."""
    for module in network.modules():
        if next(module.children(), None) is None:
            kind = type(module).__name__
            match module:
                case nn.Conv2d():
                    extra = f", padding {module.padding[0]}" * (module.padding[0] != 0)
                    extra += ", bias" * (module.bias is not None)
                    side = "x".join(map(str, module.kernel_size))
                    yield f"{kind} {side}", f"{module.in_channels} to {module.out_channels}{extra}"
                case nn.Linear():
                    yield kind, f"{module.in_features} to {module.out_features}"
                case nn.BatchNorm2d():
                    yield kind, str(module.num_features)
                case nn.Dropout() | nn.Dropout2d():
                    yield kind, str(module.p)
                case nn.MaxPool2d() | nn.AvgPool2d():
                    yield kind, str(module.kernel_size)
                case nn.AdaptiveAvgPool2d():
                    yield kind, f"to {module.output_size}"
                case _:
                    yield kind, module.extra_repr()
