"""Values that a figure on a page shows under the pointer: SVG titles, which need no script."""

from collections.abc import Sequence
from typing import TYPE_CHECKING
from weakref import WeakKeyDictionary
from xml.sax.saxutils import escape

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

REACH = 6.0
"""Radius, in points, of the circle around a value that shows it."""
MOST = 400
"""A figure of more values shows so many, evenly spaced, to keep pages small."""

Box = tuple[float, float, float, float]
_TEXTS: "WeakKeyDictionary[Figure, list[tuple[Axes, Box, str]]]" = WeakKeyDictionary()


def hover_points(axes: "Axes", x: Sequence[float], y: Sequence[float], texts: Sequence[str]) -> None:
    """Show each text where its value, in the units of the axes, is drawn."""
    boxes(axes, [(a, b, a, b) for a, b in zip(x, y, strict=True)], texts)


def boxes(axes: "Axes", places: Sequence[Box], texts: Sequence[str]) -> None:
    """Show each text over its box, given by two opposite corners x, y, x, y in the units of the axes."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    _TEXTS.setdefault(figure, []).extend((axes, place, text) for place, text in zip(places, texts, strict=True))


def texts(figure: "Figure") -> list[str]:
    """What the figure shows under the pointer, in the order in which it was given."""
    return [text for _, _, text in _TEXTS.get(figure, [])]


def overlay(figure: "Figure") -> str:
    """The SVG elements that show the values, in points from the top left; the figure must have been laid out."""
    texts = _TEXTS.get(figure, [])
    if len(texts) > MOST:
        texts = [texts[at * len(texts) // MOST] for at in range(MOST)]
    width, height = (72 * inches for inches in figure.get_size_inches())
    back, found = figure.transFigure.inverted(), []
    for axes, (x0, y0, x1, y1), text in texts:
        corners = back.transform(axes.transData.transform([(x0, y0), (x1, y1)]))
        (left, right), (low, high) = sorted(width * corners[:, 0]), sorted(height * (1 - corners[:, 1]))
        title = f"<title>{escape(text)}</title>"
        if (x0, y0) == (x1, y1):
            found.append(f'<circle cx="{left:.1f}" cy="{low:.1f}" r="{REACH:g}" class="v">{title}</circle>')
        else:
            found.append(
                f'<rect x="{left:.1f}" y="{low:.1f}" width="{max(right - left, 3):.1f}"'
                f' height="{max(high - low, 3):.1f}" class="v">{title}</rect>'
            )
    return "".join(found)
