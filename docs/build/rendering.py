"""Pages made of the templates in `templates/`, which may use those of the package."""

from pathlib import Path
from typing import Any

from featherweight.report.templating import environment

TEMPLATES = Path(__file__).with_name("templates")
NOTE = "*Written by `python -m docs.build` from the records in `results/`; every figure follows from them.*"


def rendered(template: str, **context: Any) -> str:
    """The page of this template; it ends in one line break."""
    made = environment(TEMPLATES)
    made.filters["initial"] = initial
    return made.get_template(template).render(note=NOTE, **context).rstrip() + "\n"


def initial(text: str) -> str:
    """The text with a capital at its beginning.

    >>> initial("at most 15 epochs of MNIST")
    'At most 15 epochs of MNIST'
    """
    return text[:1].upper() + text[1:]
