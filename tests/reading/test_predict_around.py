"""The third set of made pictures: things around digits, other papers, pens and lights; and the records of all sets."""

import json

import numpy as np
import pytest
from benchmarks.predict import PER_KIND, RESULTS, SEEDS, WRITTEN
from PIL import Image
from scipy import ndimage

from featherweight.reading.background import median3
from synthetic_photos.around import AROUND, depths, laid, outlined, rooms
from synthetic_photos.drawings import HARD
from synthetic_photos.hands import Writer
from synthetic_photos.hard import LARGEST
from synthetic_photos.media import KINDS

WRITER = Writer(images=np.eye(28, dtype=np.uint8)[None] * 255, labels=np.ones(1, int))


def made(kind: str, seed: int) -> tuple[str, Image.Image]:
    return AROUND[kind](WRITER, np.random.default_rng([seed, sorted(AROUND).index(kind)]))


def test_no_kind_is_in_two_sets() -> None:
    assert len(AROUND) == 32 and len({*AROUND, *HARD, *KINDS}) == 32 + 18 + 16
    assert all((kind.__doc__ or ".").splitlines() == [kind.__doc__] for kind in AROUND.values())


@pytest.mark.parametrize("kind", sorted(AROUND))
def test_each_kind_says_what_was_written(kind: str) -> None:
    text, image = made(kind, 5)
    assert text.isdecimal() and (len(text) > 1) == (kind in ("comb", "lines"))
    assert min(image.size) >= 28 and max(image.size) <= LARGEST
    assert np.ptp(np.asarray(image.convert("L"))) > 15


@pytest.mark.parametrize("kind", ["circled", "comb", "edge", "slashed", "window", "worn"])
def test_a_kind_is_drawn_by_its_seed_alone(kind: str) -> None:
    (text, first), (again, second), (_, other) = made(kind, 7), made(kind, 7), made(kind, 11)
    assert text == again and first.tobytes() == second.tobytes() != other.tobytes()


def test_rooms_are_measured_from_the_four_sides() -> None:
    ink = np.zeros((31, 43))
    ink[5:12, 3:20] = 1
    assert rooms(ink) == (5, 19, 3, 23)
    assert [float(depth[ink > 0].min()) for depth in depths((31, 43))] == [5, 19, 3, 23]


def test_what_is_laid_on_a_scene_hides_it_and_darkens_what_is_beside_it() -> None:
    cover = np.zeros((61, 67))
    cover[20:40, 20:40] = 1
    scene = laid(np.array([10, 20, 30.0]), np.full((61, 67, 3), 200.0), cover, 5)
    assert (scene[20:40, 20:40] == (10, 20, 30)).all()
    # The shadow covers 25 to 44 and is soft by 5: to the normal distribution, 40 is 0.9 within its end, 19 1.1 before.
    assert scene[40, 40, 0] == pytest.approx(200 * (1 - 0.3 * 0.815**2), abs=0.5)
    assert scene[19, 19, 0] == pytest.approx(200 * (1 - 0.3 * 0.136**2), abs=0.5)
    assert scene[5, 60, 0] == pytest.approx(200, abs=0.1)


def test_an_outline_is_as_wide_as_asked() -> None:
    line = outlined(np.array([[0, 17], [53, 17.0]]), (37, 53), 5)
    assert line[:, 20].sum() == pytest.approx(5, abs=0.4) and line[:10].max() == 0


def test_choices_are_made_on_other_seeds_than_those_that_are_committed() -> None:
    assert len(set(SEEDS.values())) == len(SEEDS) == len(PER_KIND) == 9
    assert WRITTEN["around"] is WRITTEN["develop-around"] and WRITTEN["hard"] is WRITTEN["develop"]


@pytest.mark.parametrize("what", ["made", "hard", "around"])
def test_each_record_counts_every_kind(what: str) -> None:
    record = json.loads((RESULTS / f"{what}.json").read_text())
    rows = record["kinds"]
    assert sorted(rows) == sorted(KINDS if what == "made" else WRITTEN[what])
    assert record["seed"] == SEEDS[what] and {row["pictures"] for row in rows.values()} == {PER_KIND[what]}
    assert record["pictures"] == len(rows) * PER_KIND[what]
    assert record["right"] == sum(row["right"] for row in rows.values())


@pytest.mark.parametrize("shape", [(1, 5), (2, 2), (7, 11), (37, 61)])
def test_the_median_of_nine_is_scipy_s_bit_by_bit(shape: tuple[int, int]) -> None:
    plane = np.random.default_rng(3).normal(size=shape).astype(np.float32)
    assert (median3(plane) == ndimage.median_filter(plane, 3, mode="nearest")).all()
