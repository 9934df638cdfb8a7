"""Augmentation against arithmetic written out, scipy's interpolation and the distributions it promises."""

import math
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage, stats
from torch import Tensor
from torch.nn import functional as F

from featherweight.data import warps as module
from featherweight.data.augment import augment, normalise
from featherweight.data.transforms import affine_maps, crop_maps, perspective_maps, sampling_grid
from featherweight.data.warps import draw
from featherweight.errors import UsageError
from featherweight.experiments.recipe import Augment

MEAN, STD = (0.25,), (0.5,)
BLACK = -MEAN[0] / STD[0]
EVERYTHING: dict[str, Any] = {
    "rotate_deg": 20, "shift_px": 3, "scale": 0.2, "shear": 0.2, "perspective": 0.4, "crop": 0.2,
    "elastic_px": 1.5, "erase": 0.5,
}  # fmt: skip
MANY = 10_000


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def digits(count: int = 5, channels: int = 1, height: int = 28, width: int = 28) -> Tensor:
    return torch.randint(1, 256, (count, channels, height, width), generator=draws(7), dtype=torch.uint8)


def maps_of(count: int = MANY, height: int = 28, width: int = 28, **amounts: Any) -> Tensor:
    return draw(Augment(**amounts), count, height, width, draws(11), "cpu").maps()


def affine(
    angle: float = 0.0, right: float = 0.0, down: float = 0.0, factor: float = 1.0, shear: float = 0.0
) -> Tensor:
    return affine_maps(*torch.tensor([[angle], [right], [down], [factor], [shear]]))


def shown(images: Tensor, maps: Tensor, *, projective: bool = False) -> Tensor:
    """The images [N C H W], as floats, under the maps given."""
    grid = sampling_grid(maps, *images.shape[2:], projective=projective)
    grid = grid.expand(len(images), -1, -1, -1).permute(0, 2, 3, 1)
    return F.grid_sample(images.float(), grid, align_corners=False)


def apply(matrix: Tensor, x: float, y: float) -> list[float]:
    """Where one 3 x 3 matrix takes a point."""
    point = matrix.double() @ torch.tensor([x, y, 1.0], dtype=torch.float64)
    return (point[:2] / point[2]).tolist()


def by_scipy(image: Tensor, matrix: Tensor) -> np.ndarray[Any, Any]:
    """One image [H W] under one matrix, in double precision, by scipy's bilinear interpolation."""
    height, width = image.shape
    rows, columns = np.mgrid[:height, :width].astype(np.float64)
    points = np.stack([columns - (width - 1) / 2, rows - (height - 1) / 2, np.ones_like(rows)])
    x, y, z = np.einsum("ij,jhw->ihw", matrix.double().numpy(), points)
    where = [y / z + (height - 1) / 2, x / z + (width - 1) / 2]
    # From the last pixel's centre to one pixel beyond, "grid-constant" fades to black, as grid_sample does.
    return ndimage.map_coordinates(image.double().numpy(), where, order=1, mode="grid-constant", cval=0.0)


def is_uniform(sample: Tensor, low: float, high: float) -> None:
    """Within its limits, near both of them, and uniform by Kolmogorov and Smirnov."""
    assert len(sample) >= 1000
    reach = (high - low) * 10 / len(sample)
    assert low - 1e-3 * (high - low) <= sample.min() <= low + reach
    assert high + 1e-3 * (high - low) >= sample.max() >= high - reach
    assert stats.kstest(sample.double().numpy(), stats.uniform(low, high - low).cdf).pvalue > 0.001


# ---- normalisation ----


def test_normalise_is_the_formula_for_each_channel() -> None:
    images = digits(5, 3, 7, 11)
    mean, std = (0.1, 0.5, 0.9), (0.2, 0.3, 0.7)
    wanted = (images.numpy() / 255 - np.reshape(mean, (3, 1, 1))) / np.reshape(std, (3, 1, 1))
    assert normalise(images, mean, std).dtype == torch.float32
    np.testing.assert_allclose(normalise(images, mean, std).numpy(), wanted, atol=1e-6)


def test_without_settings_augmenting_is_normalising_and_the_images_stay_as_they_are() -> None:
    images = digits()
    before = images.clone()
    assert torch.equal(augment(images, Augment(), draws(), mean=MEAN, std=STD), normalise(images, MEAN, STD))
    augment(images, Augment(**EVERYTHING), draws(), mean=MEAN, std=STD)
    assert torch.equal(images, before)


