"""Images of a data set as they are embedded in a page."""

from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from featherweight.report.figures.compact_svg import data_url


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
