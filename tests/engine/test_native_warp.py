"""The native sampler shows what PyTorch's operators show, of the same draws."""

import math

import pytest
import torch
from torch import Tensor, nn

from featherweight.data.augment import Sampler, augment, normalise, sample
from featherweight.data.warps import Warp, draw
from featherweight.engine import build_engine, native
from featherweight.errors import UsageError
from featherweight.experiments.recipe import Augment, Recipe

pytestmark = pytest.mark.skipif(native.library() is None, reason="the native kernels are not built here")

AFFINE = {"rotate_deg": 20, "shift_px": 3, "scale": 0.2, "shear": 0.2}
SETTINGS = {
    "affine": AFFINE,
    "elastic": {"elastic_px": 1.5},
    "perspective": {"perspective": 0.4},
    "crop": {"crop": 0.3},
    "erase alone": {"erase": 0.5},
    "flips": {"flip": 0.5, "flip_vertical": 0.5},
    "reflected": AFFINE | {"shift_px": 40, "flip": 0.5, "border": "reflect"},
    "padded crop": {"pad_px": 4, "border": "reflect"},
    "colours": {"brightness": 0.4, "contrast": 0.5, "saturation": 0.8, "hue_deg": 60},
    "all of these": AFFINE
    | {
        "crop": 0.2,
        "flip": 0.5,
        "pad_px": 2,
        "contrast": 0.5,
        "hue_deg": 60,
        "erase": 0.5,
        "noise": 0.1,
        "cutout_px": 5,
        "border": "reflect",
    },
    "everything": AFFINE | {"perspective": 0.3, "crop": 0.2, "elastic_px": 1.5, "erase": 0.5},
}


def draws(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixels(count: int, *shape: int) -> Tensor:
    return torch.randint(0, 256, (count, *shape), generator=draws(7), dtype=torch.uint8)


def sampler(shape: tuple[int, int, int], threads: int = 1, batch: int = 8) -> Sampler:
    network = nn.Sequential(nn.Flatten(), nn.Linear(math.prod(shape), 2))
    return build_engine(
        "native", network, Recipe(batch=batch), shape=shape, device=torch.device("cpu"), threads=threads
    ).sampler  # fmt: skip


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 19, 31), (2, 7, 5), (1, 1, 1)])
@pytest.mark.parametrize("name", SETTINGS)
def test_augmented_images_are_those_of_pytorch(name: str, shape: tuple[int, int, int]) -> None:
    if shape[0] == 2 and name in ("colours", "all of these"):
        pytest.skip("two channels are no colours")
    images = pixels(50, *shape)
    chosen = torch.randint(0, 50, (23,), generator=draws(1))
    settings, mean, std = Augment(**SETTINGS[name]), (0.2, 0.5, 0.7)[: shape[0]], (0.3, 0.4, 1.0)[: shape[0]]
    by_torch, by_native = (
        augment(images, settings, draws(3), mean=mean, std=std, chosen=chosen, sampler=each)
        for each in (sample, sampler(shape))
    )
    assert torch.equal(by_torch, augment(images[chosen], settings, draws(3), mean=mean, std=std))
    assert by_torch.shape == (23, *shape)
    assert (
        name == "erase alone" or shape == (1, 1, 1) or (by_torch - normalise(images[chosen], mean, std)).abs().max() > 1
    )
    # Random pixels are as steep as can be: 1e-5 of a pixel to the side is 1e-5 / 0.3 brighter or darker.
    torch.testing.assert_close(by_native, by_torch, atol=1e-4, rtol=0)
    assert (by_native - by_torch).abs().mean() < 3e-6


def test_nothing_moved_is_the_image_itself_and_a_whole_shift_is_slicing() -> None:
    images = pixels(5, 3, 9, 11)
    affine = torch.tensor([0.0, 2, -3, 1, 0])[:, None].repeat(1, 5)
    affine[1:3, 0] = 0
    one = torch.ones(3, 1, 1)
    shown = sampler((3, 9, 11))(
        images, torch.tensor([4, 3, 2, 1, 0]), Warp(affine=affine, after=None, displacement=None), one, one
    )
    assert torch.equal(shown[0], images[4] + 1.0)
    wanted = torch.ones(4, 3, 9, 11)
    wanted[:, :, :6, 2:] += images[[3, 2, 1, 0], :, 3:, :-2]
    assert torch.equal(shown[1:], wanted)


def test_what_is_beyond_the_horizon_or_not_a_number_is_black() -> None:
    images = torch.full((4, 1, 20, 20), 255, dtype=torch.uint8)
    affine = torch.tensor([0.0, 0, 0, 1, 0])[:, None].repeat(1, 4)
    after = torch.eye(3).repeat(4, 1, 1)
    after[1, 2, 0] = 1  # what is left of x = -1 is behind
    after[2, 0, 2] = float("inf")
    after[3, 1] = float("nan")
    warp, one, zero = Warp(affine=affine, after=after, displacement=None), torch.ones(1, 1, 1), torch.zeros(1, 1, 1)
    shown = sampler((1, 20, 20))(images, torch.arange(4), warp, one, zero)
    assert (shown[0] == 255).all()
    assert (shown[1, 0, :, :9] == 0).all()
    assert (shown[1, 0, 5:15, 10:] > 0).any()
    assert (shown[2:] == 0).all()
    torch.testing.assert_close(shown[:2], sample(images, torch.arange(4), warp, one, zero)[:2], atol=1e-3, rtol=0)


def test_threads_and_the_batch_change_no_bit() -> None:
    images, settings = pixels(300, 3, 19, 31), Augment(**SETTINGS["everything"])
    chosen = torch.randperm(300, generator=draws(1))[:101]
    warp = draw(settings, 101, 19, 31, draws(5), "cpu")
    factor, offset = torch.rand(2, 3, 1, 1, generator=draws(2))
    first = sampler((3, 19, 31))(images, chosen, warp, factor, offset)
    for threads, batch in ((2, 8), (3, 128), (5, 2)):
        assert torch.equal(sampler((3, 19, 31), threads, batch)(images, chosen, warp, factor, offset), first)
    last = Warp(affine=warp.affine[:, 97:], after=warp.after[97:], displacement=warp.displacement[97:])
    assert torch.equal(sampler((3, 19, 31))(images, chosen[97:], last, factor, offset), first[97:])


def test_strided_images_are_read_right_and_an_empty_batch_stays_one() -> None:
    images = pixels(6, 1, 13, 17).transpose(2, 3)[::2]
    settings, bound = Augment(**AFFINE), sampler((1, 17, 13))
    shown = augment(images, settings, draws(), mean=[0.5], std=[0.5], sampler=bound)
    assert torch.equal(shown, augment(images.contiguous(), settings, draws(), mean=[0.5], std=[0.5], sampler=bound))
    assert augment(images[:0], settings, draws(), mean=[0.5], std=[0.5], sampler=bound).shape == (0, 1, 17, 13)


def test_what_does_not_fit_is_named() -> None:
    bound, settings = sampler((1, 8, 9)), Augment(**AFFINE)
    with pytest.raises(UsageError, match=r"built for images \[N 1 8 9\].*given torch.uint8 \[5 1 8 8\] on cpu"):
        augment(pixels(5, 1, 8, 8), settings, draws(), mean=[0.5], std=[0.5], sampler=bound)
    for outside in (-1, 5):
        with pytest.raises(UsageError, match="outside 0 to 4"):
            augment(
                pixels(5, 1, 8, 9), settings, draws(), mean=[0.5], std=[0.5], sampler=bound,
                chosen=torch.tensor([0, outside]),
            )  # fmt: skip
