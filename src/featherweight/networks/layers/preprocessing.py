"""Layers without weights that prepare pictures, and what a network's layers do of it together.

They use no labels, and they are part of the network: training, evaluation, reading and every exported form carry them
out, and training does so after a picture has been augmented. They come before all other layers.
"""

from dataclasses import replace

import torch
from torch import Size as Shape
from torch import Tensor, nn
from torch.nn import functional as F
from torch.overrides import handle_torch_function, has_torch_function_unary

from featherweight.errors import UsageError
from featherweight.experiments.augmentation import NOTHING, Preprocessing, deskewing_macs
from featherweight.networks.layers.fields import Effect, Units, image, spread
from featherweight.networks.layers.kind import Draft, Kind


class Crop(nn.Module):
    """Cuts `pixels` off each side: the margins do not help to tell classes apart, and cost multiply-adds.

    UsageError if `pixels` is less than 1.

    >>> Crop(1)(torch.arange(16.0).reshape(1, 1, 4, 4)).tolist()
    [[[[5.0, 6.0], [9.0, 10.0]]]]
    """

    def __init__(self, pixels: int) -> None:
        super().__init__()
        if pixels < 1:
            raise UsageError(f"A Crop cuts 1 pixel or more off each side; given {pixels}.")
        self.pixels = pixels

    def forward(self, images: Tensor) -> Tensor:
        """[N C H W] -> [N C H - 2 pixels, W - 2 pixels]."""
        return F.pad(images, [-self.pixels] * 4)

    def extra_repr(self) -> str:
        """The argument, which tells networks apart."""
        return str(self.pixels)


class Deskew(nn.Module):
    """Shears each picture, row by row, to remove the slant of its ink, which differs between writers.

    LeCun et al., "Gradient-Based Learning Applied to Document Recognition", 1998, deslant digits by their moments too,
    before training. As a layer, it acts after a training picture has been augmented. Pictures have one channel.

    >>> strokes = torch.zeros(1, 1, 5, 7)
    >>> strokes[0, 0, [0, 1, 2, 3, 4], [5, 4, 3, 2, 1]] = 1  # a slash
    >>> Deskew()(strokes)[0, 0].round().int().tolist() == [[0, 0, 0, 1, 0, 0, 0]] * 5
    True
    """

    def forward(self, images: Tensor) -> Tensor:
        """[N 1 H W] -> [N 1 H W]."""
        return deskewed(images)


STEEPEST = 1.0
"""Pixels sideways for each row: a slant beyond 45 degrees is taken for the digit's own shape."""
FLATTEST = 1 / 16
"""In square pixels: the least variance of ink along the height that a slant is measured against, about that of one row.
"""

LARGEST = 64
"""Rows and columns of a picture that exported forms deskew: its moments and their products then fit 64 bits."""


def deskewed(images: Tensor) -> Tensor:
    """Images [N 1 H W] without their slant, by any scale and zero of their numbers.

    Ink is what a pixel has above the picture's lowest. With the centre c of its mass along the height, and covariance
    and variance about it, row y moves by slant * (y - c), where slant is covariance / variance, at most 1 either way;
    what comes from outside is the picture's lowest. Between two pixels, it is interpolated linearly. UsageError for
    several channels.
    """
    if has_torch_function_unary(images):  # so that whoever measures networks sees one operation
        found: Tensor = handle_torch_function(deskewed, (images,), images)
        return found
    if images.shape[1] != 1:
        raise UsageError(f"Deskew takes pictures of one channel; given {images.shape[1]}.")
    height, width = images.shape[2:]
    rows, columns = (torch.arange(n, dtype=images.dtype, device=images.device) for n in (height, width))
    lowest = images.amin((2, 3), keepdim=True)  # [N 1 1 1]
    ink = images - lowest
    mass = ink.sum(3, keepdim=True)  # [N 1 H 1]
    moment = (ink * (columns - (width - 1) / 2)).sum(3, keepdim=True)
    total = mass.sum(2, keepdim=True)  # [N 1 1 1]
    rows = rows[:, None]
    down = rows - (mass * rows).sum(2, keepdim=True) / total.clamp(min=1e-12)  # [N 1 H 1]
    covariance = (moment * down).sum(2, keepdim=True)
    variance = (mass * down * down).sum(2, keepdim=True)
    slant = covariance / variance.maximum(FLATTEST * total).clamp(min=1e-12)
    place = columns + slant.clamp(-STEEPEST, STEEPEST) * down  # [N 1 H W]
    left = place.floor()
    padded = F.pad(ink, (1, 1))
    one, other = (padded.gather(3, (left + n).clamp(0, width + 1).long()) for n in (1, 2))
    return lowest + one + (place - left) * (other - one)


