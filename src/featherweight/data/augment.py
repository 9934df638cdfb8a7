"""Random changes to batches of images: one draw per image, one interpolation for all transforms.

Rotation, shift, scale, shear, perspective, crop and flips are homographies; their product is one 3 x 3 matrix
per image (`Warp.maps`), and the elastic displacement is added to the points it gives. Brightness, contrast, saturation
and hue are one affine map of each pixel's channels (`colours`). All random numbers come from the given generator, which
is on the images' device.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from featherweight.data.transforms import (
    affine_maps,
    colour_maps,
    coloured,
    crop_maps,
    grey_maps,
    half_sides,
    mean_grey,
    perspective_maps,
    sampling_grid,
)
from featherweight.errors import UsageError
from featherweight.experiments.recipe import Augment

SMALLEST_ERASED = 0.02
"""The smallest share of an image that an erased rectangle covers."""
NARROWEST_ERASED = 0.3
"""The height over width of an erased rectangle is from this to its reciprocal, uniform in the logarithm."""
Limits = tuple[tuple[float, float], ...]


@dataclass(frozen=True, kw_only=True)
class Warp:
    """The random augmentation of one batch: where each image is sampled, and how its colours change."""

    affine: Tensor
    """[5 N]: the arguments of `affine_maps`."""
    after: Tensor | None
    """[N 3 3]: perspective and crop, applied to the points that the affine maps give."""
    displacement: Tensor | None
    """[N 2 H W]: the displacement added to those points, in half sides, x before y."""
    mirror: Tensor | None = None
    """[2 N], 1 or -1: the factors of their x and y, applied before the displacement."""
    reflect: bool = False
    """Whether points outside the image are mirrored into it; otherwise they are black."""
    colours: Tensor | None = None
    """[N C C+1]: the map of the channels' brightness, 0 to 255; the last column is added."""

    def maps(self) -> Tensor:
        """The homographies, [N 3 3]."""
        maps = affine_maps(*self.affine)
        maps = maps if self.after is None else self.after @ maps
        return maps if self.mirror is None else maps * F.pad(self.mirror, (0, 0, 0, 1), value=1.0).T[:, :, None]


Sampler = Callable[[Tensor, Tensor, Warp, Tensor, Tensor], Tensor]
"""(images uint8 [.. C H W], the positions [N] int64 of the batch among them, where each is sampled, factor and offset
of each channel) -> brightness * factor + offset, float32 [N C H W]; brightness is 0 to 255, and 0 outside an image
unless the warp reflects."""


def sample(images: Tensor, chosen: Tensor, warp: Warp, factor: Tensor, offset: Tensor) -> Tensor:
    """The `Sampler` that uses PyTorch's operators, for any device."""
    height, width = images.shape[2:]
    grid = sampling_grid(warp.maps(), height, width, projective=warp.after is not None)
    if warp.displacement is not None:
        grid += warp.displacement
    if warp.reflect:
        grid = _reflected(grid)
    # [N 2 H W] seen as [N H W 2]: planes come out of one product, and are read as fast as pairs.
    floats = F.grid_sample(_floats(images[chosen]), grid.permute(0, 2, 3, 1), align_corners=False)
    if warp.colours is not None:
        floats = coloured(floats, warp.colours)
    return floats.mul_(factor).add_(offset)


def augment(
    images: Tensor,
    settings: Augment,
    generator: torch.Generator,
    *,
    mean: Sequence[float],
    std: Sequence[float],
    chosen: Tensor | None = None,
    sampler: Sampler = sample,
) -> Tensor:
    """The images augmented at random and then normalised: uint8 [N C H W] -> float32 [N C H W].

    Pixels from outside an image (unless it is mirrored) and erased ones are black before normalisation. `mean` and
    `std` are per channel, as fractions of full brightness. With `chosen` [M], only images[chosen] are used. A `sampler`
    replaces PyTorch's operators, with the same draws. Raises UsageError if images, `mean` and `std` do not fit.

    >>> white = torch.full((1, 1, 5, 5), 255, dtype=torch.uint8)
    >>> draws = torch.Generator().manual_seed(0)
    >>> far_away = augment(white, Augment(shift_px=1000), draws, mean=[0.25], std=[0.5])
    >>> far_away[0, 0, 2].tolist()
    [-0.5, -0.5, -0.5, -0.5, -0.5]
    """
    _require_fit(images, mean, std)
    factor, offset = _normaliser((tuple(mean), tuple(std)), images.device)
    if settings.warps or settings.colours:
        places = torch.arange(len(images), device=images.device) if chosen is None else chosen
        height, width = images.shape[2:]
        warp = draw(settings, len(places), height, width, generator, images.device)
        if settings.colours:
            warp = replace(warp, colours=_colours(settings, images[places], generator))
        if not settings.erase:
            return _spoil_(sampler(images, places, warp, factor, offset), settings, factor, generator)
        floats = sampler(images, places, warp, torch.ones_like(factor), torch.zeros_like(offset))
    else:
        floats = _floats(images if chosen is None else images[chosen])
    if settings.erase > 0:
        _erase_(floats, settings, generator)
    return _spoil_(floats.mul_(factor).add_(offset), settings, factor, generator)


