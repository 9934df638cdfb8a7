"""The digits embedded in the package: 1,797 real scans of 8 x 8 pixels, converted to look like MNIST's.

They are scikit-learn's `load_digits`, the test set of the UCI collection (Alpaydin and Kaynak, 1998).
"""

from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from featherweight.data.split import RawDataset, Split, digest, held_out

SIDE, BOX = 28, 20
"""The sides of MNIST's images and of the box its digits were scaled to fit, in pixels."""
TEST = 360
"""The number of test digits: a fifth of the 1,797, with the same share of each digit; the draw never changes."""


def load() -> RawDataset:
    """The embedded digits: 1,437 for training and 360 for testing, uint8 [N 1 28 28], always the same."""
    scans, labels = _scans()
    images = mnist_like(torch.from_numpy(scans).float().reshape(-1, 1, 8, 8) / 16)
    everything = Split(images=images, labels=torch.from_numpy(labels).long())
    drawn = held_out(everything.labels, TEST, seed=0)
    train, test = everything.take(~drawn), everything.take(drawn)
    digests = {"train": digest(train), "test": digest(test)}
    return RawDataset(name="digits", classes=tuple("0123456789"), train=train, test=test, digests=digests)


def _scans() -> tuple[NDArray[Any], NDArray[Any]]:
    """The scans, [1797 64] from 0 to 16, and their labels, [1797].

    Read from scikit-learn's own file, because importing the library takes longer than an epoch; a release that keeps
    the file elsewhere is asked through its function.
    """
    library = find_spec("sklearn")
    for folder in (library and library.submodule_search_locations) or ():
        path = Path(folder) / "datasets" / "data" / "digits.csv.gz"
        if path.is_file():
            table = np.loadtxt(path, delimiter=",")
            return table[:, :-1], table[:, -1].astype(int)
    from sklearn.datasets import load_digits

    scans, labels = load_digits(return_X_y=True)
    return scans, labels


def mnist_like(glyphs: Tensor) -> Tensor:
    """Glyphs, bright on 0, as MNIST would show them: [N 1 h w] in 0 to 1 -> uint8 [N 1 28 28].

    Each glyph's bounding box is scaled, keeping its proportions, to fit a box of 20 x 20, and its centre of
    mass is moved to the centre, to the nearest whole pixel (LeCun et al., 1998). One bicubic interpolation does
    both; it is meant for enlarging glyphs, since it does not average pixels.

    >>> mnist_like(torch.ones(1, 1, 4, 2))[0, 0, 13, 8:20].tolist()
    [0, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 0]
    """
    inked = glyphs[:, 0] > 0
    top, height = _glyph_extent(inked.any(2))
    left, width = _glyph_extent(inked.any(1))
    pixel = torch.maximum(height, width) / BOX  # how much of a glyph's pixel one pixel of the result covers
    rows = _samples(glyphs[:, 0].sum(2), top, pixel)
    columns = _samples(glyphs[:, 0].sum(1), left, pixel)
    # grid_sample counts from -1 at the image's left edge to 1 at its right.
    h, w = glyphs.shape[2:]
    across = (2 * columns[:, None, :] / w - 1).expand(-1, SIDE, -1)
    down = (2 * rows[:, :, None] / h - 1).expand(-1, -1, SIDE)
    grid = torch.stack([across, down], dim=3)  # [N 28 28 2]
    drawn = F.grid_sample(glyphs, grid, mode="bicubic", padding_mode="border", align_corners=False)
    # Anything that interpolation smears past the bounding box is cut off, as when a crop is resized.
    inside_rows = (rows > top) & (rows < top + height)
    inside_columns = (columns > left) & (columns < left + width)
    drawn = drawn * (inside_rows[:, None, :, None] & inside_columns[:, None, None, :])
    return (drawn * 255).round().clamp(0, 255).to(torch.uint8)


def _glyph_extent(inked: Tensor) -> tuple[Tensor, Tensor]:
    """The bounding box of glyphs along one side, from their ink, bool [N side]: start and length, [N 1] each; without
    ink, the whole side."""
    inked = inked | ~inked.any(1, keepdim=True)
    start = inked.int().argmax(1, keepdim=True)
    end = inked.shape[1] - inked.flip(1).int().argmax(1, keepdim=True)
    return start, end - start


def _samples(profile: Tensor, start: Tensor, pixel: Tensor) -> Tensor:
    """The positions of the result's 28 pixels in the glyph along one side: [N 28], in its pixels, with edges at
    integers.

    `profile` [N side] is the ink summed across, `start` [N 1] the bounding box's edge, `pixel` [N 1] the
    step.
    """
    places = torch.arange(profile.shape[1]) + 0.5
    mass = profile.sum(1, keepdim=True)
    centre = torch.where(mass > 0, profile @ places[:, None] / mass.clamp(min=1e-6), profile.shape[1] / 2)
    margin = (SIDE / 2 - (centre - start) / pixel).round()  # so the box begins at a whole pixel of the result
    return start + (torch.arange(SIDE) + 0.5 - margin) * pixel
