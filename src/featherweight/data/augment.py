"""Random changes to batches of images: one draw per image, one interpolation for all transforms.

Where an image is sampled is drawn in `warps`. Brightness, contrast, saturation and hue are one affine map of each
pixel's channels. All random numbers come from the given generator, which is on the images' device.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from featherweight.data.transforms import colour_maps, coloured, grey_maps, half_sides, mean_grey, sampling_grid
from featherweight.data.warps import Limits, Warp, centres, draw, uniform
from featherweight.errors import UsageError
from featherweight.experiments.recipe import Augment

SMALLEST_ERASED = 0.02
"""The smallest share of an image that an erased rectangle covers."""
NARROWEST_ERASED = 0.3
"""The height over width of an erased rectangle is from this to its reciprocal, uniform in the logarithm."""
Sampler = Callable[[Tensor, Tensor, Warp, Tensor, Tensor], Tensor]
"""(images uint8 [.. C H W], the positions [N] int64 of the batch among them, where each is sampled, factor and offset
of each channel) -> brightness * factor + offset, float32 [N C H W]; brightness is 0 to 255, and 0 outside an image
unless the warp reflects. Samplers of engines need not know `nearest` and `fill`, for which they are not called."""


def sample(images: Tensor, chosen: Tensor, warp: Warp, factor: Tensor, offset: Tensor) -> Tensor:
    """The `Sampler` that uses PyTorch's operators, for any device."""
    height, width = images.shape[2:]
    grid = sampling_grid(warp.maps(), height, width, projective=warp.after is not None)
    if warp.displacement is not None:
        grid += warp.displacement
    if warp.reflect:
        grid = _reflected(grid)
    # [N 2 H W] seen as [N H W 2]: planes come out of one product, and are read as fast as pairs.
    points, mode = grid.permute(0, 2, 3, 1), "nearest" if warp.nearest else "bilinear"
    floats = _floats(images[chosen])
    if warp.fill:  # what is outside counts as 0, so that 0 is made to mean the fill
        floats = F.grid_sample(floats - warp.fill, points, mode, align_corners=False) + warp.fill
    else:
        floats = F.grid_sample(floats, points, mode, align_corners=False)
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
    then: Augment | None = None,
) -> Tensor:
    """The images augmented at random and then normalised: uint8 [N C H W] -> float32 [N C H W].

    Pixels from outside an image (unless it is mirrored or `fill` is set) and erased ones are black before
    normalisation. `mean` and `std` are per channel, as fractions of full brightness. With `chosen` [M], only
    images[chosen] are used. A `sampler` replaces PyTorch's operators, with the same draws. With `then`, the result is
    rounded to 8 bits and changed once more. Raises UsageError if images, `mean` and `std` do not fit.

    >>> white = torch.full((1, 1, 5, 5), 255, dtype=torch.uint8)
    >>> draws = torch.Generator().manual_seed(0)
    >>> far_away = augment(white, Augment(shift_px=1000), draws, mean=[0.25], std=[0.5])
    >>> far_away[0, 0, 2].tolist()
    [-0.5, -0.5, -0.5, -0.5, -0.5]
    """
    _require_fit(images, mean, std)
    if then is not None:
        black, one = [0.0] * len(mean), [1 / 255] * len(std)  # brightness from 0 to 255
        once = augment(images, settings, generator, mean=black, std=one, chosen=chosen, sampler=sampler)
        again = once.round_().clamp_(0, 255).to(torch.uint8)
        return augment(again, then, generator, mean=mean, std=std, sampler=sampler)
    factor, offset = _normaliser((tuple(mean), tuple(std)), images.device)
    if settings.interpolation == "nearest" or settings.fill > 0:
        sampler = sample
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
    brightness, contrast, saturation, angle = uniform(limits, len(images), generator, images.device)
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
        middles = uniform(((0, height), (0, width)), len(images), generator, images.device).floor()
        starts = middles - settings.cutout_px // 2
        rows, columns = (
            _between(start / side, torch.full_like(start, settings.cutout_px / side), side)
            for start, side in zip(starts, (height, width), strict=True)
        )
        images *= 1 - rows[:, None, :, None] * columns[:, None, None, :]
    return images


def _erase_(images: Tensor, settings: Augment, generator: torch.Generator) -> None:
    """Blank a rectangle in some of the images [N C H W]: every pixel whose centre is inside."""
    count, _, height, width = images.shape
    unit, log_narrowest = (0.0, 1.0), math.log(NARROWEST_ERASED)
    limits = unit, (SMALLEST_ERASED, settings.erase_area), (log_narrowest, -log_narrowest), unit, unit
    chance, area, log_aspect, across, along = uniform(limits, count, generator, images.device)
    # Height over width, each as a fraction of its side: bounded so that both are at most 1 and the area is kept.
    aspect = (log_aspect.exp() * (width / height)).clamp(area, 1 / area)
    tall, wide = torch.sqrt(area * aspect), torch.sqrt(area / aspect)
    rows = _between(along * (1 - tall), tall * (chance < settings.erase), height)
    columns = _between(across * (1 - wide), wide, width)
    # A product of floats, since bytes broadcast several times slower here.
    images.mul_(1 - rows[:, None, :, None] * columns[:, None, None, :])


def _between(start: Tensor, length: Tensor, side: int) -> Tensor:
    """1 where a pixel's centre is in [start, start + length), fractions of the side, else 0: [N] -> [N side]."""
    past = centres(side, start.device) - start[:, None]
    return ((past >= 0) & (past < length[:, None])).to(torch.float32)


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
