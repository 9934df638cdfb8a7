"""The page of public names, generated from their docstrings."""

import inspect
import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from docs.build.api_examples import EXAMPLES

TASKS = {
    "Train and use a network": "train load Model Classifier load_data Data summary dissect",
    "Find a network or a rate": "fit find_lr Space Proposal stack rounded",
    "Write an experiment": "Experiment Budget Bar Claim claims find differences",
    "How it is trained": "Recipe Augment Distil HardExamples Constant Step MultiStep Plateau OneCycle Cosine Linear",
    "Build networks": "conv_norm_relu separable_norm_relu residual_norm_relu Residual Sum Gated Deskew Crop",
    "Control each step, read what a run left": "new_run steps resume read_record Record summarise",
    "Show": "figures analysis notebook",
    "When something is wrong": "FeatherweightError",
}
"""Every public name under what it is for."""
INNER = re.compile(r"^>>> (?:from|import) featherweight\.\S+ import (.+)\n", re.MULTILINE)


def api_page(fw: ModuleType) -> str:
    """All public names of `import featherweight as fw`, by task, as Markdown; `fw` is that module."""
    parts = [
        "# API by task\n\nWritten from the docstrings by `python -m docs.build`. `help(fw.NAME)` tells each in full:"
        " arguments, shapes, units, ranges, errors. All are found in `import featherweight as fw`; examples also begin"
        " with `import torch`, `from torch import nn` and `from featherweight import *`.\n"
    ]
    grouped = [(task, name) for task, names in TASKS.items() for name in names.split()]
    assert sorted(name for _, name in grouped) == sorted(fw.__all__), "a public name has no task, or two"
    for task, names in TASKS.items():
        parts.append(f"* {task}: " + ", ".join(f"[`{name}`](#{name})" for name in names.split()))
    for task, name in grouped:
        if name == TASKS[task].split()[0]:
            parts.append(f"\n## {task}\n")
        value = getattr(fw, name)
        told = _told(value, fw.__all__)
        if inspect.isfunction(value):  # some have another name where they are defined
            told = re.sub(rf"(?m)^(>>> .*)\b{value.__name__}\(", rf"\1{name}(", told)
        example = f"\n\n```python{EXAMPLES[name]}```" if name in EXAMPLES and "```" not in told else ""
        parts.append(f'### <a id="{name}"></a>`fw.{name}{_signature(value)}`\n\n{told}{example}\n')
        if inspect.isclass(value):
            parts += [f"* `{name}.{own}`: {text}" for own, text in _members(value)] + [""]
    return "\n".join(parts)


def _signature(value: Any) -> str:
    """The names of the parameters; their types and meaning are in the text."""
    if isinstance(value, ModuleType) or not callable(value):
        return ""
    try:
        found = inspect.signature(value).parameters.values()
        names = [("*" if p.kind is p.VAR_POSITIONAL else "") + p.name for p in found]
    except ValueError:
        return ""
    return f"({', '.join(names)})"


def _told(value: Any, public: Sequence[str]) -> str:
    """The first paragraph of the docstring and its first example that needs public names alone, if need be of a member.

    Imports from the package's modules are removed, since readers of the page already have the public names.
    """
    members = [part for part in vars(value).values() if _is_member(part)] if inspect.isclass(value) else []
    own, *more = [re.split(r"\n\s*\n", inspect.getdoc(one) or "") for one in (value, *members)]
    blocks = [*own, *(block for of_it in more for block in of_it)]
    examples = [
        f"\n\n```python\n{INNER.sub('', block)}\n```"
        for block in blocks
        if block.startswith(">>>")
        and {name.strip() for names in INNER.findall(block) for name in names.split(",")} <= set(public)
    ]
    return "".join([blocks[0], *examples[:1]])


def _members(kind: type) -> list[tuple[str, str]]:
    """Its own public methods and properties that have a docstring, each with the first sentence of it."""
    own = [(name, part) for name, part in vars(kind).items() if not name.startswith("_")]
    parts = [(name, getattr(part, "__func__", part)) for name, part in own]
    return [
        (name, re.split(r"(?<=\.)\s|\n\n", " ".join((inspect.getdoc(part) or "").split("\n\n")[0].split()))[0])
        for name, part in parts
        if inspect.getdoc(part) and _is_member(part)
    ]


def _is_member(part: Any) -> bool:
    return inspect.isfunction(getattr(part, "__func__", part)) or isinstance(part, property)
