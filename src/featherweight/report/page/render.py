"""Renders sections as one self-contained HTML file: styles, figures and images are all inside it."""

import re
from collections.abc import Sequence
from pathlib import Path

from featherweight._version import __version__
from featherweight.report import figures
from featherweight.report.figures.style import COLOURS
from featherweight.report.page.blocks import (
    Card,
    FigureBlock,
    Headline,
    Section,
    Table,
    Tiles,
    VerdictBlock,
    format_cell,
)
from featherweight.report.page.load_runs import Story
from featherweight.report.page.pixels import pictured

HERE = Path(__file__).parent


def title_of(story: Story) -> str:
    """The title of the page.

    It names a single run, and counts several.
    """
    names = ", ".join(dict.fromkeys(group.name for group in story.groups))
    return story.runs[0].name if len(story.runs) == 1 else f"{names}, {len(story.runs)} runs"


def page(story: Story, sections: Sequence[Section]) -> str:
    """The page as HTML; all text from records is escaped."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup, escape

    def drawing(picture: FigureBlock) -> Markup:
        label = str(escape(picture.alt))
        return Markup(figures.page_svg(picture.figure, picture.name, label))  # matplotlib escapes what it draws

    def coded(text: str) -> Markup:
        """The text with backticks as code and everything else escaped."""
        parts = [escape(part) for part in text.replace(" %", "\N{NO-BREAK SPACE}%").split("`")]
        return Markup("").join(
            part if at % 2 == 0 else Markup("<code>{}</code>").format(part) for at, part in enumerate(parts)
        )

    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {"drawing": drawing, "coded": coded, "pictured": pictured, "cell": format_cell}
    environment.tests |= {
        "table": lambda block: isinstance(block, Table),
        "picture": lambda block: isinstance(block, FigureBlock),
        "tiles": lambda block: isinstance(block, Tiles),
        "headline": lambda block: isinstance(block, Headline),
        "card": lambda block: isinstance(block, Card),
        "verdict": lambda block: isinstance(block, VerdictBlock),
    }
    html = environment.get_template("page.html.j2").render(
        title=title_of(story),
        sections=sections,
        contents=_contents(story, sections),
        style=Markup(style()),
        version=__version__,
    )
    return re.sub(r"\n\s*\n+", "\n", html)


def _contents(story: Story, sections: Sequence[Section]) -> list[tuple[str, str]]:
    """Id and words of each link at the top; of several experiments, each has one link, to its first section."""
    if len(story.groups) == 1:
        return [(section.id, section.title) for section in sections]
    names = {group.key: group.name for group in story.groups}
    found = []
    for section in sections:
        key = section.id.partition("-")[2]
        if key not in names or section.id.startswith("made-with"):
            found.append((section.id, section.title))
        elif names[key]:
            found.append((section.id, names.pop(key)))
            names[key] = ""
    return found


def style() -> str:
    """The style sheet, with the colours of the figures in its two themes."""
    sheet = (HERE / "page.css").read_text(encoding="utf-8")
    for place, marker in enumerate(("/* colours on light ground */", "/* colours on dark ground */")):
        assert marker in sheet, marker
        colours = " ".join(f"--{name}: {values[place]};" for name, values in COLOURS.items())
        sheet = sheet.replace(marker, colours)
    return sheet
