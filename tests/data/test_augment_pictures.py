"""Flips, whole shifts, colours, noise and cutout against slicing, numpy, Pillow, colorsys and distributions."""

import colorsys
import math
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image, ImageEnhance
from scipy import stats
from torch import Tensor

from featherweight.data.augment import augment
from featherweight.data.transforms import colour_maps, coloured, mean_grey
from featherweight.data.warps import draw
from featherweight.errors import UsageError
from featherweight.experiments.recipe import Augment, Recipe
from featherweight.protocol.ledger import recipe_digest

Pixels = np.ndarray[Any, Any]


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pictures(count: int, *shape: int) -> Tensor:
    return torch.randint(0, 256, (count, *shape), generator=draws(7), dtype=torch.uint8)


def changed(images: Tensor, seed: int = 0, **amounts: Any) -> Tensor:
    """Brightness 0 to 255 after the changes."""
    channels = images.shape[1]
    return augment(images, Augment(**amounts), draws(seed), mean=[0.0] * channels, std=[1.0] * channels) * 255


# ---- flips and whole shifts ----


@pytest.mark.parametrize(
    ("amounts", "axes"), [({"flip": 1}, (3,)), ({"flip_vertical": 1}, (2,)), ({"flip": 1, "flip_vertical": 1}, (2, 3))]
)
def test_a_flip_exchanges_the_sides(amounts: dict[str, int], axes: tuple[int, ...]) -> None:
    images = pictures(5, 3, 11, 17)
    torch.testing.assert_close(changed(images, **amounts), images.flip(axes).float(), atol=2e-3, rtol=0)


def test_a_flip_has_its_probability_in_each_direction() -> None:
    mirror = draw(Augment(flip=0.5, flip_vertical=0.2), 10_000, 28, 28, draws(), "cpu").mirror
    assert mirror is not None
    assert set(mirror.unique().tolist()) == {-1, 1}
    across, along = (mirror < 0).float()
    assert stats.binomtest(int(across.sum()), 10_000, 0.5).pvalue > 0.001
    assert stats.binomtest(int(along.sum()), 10_000, 0.2).pvalue > 0.001
    assert abs(float(torch.corrcoef(mirror)[0, 1])) < 0.04


def test_the_image_is_flipped_before_it_is_turned() -> None:
    images = pictures(3, 1, 13, 13)
    both = changed(images, seed=3, flip=1, rotate_deg=40)
    torch.testing.assert_close(both, changed(images.flip(3), seed=3, rotate_deg=40), atol=2e-2, rtol=0)


@pytest.mark.parametrize(("border", "mode"), [("black", "constant"), ("reflect", "reflect")])
@pytest.mark.parametrize("shape", [(1, 11, 17), (3, 5, 6)])
def test_a_padded_crop_is_a_window_of_what_numpy_pads(shape: tuple[int, int, int], border: str, mode: Any) -> None:
    pad, (_, height, width) = 3, shape
    images = pictures(200, *shape)
    shown = changed(images, pad_px=pad, border=border).round().numpy()
    padded: Pixels = np.pad(images.numpy(), ((0, 0), (0, 0), (pad, pad), (pad, pad)), mode=mode)
    places = []
    for before, after in zip(padded, shown, strict=True):
        windows = {
            (top, left): before[:, top : top + height, left : left + width]
            for top in range(2 * pad + 1)
            for left in range(2 * pad + 1)
        }
        places.append(next(place for place, window in windows.items() if (window == after).all()))
    counts = np.zeros((7, 7))
    np.add.at(counts, tuple(np.transpose(places)), 1)
    for along in (0, 1):
        assert stats.chisquare(counts.sum(along)).pvalue > 0.001


def test_reflection_goes_on_as_far_as_points_lead() -> None:
    images = pictures(1, 1, 5, 7)
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (40, 40), (40, 40)), mode="reflect")
    shown = changed(images.expand(50, -1, -1, -1), pad_px=40, border="reflect").round().numpy()
    windows = {padded[0, 0, top : top + 5, left : left + 7].tobytes() for top in range(81) for left in range(81)}
    assert all(one.astype(np.uint8).tobytes() in windows for one in shown)


# ---- colours ----


def maps(
    images: Tensor, brightness: float = 1.0, contrast: float = 1.0, saturation: float = 1.0, turn: float = 0.0
) -> Tensor:
    factors = [torch.full((len(images),), value) for value in (brightness, contrast, saturation, turn)]
    return colour_maps(*factors, mean_grey(images))


@pytest.mark.parametrize("factor", [0.0, 0.4, 1.0, 1.7])
@pytest.mark.parametrize("kind", ["Brightness", "Contrast", "Color"])
def test_brightness_contrast_and_saturation_are_pillows(kind: str, factor: float) -> None:
    images = pictures(5, 3, 19, 23)
    name = {"Brightness": "brightness", "Contrast": "contrast", "Color": "saturation"}[kind]
    shown = coloured(images.float(), maps(images, **{name: factor}))
    for before, after in zip(images, shown, strict=True):
        picture = Image.fromarray(before.permute(1, 2, 0).numpy())
        wanted: Pixels = np.asarray(getattr(ImageEnhance, kind)(picture).enhance(factor))
        # Pillow rounds greys and means to whole numbers, and cuts off what is left behind the point.
        assert np.abs(after.permute(1, 2, 0).numpy() - wanted).max() <= 1 + abs(1 - factor) + 1e-3


