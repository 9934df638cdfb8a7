"""Digits drawn from strokes: reproducible by place, normalised as MNIST's, and of the digit they claim."""

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from scipy import ndimage

import toy
from featherweight.data import load
from featherweight.data.strokes import HABITS, coverage, drawn_strokes, habit_of, with_strokes
from featherweight.errors import UsageError
from featherweight.experiments.experiment import find
from featherweight.experiments.recipe import Recipe
from featherweight.training.runs.prepare import prepare, record_of


def test_a_picture_follows_from_seed_purpose_and_place_alone() -> None:
    short, long = (drawn_strokes(count, seed=3, purpose="train") for count in (13, 1103))
    assert torch.equal(short.images, long.images[:13]) and torch.equal(short.labels, long.labels[:13])
    for other in (drawn_strokes(13, seed=4, purpose="train"), drawn_strokes(13, seed=3, purpose="choices")):
        assert all((other.images[place] != short.images[place]).any() for place in range(13))
    assert len({picture.numpy().tobytes() for picture in long.images}) == 1103


def test_habits_take_turns() -> None:
    assert [habit_of(place) for place in range(8, 16)] == list(HABITS) and len(HABITS) == 8
    assert drawn_strokes(800, seed=0, purpose="train").labels.bincount().tolist() == [100, 300, 100, 0, 200, 0, 0, 100]


def test_the_ink_fills_twenty_pixels_and_its_mass_lies_in_the_middle() -> None:
    images = drawn_strokes(400, seed=0, purpose="train").images[:, 0].double()
    inked = images > 0
    sides = torch.stack([inked.any(axis).sum(1) for axis in (1, 2)]).amax(0)
    assert set(sides.tolist()) <= {19, 20} and (sides == 20).double().mean() > 0.5
    rows = (images.sum(2) @ torch.arange(28).double()) / images.sum((1, 2))
    columns = (images.sum(1) @ torch.arange(28).double()) / images.sum((1, 2))
    # A box of 20 can be moved by 8 pixels at most, and no mass lies so far off its middle that this would not do.
    assert all(13.49 <= middle <= 14.51 for middle in [*rows.tolist(), *columns.tolist()])


def test_coverage_of_an_upright_stroke_is_exact_and_that_of_a_slanting_one_near() -> None:
    start, end, pen = np.array([[[10.25, 5.0]]]), np.array([[[10.25, 20.0]]]), np.array([2.0])
    [found] = coverage(start.astype(np.float32), end.astype(np.float32), pen.astype(np.float32))
    # From 9.25 to 11.25: three quarters of column 9, all of column 10, a quarter of column 11.
    assert found[12, 8:13].tolist() == [0.0, 0.75, 1.0, 0.25, 0.0]
    start, end = np.array([6.3, 21.1]), np.array([17.9, 4.2])
    [found] = coverage(*(part[None, None].astype(np.float32) for part in (start, end)), pen.astype(np.float32))
    fine = (np.stack(np.meshgrid(np.arange(28 * 16), np.arange(28 * 16)), 2) + 0.5) / 16
    way = end - start
    along = (((fine - start) @ way) / (way @ way)).clip(0, 1)
    inside = np.hypot(*np.moveaxis(fine - start - along[..., None] * way, 2, 0)) <= 1
    oracle = inside.reshape(28, 16, 28, 16).mean((1, 3))
    assert np.abs(found - oracle).max() < 0.13 and abs(found.sum() - oracle.sum()) < 0.5


def test_each_habit_has_the_stroke_that_it_is_named_after() -> None:
    inked = drawn_strokes(1600, seed=0, purpose="train").images[:, 0] > 127
    named = {name: inked[place :: len(HABITS)] for place, name in enumerate(HABITS)}
    width = {name: pictures.any(1).sum(1).double().mean() for name, pictures in named.items()}
    # A flag and a foot together reach further than a flag, and than the little flag and foot of a serif.
    assert width["flagged 1 with a foot"] > width["flagged 1"] + 0.5
    assert width["flagged 1 with a foot"] > width["serif 1"]

    def enclosed(picture: NDArray[np.bool_]) -> int:
        """The number of areas of paper that ink closes off from the edge, two pixels and more each."""
        areas, count = ndimage.label(~picture)
        return int((np.bincount(areas.ravel(), minlength=count + 1)[2:] > 1).sum())

    holes = {name: np.mean([enclosed(picture) for picture in pictures.numpy()]) for name, pictures in named.items()}
    assert holes["slashed 0"] > 1.5 and holes["closed 4"] > 0.9 and holes["looped 2"] > 0.7
    assert max(holes[name] for name in ("flagged 1", "serif 1", "crossed 7", "open 4")) < 0.05


def test_drawn_digits_follow_the_training_images_and_change_nothing_else() -> None:
    data = load("digits", holdout=137)
    more = with_strokes(data, 20)
    drawn = drawn_strokes(20, seed=0, purpose="train")
    assert torch.equal(more.train.images, torch.cat([data.train.images, drawn.images]))
    assert more.train.labels[-20:].tolist() == drawn.labels.tolist()
    assert torch.equal(more.test.images, data.test.images) and (more.mean, more.std) == (data.mean, data.std)
    assert with_strokes(data, 0) is data
    with pytest.raises(UsageError, match=r"can only join pictures of 1 x 28 x 28 of the classes 0 to 9; bars has"):
        with_strokes(toy.data(), 20)


def test_a_recipe_s_strokes_are_trained_on() -> None:
    recipe = find("reader").recipe
    assert recipe.strokes == 1500 and Recipe.from_json(recipe.to_json()) == recipe
    assert "strokes" not in Recipe().to_json()
    run = prepare(find("reader"), load("digits", holdout=137), threads=1)
    assert len(run.data.train) == 1300 + 1500 and record_of(run).data["train"] == 2800
    with pytest.raises(UsageError, match="strokes must be .* from 0 to 10,000; given 10001"):
        Recipe(strokes=10_001)
