"""Homographies of images: the matrices of each transform, and the points of the old image that they give.

Coordinates are pixels from the middle of the image, x to the right and y down: pixel (row, column) has its centre at
(column - (W - 1) / 2, row - (H - 1) / 2). A matrix maps a point of the new image to the point of the old one that is
shown there.
"""

from functools import lru_cache

import torch
from torch import Tensor

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
