"""Where a sheet ends in a photo: the table around it is made to look like more of the sheet."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from featherweight.ship.predict.median import median3
from featherweight.ship.predict.otsu import parting

Floats = NDArray[np.float32]

SIDE = 160
"""Pixels: the longer side of the picture while its sheet is looked for."""
DARKER = 0.5
"""What is around a sheet is darker than this part of the sheet's brightness; most shadows are not."""
LEAST, MOST = 0.04, 0.75
"""The share of the picture that is around the sheet; narrower borders are told by their shape, see pieces.py."""
SHARP = 0.5
"""Of the step in brightness from the sheet to what is around it, how much is taken within six of those pixels. Shadows
are softer, and corners that a lens darkens much more so."""
ALONG = 0.15
"""What is around a sheet reaches a corner of the picture and its edge over at least this part, and goes on as wide."""
ROUGH = 6
"""By so many of those pixels the sheet's edge may be rough."""


def sheet_alone(image: Floats) -> Floats | None:
    """The photo, [h w 3] 0 to 255, as if its sheet went on to the picture's edges; None where no sheet ends in it.

    A dark bar at the left of grey paper becomes paper:

    >>> photo = np.full((90, 120, 3), 200, dtype=np.float32)
    >>> photo[:, :20] = 50
    >>> float(sheet_alone(photo).min()), sheet_alone(photo[:, 30:]) is None
    (200.0, True)
    """
    height, width = image.shape[:2]
    factor = max(1, -(-max(height, width) // SIDE))
    small = np.stack([_smooth(image[..., channel], factor) for channel in range(3)], 2)
    # Wood lacks most in blue, where a shadow lacks as much in each channel.
    white = np.maximum(np.quantile(small, 0.9, axis=(0, 1)), 1)
    around = _around(median3((small / white).min(2)))
    if around is None:
        return None
    # The edge's own shadow and blur belong to neither; nor does what the median took from the corners.
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
    """What is around the sheet, [h w], by brightness; None where there is no such thing, or where its edge is soft."""
    dark = small < parting(small)
    # A stroke that comes near the edge is no part of what is around: it is narrow in the direction of that edge.
    firm = _beside(dark) | _beside(dark.T).T
    if dark.all() or not firm.any() or np.median(small[firm]) > DARKER * np.median(small[~dark]):
        return None
    if _sharpness(small, firm) < SHARP:
        return None
    around: NDArray[np.bool_] = ndimage.binary_dilation(firm, np.ones((3, 3)), iterations=ROUGH, mask=dark)
    return around if LEAST < around.mean() < MOST else None


def _beside(dark: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """What of the dark, [h w], lies above or below the sheet: wide, and reaching a corner and an edge at length.

    A thick stroke that the picture's edge cuts has no corner of the picture in it.
    """
    least = max(3, round(ALONG * dark.shape[1]))
    labels, count = ndimage.label(ndimage.binary_opening(dark, np.ones((1, least))))
    reach = np.bincount(np.concatenate([labels[0], labels[-1]]), minlength=count + 1)
    corners = [label for label in labels[[0, 0, -1, -1], [0, -1, 0, -1]] if label and reach[label] >= least]
    kept: NDArray[np.bool_] = np.isin(labels, corners)
    return kept


def _sharpness(small: Floats, around: NDArray[np.bool_]) -> float:
    """Which part of the step from outside to inside is taken near the edge, along three quarters of it at least.

    Strokes that come near the rest are sharp, whatever the edge is.
    """
    edge = around & ndimage.binary_dilation(~around)
    if not edge.any():
        return 0.0
    step = ndimage.maximum_filter(small, 7) - ndimage.minimum_filter(small, 7)
    whole = float(np.median(small[~around]) - np.median(small[around]))
    return float(np.quantile(step[edge], 0.25)) / max(whole, 0.01)
