"""Random changes to batches of images: each image its own draw, one interpolation for all transforms.

Rotation, shift, scale, shear, perspective and crop are homographies; their product is one 3 x 3 matrix an
image (`inverse_maps`), and the elastic displacement is added where that leads. Coordinates are pixels from
the middle of the image, x to the right and y down: pixel (row, column) has its centre at
(column - (W - 1) / 2, row - (H - 1) / 2). A matrix leads from a point of the new image to the point of the
old one that is shown there. Every draw comes from the generator given, which is on the images' device.
"""

import math
from collections.abc import Sequence
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from featherweight.errors import UsageError
from featherweight.recipe import Augment

SMALLEST_ERASED = 0.02
"""The smallest share of an image that an erased rectangle covers."""
NARROWEST_ERASED = 0.3
"""Height over width of an erased rectangle is from this to its reciprocal, uniform in the logarithm."""
HORIZON = 1e-4
"""Where perspective divides by less than this, against 1 at the middle of the image, nothing is seen."""

Limits = tuple[tuple[float, float], ...]


def augment(
    images: Tensor,
    settings: Augment,
    generator: torch.Generator,
    *,
    mean: Sequence[float],
    std: Sequence[float],
) -> Tensor:
    """The images changed at random and then normalised: uint8 [N C H W] -> float32 [N C H W].

    What lies outside an image, or is erased, is black before normalisation. `mean` and `std` are of each
    channel, in shares of full brightness. UsageError where the images or these do not fit.

    >>> white = torch.full((1, 1, 5, 5), 255, dtype=torch.uint8)
    >>> draws = torch.Generator().manual_seed(0)
    >>> far_away = augment(white, Augment(shift_px=1000), draws, mean=[0.25], std=[0.5])
    >>> far_away[0, 0, 2].tolist()
    [-0.5, -0.5, -0.5, -0.5, -0.5]
    """
    floats = _floats(images, mean, std)
    if settings.warps:
        count, _, height, width = images.shape
        maps = inverse_maps(settings, count, height, width, generator, images.device)
        grid = sampling_grid(maps, height, width, projective=settings.perspective > 0)
        if settings.elastic_px > 0:
            _displace_(grid, settings, generator)
        # [N 2 H W] seen as [N H W 2]: planes come out of one product, and are read as fast as pairs.
        floats = F.grid_sample(floats, grid.permute(0, 2, 3, 1), align_corners=False)
    if settings.erase > 0:
        _erase_(floats, settings, generator)
    return _normalise_(floats, mean, std)


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(images / 255 - mean) / std, channel by channel: uint8 [N C H W] -> float32 [N C H W].

    >>> normalise(torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8), mean=[0.2], std=[0.4]).tolist()
    [[[[-0.5, 0.0, 2.0]]]]
    """
    return _normalise_(_floats(images, mean, std), mean, std)


def inverse_maps(
    settings: Augment,
    count: int,
    height: int,
    width: int,
    generator: torch.Generator,
    device: torch.device | str,
) -> Tensor:
    """One draw an image: [count 3 3] float32 matrices from points of the new image to points of the old one.

    The old image is cropped, put in perspective, sheared, scaled, rotated and shifted, in this order. Without
    perspective the last row is (0, 0, 1); with it, a third coordinate below HORIZON means black.

    >>> maps = inverse_maps(Augment(shift_px=2), 1000, 28, 28, torch.Generator().manual_seed(0), "cpu")
    >>> maps.mean(dim=0).round(decimals=1).abs().tolist()  # on average, nothing moves
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    turn, shift, slant = math.radians(settings.rotate_deg), settings.shift_px, settings.shear
    sizes = 1 - settings.scale, 1 + settings.scale
    limits: Limits = (-turn, turn), (-shift, shift), (-shift, shift), sizes, (-slant, slant)
    maps = affine_maps(*_uniform(limits, count, generator, device))
    if settings.perspective > 0:
        inward = _uniform(((0.0, settings.perspective),) * 8, count, generator, device)
        maps = perspective_maps(inward.view(4, 2, count), height, width) @ maps
    if settings.crop > 0:
        limits = (1 - settings.crop, 1.0), (-1.0, 1.0), (-1.0, 1.0)
        share, across, along = _uniform(limits, count, generator, device)
        maps = crop_maps(share, across, along, height, width) @ maps
    return maps


