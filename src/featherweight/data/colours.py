"""Random brightness, contrast, saturation and hue, all together one affine map of each pixel's channels.

Brightness is 0 to 255. A pixel's grey is its luma, 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601), as in Pillow.
"""

from functools import lru_cache

import torch
from torch import Tensor

from featherweight.errors import UsageError

LUMA = (0.299, 0.587, 0.114)
CHANNELS = (1, 3)
"""The channels of images whose colours can be changed: grey, where saturation and hue do nothing, and RGB."""


def colour_maps(brightness: Tensor, contrast: Tensor, saturation: Tensor, turn: Tensor, grey: Tensor) -> Tensor:
    """The maps [N 3 4] that change brightness, contrast, saturation and hue, in this order.

    The first three [N] are factors, 1 for no change; `turn` [N] is the rotation of the hue in radians, in the plane of
    I and Q of the YIQ colours, which does not change the grey of any pixel; `grey` [N] is the mean grey of each
    original image, from or towards which contrast moves pixels. The last column is added.

    >>> one = torch.ones(1)
    >>> colour_maps(one, one / 2, one, one - 1, 100 * one)[0, 0, ::3].tolist()  # halfway to the mean
    [0.5, 50.0]
    """
    luma, warm, cool = _axes(brightness.device)
    cos, sin = torch.cos(turn) * saturation, torch.sin(turn) * saturation
    # The grey part does not change; the parts along I and Q each become a sum of both.
    parts = luma + cos[:, None, None] * (warm[0] + cool[0]) + sin[:, None, None] * (warm[1] - cool[1])
    kept = (brightness * contrast)[:, None, None] * parts
    added = (brightness * (1 - contrast) * grey)[:, None, None].expand(-1, 3, 1)
    return torch.cat((kept, added), dim=2)


def grey_maps(brightness: Tensor, contrast: Tensor, grey: Tensor) -> Tensor:
    """The maps [N 1 2] that change brightness and contrast of images with one channel, as `colour_maps` does."""
    return torch.stack((brightness * contrast, brightness * (1 - contrast) * grey), dim=1)[:, None]


def without_colours(images: Tensor) -> Tensor:
    """RGB images, uint8 [N 3 H W], in grey, [N 1 H W], as Pillow converts them; others are returned as they are.

    >>> without_colours(torch.tensor([[[[255]], [[0]], [[100]]]], dtype=torch.uint8)).item()
    88
    """
    if images.shape[1] != 3:
        return images
    red, green, blue = (images[:, channel].to(torch.int32) for channel in range(3))
    return ((red * 19595 + green * 38470 + blue * 7471 + 0x8000) >> 16).to(torch.uint8)[:, None]


def mean_grey(images: Tensor) -> Tensor:
    """The mean grey [N] of images, uint8 [N C H W], with one or three channels; UsageError for other numbers."""
    channels = images.shape[1]
    if channels not in CHANNELS:
        raise UsageError(f"Colours can only be changed in images with 1 or 3 channels; these have {channels}.")
    means = images.to(torch.float32).mean((2, 3))  # [N C]
    return means[:, 0] if channels == 1 else means @ torch.tensor(LUMA, device=images.device)


def coloured(images: Tensor, maps: Tensor) -> Tensor:
    """The images, float32 [N C H W], after applying the maps [N C C+1], clipped to 0 to 255."""
    count, channels = images.shape[:2]
    flat = images.view(count, channels, -1)
    return torch.baddbmm(maps[:, :, -1:], maps[:, :, :-1], flat).clamp_(0, 255).view(images.shape)


@lru_cache(maxsize=4)
def _axes(device: torch.device) -> tuple[Tensor, tuple[Tensor, Tensor], tuple[Tensor, Tensor]]:
    """Maps [3 3] of a pixel to its grey; to its part along I, kept and moved to Q; to its part along Q, likewise.

    I and Q are FCC's: 0.74 (red - Y) - 0.27 (blue - Y) and 0.48 (red - Y) + 0.41 (blue - Y).
    """
    luma = torch.tensor(LUMA, dtype=torch.float64)
    red, _, blue = torch.eye(3, dtype=torch.float64) - luma
    forth = torch.stack((luma, 0.74 * red - 0.27 * blue, 0.48 * red + 0.41 * blue))
    back = torch.linalg.inv(forth)

    def along(to: int, part: int) -> Tensor:
        return torch.outer(back[:, to], forth[part]).to(device, torch.float32)

    return along(0, 0), (along(1, 1), along(2, 1)), (along(2, 2), along(1, 2))
