"""From a picture to its ink: the colour of the paper, its lighting, and how strongly each pixel stands out from it."""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from scipy import ndimage

from featherweight.reading.background import median3, parting, sheet_alone, without_lines

Floats = NDArray[np.float32]

LARGE, SMALL = 512, 160
"""Pixels: pictures are resized so that their longer side is within these limits."""
FAINTEST = 0.05
"""Ink reduces the paper's brightness by at least this fraction, over all three channels."""
FLAT = 0.3
"""If at least this share of a picture has a single colour, it was drawn on a screen; paper in a photo has noise."""
PAPER = 1.5
"""How much more the brightness of a photo counts than the tail of its histogram when deciding if ink is dark."""
OTHER_SIDE = 0.5
"""The trust in the less likely side (dark or bright ink) when there is hardly any doubt."""
WINDOWS = (0.26, 0.14)
"""Sides of the windows in which the paper of a photo is estimated, as fractions of the shorter side: strokes are
narrower than the window, shadows are wider."""


@dataclass(frozen=True, kw_only=True)
class Ink:
    """One binarisation of a picture: how strongly each pixel is inked."""

    contrast: Floats
    """[h w]: 0 on paper, 1 on typical ink; the standard deviation on paper is about `noise`."""
    noise: float
    drawn: bool
    """Whether the paper has a single colour, so that anything else was drawn deliberately."""
    scale: float
    """Pixels here per pixel of the original picture."""
    trust: float
    """How likely this reading is relative to the others, before its digits are read: 1 for the first."""


def readings(pixels: NDArray[np.uint8]) -> Iterator[Ink]:
    """Possible readings of the ink in a picture, uint8 [h w 3], the likeliest first; none if nothing stands out."""
    image, scale = _sized(pixels)
    colours = _flat_colours(image)
    for place, colour in enumerate(colours):
        yield from _inks((colour - image) / np.float32(255), drawn=True, scale=scale, trust=(1.0, 0.8)[place])
    if colours:
        return
    sheet = sheet_alone(image)
    if sheet is not None:
        yield from _photo_inks(sheet, scale)
    yield from _photo_inks(image, scale)


def _photo_inks(image: Floats, scale: float) -> Iterator[Ink]:
    """Readings of a photo: ink darker and ink brighter than the paper, with each window."""
    darkness = _darkness(image)
    doubt = OTHER_SIDE + (1 - OTHER_SIDE) * 0.9 * max(0.0, 1 - abs(darkness))
    for inverted in (darkness < 0, darkness >= 0):
        seen = 255 - image if inverted else image
        for place, window in enumerate(WINDOWS):
            paper = _paper(seen, window)
            trust = (1.0, 0.9)[place] * (1.0 if inverted == (darkness < 0) else doubt)
            yield from _inks((paper - seen) / (paper + 20), drawn=False, scale=scale, trust=trust)


def _sized(pixels: NDArray[np.uint8]) -> tuple[Floats, float]:
    """The picture as floats [h w 3] in a size to work with, and the factor by which it was resized."""
    height, width = pixels.shape[:2]
    longer = max(height, width)
    scale = LARGE / longer if longer > LARGE else max(1.0, np.ceil(SMALL / longer))
    if scale == 1:
        return pixels.astype(np.float32), 1.0
    size = (max(1, round(width * scale)), max(1, round(height * scale)))
    how = Image.Resampling.HAMMING if scale < 1 else Image.Resampling.BICUBIC  # BOX would break thin lines
    return np.asarray(Image.fromarray(pixels).resize(size, how), dtype=np.float32), float(scale)