@pytest.mark.parametrize(
    ("images", "mean", "std", "sentence"),
    [
        (torch.zeros(2, 1, 5, 5), MEAN, STD, r"are uint8 \[N C H W\]; given torch.float32 \[2, 1, 5, 5\]"),
        (torch.ones(5, 5).byte(), MEAN, STD, r"are uint8 \[N C H W\]; given torch.uint8 \[5, 5\]"),
        (digits(2, 3), MEAN, STD, r"3 channel\(s\) need 3 mean\(s\).*given mean \[0.25\]"),
        (digits(2), MEAN, (0.0,), r"std\(s\) above 0; given mean \[0.25\] and std \[0.0\]"),
    ],
)
def test_images_and_statistics_that_do_not_fit_are_named(
    images: Tensor, mean: tuple[float], std: tuple[float], sentence: str
) -> None:
    with pytest.raises(UsageError, match=sentence):
        augment(images, Augment(**EVERYTHING), draws(), mean=mean, std=std)


# ---- the matrices ----


@pytest.mark.parametrize("turns", [1, 2, 3])
def test_quarter_turns_are_rot90(turns: int) -> None:
    images = digits(5, 3, 13, 13)
    turned = shown(images, affine(angle=turns * math.pi / 2))
    torch.testing.assert_close(turned, torch.rot90(images, turns, (2, 3)).float(), atol=2e-3, rtol=0)


def test_a_whole_shift_is_slicing() -> None:
    images = digits(5, 1, 11, 17)
    wanted = torch.zeros(5, 1, 11, 17)
    wanted[:, :, 3:, :-2] = images[:, :, :-3, 2:]  # 2 to the left, 3 down
    torch.testing.assert_close(shown(images, affine(right=-2, down=3)), wanted, atol=2e-3, rtol=0)


def test_a_shift_by_half_a_pixel_is_the_mean_of_two() -> None:
    image = torch.tensor([[[[10, 20, 40]]]], dtype=torch.uint8)
    assert shown(image, affine(right=0.5)).flatten().tolist() == pytest.approx([5, 15, 30], abs=1e-4)


@pytest.mark.parametrize(
    ("change", "old", "new"),
    [
        ({"factor": 2}, (3, -4), (6, -8)),
        ({"shear": 0.5}, (3, 4), (5, 4)),  # x + y / 2: what lies low moves right
        ({"angle": math.pi / 2}, (3, 0), (0, -3)),  # from the right to the top: against the clock
        ({"right": 2, "down": 5}, (3, 4), (5, 9)),
        # sheared to (5, 4), doubled to (10, 8), turned to (8, -10), shifted
        ({"shear": 0.5, "factor": 2, "angle": math.pi / 2, "right": 1, "down": 7}, (3, 4), (9, -3)),
    ],
)
def test_a_point_moves_where_arithmetic_says(change: dict[str, float], old: Any, new: Any) -> None:
    assert apply(affine(**change)[0], *new) == pytest.approx(list(old), abs=1e-5)


def test_a_crop_fills_the_image_with_its_window() -> None:
    # Three quarters of 16 x 8, at the right and at the upper edge: x from -4 to 8, y from -4 to 2.
    matrix = crop_maps(torch.tensor([0.75]), torch.tensor([1.0]), torch.tensor([-1.0]), 8, 16)[0]
    assert apply(matrix, -8, -4) == [-4, -4]
    assert apply(matrix, 8, 4) == [8, 2]


def test_corners_land_where_they_were_drawn() -> None:
    height, width = 22, 34
    inward = 0.6 * torch.rand(4, 2, 23, generator=draws(3))
    maps = perspective_maps(inward, height, width)
    corners = [(-17, -11), (17, -11), (17, 11), (-17, 11)]
    for image in range(23):
        for corner, (x, y) in enumerate(corners):
            across, along = inward[corner, :, image].tolist()
            landed = apply(maps[image], x * (1 - across), y * (1 - along))
            assert landed == pytest.approx([x, y], abs=1e-3)
    torch.testing.assert_close(perspective_maps(torch.zeros(4, 2, 1), height, width), torch.eye(3)[None])


def test_perspective_is_the_solution_of_its_eight_equations() -> None:
    inward = 0.5 * torch.rand(4, 2, 1, generator=draws(5))
    old = np.array([(-14, -10), (14, -10), (14, 10), (-14, 10)], dtype=float)
    new = old * (1 - inward[..., 0].numpy())
    equations, right = [], []
    for (u, v), (x, y) in zip(old, new, strict=True):
        equations += [[x, y, 1, 0, 0, 0, -u * x, -u * y], [0, 0, 0, x, y, 1, -v * x, -v * y]]
        right += [u, v]
    wanted = np.append(np.linalg.solve(equations, right), 1).reshape(3, 3)
    np.testing.assert_allclose(perspective_maps(inward, 20, 28)[0].numpy(), wanted, atol=1e-5)


