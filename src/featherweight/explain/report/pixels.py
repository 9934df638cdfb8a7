"""Images of a data set as they are embedded in a page."""

from base64 import b64encode
from functools import lru_cache
from io import BytesIO

import numpy as np
from numpy.typing import NDArray

QUALITY = 85
"""Of WebP, for colour images; grey ones are PNG, which is exact and, at these sizes, as small."""


def pictured(image: NDArray[np.uint8]) -> str:
    """An image, uint8 [C H W], as a data: URL; unless it has 1 or 3 channels, their mean in grey."""
    return _encoded(image.tobytes(), image.shape)


@lru_cache(maxsize=4096)
def _encoded(content: bytes, shape: tuple[int, int, int]) -> str:
    from PIL import Image, features

    image = np.frombuffer(content, dtype=np.uint8).reshape(shape)
    out = BytesIO()
    if shape[0] == 3 and features.check("webp"):
        colours = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
        colours.save(out, format="WEBP", quality=QUALITY, method=4)
        return f"data:image/webp;base64,{b64encode(out.getvalue()).decode()}"
    if shape[0] == 3:
        drawn = Image.fromarray(np.ascontiguousarray(image.transpose(1, 2, 0)))
    else:
        drawn = Image.fromarray(image.mean(axis=0).astype(np.uint8))
    drawn.save(out, format="PNG", optimize=True)
    return f"data:image/png;base64,{b64encode(out.getvalue()).decode()}"
