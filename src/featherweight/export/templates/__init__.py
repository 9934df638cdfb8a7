"""The template of the page."""

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
    """The template of this name in this folder, with the values filled in."""
    return _environment().get_template(template).render(values)