LAYERS = (Crop, Deskew)
"""The layers that prepare pictures."""


def preprocessing_of(network: nn.Module) -> Preprocessing:
    """What the network's layers do to a picture before its first weight.

    >>> preprocessing_of(nn.Sequential(Deskew(), nn.Sequential(Crop(2), Crop(1), nn.ReLU())))
    Preprocessing(deskew=True, crop=3)
    """
    found = Preprocessing()
    for module in network.modules():
        if isinstance(module, LAYERS):
            found = joined(found, module)
    return found


def joined(before: Preprocessing, layer: nn.Module) -> Preprocessing:
    """What one of `LAYERS` adds to what comes before it."""
    if isinstance(layer, Deskew):
        return replace(before, deskew=True)
    assert isinstance(layer, Crop)
    return replace(before, crop=before.crop + layer.pixels)


def in_order(before: Preprocessing, layer: nn.Module) -> bool:
    """Whether engines and exports carry the layer out after this: they deskew once, and before they crop."""
    return not isinstance(layer, Deskew) or before == NOTHING


def prepared(images: Tensor, by: Preprocessing) -> Tensor:
    """Images [N C H W] as the first weight gets them."""
    images = deskewed(images) if by.deskew else images
    return F.pad(images, [-by.crop] * 4) if by.crop else images


def _deskewed_effect(x: Units, *, out: Shape) -> Effect:
    _, _, height, width = image(x).shape
    return Effect(axes=spread(x, (2, 3)), macs=deskewing_macs(height, width))  # its slant follows from all its pixels


def _prepare(module: nn.Module, name: str, draft: Draft) -> None:
    begins = not (draft.steps or draft.held or draft.flat or draft.pending)
    draft.require(begins, module, name, "comes after other layers or in a branch")
    before, (channels, height, width) = draft.preprocessing, draft.size
    draft.require(in_order(before, module), module, name, "comes after another layer that prepares pictures")
    draft.preprocessing = joined(before, module)
    fits = not draft.preprocessing.deskew or channels == 1
    draft.require(fits, module, name, "gets more than one channel")
    draft.sizes = [replace(draft.preprocessing, crop=draft.preprocessing.crop - before.crop).size(draft.size)]
    draft.require(min(draft.size) > 0, module, name, f"leaves nothing of {height} x {width}")


def _prepare_exported(module: nn.Module, name: str, draft: Draft) -> None:
    channels, height, width = draft.size
    fits = not isinstance(module, Deskew) or (channels == 1 and max(height, width) <= LARGEST)
    draft.require(fits, module, name, f"takes pictures of one channel and at most {LARGEST} x {LARGEST}")
    _prepare(module, name, draft)


KINDS = (
    Kind(written="Crop", make=Crop, arguments="pixels=side", native=_prepare, exported=_prepare_exported,
         note="before all other layers"),
    Kind(written="Deskew", make=Deskew, native=_prepare, exported=_prepare_exported,
         note="before all other layers, of one channel"),
)  # fmt: skip
EFFECTS = {"deskewed": _deskewed_effect}
