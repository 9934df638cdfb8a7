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
        "# API by task\n\nWritten from the docstrings by `python -m docs.build`. All of these are found in"
        " `import featherweight as fw`. Examples also begin with `import torch`, `from torch import nn` and"
        " `from featherweight import *`.\n"
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
        example = f"\n\n```python{EXAMPLES[name]}```" if name in EXAMPLES else ""
        parts.append(f'### <a id="{name}"></a>`fw.{name}{_signature(value)}`\n\n{told}{example}\n')
        if inspect.isclass(value):
            parts += [f"#### `{name}.{own}`\n\n{text}\n" for own, text in _members(value, fw.__all__)]
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
    """The docstring as Markdown, with fenced examples; those that need names that are not public are left out.

    Imports from the package's modules are removed, since readers of the page already have the public names.
    """
    blocks = re.split(r"\n\s*\n", inspect.getdoc(value) or "")
    shown = []
    for block in blocks:
        if block.startswith(">>>"):
            inner = {name.strip() for names in INNER.findall(block) for name in names.split(",")}
            shown += [f"```python\n{INNER.sub('', block)}\n```"] if inner <= set(public) else []
        else:
            shown.append(block)
    return "\n\n".join(shown)


def _members(kind: type, public: Sequence[str]) -> list[tuple[str, str]]:
    """Its own public methods and properties that have a docstring."""
    own = [(name, part) for name, part in vars(kind).items() if not name.startswith("_")]
    parts = [(name, getattr(part, "__func__", part)) for name, part in own]
    return [(name, _told(part, public)) for name, part in parts if inspect.getdoc(part) and _is_member(part)]


def _is_member(part: Any) -> bool:
    return inspect.isfunction(part) or isinstance(part, property)
