"""Data handed over in memory: arrays of every layout, datasets in two manners, and what does not fit."""

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import featherweight as fw
from featherweight.data.split import digest

GREY = np.random.default_rng(1).integers(0, 256, (60, 11, 13), dtype=np.uint8)
COLOUR = np.random.default_rng(2).integers(0, 256, (60, 3, 11, 13), dtype=np.uint8)
LABELS = np.arange(60) % 3


def test_arrays_become_a_data_set_with_digests_and_statistics() -> None:
    data = fw.Data.from_arrays(GREY, LABELS, name="noise", seed=5)
    assert repr(data) == "<Data noise: 50 training and 10 test images of 1 x 11 x 13, 3 classes>"
    assert repr(data.test) == "10 images of 1 x 11 x 13"
    assert data.classes == ("0", "1", "2") and torch.bincount(data.train.labels).tolist() == [16, 17, 17]
    everything = torch.cat([data.train.images, data.test.images])
    assert sorted(map(int, everything.flatten(1).long().sum(1))) == sorted(map(int, GREY.reshape(60, -1).sum(1)))
    pixels = data.train.images.double() / 255
    assert data.mean == (round(float(pixels.mean()), 4),)
    assert data.std == (round(float(pixels.std(correction=0)), 4),)
    assert data.digests == {"train": digest(data.train), "test": digest(data.test)}
    assert (data.source, data.seed, data.holdout) == ("memory", 5, 0)


@pytest.mark.parametrize(
    ("images", "asked"),
    [
        (COLOUR, {}),
        (torch.from_numpy(COLOUR), {}),
        (COLOUR.transpose(0, 2, 3, 1), {}),
        (COLOUR.astype(np.int64), {}),
        (COLOUR.astype(np.float64) / 255, {}),
        (COLOUR.astype(np.float32) / 255, {"channels": "first"}),
    ],
)
def test_every_layout_and_type_gives_the_same_images(images: Any, asked: dict[str, Any]) -> None:
    data = fw.Data.from_arrays(images, LABELS, test=(images[:7], LABELS[:7]), **asked)
    assert torch.equal(data.train.images, torch.from_numpy(COLOUR))
    assert torch.equal(data.test.images, torch.from_numpy(COLOUR[:7])) and len(data.mean) == 3


def test_labels_are_numbers_or_names() -> None:
    names = np.array(["elm", "oak", "ash"])[LABELS]
    data = fw.Data.from_arrays(GREY, names, test=(GREY, names))
    assert data.classes == ("ash", "elm", "oak") and data.train.labels[:3].tolist() == [1, 2, 0]
    data = fw.Data.from_arrays(GREY, LABELS * 5 + 2, test=(GREY[:2], [12, 7]))
    assert data.classes == ("2", "7", "12") and data.test.labels.tolist() == [2, 1]
    data = fw.Data.from_arrays(GREY, LABELS, classes=["elm", "oak", "ash"], holdout=6)
    assert data.classes == ("elm", "oak", "ash") and (len(data.train), len(data.test), data.holdout) == (44, 6, 6)


@pytest.mark.parametrize(
    ("images", "labels", "asked", "says"),
    [
        (GREY[0], LABELS, {}, r"training images have the shape \(11, 13\); give \[N H W\], \[N C H W\] or \[N H W C\]"),
        (GREY.astype(np.int64) + 1, LABELS, {}, "are int64 from .* to 256; give whole numbers from 0 to 255"),
        (GREY / 255 - 0.5, LABELS, {}, "are float64 from -0.5 to 0.5; .* before any normalisation"),
        (GREY.astype(str), LABELS, {}, "are <U3; give whole numbers"),
        (GREY, LABELS[:59], {}, "There are 60 training images and 59 labels"),
        (GREY, np.zeros(60, int), {}, "has 1 class; there must be two classes or more"),
        (GREY, LABELS, {"classes": ["a", "b", "c", "d"]}, "has 4 classes and no training image of d"),
        (GREY, LABELS, {"classes": ["a", "b"]}, "labels are from 0 to 2, but there are 2 classes; labels count from 0"),
        (GREY, LABELS / 2, {}, r"labels are float64 of the shape \(60,\)"),
        (GREY, np.eye(3)[LABELS], {}, r"of the shape \(60, 3\); give one whole number or name for each image"),
        (GREY, LABELS, {"test": (GREY[:, :9], LABELS)}, "are 1 x 11 x 13 and test images 1 x 9 x 13; both need one"),
        (GREY, list("ab") * 30, {"classes": ["a", "c"]}, "label 'b' is not one of the classes a, c"),
        (GREY, LABELS, {"holdout": 50}, "A holdout of 50 was requested, but arrays has 50 training images"),
        (np.zeros((9, 3, 5, 3)), LABELS[:9], {}, "the channels cannot be distinguished"),
        ([GREY[0], GREY[0, :5]], [0, 1], {}, r"cannot become one array.*size=\(height, width\)"),
    ],
)
def test_what_does_not_fit_is_said(images: Any, labels: Any, asked: dict[str, Any], says: str) -> None:
    with pytest.raises(fw.FeatherweightError, match=says):
        fw.Data.from_arrays(images, labels, **asked)


