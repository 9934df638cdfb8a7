"""Layers without weights that prepare pictures, and what a network's layers do of it together.

They use no labels, and they are part of the network: training, evaluation, reading and every exported form carry them
out, and training does so after a picture has been augmented. They come before all other layers.
"""

from dataclasses import replace

from torch import Tensor, nn
from torch.nn import functional as F

from featherweight.errors import UsageError
from featherweight.experiments.preprocessing import Preprocessing


class Crop(nn.Module):
    """Cuts `pixels` off each side: what lies there tells no classes apart, and costs multiply-adds.

    UsageError if `pixels` is less than 1.

    >>> import torch
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


LAYERS = (Crop,)
"""The layers that prepare pictures."""


def preprocessing_of(network: nn.Module) -> Preprocessing:
    """What the network's layers do to a picture before its first weight.

    >>> preprocessing_of(nn.Sequential(Crop(1), nn.Sequential(Crop(2), nn.ReLU())))
    Preprocessing(crop=3)
    """
    found = Preprocessing()
    for module in network.modules():
        if isinstance(module, LAYERS):
            found = joined(found, module)
    return found


def joined(before: Preprocessing, layer: nn.Module) -> Preprocessing:
    """What one of `LAYERS` adds to what comes before it."""
    assert isinstance(layer, Crop)
    return replace(before, crop=before.crop + layer.pixels)


def prepared(images: Tensor, by: Preprocessing) -> Tensor:
    """Images [N C H W] as the first weight gets them."""
    return F.pad(images, [-by.crop] * 4) if by.crop else images