def normalise(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> Tensor:
    """(images / 255 - mean) / std, channel by channel: uint8 [N C H W] -> float32 [N C H W].

    >>> normalise(torch.tensor([[[[0, 51, 255]]]], dtype=torch.uint8), mean=[0.2], std=[0.4]).tolist()
    [[[[-0.5, 0.0, 2.0]]]]
    """
    _require_fit(images, mean, std)
    factor, offset = _normaliser((tuple(mean), tuple(std)), images.device)
    return _floats(images).mul_(factor).add_(offset)


def draw(
    settings: Augment, count: int, height: int, width: int, generator: torch.Generator, device: torch.device | str
) -> Warp:
    """One draw of the geometric changes for each of `count` images; colours are drawn separately.

    The old image is flipped, cropped, put in perspective, sheared, scaled, rotated and shifted, in this order. Without
    perspective the last row of its map is (0, 0, 1); with it, a third coordinate below HORIZON means black.

    >>> warp = draw(Augment(shift_px=2), 1000, 28, 28, torch.Generator().manual_seed(0), "cpu")
    >>> warp.maps().mean(dim=0).round(decimals=1).abs().tolist()  # on average, nothing moves
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    turn, shift, slant = math.radians(settings.rotate_deg), settings.shift_px, settings.shear
    sizes = 1 - settings.scale, 1 + settings.scale
    limits: Limits = (-turn, turn), (-shift, shift), (-shift, shift), sizes, (-slant, slant)
    affine = _uniform(limits, count, generator, device)
    after = field = None
    if settings.perspective > 0:
        inward = _uniform(((0.0, settings.perspective),) * 8, count, generator, device)
        after = perspective_maps(inward.view(4, 2, count), height, width)
    if settings.crop > 0:
        limits = (1 - settings.crop, 1.0), (-1.0, 1.0), (-1.0, 1.0)
        share, across, along = _uniform(limits, count, generator, device)
        windows = crop_maps(share, across, along, height, width)
        after = windows if after is None else windows @ after
    if settings.elastic_px > 0:
        field = _displacement(settings, count, height, width, generator, device)
    if settings.pad_px > 0:
        pad = settings.pad_px
        affine[1:3] += torch.randint(-pad, pad + 1, (2, count), generator=generator, device=device)
    mirror = None
    if settings.flip > 0 or settings.flip_vertical > 0:
        chances = torch.tensor([[settings.flip], [settings.flip_vertical]], device=device)
        mirror = 1 - 2 * (torch.rand(2, count, generator=generator, device=device) < chances).float()
    return Warp(affine=affine, after=after, displacement=field, mirror=mirror, reflect=settings.border == "reflect")


def _reflected(grid: Tensor) -> Tensor:
    """The points [N 2 H W] mirrored about the centres of the outermost pixels until they are inside."""
    height, width = grid.shape[2:]
    half = half_sides(height, width, grid.device)[:2, :, None]  # [2 1 1]
    last = 2 * half - 1
    past = torch.remainder((grid * half + last / 2).abs(), (2 * last).clamp_min(1))
    inside = (last - (past - last).abs()).clamp_min(0)
    return (inside - last / 2) / half


def _colours(settings: Augment, images: Tensor, generator: torch.Generator) -> Tensor:
    """One draw of colour changes for each of the images uint8 [N C H W]: maps [N C C+1]."""
    grey, turn = mean_grey(images), math.radians(settings.hue_deg)
    amounts = settings.brightness, settings.contrast, settings.saturation
    limits: Limits = (*((1 - amount, 1 + amount) for amount in amounts), (-turn, turn))
    brightness, contrast, saturation, angle = _uniform(limits, len(images), generator, images.device)
    if images.shape[1] == 1:
        return grey_maps(brightness, contrast, grey)
    return colour_maps(brightness, contrast, saturation, angle, grey)


def _spoil_(images: Tensor, settings: Augment, factor: Tensor, generator: torch.Generator) -> Tensor:
    """Add noise to normalised images [N C H W] and replace a square by the mean, if `settings` ask for it."""
    if settings.noise > 0:
        noise = torch.randn(images.shape, generator=generator, device=images.device)
        images += noise.mul_(factor * (255 * settings.noise))
    if settings.cutout_px > 0:
        height, width = images.shape[2:]
        middles = _uniform(((0, height), (0, width)), len(images), generator, images.device).floor()
        starts = middles - settings.cutout_px // 2
        rows, columns = (
            _between(start / side, torch.full_like(start, settings.cutout_px / side), side)
            for start, side in zip(starts, (height, width), strict=True)
        )
        images *= 1 - rows[:, None, :, None] * columns[:, None, None, :]
    return images


def _displacement(
    settings: Augment, count: int, height: int, width: int, generator: torch.Generator, device: torch.device | str
) -> Tensor:
    """A smooth random field [count 2 H W] in half sides; its standard deviation is elastic_px at every pixel."""
    place = torch.device(device)
    vertical, horizontal = (_spline(side, settings.elastic_cells, place) for side in (height, width))
    knots = vertical.shape[1]
    heights = torch.randn(count, 2, knots, knots, generator=generator, device=place)
    heights *= settings.elastic_px / half_sides(height, width, place)[:2, :, None]
    return vertical @ (heights @ horizontal.T)


def _erase_(images: Tensor, settings: Augment, generator: torch.Generator) -> None:
    """Blank a rectangle in some of the images [N C H W]: every pixel whose centre is inside."""
    count, _, height, width = images.shape
    unit, log_narrowest = (0.0, 1.0), math.log(NARROWEST_ERASED)
    limits = unit, (SMALLEST_ERASED, settings.erase_area), (log_narrowest, -log_narrowest), unit, unit
    chance, area, log_aspect, across, along = _uniform(limits, count, generator, images.device)
    # Height over width, each as a fraction of its side: bounded so that both are at most 1 and the area is kept.
    aspect = (log_aspect.exp() * (width / height)).clamp(area, 1 / area)
    tall, wide = torch.sqrt(area * aspect), torch.sqrt(area / aspect)
    rows = _between(along * (1 - tall), tall * (chance < settings.erase), height)
    columns = _between(across * (1 - wide), wide, width)
    # A product of floats, since bytes broadcast several times slower here.
    images.mul_(1 - rows[:, None, :, None] * columns[:, None, None, :])


def _between(start: Tensor, length: Tensor, side: int) -> Tensor:
    """1 where a pixel's centre is in [start, start + length), fractions of the side, else 0: [N] -> [N side]."""
    past = _centres(side, start.device) - start[:, None]
    return ((past >= 0) & (past < length[:, None])).to(torch.float32)


def _uniform(limits: Limits, count: int, generator: torch.Generator, device: torch.device | str) -> Tensor:
    """Uniform random draws for augmentation, a row of `count` for each pair of limits: [rows count]."""
    low, span = _ranges(limits, device)
    return torch.rand(len(limits), count, generator=generator, device=device).mul_(span).add_(low)


def _require_fit(images: Tensor, mean: Sequence[float], std: Sequence[float]) -> None:
    if images.dtype != torch.uint8 or images.dim() != 4:
        raise UsageError(f"Images are uint8 [N C H W]; given {images.dtype} {list(images.shape)}.")
    channels = images.shape[1]
    if len(mean) != channels or len(std) != channels or not all(value > 0 for value in std):
        wanted = f"Images of {channels} channel(s) need {channels} mean(s), and std(s) above 0"
        raise UsageError(f"{wanted}; given mean {list(mean)} and std {list(std)}.")


def _floats(images: Tensor) -> Tensor:
    return images.to(torch.float32, memory_format=torch.contiguous_format)


# Tensors that depend only on sizes are made once. A cached tensor also saves a copy from the host to the GPU.


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
    """The centres of `side` pixels, as fractions of the side: [side]."""
    return (torch.arange(side, device=device) + 0.5) / side


@lru_cache(maxsize=16)
def _spline(side: int, cells: int, device: torch.device) -> Tensor:
    """Weights [side cells+3] of a uniform cubic B-spline's knots, one cell apart, at each pixel's centre.

    With independent knots of variance 1, the variance of a pixel is the sum of its squared weights. Each row is scaled
    to length 1, so that it is 1 everywhere; the spline's own weights give from 0.46 to 0.5.
    """
    knots = torch.arange(-1, cells + 2, dtype=torch.float64)
    distance = (_centres(side, torch.device("cpu"))[:, None] * cells - knots).abs()
    weights = (2 - distance).clamp_min(0) ** 3 - 4 * (1 - distance).clamp_min(0) ** 3
    return F.normalize(weights, dim=1).to(device, torch.float32)
