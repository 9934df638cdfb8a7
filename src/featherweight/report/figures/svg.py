"""Figures as PNG and SVG, and as SVG for a page: compact, with values under the pointer; images as data: URLs."""

import re
import warnings
from base64 import b64decode, b64encode
from collections.abc import Sequence
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import NDArray

from featherweight.report.figures.style import COLOURS, SETTINGS

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from PIL.Image import Image

DPI = 200
"""The resolution of PNG files."""
EXACT = 32
"""Pixels: images up to this side are kept exactly, larger ones are compressed as photos are."""
QUALITY = 85
REACH = 6.0
"""Radius, in points, of the circle around a value that shows it under the pointer."""
MOST = 400
"""A figure of more values shows so many, evenly spaced, to keep pages small."""

Box = tuple[float, float, float, float]
_TEXTS: "WeakKeyDictionary[Figure, list[tuple[Axes, Box, str]]]" = WeakKeyDictionary()


def png(figure: "Figure") -> bytes:
    """The figure as PNG on a white background."""
    return _rendered(figure, format="png", dpi=DPI, facecolor="white")


def svg(figure: "Figure") -> str:
    """The figure as a complete SVG document on a white background; the same input gives the same text."""
    text = _rendered(figure, format="svg", facecolor="white", metadata={"Date": None, "Creator": None}).decode()
    return "\n".join(line.rstrip() for line in text.splitlines()) + "\n"


def page_svg(figure: "Figure", name: str, label: str) -> str:
    """The figure as an `<svg>` element without background, with colours that a page's style sheet can darken.

    Its values are shown under the pointer, by SVG titles, which need no script.

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
    with matplotlib.rc_context(SETTINGS), warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="Glyph .* missing from")  # class names may be in any script
        figure.savefig(content, **how)
    return content.getvalue()


# ------------------------------------------------------------------------------------------- values under the pointer


def hover_points(axes: "Axes", x: Sequence[float], y: Sequence[float], texts: Sequence[str]) -> None:
    """Show each text where its value, in the units of the axes, is drawn."""
    hover_boxes(axes, [(a, b, a, b) for a, b in zip(x, y, strict=True)], texts)


def hover_boxes(axes: "Axes", places: Sequence[Box], texts: Sequence[str]) -> None:
    """Show each text over its box, given by two opposite corners x, y, x, y in the units of the axes."""
    figure = axes.get_figure(root=True)
    assert figure is not None
    _TEXTS.setdefault(figure, []).extend((axes, place, text) for place, text in zip(places, texts, strict=True))


def hover_texts(figure: "Figure") -> list[str]:
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


# ------------------------------------------------------------------------------------------- fewer bytes


def data_url(image: "Image", *, exact: bool) -> str:
    """The image as a data: URL, as WebP where Pillow can write it and it is smaller, else as PNG."""
    from PIL import features

    found = [("png", _bytes(image, format="PNG", optimize=True))]
    if features.check("webp"):
        how = {"lossless": True, "quality": 60} if exact else {"quality": QUALITY}
        found.append(("webp", _bytes(image, format="WEBP", method=4, **how)))
    kind, content = min(found, key=lambda one: len(one[1]))
    return f"data:image/{kind};base64,{b64encode(content).decode()}"


def _bytes(image: "Image", **how: str | int | bool) -> bytes:
    out = BytesIO()
    image.save(out, **how)  # type: ignore[arg-type]
    return out.getvalue()


@lru_cache(maxsize=1024)
def _smaller_png(content: str) -> str:
    """The data: URL of a PNG, given in base64, in the smallest form; what is opaque is kept without its alpha."""
    from PIL import Image

    with Image.open(BytesIO(b64decode(content))) as image:
        opaque = image.mode != "RGBA" or image.getchannel("A").getextrema() == (255, 255)
        drawn = image.convert("RGB") if opaque else image.copy()
    return data_url(drawn, exact=max(drawn.size) <= EXACT)


def slim(svg: str) -> str:
    """The elements of an SVG, drawn the same with fewer bytes; text is not touched.

    >>> slim('<g id="a"><path id="b" d="M 1.23456 7"/></g><use href="#b"/><text>1.23456</text>')
    '<g><path id="b" d="M 1.23 7"/></g><use href="#b"/><text>1.23456</text>'
    """
    svg = re.sub(
        r"data:image/png;base64,([A-Za-z0-9+/=\s]+)", lambda found: _smaller_png("".join(found[1].split())), svg
    )
    used = set(re.findall(r'href="#([^"]+)"', svg)) | set(re.findall(r"url\(#([^)]+)\)", svg))
    svg = re.sub(r' id="([^"]+)"', lambda found: found[0] if found[1] in used else "", svg)
    return re.sub(r"<[^>]+>", lambda tag: re.sub(r"(\d\.\d\d)\d+", r"\1", tag[0]), svg)


def pictured(image: NDArray[np.uint8]) -> str:
    """An image, uint8 [C H W], as a data: URL; unless it has 1 or 3 channels, their mean in grey.

    Grey images are kept exactly; colours are compressed as in a photo.
    """
    return _encoded(image.tobytes(), image.shape)


@lru_cache(maxsize=4096)
def _encoded(content: bytes, shape: tuple[int, int, int]) -> str:
    from PIL import Image

    image = np.frombuffer(content, dtype=np.uint8).reshape(shape)
    if shape[0] == 3:
        return data_url(Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0))), exact=False)
    return data_url(Image.fromarray(image.mean(axis=0).astype(np.uint8)), exact=True)
