"""The random geometry of a batch: one draw for each image of where it is sampled.

Rotation, shift, scale, shear, perspective, crops and flips are homographies; their product is one 3 x 3 matrix
per image (`Warp.maps`), and the elastic displacement is added to the points it gives. All random numbers come from the
given generator.
"""

import math
from dataclasses import dataclass
from functools import lru_cache

import torch
from torch import Tensor
from torch.nn import functional as F

from featherweight.data.transforms import affine_maps, crop_maps, half_sides, perspective_maps
from featherweight.experiments.recipe import Augment

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
    nearest: bool = False
    """Whether the nearest pixel is taken; otherwise four are interpolated."""
    fill: float = 0.0
    """The brightness of points outside the image, 0 to 255, where they are not mirrored."""

    def maps(self) -> Tensor:
        """The homographies, [N 3 3]."""
        maps = affine_maps(*self.affine)
        maps = maps if self.after is None else self.after @ maps
        return maps if self.mirror is None else maps * F.pad(self.mirror, (0, 0, 0, 1), value=1.0).T[:, :, None]


def draw(
    settings: Augment, count: int, height: int, width: int, generator: torch.Generator, device: torch.device | str
) -> Warp:
    """One draw of the geometric changes for each of `count` images; colours are drawn separately.

    The old image is flipped, cropped at random and in its middle, put in perspective, sheared, scaled, rotated and
    shifted, in this order. Without perspective the last row of its map is (0, 0, 1); with it, a third coordinate below
    HORIZON means black.

    >>> warp = draw(Augment(shift_px=2), 1000, 28, 28, torch.Generator().manual_seed(0), "cpu")
    >>> warp.maps().mean(dim=0).round(decimals=1).abs().tolist()  # on average, nothing moves
    [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    turn, shift, slant = math.radians(settings.rotate_deg), settings.shift_px, settings.shear
    sizes = 1 - settings.scale, 1 + settings.scale
    middle = math.radians(settings.rotate_offset_deg)
    limits: Limits = (middle - turn, middle + turn), (-shift, shift), (-shift, shift), sizes, (-slant, slant)
    affine = uniform(limits, count, generator, device)
    field = None
    after = _perspective(settings, count, height, width, generator, device) if settings.perspective > 0 else None
    if settings.crop > 0:
        limits = (1 - settings.crop, 1.0), (-1.0, 1.0), (-1.0, 1.0)
        share, across, along = uniform(limits, count, generator, device)
        windows = crop_maps(share, across, along, height, width)
        after = windows if after is None else windows @ after
    if settings.elastic_px > 0:
        field = _displacement(settings, count, height, width, generator, device)
    if settings.centre_crop > 0:
        share = 1 - settings.centre_crop * _chosen(settings.centre_crop_probability, count, generator, device)
        still = torch.zeros_like(share)
        windows = crop_maps(share, still, still, height, width)
        after = windows if after is None else windows @ after
    if settings.shift_x_px > 0:
        affine[1:2] += uniform(((-settings.shift_x_px, settings.shift_x_px),), count, generator, device)
    if settings.whole_px:
        affine[1:3] = affine[1:3].round()
    if settings.pad_px > 0:
        pad = settings.pad_px
        affine[1:3] += torch.randint(-pad, pad + 1, (2, count), generator=generator, device=device)
    mirror = None
    if settings.flip > 0 or settings.flip_vertical > 0:
        chances = torch.tensor([[settings.flip], [settings.flip_vertical]], device=device)
        mirror = 1 - 2 * (torch.rand(2, count, generator=generator, device=device) < chances).float()
    return Warp(
        affine=affine, after=after, displacement=field, mirror=mirror, reflect=settings.border == "reflect",
        nearest=settings.interpolation == "nearest", fill=255 * settings.fill,
    )  # fmt: skip


def _perspective(
    settings: Augment, count: int, height: int, width: int, generator: torch.Generator, device: torch.device | str
) -> Tensor:
    """The homographies [count 3 3] of a draw of perspective."""
    if settings.whole_px:
        half = half_sides(height, width, torch.device(device))[:2]  # [2 1]
        most = (settings.perspective * half).floor()
        moved = torch.rand(4, 2, count, generator=generator, device=device)
        inward = (moved * (most + 1)).floor().minimum(most) / half
    else:
        inward = uniform(((0.0, settings.perspective),) * 8, count, generator, device).view(4, 2, count)
    if settings.perspective_probability < 1:
        inward = inward * _chosen(settings.perspective_probability, count, generator, device)
    return perspective_maps(inward, height, width)


def _chosen(probability: float, count: int, generator: torch.Generator, device: torch.device | str) -> Tensor:
    """1 with this probability and otherwise 0, for each of `count` images: [count]."""
    return (torch.rand(count, generator=generator, device=device) < probability).float()


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


def uniform(limits: Limits, count: int, generator: torch.Generator, device: torch.device | str) -> Tensor:
    """Uniform random draws for augmentation, a row of `count` for each pair of limits: [rows count]."""
    low, span = _ranges(limits, device)
    return torch.rand(len(limits), count, generator=generator, device=device).mul_(span).add_(low)


# Tensors that depend only on sizes are made once. A cached tensor also saves a copy from the host to the GPU.


@lru_cache(maxsize=64)
def _ranges(limits: Limits, device: torch.device | str) -> tuple[Tensor, Tensor]:
    """The lower limits and the spans up to the upper ones: two [rows 1]."""
    low, high = torch.tensor(limits, dtype=torch.float64).T[..., None]
    return low.to(device, torch.float32), (high - low).to(device, torch.float32)


@lru_cache(maxsize=16)
def centres(side: int, device: torch.device) -> Tensor:
    """The centres of `side` pixels, as fractions of the side: [side]."""
    return (torch.arange(side, device=device) + 0.5) / side


@lru_cache(maxsize=16)
def _spline(side: int, cells: int, device: torch.device) -> Tensor:
    """Weights [side cells+3] of a uniform cubic B-spline's knots, one cell apart, at each pixel's centre.

    With independent knots of variance 1, the variance of a pixel is the sum of its squared weights. Each row is scaled
    to length 1, so that it is 1 everywhere; the spline's own weights give from 0.46 to 0.5.
    """
    knots = torch.arange(-1, cells + 2, dtype=torch.float64)
    distance = (centres(side, torch.device("cpu"))[:, None] * cells - knots).abs()
    weights = (2 - distance).clamp_min(0) ** 3 - 4 * (1 - distance).clamp_min(0) ** 3
    return F.normalize(weights, dim=1).to(device, torch.float32)
