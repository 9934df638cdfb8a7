"""Smaller figures for pages: images in a compact format, coordinates to a hundredth of a point, no ids without use."""

import re
from base64 import b64decode, b64encode
from functools import lru_cache
from io import BytesIO
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image

EXACT = 32
"""Pixels: images up to this side are kept exactly, larger ones are compressed as photos are."""
QUALITY = 85


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
