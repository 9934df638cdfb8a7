"""The arithmetic of augmentation: homographies that move points, affine maps of colours, and mixup's blends of images.

Coordinates are pixels from the middle of the image, x to the right and y down: pixel (row, column) has its centre at
(column - (W - 1) / 2, row - (H - 1) / 2). A homography maps a point of the new image to the point of the old one that
is shown there. Brightness is 0 to 255. A pixel's grey is its luma, 0.299 red + 0.587 green + 0.114 blue (ITU-R BT.601),
as in Pillow.
"""

from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from featherweight.errors import UsageError

HORIZON = 1e-4
"""Points are black where perspective divides by less than this; it divides by 1 at the middle of the image."""


def affine_maps(angle: Tensor, right: Tensor, down: Tensor, factor: Tensor, shear: Tensor) -> Tensor:
    """The matrices [N 3 3] that undo a horizontal shear, then a scaling, a rotation and a shift.

    All are [N]: `angle` in radians, positive anticlockwise; `right` and `down`, the shift, in pixels; `factor`, the
    scale, above 0; `shear` moves points y below the middle by shear * y to the right.

    >>> zero, half = torch.tensor([0.0]), torch.tensor([0.5])
    >>> affine_maps(zero, zero, zero, half, zero)[0].diagonal().tolist()  # x = 1 shows what was at x = 2
    [2.0, 2.0, 1.0]
    """
    cos, sin = torch.cos(angle) / factor, torch.sin(angle) / factor
    across, along = cos - shear * sin, -sin - shear * cos
    first = (across, along, -across * right - along * down)
    second = (sin, cos, -sin * right - cos * down)
    return _matrices(*first, *second)


def crop_maps(share: Tensor, across: Tensor, along: Tensor, height: int, width: int) -> Tensor:
    """The matrices [N 3 3] with which a window of the old image fills the new one.

    `share` [N] is the window's fraction of each side, above 0 and up to 1; `across` and `along` [N] give its position,
    from -1 (at the left or upper edge) to 1 (at the right or lower edge).

    >>> crop_maps(torch.tensor([0.75]), torch.tensor([1.0]), torch.tensor([-1.0]), 16, 32)[0].tolist()
    [[0.75, 0.0, 4.0], [0.0, 0.75, -2.0], [0.0, 0.0, 1.0]]
    """
    room = (1 - share) / 2
    zero = torch.zeros_like(share)
    return _matrices(share, zero, room * across * width, zero, share, room * along * height)


def perspective_maps(inward: Tensor, height: int, width: int) -> Tensor:
    """The matrices [N 3 3] that move the displaced corners of an image back to where they were.

    `inward` [4 2 N] is how far each corner (top left, top right, bottom right, bottom left) moves towards the
    middle, across and along, as a fraction of half the side, 0 to 1; as in torchvision, but without rounding to pixels.
    Above 2/3, corners can fold the image over; parts that would be seen from behind are black.

    >>> inward = torch.zeros(4, 2, 1)
    >>> inward[:2, 0] = 0.5  # the upper edge shrinks to half its length
    >>> point = perspective_maps(inward, 20, 20)[0] @ torch.tensor([-5.0, -10.0, 1.0])
    >>> (point[:2] / point[2]).round(decimals=3).tolist()
    [-10.0, -10.0]
    """
    corners, axes = _from_square(inward.device)
    moved = corners * (1 - inward)
    # Let a, b, c, d be the moved corners as (x, y, 1), and [abc] twice the area of a triangle. Then
    # [bcd] a - [acd] b + [abd] c - [abc] d = 0. The square's own corners fulfil a - b + c - d = 0, so the
    # homography takes each of them to the moved one times its bracket, and its columns follow by linearity.
    x, y = (moved.roll(-1, 0) - moved).unbind(1)
    brackets = (x * y.roll(-1, 0) - y * x.roll(-1, 0)).roll(-1, 0)
    weighted = torch.stack((moved[:, 0] * brackets, moved[:, 1] * brackets, brackets), dim=1)
    columns = (axes @ weighted.view(4, -1)).view(3, 3, -1)
    # The adjugate is the inverse up to a factor, which is chosen to give 1 at the middle of the image.
    rows: Tensor = torch.linalg.cross(columns.roll(-1, 0), columns.roll(-2, 0), dim=1)
    rows /= rows[2, 2].abs().clamp_min(1e-12)
    half = half_sides(height, width, inward.device)
    return rows.permute(2, 0, 1) * (half / half.T)


