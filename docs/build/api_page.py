"""The page of public names, generated from their docstrings."""

import inspect
import re
from collections.abc import Sequence
from types import ModuleType
from typing import Any

from docs.build.api_examples import EXAMPLES

INNER = re.compile(r"^>>> (?:from|import) featherweight\.\S+ import (.+)\n", re.MULTILINE)


def api_page(fw: ModuleType) -> str:
    """All public names of `import featherweight as fw`, in alphabetical order, as Markdown; `fw` is that module."""
    parts = [
        "# Public names\n\nWritten from the docstrings by `python -m docs.build`. All of these are found in"
        " `import featherweight as fw`. Examples also begin with `import torch`, `from torch import nn` and"
        " `from featherweight import *`.\n"
    ]
    for name in fw.__all__:
        value = getattr(fw, name)
        told = _told(value, fw.__all__)
        if inspect.isfunction(value):  # some have another name where they are defined
            told = re.sub(rf"(?m)^(>>> .*)\b{value.__name__}\(", rf"\1{name}(", told)
        example = f"\n\n```python{EXAMPLES[name]}```" if name in EXAMPLES else ""
        parts.append(f"## `fw.{name}{_signature(value)}`\n\n{told}{example}\n")
        if inspect.isclass(value):
            parts += [f"### `{name}.{own}`\n\n{text}\n" for own, text in _members(value, fw.__all__)]
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
