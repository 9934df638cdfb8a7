"""Pages made of the templates in `templates/`, which may use the package's; and texts with one generated part."""

from pathlib import Path
from typing import Any

from featherweight.errors import UsageError
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


def with_part_between(text: str, marks: tuple[str, str], part: str, where: object) -> str:
    """The text with the lines between its two marks replaced; UsageError, naming the file, if a mark is missing.

    >>> with_part_between("before <a> old <b> after", ("<a>", "<b>"), "new", "notes.md")
    'before <a>\\nnew\\n<b> after'
    """
    begin, end = marks
    before, opened, rest = text.partition(begin)
    _, closed, after = rest.partition(end)
    if not opened or not closed:
        raise UsageError(f"{where} lacks the marks around what is written into it: {begin} and, after it, {end}")
    return f"{before}{begin}\n{part}\n{end}{after}"