@pytest.mark.parametrize("shape", [(28, 28), (19, 31), (31, 19)])
@pytest.mark.parametrize("perspective", [0.0, 0.5])
def test_drawn_homographies_sample_as_scipy_does(shape: tuple[int, int], perspective: float) -> None:
    images = digits(17, 1, *shape)
    amounts = EVERYTHING | {"perspective": perspective, "elastic_px": 0, "erase": 0}
    maps = draw(Augment(**amounts), 17, *shape, draws(2), "cpu").maps()
    changed = augment(images, Augment(**amounts), draws(2), mean=(0.0,), std=(1.0,))
    wanted = np.stack([by_scipy(image[0], matrix) for image, matrix in zip(images, maps, strict=True)])
    assert np.abs(wanted[:, None] / 255 - images.numpy() / 255).mean() > 0.1  # they did move
    np.testing.assert_allclose(changed[:, 0].numpy(), wanted / 255, atol=1e-4)


def test_transforms_follow_one_another_in_the_order_stated() -> None:
    amounts = {"rotate_deg": 20, "shift_px": 3.0, "scale": 0.2, "shear": 0.2}
    maps = maps_of(7, 20, 30, **amounts, perspective=0.3, crop=0.2)
    generator = draws(11)
    limits = torch.tensor([math.radians(20), 3, 3, 0.2, 0.2])[:, None]
    angle, right, down, size, shear = (2 * torch.rand(5, 7, generator=generator) - 1) * limits
    inward = 0.3 * torch.rand(8, 7, generator=generator).view(4, 2, 7)
    share, across, along = torch.rand(3, 7, generator=generator)
    window = crop_maps(0.8 + 0.2 * share, 2 * across - 1, 2 * along - 1, 20, 30)
    others = perspective_maps(inward, 20, 30) @ affine_maps(angle, right, down, 1 + size, shear)
    torch.testing.assert_close(maps, window @ others, atol=1e-4, rtol=1e-4)


# ---- the draws ----


def test_rotation_is_uniform_between_its_limits() -> None:
    maps = maps_of(rotate_deg=30)
    is_uniform(torch.rad2deg(torch.atan2(maps[:, 1, 0], maps[:, 0, 0])), -30, 30)


def test_shifts_are_uniform_between_their_limits_and_independent() -> None:
    right, down = -maps_of(shift_px=2.5)[:, :2, 2].T
    is_uniform(right, -2.5, 2.5)
    is_uniform(down, -2.5, 2.5)
    assert abs(np.corrcoef(right, down)[0, 1]) < 0.03


def test_scale_and_shear_are_uniform_between_their_limits() -> None:
    maps = maps_of(scale=0.3)
    assert torch.equal(maps[:, 0, 0], maps[:, 1, 1])
    is_uniform(1 / maps[:, 0, 0], 0.7, 1.3)
    is_uniform(-maps_of(shear=0.4)[:, 0, 1], -0.4, 0.4)


def test_perspective_moves_every_corner_uniformly() -> None:
    maps = maps_of(2000, 20, 28, perspective=0.5)
    back = torch.linalg.inv(maps.double())
    for x, y in [(-14.0, -10.0), (14.0, -10.0), (14.0, 10.0), (-14.0, 10.0)]:
        point = back @ torch.tensor([x, y, 1.0], dtype=torch.float64)
        is_uniform(1 - point[:, 0] / point[:, 2] / x, 0, 0.5)
        is_uniform(1 - point[:, 1] / point[:, 2] / y, 0, 0.5)


def test_crops_are_uniform_and_stay_inside() -> None:
    maps = maps_of(height=20, width=32, crop=0.4)
    share = maps[:, 0, 0]
    assert torch.equal(share, maps[:, 1, 1])
    is_uniform(share, 0.6, 1)
    for axis, side in ((0, 32), (1, 20)):
        reach = maps[:, axis, 2].abs() + share * side / 2  # the farther edge of the window
        assert reach.max() <= side / 2 + 1e-5
        place = maps[:, axis, 2] / ((1 - share) * side / 2)
        is_uniform(place[share < 0.99], -1, 1)  # a full window has no place to speak of


# ---- elastic ----


def displacement(count: int, height: int, width: int, **amounts: Any) -> Tensor:
    """What the elastic field adds, in pixels: [N 2 H W]."""
    grid = module._displacement(Augment(**amounts), count, height, width, draws(13), "cpu")
    return grid * torch.tensor([width / 2, height / 2]).view(2, 1, 1)


