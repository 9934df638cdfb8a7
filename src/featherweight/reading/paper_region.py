"""A sheet of paper that ends inside a photo: the table around it is made to look like more of the sheet."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from featherweight.reading.median import median3
from featherweight.reading.otsu import parting

Floats = NDArray[np.float32]

SIDE = 160
"""Pixels: the longer side of the picture while the sheet is looked for."""
DARKER = 0.5
"""The surroundings of a sheet are darker than this fraction of its brightness; most shadows are not."""
LEAST, MOST = 0.04, 0.75
"""The share of the picture around the sheet; narrower borders are recognised by their shape, see pieces.py."""
SHARP = 0.5
"""How much of the step in brightness from the sheet to its surroundings happens within six pixels of the reduced
picture. Shadows are softer, and corners darkened by a lens much more so."""
ALONG = 0.15
"""The surroundings of a sheet reach a corner of the picture, cover at least this fraction of an edge there, and are at
least as wide farther in."""
ROUGH = 6
"""The edge of the sheet may be rough by this many pixels of the reduced picture."""


def sheet_alone(image: Floats) -> Floats | None:
    """The photo, [h w 3] 0 to 255, as if its sheet extended to the picture's edges; None if no sheet ends in it.

    A dark bar at the left of grey paper becomes paper:

    >>> photo = np.full((90, 120, 3), 200, dtype=np.float32)
    >>> photo[:, :20] = 50
    >>> float(sheet_alone(photo).min()), sheet_alone(photo[:, 30:]) is None
    (200.0, True)
    """
    height, width = image.shape[:2]
    factor = max(1, -(-max(height, width) // SIDE))
    small = np.stack([_smooth(image[..., channel], factor) for channel in range(3)], 2)
    # Wood is darkest in blue, whereas a shadow darkens every channel equally.
    white = np.maximum(np.quantile(small, 0.9, axis=(0, 1)), 1)
    around = _around(median3((small / white).min(2)))
    if around is None:
        return None
    # The shadow and blur of the edge itself belong to neither side, nor do the corners that the median rounded off.
    around = ndimage.binary_dilation(around, np.ones((3, 3)), iterations=3)
    nearest = ndimage.distance_transform_edt(around, return_distances=False, return_indices=True)
    large = np.asarray(Image.fromarray(around).resize((width, height), Image.Resampling.NEAREST))
    filled = small[nearest[0], nearest[1]]
    planes = [Image.fromarray(filled[..., channel]).resize((width, height), Image.Resampling.BILINEAR)
              for channel in range(3)]  # fmt: skip
    return np.where(large[..., None], np.stack([np.asarray(plane) for plane in planes], 2), image)


def _smooth(plane: Floats, factor: int) -> Floats:
    small = np.asarray(Image.fromarray(plane).reduce(factor), dtype=np.float32)
    return median3(small)


def _around(small: Floats) -> NDArray[np.bool_] | None:
    """The surroundings of the sheet, [h w], by brightness; None if there are none, or if their edge is soft."""
    dark = small < parting(small)
    # A stroke that comes near the edge is not part of the surroundings: it is narrow in the direction of that edge.
    firm = _beside(dark) | _beside(dark.T).T
    if dark.all() or not firm.any() or np.median(small[firm]) > DARKER * np.median(small[~dark]):
        return None
    if _sharpness(small, firm) < SHARP:
        return None
    around: NDArray[np.bool_] = ndimage.binary_dilation(firm, np.ones((3, 3)), iterations=ROUGH, mask=dark)
    return around if LEAST < around.mean() < MOST else None


def _beside(dark: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The dark parts, [h w], above or below the sheet: wide, with a corner of the picture and a long part of its edge.

    A thick stroke cut off by the picture's edge does not include a corner.
    """
    least = max(3, round(ALONG * dark.shape[1]))
    labels, count = ndimage.label(ndimage.binary_opening(dark, np.ones((1, least))))
    reach = np.bincount(np.concatenate([labels[0], labels[-1]]), minlength=count + 1)
    corners = [label for label in labels[[0, 0, -1, -1], [0, -1, 0, -1]] if label and reach[label] >= least]
    kept: NDArray[np.bool_] = np.isin(labels, corners)
    return kept


def _sharpness(small: Floats, around: NDArray[np.bool_]) -> float:
    """The fraction of the step from outside to inside that happens near the edge, along at least three quarters of it.

    The remaining quarter is ignored: strokes that come near the edge are sharp even if the edge is not.
    """
    edge = around & ndimage.binary_dilation(~around)
    if not edge.any():
        return 0.0
    step = ndimage.maximum_filter(small, 7) - ndimage.minimum_filter(small, 7)
    whole = float(np.median(small[~around]) - np.median(small[around]))
    return float(np.quantile(step[edge], 0.25)) / max(whole, 0.01)