def sampling_grid(maps: Tensor, height: int, width: int, *, projective: bool) -> Tensor:
    """The points to which `maps` [N 3 3] take each pixel: [N 2 H W], x before y; the image's edges are at -1 and 1.

    Without `projective`, the last rows are assumed to be (0, 0, 1).

    >>> sampling_grid(torch.eye(3)[None], 2, 4, projective=False)[0, 0].tolist()
    [[-0.75, -0.25, 0.25, 0.75], [-0.75, -0.25, 0.25, 0.75]]
    """
    rows = 3 if projective else 2
    scaled = maps[:, :rows] / half_sides(height, width, maps.device)[:rows]
    points = (scaled.reshape(-1, 3) @ _pixel_corners(height, width, maps.device)).view(-1, rows, height, width)
    if not projective:
        return points
    # The bound keeps points beyond the horizon finite, but far outside the image, where they are black.
    return points[:, :2] / points[:, 2:].clamp_min(HORIZON)


def _matrices(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, f: Tensor) -> Tensor:
    """The matrices [N 3 3] with rows (a, b, c), (d, e, f) and (0, 0, 1), from six tensors [N]."""
    zero = torch.zeros_like(a)
    return torch.stack((a, b, c, d, e, f, zero, zero, zero + 1), dim=1).view(-1, 3, 3)


# Tensors that depend only on sizes are made once. A cached tensor also saves a copy from the host to the GPU.


@lru_cache(maxsize=16)
def _pixel_corners(height: int, width: int, device: torch.device) -> Tensor:
    """The centres of all pixels as columns (x, y, 1), in pixels from the middle of the image: [3 H*W]."""
    down = torch.arange(height, device=device) - (height - 1) / 2
    right = torch.arange(width, device=device) - (width - 1) / 2
    y, x = torch.meshgrid(down, right, indexing="ij")
    return torch.stack((x, y, torch.ones_like(x))).view(3, -1)


@lru_cache(maxsize=16)
def half_sides(height: int, width: int, device: torch.device) -> Tensor:
    """Half the sides in pixels, x before y, then 1: [3 1]."""
    return torch.tensor([[width / 2], [height / 2], [1.0]], device=device)


@lru_cache(maxsize=4)
def _from_square(device: torch.device) -> tuple[Tensor, Tensor]:
    """The square from -1 to 1: its corners, clockwise from the top left, [4 2 1]; its axes x, y and 1,
    doubled, as sums of corners (x, y, 1), [3 4]."""
    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], device=device)
    axes = torch.tensor([[-1.0, 1.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]], device=device)
    return corners[..., None], axes


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


def blend(images: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Each image's share of its blend, float32 [N]; the position of the other image, int64 [N]; and the blends.

    Images are [N C H W], augmented and normalised. The others are the same batch in random order. Of the two shares of
    a draw from Beta(alpha, alpha) the image has the larger one, from 0.5 to 1, so that its own class stays the likelier
    one (Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018).

    >>> share, other, blends = blend(torch.eye(4).reshape(4, 1, 2, 2), 1.0, torch.Generator().manual_seed(0))
    >>> bool((0.5 <= share).all() and (share <= 1).all()), sorted(other.tolist()), blends.sum().item()
    (True, [0, 1, 2, 3], 4.0)
    """
    count, device = len(images), images.device
    shape = torch.full((2, count), alpha, dtype=torch.float64, device=device)
    first, second = torch._standard_gamma(shape, generator).clamp_min(1e-300)
    share = (torch.maximum(first, second) / (first + second)).float()
    other = torch.randperm(count, generator=generator, device=device)
    return share, other, torch.lerp(images[other], images, share[:, None, None, None])


def blended_targets(labels: Tensor, share: Tensor, other: Tensor, classes: int, smoothing: float) -> Tensor:
    """The probabilities [N classes] that blended images are to be given, with label smoothing.

    >>> blended_targets(torch.tensor([0, 2]), torch.tensor([0.75, 1.0]), torch.tensor([1, 0]), 3, 0.0).tolist()
    [[0.75, 0.0, 0.25], [0.0, 0.0, 1.0]]
    """
    hot = F.one_hot(labels, classes).float()
    return torch.lerp(hot[other], hot, share[:, None]) * (1 - smoothing) + smoothing / classes
