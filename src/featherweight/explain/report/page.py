"""Renders sections as one self-contained HTML file: styles, figures and images are all inside it."""

import re
from base64 import b64encode
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from featherweight.explain import figures
from featherweight.explain.figures.style import COLOURS
from featherweight.explain.report.content import Picture, Section, Table, Tiles, Verdict, shown
from featherweight.explain.report.story import Story
from featherweight.files import __version__

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

    def drawing(picture: Picture) -> Markup:
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
    environment.filters |= {"drawing": drawing, "coded": coded, "pictured": pictured, "cell": shown}
    environment.tests |= {
        "table": lambda block: isinstance(block, Table),
        "picture": lambda block: isinstance(block, Picture),
        "tiles": lambda block: isinstance(block, Tiles),
        "verdict": lambda block: isinstance(block, Verdict),
    }
    html = environment.get_template("page.html.j2").render(
        title=title_of(story), sections=sections, style=Markup(_style()), version=__version__
    )
    return re.sub(r"\n\s*\n+", "\n", html)


def _style() -> str:
    """The style sheet, with the colours of the figures in its two themes."""
    sheet = (HERE / "page.css").read_text(encoding="utf-8")
    for place, marker in enumerate(("/* colours on light ground */", "/* colours on dark ground */")):
        assert marker in sheet, marker
        colours = " ".join(f"--{name}: {values[place]};" for name, values in COLOURS.items())
        sheet = sheet.replace(marker, colours)
    return sheet


def pictured(image: NDArray[np.uint8]) -> str:
    """An image, uint8 [C H W], as a PNG in a data: URL; unless it has 1 or 3 channels, their mean in grey."""
    return _png(image.tobytes(), image.shape)


@lru_cache(maxsize=4096)
def _png(content: bytes, shape: tuple[int, int, int]) -> str:
    from PIL import Image

    image = np.frombuffer(content, dtype=np.uint8).reshape(shape)
    if shape[0] == 3:
        drawn = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    else:
        drawn = Image.fromarray(image.mean(axis=0).astype(np.uint8))
    out = BytesIO()
    drawn.save(out, format="PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(out.getvalue()).decode()}"
