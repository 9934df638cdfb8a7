"""Jinja as every page uses it: the templates in `templates/`, their filters, and the style sheet of the HTML pages."""

import re
import sys
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any

from featherweight.experiments.experiment import worded
from featherweight.report.figures.style import COLOURS

if sys.version_info >= (3, 11):
    import tomllib  # novm
else:
    import tomli as tomllib

if TYPE_CHECKING:
    from jinja2 import Environment
    from markupsafe import Markup

TEMPLATES = Path(__file__).with_name("templates")


def environment(*folders: Path, autoescape: bool = False) -> "Environment":
    """Jinja with the templates of these folders, which may extend those of the package."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    made = Environment(
        loader=FileSystemLoader([*folders, TEMPLATES]),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters |= {
        "count": "{:,}".format,
        "percent": lambda value: "–" if value is None else f"{value:.2f}",
        "form": lambda value, form: format(value, form),
        "mean": fmean,
        "cell": lambda text: str(text).replace("\n", " ").replace("|", "\\|"),
        "coded": coded,
        "worded": worded,
    }
    made.globals["style"] = lambda: Markup(style_sheet())
    return made


def coded(text: str) -> "Markup":
    """A line of Markdown as HTML: code and links within the page; all else is escaped, and a figure stays with its %.

    >>> coded("`lr` 0.1 <b>")
    Markup('<code>lr</code> 0.1 &lt;b&gt;')
    >>> coded("[`f1`](#f1)")
    Markup('<a href="#f1"><code>f1</code></a>')
    """
    from markupsafe import Markup, escape

    if link := re.fullmatch(r"\[(.*)\]\((#[\w.-]+)\)", text):
        return Markup('<a href="{}">{}</a>').format(link[2], coded(link[1]))
    halves = [escape(part) for part in text.replace(" %", "\N{NO-BREAK SPACE}%").split("`")]
    shown = [part if at % 2 == 0 else Markup("<code>{}</code>").format(part) for at, part in enumerate(halves)]
    return Markup("").join(shown)


@cache
def style_sheet() -> str:
    """The style sheet of the HTML pages, with the colours of the figures in its two themes."""
    sheet = (TEMPLATES / "page.css").read_text(encoding="utf-8")
    for place, marker in enumerate(("/* colours on light ground */", "/* colours on dark ground */")):
        assert marker in sheet, marker
        colours = " ".join(f"--{name}: {values[place]};" for name, values in COLOURS.items())
        sheet = sheet.replace(marker, colours)
    return sheet


@cache
def texts() -> dict[str, Any]:
    """What `texts.toml` says of figures, tables and paragraphs."""
    return tomllib.loads((TEMPLATES / "texts.toml").read_text(encoding="utf-8"))


@cache
def _text_environment() -> "Environment":
    return environment()


def filled(text: str, **facts: Any) -> str:
    """A text of `texts.toml` with its facts filled in, as one line.

    >>> filled("{{ share | form('.1f') }} % of\\nthem", share=12.34)
    '12.3 % of them'
    """
    return re.sub("[ \n]+", " ", _text_environment().from_string(text).render(facts)).strip()