def affine_maps(angle: Tensor, right: Tensor, down: Tensor, factor: Tensor, shear: Tensor) -> Tensor:
    """The matrices [N 3 3] that undo a horizontal shear, then a scaling, a rotation and a shift.

    All are [N]: `angle` in radians, positive against the clock; `right` and `down`, the shift, in pixels;
    `factor`, the size, above 0; with `shear`, what lies y below the middle moves shear * y to the right.

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
    """The matrices [N 3 3] under which a window of the old image fills the new one.

    `share` [N] is the window's part of each side, above 0 to 1; `across` and `along` [N] where it lies,
    from -1 (at the left or upper edge) to 1 (at the right or lower edge).

    >>> crop_maps(torch.tensor([0.75]), torch.tensor([1.0]), torch.tensor([-1.0]), 16, 32)[0].tolist()
    [[0.75, 0.0, 4.0], [0.0, 0.75, -2.0], [0.0, 0.0, 1.0]]
    """
    room = (1 - share) / 2
    zero = torch.zeros_like(share)
    return _matrices(share, zero, room * across * width, zero, share, room * along * height)


def perspective_maps(inward: Tensor, height: int, width: int) -> Tensor:
    """The matrices [N 3 3] that bring the moved corners of an image back to where they were.

    `inward` [4 2 N] is how far each corner (top left, top right, bottom right, bottom left) moves towards the
    middle, across and along, in shares of half the side, 0 to 1; as in torchvision, but fractions of a pixel
    count. Above 2/3, corners can fold the image over; what would be seen from behind is black.

    >>> inward = torch.zeros(4, 2, 1)
    >>> inward[:2, 0] = 0.5  # the upper edge shrinks to half its length
    >>> point = perspective_maps(inward, 20, 20)[0] @ torch.tensor([-5.0, -10.0, 1.0])
    >>> (point[:2] / point[2]).round(decimals=3).tolist()
    [-10.0, -10.0]
    """
    corners, axes = _square(inward.device)
    moved = corners * (1 - inward)
    # Let a, b, c, d be the moved corners as (x, y, 1), and [abc] twice the area of a triangle. Then
    # [bcd] a - [acd] b + [abd] c - [abc] d = 0. The square's own corners fulfil a - b + c - d = 0, so the
    # homography takes each of them to the moved one times its bracket, and its columns follow by linearity.
    x, y = (moved.roll(-1, 0) - moved).unbind(1)
    brackets = (x * y.roll(-1, 0) - y * x.roll(-1, 0)).roll(-1, 0)
    weighted = torch.stack((moved[:, 0] * brackets, moved[:, 1] * brackets, brackets), dim=1)
    columns = (axes @ weighted.view(4, -1)).view(3, 3, -1)
    # The adjugate is the inverse but for a factor, which is chosen to give 1 at the middle of the image.
    rows: Tensor = torch.linalg.cross(columns.roll(-1, 0), columns.roll(-2, 0), dim=1)
    rows /= rows[2, 2].abs().clamp_min(1e-12)
    half = _half_sides(height, width, inward.device)
    return rows.permute(2, 0, 1) * (half / half.T)


def sampling_grid(maps: Tensor, height: int, width: int, *, projective: bool) -> Tensor:
    """Where `maps` [N 3 3] take each pixel: [N 2 H W], x before y; the image's edges are at -1 and 1.

    Without `projective` the last rows are taken to be (0, 0, 1).

    >>> sampling_grid(torch.eye(3)[None], 2, 4, projective=False)[0, 0].tolist()
    [[-0.75, -0.25, 0.25, 0.75], [-0.75, -0.25, 0.25, 0.75]]
    """
    rows = 3 if projective else 2
    scaled = maps[:, :rows] / _half_sides(height, width, maps.device)[:rows]
    points = (scaled.reshape(-1, 3) @ _pixels(height, width, maps.device)).view(-1, rows, height, width)
    if not projective:
        return points
    # The bound sends what is beyond the horizon far outside the image, where it is black, and keeps it finite.
    return points[:, :2] / points[:, 2:].clamp_min(HORIZON)


def _displace_(grid: Tensor, settings: Augment, generator: torch.Generator) -> None:
    """Adds to grid [N 2 H W] a smooth random field; its standard deviation is elastic_px at every pixel."""
    count, _, height, width = grid.shape
    vertical, horizontal = (_spline(side, settings.elastic_cells, grid.device) for side in (height, width))
    knots = vertical.shape[1]
    heights = torch.randn(count, 2, knots, knots, generator=generator, device=grid.device)
    heights *= settings.elastic_px / _half_sides(height, width, grid.device)[:2, :, None]
    stretched = (heights.view(-1, knots) @ horizontal.T).view(2 * count, knots, width)
    grid.view(2 * count, height, width).baddbmm_(vertical.expand(2 * count, -1, -1), stretched)


def _erase_(images: Tensor, settings: Augment, generator: torch.Generator) -> None:
    """Blanks a rectangle in some of the images [N C H W]: every pixel whose centre it holds."""
    count, _, height, width = images.shape
    unit, log_narrowest = (0.0, 1.0), math.log(NARROWEST_ERASED)
    limits = unit, (SMALLEST_ERASED, settings.erase_area), (log_narrowest, -log_narrowest), unit, unit
    chance, area, log_aspect, across, along = _uniform(limits, count, generator, images.device)
    # Height over width, each as a share of its side: bounded so that both are at most 1 and the area is kept.
    aspect = (log_aspect.exp() * (width / height)).clamp(area, 1 / area)
    tall, wide = torch.sqrt(area * aspect), torch.sqrt(area / aspect)
    rows = _between(along * (1 - tall), tall * (chance < settings.erase), height)
    columns = _between(across * (1 - wide), wide, width)
    # A product of floats, since bytes broadcast several times slower here.
    images.mul_(1 - rows[:, None, :, None] * columns[:, None, None, :])


def _between(start: Tensor, length: Tensor, side: int) -> Tensor:
    """1 where a pixel's centre is in [start, start + length), shares of the side, else 0: [N] -> [N side]."""
    past = _centres(side, start.device) - start[:, None]
    return ((past >= 0) & (past < length[:, None])).to(torch.float32)


