"""What a network's first layers do to a picture, in whole numbers: the same bytes as in the C program."""

from torch import Tensor

from featherweight.experiments.preprocessing import Preprocessing


def in_bytes(pictures: Tensor, by: Preprocessing) -> Tensor:
    """Pictures, uint8 [N C H W], as the first weight gets them, in bytes as well."""
    height, width = pictures.shape[2:]
    return pictures[:, :, by.crop : height - by.crop, by.crop : width - by.crop]