@pytest.mark.parametrize(("cells", "height", "width"), [(2, 28, 28), (4, 28, 28), (14, 28, 28), (5, 17, 41)])
def test_the_elastic_field_has_the_stated_deviation_everywhere(cells: int, height: int, width: int) -> None:
    field = displacement(5000, height, width, elastic_px=1.7, elastic_cells=cells)
    deviation = field.std(dim=0)  # of each pixel and axis; its own error is 1.7 / sqrt(2 * 5000) = 0.017
    assert deviation.mean().item() == pytest.approx(1.7, abs=0.02)
    assert (deviation - 1.7).abs().max() < 0.1
    assert field.mean(dim=0).abs().max() < 0.12
    across, along = field[:, :, height // 2, width // 2].T
    assert abs(np.corrcoef(across, along)[0, 1]) < 0.06


def test_the_elastic_field_is_smooth_over_a_cell_and_forgotten_after_four() -> None:
    field = displacement(5000, 28, 28, elastic_px=1, elastic_cells=7)  # a cell is 4 pixels
    for axis in (field, field.transpose(2, 3)):
        assert (axis[..., 1:] * axis[..., :-1]).mean() > 0.95
        assert abs((axis[..., 16:] * axis[..., :-16]).mean()) < 0.02


def test_the_spline_is_the_one_of_scipy() -> None:
    from scipy.interpolate import BSpline

    weights = module._spline(28, 4, torch.device("cpu")).double().numpy()
    assert weights.shape == (28, 7)
    centres = (np.arange(28) + 0.5) * 4 / 28
    wanted = BSpline.design_matrix(centres, np.arange(-3.0, 8.0), 3).toarray()
    wanted /= np.linalg.norm(wanted, axis=1, keepdims=True)
    np.testing.assert_allclose(weights, wanted, atol=1e-6)


def test_the_elastic_field_displaces_the_image_as_scipy_does() -> None:
    images = digits(5, 1, 19, 31)
    changed = augment(images, Augment(elastic_px=2), draws(13), mean=(0.0,), std=(1.0,))
    generator = draws(13)
    torch.rand(5, 5, generator=generator)  # the matrices' draws come first
    grid = module._displacement(Augment(elastic_px=2), 5, 19, 31, generator, "cpu")
    rows, columns = np.mgrid[:19, :31]
    for image, (x, y), result in zip(images, grid.double().numpy(), changed, strict=True):
        where = [rows + y * 19 / 2, columns + x * 31 / 2]
        wanted = ndimage.map_coordinates(image[0].double().numpy(), where, order=1, mode="grid-constant")
        np.testing.assert_allclose(result[0].numpy(), wanted / 255, atol=1e-4)


# ---- erasing ----


def erased(count: int, height: int, width: int, **amounts: Any) -> Tensor:
    """Which pixels were blanked: [N H W] bool."""
    white = torch.full((count, 1, height, width), 255, dtype=torch.uint8)
    result = augment(white, Augment(**amounts), draws(17), mean=MEAN, std=STD)
    blank = result[:, 0] == BLACK
    assert (blank | (result[:, 0] == (1 - MEAN[0]) / STD[0])).all()
    return blank


def test_erased_areas_are_rectangles_uniform_in_area_and_in_the_logarithm_of_their_aspect() -> None:
    blank = erased(1000, 97, 179, erase=1, erase_area=0.15)
    tall, wide = blank.any(dim=2).sum(dim=1), blank.any(dim=1).sum(dim=1)
    assert torch.equal(blank.sum(dim=(1, 2)), tall * wide)
    area = tall * wide / (97 * 179)
    assert 0.018 < area.min() < 0.024  # whole pixels round it
    assert 0.147 < area.max() < 0.153
    is_uniform(area.clamp(0.02, 0.15), 0.02, 0.15)
    aspect = torch.log(tall / wide)
    assert aspect.abs().max() < math.log(1 / 0.3) + 0.1
    assert stats.kstest(aspect, stats.uniform(math.log(0.3), -2 * math.log(0.3)).cdf).pvalue > 0.001


def test_the_place_of_an_erased_rectangle_is_uniform() -> None:
    blank = erased(1000, 97, 179, erase=1)
    for held in (blank.any(dim=2), blank.any(dim=1)):  # rows, columns
        room = held.shape[1] - held.sum(dim=1)
        is_uniform(held.float().argmax(dim=1) / room, 0, 1)


def test_erasing_has_its_probability_and_covers_large_areas_too() -> None:
    hit = erased(MANY, 28, 28, erase=0.3).any(dim=2).any(dim=1).float().mean().item()
    assert hit == pytest.approx(0.3, abs=0.015)  # three deviations are 0.014
    mean_area = erased(MANY, 28, 28, erase=1, erase_area=1).float().mean().item()
    assert mean_area == pytest.approx((0.02 + 1) / 2, abs=0.01)


# ---- the whole ----


def test_every_image_has_its_own_draw() -> None:
    images = digits(1).expand(31, -1, -1, -1)
    for name, amount in (EVERYTHING | {"erase": 1}).items():
        changed = augment(images, Augment(**{name: amount}), draws(), mean=MEAN, std=STD)
        assert len(changed.flatten(1).unique(dim=0)) == 31, name


def test_the_same_seed_gives_the_same_bits_and_another_seed_others() -> None:
    def once(seed: int) -> Tensor:
        return augment(digits(), Augment(**EVERYTHING), draws(seed), mean=MEAN, std=STD)

    first = once(19)
    torch.rand(3)  # the global generator is not asked
    assert torch.equal(first, once(19))
    assert not torch.equal(first, once(23))


def test_the_global_generator_is_left_alone() -> None:
    before = torch.get_rng_state()
    augment(digits(), Augment(**EVERYTHING), draws(), mean=MEAN, std=STD)
    assert torch.equal(before, torch.get_rng_state())


def test_channels_move_together() -> None:
    grey = digits(5, 1, 13, 17)
    colour = grey.expand(-1, 3, -1, -1)
    one = augment(grey, Augment(**EVERYTHING), draws(), mean=MEAN, std=STD)
    three = augment(colour, Augment(**EVERYTHING), draws(), mean=MEAN * 3, std=STD * 3)
    torch.testing.assert_close(three, one.expand(-1, 3, -1, -1), atol=1e-6, rtol=0)


def test_transposed_and_strided_images_are_read_right() -> None:
    images = digits(6, 1, 13, 17)
    odd = images.transpose(2, 3)[::2]
    wanted = augment(odd.contiguous(), Augment(**EVERYTHING), draws(), mean=MEAN, std=STD)
    result = augment(odd, Augment(**EVERYTHING), draws(), mean=MEAN, std=STD)
    assert torch.equal(result, wanted)
    assert result.is_contiguous()
    assert normalise(odd, MEAN, STD).is_contiguous()


def test_an_empty_batch_stays_one() -> None:
    result = augment(digits(0), Augment(**EVERYTHING), draws(), mean=MEAN, std=STD)
    assert result.shape == (0, 1, 28, 28)


def test_what_lies_beyond_the_horizon_is_black() -> None:
    # Points with y below -5 have a third coordinate below zero, and would come back into sight upside down.
    matrix = torch.tensor([[[0.3, 0.0, 0.0], [0.0, 0.3, 0.0], [0.0, 0.2, 1.0]]])
    image = shown(torch.full((1, 1, 28, 28), 255, dtype=torch.uint8), matrix, projective=True)[0, 0]
    assert image[:9].max() == 0
    assert image[14:].min() > 254.99


@settings(max_examples=60, deadline=None)
@given(
    size=st.tuples(st.integers(0, 5), st.integers(1, 4), st.integers(1, 40), st.integers(1, 40)),
    rotate_deg=st.floats(0, 180),
    shift_px=st.floats(0, 1000),
    scale=st.floats(0, 0.99),
    shear=st.floats(0, 1),
    perspective=st.floats(0, 1),
    crop=st.floats(0, 0.99),
    elastic_px=st.floats(0, 1000),
    elastic_cells=st.integers(2, 14),
    erase=st.floats(0, 1),
    erase_area=st.floats(0.02, 1),
    seed=st.integers(0, 2**31),
)
def test_any_settings_give_finite_images_between_black_and_white(
    size: tuple[int, int, int, int], seed: int, **amounts: Any
) -> None:
    images = digits(*size)
    channels = size[1]
    result = augment(images, Augment(**amounts), draws(seed), mean=MEAN * channels, std=STD * channels)
    assert result.shape == size
    assert torch.isfinite(result).all()
    assert ((result >= BLACK - 1e-4) & (result <= (1 - MEAN[0]) / STD[0] + 1e-4)).all()


def test_corners_that_meet_or_fold_give_finite_images() -> None:
    images = digits(1).expand(MANY, -1, -1, -1)
    result = augment(images, Augment(perspective=1, rotate_deg=180, shift_px=9), draws(), mean=MEAN, std=STD)
    assert torch.isfinite(result).all()
    folded = perspective_maps(torch.ones(4, 2, 1), 28, 28)  # all four corners in the middle
    assert torch.isfinite(shown(digits(1), folded, projective=True)).all()
