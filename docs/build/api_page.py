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
MAIN = ("train", "load", "Model", "Classifier", "Data", "Experiment", "Budget", "Recipe", "steps")
"""The names that are shown with an example, and with their members."""
INNER = re.compile(r"^>>> (?:from|import) featherweight\.\S+ import (.+)\n", re.MULTILINE)


def api_page(fw: ModuleType) -> str:
    """All public names of `import featherweight as fw`, by task, as Markdown; `fw` is that module."""
    parts = [
        "# API by task\n\nWritten from the docstrings by `python -m docs.build`. `help(fw.NAME)` tells each in full:"
        " arguments, shapes, units, ranges, errors, examples. All are found in `import featherweight as fw`; examples"
        " also begin with `import torch`, `from torch import nn` and `from featherweight import *`."
    ]
    grouped = [(task, name) for task, names in TASKS.items() for name in names.split()]
    assert sorted(name for _, name in grouped) == sorted(fw.__all__), "a public name has no task, or two"
    for task, names in TASKS.items():
        first = sorted(names.split(), key=lambda name: name not in MAIN)
        parts += [f"\n## {task}\n", *(_entry(name, getattr(fw, name), fw.__all__) for name in first)]
    return "\n".join(parts) + "\n"


def _entry(name: str, value: Any, public: Sequence[str]) -> str:
    """A name with its parameters and first sentence; one of `MAIN` under a heading, with an example and its members."""
    anchor, call = f'<a id="{name}"></a>', f"`fw.{name}{_signature(value)}`"
    if name not in MAIN:
        return f"* {anchor}{call}: {_first_sentence(value)}"
    example = _example(value, public) or f"```python{EXAMPLES[name]}```"
    if inspect.isfunction(value):  # some have another name where they are defined
        example = re.sub(rf"(?m)^(>>> .*)\b{value.__name__}\(", rf"\1{name}(", example)
    members = [f"* `{name}.{own}`: {text}" for own, text in _members(value)] if inspect.isclass(value) else []
    entry = "\n".join([f"### {anchor}{call}\n\n{_first_sentence(value)}\n\n{example}\n", *members])
    return entry.rstrip() + "\n"


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


def _example(value: Any, public: Sequence[str]) -> str:
    """The first example of the docstring, if need be of a member, that needs public names alone; else nothing.

    Imports from the package's modules are removed, since readers of the page already have the public names.
    """
    members = [part for part in vars(value).values() if _is_member(part)] if inspect.isclass(value) else []
    blocks = [block for one in (value, *members) for block in re.split(r"\n\s*\n", inspect.getdoc(one) or "")]
    examples = [
        f"```python\n{INNER.sub('', block)}\n```"
        for block in blocks
        if block.startswith(">>>")
        and {name.strip() for names in INNER.findall(block) for name in names.split(",")} <= set(public)
    ]
    return examples[0] if examples else ""


def _members(kind: type) -> list[tuple[str, str]]:
    """Its own public methods and properties that have a docstring, each with the first sentence of it."""
    own = [(name, part) for name, part in vars(kind).items() if not name.startswith("_")]
    parts = [(name, getattr(part, "__func__", part)) for name, part in own]
    return [(name, _first_sentence(part)) for name, part in parts if inspect.getdoc(part) and _is_member(part)]


def _first_sentence(part: Any) -> str:
    return re.split(r"(?<=\.)\s", " ".join((inspect.getdoc(part) or "").split("\n\n")[0].split()))[0]


def _is_member(part: Any) -> bool:
    return inspect.isfunction(getattr(part, "__func__", part)) or isinstance(part, property)