@pytest.mark.parametrize("degrees", [-120, 15, 90, 180])
def test_hue_turns_the_colours_of_yiq(degrees: int) -> None:
    images = pictures(1, 3, 6, 7) // 3 + 85  # far enough from black and white that nothing is cut off
    shown = coloured(images.float(), maps(images, saturation=0.6, turn=math.radians(degrees)))[0]
    cos, sin = 0.6 * math.cos(math.radians(degrees)), 0.6 * math.sin(math.radians(degrees))
    for before, after in zip(images[0].flatten(1).T.tolist(), shown.flatten(1).T.tolist(), strict=True):
        y, i, q = colorsys.rgb_to_yiq(*(value / 255 for value in before))
        wanted = colorsys.yiq_to_rgb(y, cos * i - sin * q, sin * i + cos * q)
        # colorsys takes 0.30, 0.59 and 0.11 for the grey, where Pillow's have three digits.
        assert max(abs(a - 255 * b) for a, b in zip(after, wanted, strict=True)) < 1.5


def test_colours_follow_one_another_in_the_order_stated() -> None:
    images = pictures(4, 3, 5, 9) // 4 + 96
    step = images.float()
    for amounts in ({"brightness": 1.1}, {"contrast": 0.7}, {"saturation": 1.2}, {"turn": 0.5}):
        one = maps(images, **amounts)
        if "contrast" in amounts:
            luma = torch.tensor([0.299, 0.587, 0.114])
            one[:, :, 3] = (0.3 * (step.mean((2, 3)) @ luma))[:, None]  # the mean of the brighter image
        step = coloured(step, one)
    at_once = coloured(images.float(), maps(images, brightness=1.1, contrast=0.7, saturation=1.2, turn=0.5))
    torch.testing.assert_close(at_once, step, atol=1e-2, rtol=0)


def test_each_image_has_its_own_colours_uniform_between_their_limits() -> None:
    grey = torch.full((4000, 3, 2, 2), 100, dtype=torch.uint8)
    bright = changed(grey, brightness=0.3)[:, 0, 0, 0] / 100
    assert stats.kstest(bright.numpy(), stats.uniform(0.7, 0.6).cdf).pvalue > 0.001
    torch.testing.assert_close(changed(grey, saturation=1, hue_deg=180), grey.float(), atol=1e-2, rtol=0)


def test_grey_images_keep_their_one_channel_and_other_numbers_are_refused() -> None:
    images = pictures(6, 1, 5, 5)
    torch.testing.assert_close(changed(images, saturation=1, hue_deg=180), images.float(), atol=1e-3, rtol=0)
    once = changed(images, seed=2, brightness=0.4, contrast=0.6)
    rgb = changed(images.expand(-1, 3, -1, -1).contiguous(), seed=2, brightness=0.4, contrast=0.6)
    torch.testing.assert_close(rgb, once.expand(-1, 3, -1, -1), atol=1e-2, rtol=0)
    assert once.min() >= 0 and once.max() <= 255.001
    with pytest.raises(UsageError, match="1 or 3 channels; these have 2"):
        changed(pictures(2, 2, 5, 5), brightness=0.1)


# ---- noise and cutout ----


def test_noise_is_normal_with_its_deviation_on_every_value() -> None:
    images = torch.full((50, 3, 20, 20), 128, dtype=torch.uint8)
    shown = augment(images, Augment(noise=0.1), draws(), mean=[0.2, 0.5, 0.7], std=[0.5, 0.25, 1.0])
    for channel, (mean, std) in enumerate(((0.2, 0.5), (0.5, 0.25), (0.7, 1.0))):
        values = (shown[:, channel] - (128 / 255 - mean) / std) * std
        assert stats.kstest(values.flatten().numpy(), stats.norm(0, 0.1).cdf).pvalue > 0.001


def test_cutout_is_one_square_about_any_pixel_filled_with_the_mean() -> None:
    images = torch.full((3000, 1, 9, 13), 255, dtype=torch.uint8)
    shown = augment(images, Augment(cutout_px=4), draws(), mean=[0.25], std=[0.5])[:, 0]
    assert set(shown.unique().tolist()) == {0.0, 1.5}
    rows, columns = (shown == 0).any(2), (shown == 0).any(1)
    assert torch.equal(shown == 0, rows[:, :, None] & columns[:, None, :])
    for cut, side in ((rows, 9), (columns, 13)):
        # A square of 4 about pixel p covers p - 2 to p + 1; its first row is 0 for p of 0, 1 and 2.
        first = cut.int().argmax(1)
        wanted = np.array([3, *[1] * (side - 3)]) / side * len(images)
        assert stats.chisquare(np.bincount(first, minlength=side - 2), wanted).pvalue > 0.001
        inside = (first > 0) & (first < side - 3)
        assert (cut.sum(1)[inside] == 4).all()


# ---- what older records hold ----


def test_what_is_off_stands_in_no_record_and_changes_no_digest() -> None:
    old = {
        "rotate_deg", "shift_px", "scale", "shear", "perspective", "crop", "elastic_px", "elastic_cells", "erase",
        "erase_area",
    }  # fmt: skip
    assert set(Recipe().to_json()["augment"]) == old
    new = Recipe(augment=Augment(flip=0.5, pad_px=2, border="reflect"))
    assert set(new.to_json()["augment"]) == old | {"flip", "pad_px", "border"}
    assert Recipe.from_json(new.to_json()) == new
    assert recipe_digest(new) != recipe_digest(Recipe())


@pytest.mark.parametrize("wrong", [{"flip": 1.1}, {"pad_px": 1.5}, {"cutout_px": -1}, {"hue_deg": 181}, {"noise": -1}])
def test_settings_out_of_range_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"Augment.{next(iter(wrong))} "):
        Augment(**wrong)


def test_an_unknown_border_is_named_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="'reflekt'.*did you mean reflect"):
        Augment(border="reflekt")  # type: ignore[arg-type]
