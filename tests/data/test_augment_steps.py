"""What torchvision's pipelines do and one interpolation cannot: nearest pixels, fills, probabilities, two steps."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from torch import Tensor

from featherweight.data.augment import augment, sample
from featherweight.data.warps import draw
from featherweight.engine import build_engine
from featherweight.errors import UsageError
from featherweight.experiments.experiment import find
from featherweight.experiments.recipe import Augment, Recipe

MANY = 10_000


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int = 7, height: int = 28, width: int = 28) -> Tensor:
    return torch.randint(1, 256, (count, 1, height, width), generator=draws(7), dtype=torch.uint8)


def changed(images: Tensor, seed: int = 0, then: Augment | None = None, **amounts: Any) -> Tensor:
    """Brightness 0 to 255 after the changes."""
    return 255 * augment(images, Augment(**amounts), draws(seed), mean=[0.0], std=[1.0], then=then)


def maps_of(count: int = MANY, height: int = 28, width: int = 28, **amounts: Any) -> Tensor:
    return draw(Augment(**amounts), count, height, width, draws(11), "cpu").maps()


def by_scipy(image: Tensor, matrix: Tensor, fill: float) -> Any:
    """One image [H W] under one matrix: the nearest pixel by scipy, and how near its place is to the edge of one."""
    height, width = image.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    points = np.stack([columns - (width - 1) / 2, rows - (height - 1) / 2, np.ones_like(rows)])
    x, y, z = np.einsum("ij,jhw->ihw", matrix.double().numpy(), points)
    where = np.stack([y / z + (height - 1) / 2, x / z + (width - 1) / 2])
    edge = np.abs(where - np.floor(where) - 0.5).min(axis=0)
    return ndimage.map_coordinates(image.numpy(), where.round(), order=0, mode="constant", cval=fill), edge


@pytest.mark.parametrize("fill", [0.0, 0.2])
def test_the_nearest_pixel_is_scipy_s(fill: float) -> None:
    images, amounts = pictures(17, 19, 31), {"rotate_deg": 40, "shift_px": 3, "perspective": 0.3}
    maps = draw(Augment(**amounts), 17, 19, 31, draws(2), "cpu").maps()
    ours = changed(images, 2, **amounts, interpolation="nearest", fill=fill)[:, 0].numpy()
    filled = 0
    for image, matrix, found in zip(images[:, 0], maps, ours, strict=True):
        wanted, edge = by_scipy(image, matrix, 255 * fill)
        sure = edge > 1e-3  # where rounding decides, float32 and float64 may differ
        np.testing.assert_allclose(found[sure], wanted[sure], atol=1e-3)
        filled += int((np.abs(found - 255 * fill) < 1e-3).sum())
    assert filled > 500


def test_a_fill_is_blended_at_the_edge_and_black_is_nothing_else() -> None:
    images = torch.full((1, 1, 5, 5), 255, dtype=torch.uint8)
    gone = changed(images, shift_px=1000, fill=0.171)
    torch.testing.assert_close(gone, torch.full((1, 1, 5, 5), 0.171 * 255))
    images = pictures()
    white, black = (changed(images, 3, rotate_deg=30, fill=fill) for fill in (1.0, 0.0))
    cover = changed(torch.full_like(images, 255), 3, rotate_deg=30) / 255
    torch.testing.assert_close(white, black + 255 * (1 - cover), atol=1e-2, rtol=0)


def test_a_turn_of_two_sides_is_uniform_between_them() -> None:
    maps = maps_of(rotate_deg=9, rotate_offset_deg=3)
    turned = torch.rad2deg(torch.atan2(maps[:, 0, 1], maps[:, 0, 0])).double().numpy()
    # A point above the middle goes left when it is turned anticlockwise: the map back takes it from the right.
    anticlockwise = -turned if maps_of(1, rotate_offset_deg=90)[0, 0, 1] < 0 else turned
    assert stats.kstest(anticlockwise, stats.uniform(-6, 18).cdf).pvalue > 0.001
    assert bool(Augment(rotate_offset_deg=90))
    images = pictures(3, 13, 13)
    torch.testing.assert_close(
        changed(images, rotate_offset_deg=90), torch.rot90(images, 1, (2, 3)).float(), atol=2e-2, rtol=0
    )


def test_a_shift_along_x_is_whole_and_leaves_y() -> None:
    right, down = -maps_of(shift_x_px=1.4, whole_px=True)[:, :2, 2].T
    assert not down.any()
    counts = [int((right == step).sum()) for step in (-1, 0, 1)]
    assert sum(counts) == MANY  # 0.9 of 2.8, 1 of 2.8 and 0.9 of 2.8
    assert stats.chisquare(counts, [MANY * share / 2.8 for share in (0.9, 1.0, 0.9)]).pvalue > 0.001
    both = -maps_of(shift_px=2.5, whole_px=True)[:, :2, 2]
    assert torch.equal(both, both.round()) and both.abs().max() == 2  # 2.5 itself is as good as never drawn


def test_corners_move_by_whole_pixels_all_equally_likely_in_their_share_of_images() -> None:
    maps = maps_of(perspective=0.3, perspective_probability=0.5, whole_px=True)
    moved = (maps - torch.eye(3)).abs().amax(dim=(1, 2)) > 1e-5
    # One in 5^8 of those in perspective keeps all corners.
    assert stats.binomtest(int(moved.sum()), MANY, 0.5).pvalue > 0.001
    back = torch.linalg.inv(maps[moved].double())
    for x, y in [(-14.0, -14.0), (14.0, -14.0), (14.0, 14.0), (-14.0, 14.0)]:
        point = back @ torch.tensor([x, y, 1.0], dtype=torch.float64)
        for axis, start in ((0, x), (1, y)):
            steps = 14 * (1 - point[:, axis] / point[:, 2] / start)
            whole = steps.round()
            assert (steps - whole).abs().max() < 1e-2
            counts = [int((whole == step).sum()) for step in range(5)]  # 0.3 of 14 is 4.2: 0 to 4 pixels
            assert sum(counts) == len(steps) and stats.chisquare(counts).pvalue > 1e-4


def test_the_middle_is_enlarged_with_its_probability() -> None:
    maps = maps_of(centre_crop=6 / 28, centre_crop_probability=0.15)
    sizes = maps[:, 0, 0]
    cropped = (sizes - 22 / 28).abs() < 1e-6
    assert torch.equal(~cropped, sizes == 1) and stats.binomtest(int(cropped.sum()), MANY, 0.15).pvalue > 0.001
    torch.testing.assert_close(maps, torch.diag_embed(torch.stack((sizes, sizes, torch.ones_like(sizes)), dim=1)))
    image = torch.zeros(1, 1, 28, 28, dtype=torch.uint8)
    image[:, :, 3:25, 3:25] = 200  # the middle 22 x 22, which then fills all of it, blended with black at its edge
    enlarged = changed(image, centre_crop=6 / 28)
    assert enlarged[:, :, 1:-1, 1:-1].min() > 199.9 and 150 < enlarged.min() < 200


def test_two_steps_are_each_drawn_and_rounded() -> None:
    images, first, second = pictures(), Augment(rotate_deg=7), Augment(shift_px=2.0)  # neither gives whole numbers
    generator = draws(5)
    once = augment(images, first, generator, mean=[0.0], std=[1 / 255]).round().to(torch.uint8)
    wanted = augment(once, second, generator, mean=[0.1], std=[0.3])
    found = augment(images, first, draws(5), mean=[0.1], std=[0.3], then=second)
    assert torch.equal(found, wanted)
    turns = Augment(rotate_deg=7)
    dot = torch.zeros(MANY, 1, 29, 29, dtype=torch.uint8)
    dot[:, 0, 14, 26:] = 255  # 12 to 14 pixels from the middle
    sums = augment(dot, turns, draws(1), mean=[0.0], std=[1.0], then=turns)[:, 0, :, 26]
    height = (sums * torch.arange(29)).sum(1) / sums.sum(1) - 14
    angle = torch.rad2deg(torch.atan2(-height, torch.tensor(12.0))).numpy()
    # The sum of two uniform angles is triangular from -14 to 14, of variance 2 · 7² / 3.
    assert abs(float(angle.var()) - 2 * 49 / 3) < 2.5


def test_both_engines_take_the_same_steps() -> None:
    experiment = find("e3")
    recipe = experiment.recipe
    engine = build_engine("native", experiment.build(), recipe, shape=(1, 28, 28), device=torch.device("cpu"), batch=16)
    images, assert_close = pictures(40), torch.testing.assert_close
    chosen = torch.arange(0, 40, 3)
    found, wanted = (
        augment(images, recipe.augment, draws(3), mean=[0.13], std=[0.31], chosen=chosen, sampler=sampler,
                then=recipe.augment_then)
        for sampler in (engine.sampler, sample)
    )  # fmt: skip
    assert_close(found, wanted, atol=1e-3, rtol=0)


def test_what_two_steps_cannot_do_is_refused() -> None:
    for amounts, says in (
        ({"augment_then": Augment(rotate_deg=1)}, "needs augment"),
        ({"augment": Augment(cutout_px=2), "augment_then": Augment(flip=0.5)}, "cutout_px to augment_then"),
        ({"augment": Augment(flip=0.5), "augment_then": Augment(mixup=0.5)}, "mixup belongs to augment"),
    ):
        with pytest.raises(UsageError, match=says):
            Recipe(**amounts)  # type: ignore[arg-type]
    recipe = Recipe(augment=Augment(rotate_deg=3), augment_then=Augment(perspective=0.3, whole_px=True))
    assert Recipe.from_json(recipe.to_json()) == recipe
    assert "augment_then" not in Recipe().to_json() and "fill" not in Augment().to_json()
    assert math.isclose(find("e3").recipe.augment.rotate_offset_deg, 3)