class Rows:
    """A dataset in Hugging Face's manner, as far as it is read."""

    def __init__(self, rows: list[dict[str, Any]], names: list[str] | None) -> None:
        self.rows = rows
        self.features = {"label": SimpleNamespace(names=names)} if names else {"label": object()}

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, at: int) -> dict[str, Any]:
        return self.rows[at]


def test_a_dataset_of_dictionaries_with_pictures() -> None:
    rows = [{"img": Image.fromarray(GREY[at]), "label": int(LABELS[at]), "id": at} for at in range(60)]
    halves = {"train": Rows(rows, ["elm", "oak", "ash"]), "validation": Rows(rows[:5], None)}
    data = fw.Data.from_dataset(halves, name="trees")
    assert repr(data) == "<Data trees: 60 training and 5 test images of 1 x 11 x 13, 3 classes>"
    assert data.classes == ("elm", "oak", "ash") and torch.equal(data.train.images[:, 0], torch.from_numpy(GREY))


def test_a_dataset_of_pairs_with_tensors() -> None:
    pairs = [(torch.from_numpy(COLOUR[at]).float() / 255, torch.tensor(int(LABELS[at]))) for at in range(60)]
    data = fw.Data.from_dataset(pairs, test=pairs[:5])
    assert torch.equal(data.train.images, torch.from_numpy(COLOUR)) and len(data.test) == 5


def test_a_dataset_of_many_sizes_and_colours_is_brought_to_one() -> None:
    pairs: list[Any] = [(GREY[at], "dark") for at in range(6)]
    pairs += [(Image.new("RGBA", (20 + at, 30), (255, 0, 0, 255)), "red") for at in range(6)]
    with pytest.raises(fw.FeatherweightError, match=r"7 different sizes \(11 x 13, 30 x 20, 30 x 21\); give size="):
        fw.Data.from_dataset(pairs)
    data = fw.Data.from_dataset(pairs, test=pairs, size=(11, 13))
    assert torch.equal(data.train.images[:6, 2], torch.from_numpy(GREY[:6]))
    assert data.train.images[-1, :, 5, 5].tolist() == [255, 0, 0]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (3, "A dataset has a length and gives .*; given int"),
        ([1, 2], "Item 0 of the dataset is int"),
        ([{"picture": 1, "label": 2}], "Item 0 of the dataset has picture, label; it needs an image"),
        ([(np.zeros((5, 5, 7)), 0)], r"Image 0 of the dataset has the shape \(5, 5, 7\)"),
        ({"test": []}, "The halves are called test; one must be `train`"),
    ],
)
def test_what_is_no_dataset_is_said(given: Any, says: str) -> None:
    with pytest.raises(fw.FeatherweightError, match=says):
        fw.Data.from_dataset(given)


def test_a_folder_by_any_path(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("elm", "oak"):
        (tmp_path / "digits" / name).mkdir(parents=True)
        for at in range(6):
            Image.fromarray(GREY[at]).save(tmp_path / "digits" / name / f"{at}.png")
    monkeypatch.chdir(tmp_path)
    data = fw.Data.from_folder("digits", seed=3)  # which is a data set's name as well
    assert repr(data) == "<Data digits: 10 training and 2 test images of 1 x 11 x 13, 2 classes>"
    with pytest.raises(fw.FeatherweightError, match="given in memory, so they cannot be loaded again"):
        fw.load_data("memory")
