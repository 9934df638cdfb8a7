"""The colours, fonts and axes of all figures; and a figure as PNG, as SVG, and as SVG for a page."""

import re
import warnings
from collections.abc import Callable
from functools import wraps
from io import BytesIO
from typing import TYPE_CHECKING, Any, Literal, ParamSpec

from featherweight.report.figures.compact_svg import slim
from featherweight.report.figures.hover import overlay

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 4.2
"""Inches: 403 CSS pixels, so that on a phone, where 350 are left, text of 9 points is still 10 pixels high."""
DPI = 200
"""The resolution of PNG files."""

COLOURS = {
    "ink": ("#1b1f24", "#e6e9ed"),
    "quiet": ("#57606a", "#a8b1bc"),
    "rule": ("#d5dae1", "#3d4651"),
    "band": ("#e7edf3", "#25313d"),
    "edge": ("#fefffe", "#12181e"),
    "test": ("#00558c", "#74bdf2"),
    "train": ("#6a6a6b", "#b3b3b4"),
    "target": ("#9a3b00", "#f29b6c"),
    "second": ("#006b4f", "#4fc9a4"),
    "third": ("#8a3a78", "#e29ad0"),
    "fourth": ("#7a5c00", "#d9b84a"),
}
"""By name: the colour on a light and on a dark background. Blue, rust, green, mauve and ochre are distinct in every
common kind of colour blindness. All have a contrast of 4.5 : 1 with their background, except the rules, the band and
the edge of dots, which carry no meaning alone."""
INK, QUIET, RULE, BAND, EDGE = (COLOURS[name][0] for name in ("ink", "quiet", "rule", "band", "edge"))
TEST, TRAIN, TARGET = (COLOURS[name][0] for name in ("test", "train", "target"))
SERIES = tuple(COLOURS[name][0] for name in ("test", "target", "second", "third", "fourth"))
"""One colour per experiment, if there are several."""

_SETTINGS: Any = {
    "font.size": 10, "axes.titlesize": 10, "axes.labelsize": 10, "xtick.labelsize": 9, "ytick.labelsize": 9,
    "legend.fontsize": 9, "font.family": "sans-serif", "font.sans-serif": ["DejaVu Sans", "sans-serif"],
    "text.color": INK, "axes.labelcolor": INK, "axes.edgecolor": QUIET, "xtick.color": QUIET, "ytick.color": QUIET,
    "xtick.labelcolor": INK, "ytick.labelcolor": INK, "axes.spines.top": False, "axes.spines.right": False,
    "axes.linewidth": 0.8, "grid.color": RULE, "grid.linewidth": 0.7, "axes.axisbelow": True, "legend.frameon": False,
    "text.parse_math": False, "svg.fonttype": "none", "svg.hashsalt": "featherweight",
}  # fmt: skip

P = ParamSpec("P")


def in_house_style(draw: Callable[P, "Figure"]) -> Callable[P, "Figure"]:
    """The drawing function with these settings applied while it runs; the caller's own are not changed."""

    @wraps(draw)
    def in_style(*args: P.args, **kwargs: P.kwargs) -> "Figure":
        import matplotlib

        with matplotlib.rc_context(_SETTINGS):
            return draw(*args, **kwargs)

    return in_style


def blank(height: float, width: float = WIDTH) -> "Figure":
    """An empty figure of this height and width, in inches."""
    from matplotlib.figure import Figure

    return Figure(figsize=(width, height), layout="constrained")


def plot(height: float, *, grid: Literal["x", "y", "both"] = "y") -> tuple["Figure", "Axes"]:
    """A figure of this height, in inches, with one pair of axes and grid lines."""
    figure = blank(height)
    axes = figure.subplots()
    axes.grid(axis=grid)
    return figure, axes


def legend_above(axes: "Axes", columns: int = 2) -> None:
    """Add a legend over the whole width above the axes, where it covers nothing; dots that belong to bars come last."""
    handles, labels = axes.get_legend_handles_labels()
    order = sorted(range(len(labels)), key=lambda place: labels[place].startswith("each"))
    axes.figure.legend(
        [handles[place] for place in order],
        [labels[place] for place in order],
        loc="outside upper left",
        ncols=columns,
        borderaxespad=0.3,
        handlelength=1.6,
        columnspacing=1.2,
    )


