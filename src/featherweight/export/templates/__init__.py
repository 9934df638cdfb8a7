"""The templates of exported files."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined

FOLDER = Path(__file__).parent


@cache
def _environment() -> Environment:
    # Only the page's template is HTML; its values are escaped.
    return Environment(
        loader=FileSystemLoader(FOLDER),
        autoescape=lambda name: bool(name and name.endswith(".html.j2")),
        undefined=StrictUndefined,
        keep_trailing_newline=True,
    )


def rendered(template: str, values: Mapping[str, Any]) -> str:
    """The template of this name in this folder, with the values filled in.

    >>> rendered("main.c.j2", {"name": "n", "NAME": "N", "channels": 1, "height": 2, "width": 3}).splitlines()[0]
    '/* Reads raw pictures of 6 bytes from standard input and prints a line for each: class, then scores.'
    """
    return _environment().get_template(template).render(values)