def _flat_colours(image: Floats) -> list[Floats]:
    """The colours that the paper of a drawing may have, each [3], the likeliest first; none for a photo."""
    codes = (image.astype(np.int32) // 4 * (1 << 12, 1 << 6, 1)).sum(2).ravel()
    values, counts = np.unique(codes, return_counts=True)
    order = np.argsort(counts)[::-1][:2]
    if counts[order[0]] < FLAT * len(codes):
        return []
    flat = image.reshape(-1, 3)
    colours = [np.median(flat[codes == values[at]], axis=0) for at in order if counts[at] > 0.15 * len(codes)]
    # Thick ink in a drawing may cover more than the paper does; the paper is the colour at the edges.
    edge = _edge(image)
    if len(colours) == 2 and np.abs(colours[0] - colours[1]).max() > 24:
        at_edge = [float((np.abs(edge - colour).max(1) < 24).mean()) for colour in colours]
        if at_edge[1] > 2 * at_edge[0]:
            colours.reverse()
        return colours
    return colours[:1]


def _edge(image: Floats) -> Floats:
    """The pixels along the picture's four sides, [n 3]."""
    return np.concatenate([image[0], image[-1], image[:, 0], image[:, -1]])


def _darkness(image: Floats) -> float:
    """How surely the ink of a photo is darker than its paper: above 0 it probably is, at 1 there is hardly any doubt.

    Most paper is bright, and the histogram of brightness has its long tail on the side of the ink.
    """
    small = _reduced(image.mean(2), 90)
    # A median keeps the straight edges of sheets and shadows in place and removes thin things.
    window = max(3, round(0.22 * min(small.shape)) | 1)
    beyond = (small - ndimage.median_filter(small, window, mode="nearest")) ** 3
    tail = float(beyond.sum() / max(float(np.abs(beyond).sum()), 1e-6))
    # The level of white depends on the exposure.
    return PAPER * (2 * float(np.median(small)) / max(float(np.quantile(small, 0.999)), 1.0) - 1) - tail


def _reduced(plane: Floats, side: int) -> Floats:
    """The plane with its longer side at most this."""
    factor = int(np.ceil(max(plane.shape) / side))
    if factor == 1:
        return plane
    return np.asarray(Image.fromarray(plane).reduce(factor), dtype=np.float32)


def _paper(image: Floats, window: float) -> Floats:
    """The paper as it would look without ink, [h w 3]: anything dark and narrower than the window is filled in."""
    height, width = image.shape[:2]
    planes = []
    for channel in range(3):
        small = median3(_reduced(image[..., channel], 220))
        side = max(3, round(window * min(small.shape)) | 1)
        closed = ndimage.grey_closing(small, (side, side), mode="nearest")
        # Smoothing must not lift the dark side of a sheet's or shadow's edge: that would look like ink.
        smooth = np.minimum(closed, ndimage.gaussian_filter(closed, 2, mode="nearest"))
        large = Image.fromarray(smooth.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR)
        planes.append(np.asarray(large))
    return np.stack(planes, 2)


def _inks(missing: Floats, *, drawn: bool, scale: float, trust: float) -> Iterator[Ink]:
    """How strongly each pixel is inked, along the colour that stands out most: without ruled lines, then with them.

    `missing` [h w 3] is how far each channel is below the paper. Yields nothing if nothing stands out.
    """
    if not drawn:
        missing = missing - np.median(missing[::2, ::2], axis=(0, 1)).astype(np.float32)
    size = np.abs(missing).sum(2) if drawn else ndimage.gaussian_filter(missing.sum(2), 1.2)
    direction = missing[size >= max(float(np.quantile(size, 0.99)), 0.5 * float(size.max()))].mean(0)
    length = float(np.linalg.norm(direction))
    if length < FAINTEST:
        return
    contrast = missing @ (direction / length).astype(np.float32)
    noise = _noise(contrast, drawn)
    if not drawn:
        contrast = ndimage.gaussian_filter(contrast, 0.7)
    floor = max(4 * noise, 0.04)
    for plane, sure in _unruled(contrast, floor, drawn):
        whole = _level(plane, floor)
        inner = whole if drawn else _level(_without_outside(plane, floor), floor)
        # If only remains of ruled lines do not reach the edges, the ink is whatever is darkest of all.
        apart = inner is None or whole is None or not 0.7 < inner / whole < 1.4
        for level in (inner, whole)[: 1 + apart]:
            if level is None:
                continue
            clipped = np.clip(plane / level, 0, 1.5).astype(np.float32)
            trusted = trust * sure * (1.0 if level is inner else 0.95)
            yield Ink(contrast=clipped, noise=noise / level, drawn=drawn, scale=scale, trust=trusted)


def _unruled(contrast: Floats, floor: float, drawn: bool) -> list[tuple[Floats, float]]:
    """The contrast without and with what may be ruled lines, and how far to trust each."""
    unruled = without_lines(contrast, floor, 2 if drawn else 1)
    if unruled is not contrast:
        return [(unruled, 1.0), (contrast, 0.8)]
    alone = without_lines(contrast, floor) if drawn else contrast
    return [(contrast, 1.0), (alone, 0.8)][: 1 + (alone is not contrast)]


def _without_outside(contrast: Floats, floor: float) -> Floats:
    """The contrast of a photo without anything that reaches its edges, unless nothing else is as large as a digit."""
    labels, count = ndimage.label(contrast > floor, np.ones((3, 3)))
    edge = np.unique(np.concatenate([labels[0], labels[-1], labels[:, 0], labels[:, -1]]))
    outside = np.zeros(count + 1, dtype=bool)
    outside[edge] = True
    least = 0.06 * max(contrast.shape)
    for place, box in enumerate(ndimage.find_objects(labels), start=1):
        if not outside[place] and max(part.stop - part.start for part in box) >= least:
            return np.where(outside[labels], 0, contrast)
    return contrast


def _noise(contrast: Floats, drawn: bool) -> float:
    """The standard deviation of the paper; for a photo, from the half of all pixels nearest to the median."""
    sample = contrast[::2, ::2]
    if drawn:  # there may be more ink than paper, but the paper is exactly 0
        return float(3 * np.quantile(np.abs(sample), 0.15))
    return float(1.4826 * np.median(np.abs(sample - np.median(sample))))


def _level(contrast: Floats, floor: float) -> float | None:
    """The contrast of ink: the mean of the darker of two classes (Otsu, 1979); None if there is only noise."""
    beyond = contrast[contrast > floor]
    if len(beyond) < 12:
        return None
    return float(beyond[beyond >= parting(beyond)].mean())