def _uniform(limits: Limits, count: int, generator: torch.Generator, device: torch.device | str) -> Tensor:
    """One row of `count` uniform draws for each pair of limits: [rows count]."""
    low, span = _ranges(limits, device)
    return torch.rand(len(limits), count, generator=generator, device=device).mul_(span).add_(low)


def _matrices(a: Tensor, b: Tensor, c: Tensor, d: Tensor, e: Tensor, f: Tensor) -> Tensor:
    """The matrices [N 3 3] with rows (a, b, c), (d, e, f) and (0, 0, 1), of six [N]."""
    zero = torch.zeros_like(a)
    return torch.stack((a, b, c, d, e, f, zero, zero, zero + 1), dim=1).view(-1, 3, 3)


def _floats(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """A float32 copy of the images, once they and the channels' statistics are known to fit."""
    if images.dtype != torch.uint8 or images.dim() != 4:
        raise UsageError(f"Images are uint8 [N C H W]; given {images.dtype} {list(images.shape)}.")
    channels = images.shape[1]
    if len(mean) != channels or len(std) != channels or not all(value > 0 for value in std):
        wanted = f"Images of {channels} channel(s) need {channels} mean(s), and std(s) above 0"
        raise UsageError(f"{wanted}; given mean {list(mean)} and std {list(std)}.")
    return images.to(torch.float32, memory_format=torch.contiguous_format)


def _normalise_(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """Brightness 0 to 255 -> (share - mean) / std, in place."""
    factor, offset = _normaliser((tuple(mean), tuple(std)), images.device)
    return images.mul_(factor).add_(offset)


# What depends on sizes alone is made once. Reading a cached tensor also spares a GPU a copy from the host.


@lru_cache(maxsize=16)
def _normaliser(statistics: tuple[tuple[float, ...], ...], device: torch.device) -> tuple[Tensor, Tensor]:
    """Factor and offset [C 1 1] that normalise brightness 0 to 255, from means and standard deviations."""
    means, stds = torch.tensor(statistics, dtype=torch.float64)[..., None, None]
    return (1 / (255 * stds)).to(device, torch.float32), (-means / stds).to(device, torch.float32)


@lru_cache(maxsize=64)
def _ranges(limits: Limits, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """The lower limits and the spans up to the upper ones: two [rows 1]."""
    low, high = torch.tensor(limits, dtype=torch.float64).T[..., None]
    return low.to(device, torch.float32), (high - low).to(device, torch.float32)


@lru_cache(maxsize=16)
def _centres(side: int, device: torch.device) -> Tensor:
    """Where the centres of `side` pixels are, in shares of the side: [side]."""
    return (torch.arange(side, device=device) + 0.5) / side


@lru_cache(maxsize=16)
def _pixels(height: int, width: int, device: torch.device) -> Tensor:
    """The centres of all pixels as columns (x, y, 1), in pixels from the middle of the image: [3 H*W]."""
    down = torch.arange(height, device=device) - (height - 1) / 2
    right = torch.arange(width, device=device) - (width - 1) / 2
    y, x = torch.meshgrid(down, right, indexing="ij")
    return torch.stack((x, y, torch.ones_like(x))).view(3, -1)


@lru_cache(maxsize=16)
def _half_sides(height: int, width: int, device: torch.device) -> Tensor:
    """Half the sides in pixels, x before y, then 1: [3 1]."""
    return torch.tensor([[width / 2], [height / 2], [1.0]], device=device)


@lru_cache(maxsize=4)
def _square(device: torch.device) -> tuple[Tensor, Tensor]:
    """The square from -1 to 1: its corners, clockwise from the top left, [4 2 1]; its axes x, y and 1,
    doubled, as sums of corners (x, y, 1), [3 4]."""
    corners = torch.tensor([[-1.0, -1.0], [1.0, -1.0], [1.0, 1.0], [-1.0, 1.0]], device=device)
    axes = torch.tensor([[-1.0, 1.0, 0.0, 0.0], [-1.0, 0.0, 0.0, 1.0], [1.0, 0.0, 1.0, 0.0]], device=device)
    return corners[..., None], axes


@lru_cache(maxsize=16)
def _spline(side: int, cells: int, device: torch.device) -> Tensor:
    """Weights [side cells+3] of a uniform cubic B-spline's knots, one cell apart, at each pixel's centre.

    Independent knots of variance 1 give a pixel the sum of its squared weights as variance. Each row is
    brought to length 1, which makes that 1 everywhere; the spline's own weights give from 0.46 to 0.5.
    """
    knots = torch.arange(-1, cells + 2, dtype=torch.float64)
    distance = (_centres(side, torch.device("cpu"))[:, None] * cells - knots).abs()
    weights = (2 - distance).clamp_min(0) ** 3 - 4 * (1 - distance).clamp_min(0) ** 3
    return F.normalize(weights, dim=1).to(device, torch.float32)