def shorten(line: str, points: float, size: float) -> str:
    """A line of text shortened to a width, in points, at a font size; letters are measured, since widths differ.

    >>> shorten("iiiiiiiiii", 40, 8.5), shorten("WWWWWWWWWW", 40, 8.5)
    ('iiiiiiiiii', 'WWW…')
    """
    from matplotlib.font_manager import FontProperties
    from matplotlib.textpath import text_to_path

    font = FontProperties(family="DejaVu Sans", size=size)

    def width(text: str) -> float:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", message="Glyph .* missing from")
            return float(text_to_path.get_text_width_height_descent(text, font, False)[0])

    if len(line) <= 4 or width(line) <= points:
        return line
    kept = line
    while len(kept) > 1 and width(kept + "…") > points:
        kept = kept[:-1]
    return kept + "…"


def short(name: str, longest: int = 16) -> str:
    """The name of a class, shortened if it would be too wide.

    >>> short("extraordinarily long", 8)
    'extraor…'
    """
    return name if len(name) <= longest else name[: longest - 1] + "…"


def share(part: float) -> str:
    """A probability as a percentage for people, never rounded up to certainty.

    >>> share(0.5), share(0.99996), share(1.0)
    ('50.0 %', '>99.9 %', '100 %')
    """
    if 0.9995 <= part < 1:
        return ">99.9 %"
    return "100 %" if part == 1 else f"{100 * part:.1f} %"


def png(figure: "Figure") -> bytes:
    """The figure as PNG on a white background."""
    return _rendered(figure, format="png", dpi=DPI, facecolor="white")


def svg(figure: "Figure") -> str:
    """The figure as a complete SVG document on a white background; the same input gives the same text."""
    text = _rendered(figure, format="svg", facecolor="white", metadata={"Date": None, "Creator": None}).decode()
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def page_svg(figure: "Figure", name: str, label: str) -> str:
    """The figure as an `<svg>` element without background, with colours that a page's style sheet can darken.

    Its values are shown under the pointer (`hover`).

    `name` makes its ids unique on a page; `label` is the text for screen readers. Both are inserted unchanged, so they
    must not contain `"`, `<` or `&`: escape them first.
    """
    text = _rendered(figure, format="svg", transparent=True, metadata={"Date": None, "Creator": None}).decode()
    text = text[text.index("<svg") :]
    text = re.sub(r"<metadata>.*?</metadata>", "", text, flags=re.S)
    text = re.sub(r"<!--.*?-->", "", text, flags=re.S)
    box = re.search(r'viewBox="[^"]*"', text)
    assert box is not None
    text = text[text.index(">") + 1 :]
    # The ids of images come from their pixels, so equal images would share an id; nothing refers to these ids.
    text = slim(re.sub(r'(<image\b[^>]*?) id="[^"]+"', r"\1", text))
    text = re.sub(r'\bid="([^"]+)"', rf'id="{name}-\1"', text)
    text = re.sub(r'href="#([^"]+)"', rf'href="#{name}-\1"', text)
    text = re.sub(r"url\(#([^)]+)\)", rf"url(#{name}-\1)", text)
    for colour, (light, _) in COLOURS.items():
        text = text.replace(f": {light}", f": var(--{colour})")
    opening = f'<svg {box[0]} role="img" aria-label="{label}" xmlns:xlink="http://www.w3.org/1999/xlink">'
    text = opening + text.replace("</svg>", f"{overlay(figure)}</svg>")
    return re.sub(r"\s*\n\s*", "\n", text).strip()


def _rendered(figure: "Figure", **how: Any) -> bytes:
    import matplotlib

    content = BytesIO()
    with matplotlib.rc_context(_SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # class names may be in any script
        figure.savefig(content, **how)
    return content.getvalue()
