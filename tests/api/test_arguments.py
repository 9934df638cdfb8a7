"""Odd arguments of the public functions: each is refused by a sentence that names it, never by a foreign traceback."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import featherweight as fw
import toy
from featherweight.api.model import Prediction
from featherweight.training.runs.trained import load_trained

GREY = np.random.default_rng(1).integers(0, 256, (60, 11, 13), dtype=np.uint8)
LABELS = np.arange(60) % 3
MODEL = fw.load("f3")
NAME = "x" * 300


def pairs(picture: Any) -> list[Any]:
    return [(picture, at % 2) for at in range(12)]


def arrays(images: Any = GREY, labels: Any = LABELS, **more: Any) -> fw.Data:
    return fw.Data.from_arrays(images, labels, **more)


ARRAYS: list[tuple[dict[str, Any], str]] = [
    ({"classes": ["a", "b", "b"]}, "two classes called 'b'"),
    ({"classes": "abc"}, "a list with a name for each"),
    ({"classes": [0.5, 1, 2]}, "a text or a whole number; given 0.5"),
    ({"classes": ["", "b", "c"]}, "1 to 255 printable"),
    ({"classes": ["a\n", "b", "c"]}, "1 to 255 printable"),
    ({"classes": [NAME, "b", "c"]}, "1 to 255 printable"),
    ({"classes": 3}, "a list with a name for each; given 3"),
    ({"name": 3}, "given 3"),
    ({"name": NAME}, "1 to 255 printable"),
    ({"holdout": 0.5}, "holdout is a whole number, 0 or more; given 0.5"),
    ({"holdout": True}, "given True"),
    ({"holdout": -1}, "given -1"),
    ({"seed": "a"}, "seed is a whole number"),
    ({"seed": 1 << 63}, "seed is a whole number"),
    ({"channels": "middle"}, "auto, first, last; given 'middle'"),
    ({"test": (GREY,)}, "pair of images and labels"),
    ({"test": GREY}, "pair of images and labels"),
    ({"test": "test"}, "pair of images and labels"),
    ({"images": torch.rand(60, 11, 13).to_sparse()}, "cannot become a numpy array .*sparse"),
    ({"images": torch.empty(60, 11, 13, device="meta")}, "cannot become a numpy array .*meta"),
    ({"images": torch.rand(60, 11, 13).to(torch.complex64)}, "complex64"),
    ({"images": torch.full((60, 11, 13), float("nan"))}, "from nan to nan"),
    ({"images": torch.zeros(60, 0, 13)}, "have the shape"),
    ({"images": None}, "have the shape"),
    ({"images": {"a": 1}}, "have the shape"),
    ({"images": np.zeros((60, 1, 2000, 3), np.uint8), "channels": "first"}, "at most 1,024 pixels a side"),
    ({"images": np.zeros((60, 3, 1024, 1024), np.uint8)}, "at most 1,024 pixels a side and 2,097,152"),
    ({"labels": [None] * 60}, "whole number or a name; given None"),
    ({"labels": [[0, 1]] * 60}, "one whole number or name for each"),
    ({"labels": 3}, "one whole number or name for each"),
    ({"labels": torch.empty(60, device="meta", dtype=torch.int64)}, "labels cannot become"),
]


@pytest.mark.parametrize(("given", "says"), ARRAYS, ids=lambda given: f"{given:.30}" if isinstance(given, str) else "")
def test_odd_arrays(given: dict[str, Any], says: str) -> None:
    with pytest.raises(fw.FeatherweightError, match=says) as caught:
        arrays(**given)
    assert caught.value.exit_status == 2


def test_odd_arrays_that_are_fine() -> None:
    assert arrays(classes=[0, 1, 2]).classes == ("0", "1", "2")
    assert arrays(holdout=np.int64(6)).holdout == 6
    halves = torch.tensor([0.0, 0.5, 1.0]).to(torch.bfloat16).reshape(1, 1, 3).repeat(60, 4, 1)
    assert arrays(halves).train.images.unique().tolist() == [0, 128, 255]


DATASETS: list[tuple[dict[str, Any], str]] = [
    ({"train": pairs(GREY[0]), "size": (100000, 100000)}, "from 1 to 1,024"),
    ({"train": pairs(GREY[0]), "size": (1 << 40, 1)}, "from 1 to 1,024"),
    ({"train": pairs(GREY[0]) * 4000, "size": (1024, 1024)}, "more than the limit"),
    ({"train": pairs(GREY[0]), "size": 28}, "A size is .height, width."),
    ({"train": pairs(GREY[0]), "size": (28,)}, "A size is .height, width."),
    ({"train": pairs(GREY[0]), "size": (0, 28)}, "A size is .height, width."),
    ({"train": pairs(GREY[0]), "size": (2.5, 28)}, "A size is .height, width."),
    ({"train": pairs(GREY[0]), "size": "large"}, "A size is .height, width."),
    ({"train": pairs(Image.new("L", (0, 5)))}, "Image 0 of the dataset has no pixels: it is 0 x 5"),
    ({"train": pairs(np.zeros((0, 5), np.uint8))}, r"Image 0 of the dataset has the shape \(0, 5\)"),
    ({"train": pairs(np.zeros((5, 5, 4), np.uint8))}, "can be given as Pillow images"),
    ({"train": pairs(torch.rand(5, 5).to_sparse())}, "pixels of image 0 cannot become"),
    ({"train": pairs("picture.png")}, r"Image 0 of the dataset has the shape \(\)"),
    ({"train": [(GREY[0], torch.zeros(2))] * 12}, "one whole number or name for each"),
    ({"train": []}, "is empty"),
    ({"train": pairs(GREY[0]), "test": 3}, "A dataset has a length"),
    ({"train": pairs(GREY[0]), "classes": ["a", "a"]}, "two classes called 'a'"),
    ({"train": pairs(GREY[0]), "holdout": 0.5}, "holdout is a whole number"),
]


@pytest.mark.parametrize(
    ("given", "says"), DATASETS, ids=lambda given: f"{given:.30}" if isinstance(given, str) else ""
)
def test_odd_datasets(given: dict[str, Any], says: str) -> None:
    with pytest.raises(fw.FeatherweightError, match=says) as caught:
        fw.Data.from_dataset(**given)
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("given", "asked", "says"),
    [
        (NAME, {}, "does not exist"),
        ("", {}, "holds|needs|sub-folder|does not exist"),
        (".", {"size": (100000, 100000)}, "from 1 to 1,024"),
        (".", {"size": [28, 28, 28]}, "A size is"),
        (".", {"holdout": 0.5}, "holdout is a whole number"),
        (".", {"seed": -1}, "seed is a whole number"),
    ],
)
def test_odd_folders(
    given: str, asked: dict[str, Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(fw.FeatherweightError, match=says):
        fw.Data.from_folder(given, **asked)


def is_one(images: Any) -> bool:
    """Whether an array is answered as one picture."""
    found = MODEL.predict(images)
    assert isinstance(found, Prediction) or all(isinstance(one, Prediction) for one in found)
    return isinstance(found, Prediction)


def test_an_array_is_one_picture_or_several() -> None:
    for shape in ((28, 28), (28, 28, 3), (28, 28, 1), (1, 28, 28), (3, 30)):
        assert is_one(np.zeros(shape, np.uint8)), shape
    for shape in ((1, 1, 28, 28), (2, 28, 28), (5, 3, 28, 28), (5, 28, 28, 3), (4, 28, 28)):
        assert len(MODEL.predict(np.zeros(shape, np.uint8))) == shape[0], shape
    several = MODEL.predict([np.zeros((28, 28), np.uint8), torch.zeros(28, 28, dtype=torch.bfloat16)])
    assert len(several) == 2 and several[0] == several[1]


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (np.zeros((28, 28, 4), np.uint8), "picture with transparency; give it as a Pillow image"),
        (np.zeros((3, 28, 28), np.uint8), "one colour picture or three grey"),
        (np.zeros((5, 3, 28, 3), np.uint8), "1 or 3, not both"),
        (np.zeros((5, 4, 28, 28), np.uint8), "either C or the other must be"),
        (np.zeros((0, 28, 28), np.uint8), "holds no picture"),
        (np.zeros((0, 28), np.uint8), "has the shape"),
        (np.zeros(28, np.uint8), "has the shape"),
        (np.full((28, 28), np.nan), "from nan to nan"),
        (np.full((28, 28), 300), "from 300 to 300"),
        (torch.rand(28, 28).to_sparse(), "cannot become a numpy array"),
        (torch.empty(28, 28, device="meta"), "cannot become a numpy array"),
        (Image.new("L", (0, 9)), "has no pixels"),
        (None, "has the shape"),
        (object(), "has the shape"),
        (b"png", "has the shape"),
        ("", "is not a file|does not exist"),
        ("nosuch.png", "does not exist"),
        (NAME, "does not exist"),
        (f"{NAME}.png", "does not exist"),
        ("a\0b", "does not exist"),
    ],
)
def test_odd_pictures_to_predict(given: Any, says: str) -> None:
    with pytest.raises(fw.FeatherweightError, match=says) as caught:
        MODEL.predict(given)
    assert caught.value.exit_status == 2


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (torch.full((1, 1, 28, 28), float("nan")), "fractions from 0 to 1; given nan"),
        (torch.full((1, 1, 28, 28), 255.0), "given 255 to 255. Divide bytes by 255"),
        (torch.full((1, 1, 28, 28), -1.0), "given -1 to -1"),
        (torch.zeros(1, 1, 28, 28, dtype=torch.int64), "bytes, or fractions"),
        (torch.zeros(1, 28, 28), r"takes images \[N 1 28 28\]"),
        (torch.zeros(1, 1, 28, 28).to_sparse(), "dense tensors"),
        (torch.zeros(1, 1, 28, 28, device="meta"), "on the CPU"),
        (np.zeros((1, 1, 28, 28)), "takes a tensor; given ndarray"),
        (None, "takes a tensor"),
    ],
)
def test_odd_tensors(given: Any, says: str) -> None:
    with pytest.raises(fw.FeatherweightError, match=says):
        MODEL(given)


def test_tensors_that_are_fine() -> None:
    bytes_ = torch.randint(0, 256, (2, 1, 28, 28), dtype=torch.uint8)
    with torch.no_grad():
        assert torch.equal(MODEL(bytes_), MODEL(bytes_ / 255))
        assert MODEL(bytes_[:0]).shape == (0, 10) and MODEL((bytes_ / 255).double()).shape == (2, 10)


def test_a_model_by_a_string_or_a_path(tmp_path: Path) -> None:
    model = fw.train(toy.experiment(), toy.data(), out=str(tmp_path), threads=1, engine="torch")
    for load in (load_trained, fw.load, fw.read_record):
        for name in (model.folder, str(model.folder)):
            found: Any = load(name)
            assert (found if load is fw.read_record else found.record) == model.record


CALLS: list[tuple[Callable[[], Any], str]] = [
    (lambda: fw.load(NAME), "There is no run folder"),
    (lambda: fw.load(""), "There is no run"),
    (lambda: fw.load(None), "There is no run folder 'None'"),  # type: ignore[arg-type]
    (lambda: fw.load("a\0b"), "There is no run"),
    (lambda: load_trained("nosuch"), "There is no run at nosuch"),
    (lambda: load_trained(3), "named by its folder; given 3"),  # type: ignore[arg-type]
    (lambda: fw.read_record(None), "named by its folder; given None"),  # type: ignore[arg-type]
    (lambda: fw.load_data(3), "name of a set or a folder; given 3"),  # type: ignore[arg-type]
    (lambda: fw.load_data(NAME), "There is no data set"),
    (lambda: fw.load_data("digits", directory=NAME), "does not exist"),  # type: ignore[arg-type]
    (lambda: fw.load_data("memory"), "given in memory"),
    (lambda: MODEL.evaluate(3), "name of a set or a folder; given 3"),  # type: ignore[arg-type]
    (lambda: MODEL.evaluate(NAME), "There is no data set"),
    (lambda: MODEL.evaluate("digits", data_dir="nosuch"), "data folder nosuch does not exist"),
    (lambda: MODEL.evaluate("digits", device="nosuch"), "device"),
    (lambda: MODEL.evaluate(toy.data()), "distinguishes 10 classes"),
    (lambda: MODEL.export("nosuch"), "Unknown form 'nosuch'"),
    (lambda: MODEL.export(None), "Unknown form"),  # type: ignore[arg-type]
    (lambda: MODEL.export("c", 3), "path of a folder; given 3"),  # type: ignore[arg-type]
    (lambda: MODEL.export("c", data="digits"), "Data.from_"),  # type: ignore[arg-type]
]


@pytest.mark.parametrize(("call", "says"), CALLS)
def test_odd_names(call: Callable[[], Any], says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(fw.FeatherweightError, match=says):
        call()
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("given", "says"),
    [
        ({"network": "nosuch"}, "Unknown experiment 'nosuch'"),
        ({"network": NAME}, "Unknown experiment"),
        ({"network": f"{NAME}.py"}, "no experiment file"),
        ({"network": 3}, "an experiment, a network or a function"),
        ({"network": None}, "an experiment, a network or a function"),
        ({"network": nn.Linear(3, 3)}, "cannot take images|returns shape"),
        ({"network": int}, "int is made for"),
        ({"network": nn.Flatten()}, "no parameters to train"),
        ({"network": lambda: 3}, "must return an nn.Module|made for"),
        ({"data": 3}, "name of a set or a folder; given 3"),
        ({"data": NAME}, "There is no data set"),
        ({"data": None}, "given None"),
        ({"budget": 8000}, "`budget` is a Budget; given 8000"),
        ({"recipe": {"epochs": 1}}, "`recipe` is a Recipe"),
        ({"seeds": -1}, "A seed is a whole number"),
        ({"seeds": []}, "`seeds` is a whole number, or a list of one or more"),
        ({"seeds": torch.tensor(3)}, "`seeds` is a whole number"),
        ({"seeds": "12"}, "`seeds` is a whole number"),
        ({"seeds": 1.5}, "`seeds` is a whole number"),
        ({"seeds": [0, "a"]}, "A seed is a whole number"),
        ({"on_epoch": 3}, "`on_epoch` is a function"),
        ({"out": 3}, "`out` is a path; given 3"),
        ({"out": None}, "`out` is a path; given None"),
        ({"out": "a\0b"}, "`out` is a path"),
        ({"settings": ["lr"]}, "`settings` is a dict"),
        ({"settings": {"nosuch": 1}}, "nosuch"),
        ({"settings": {3: 1}}, "3"),
        ({"settings": {"recipe.epochs": "many"}}, "epochs"),
        ({"engine": "nosuch"}, "engine 'nosuch'"),
        ({"engine": 3}, "`engine` is a str"),
        ({"device": "nosuch"}, "device 'nosuch'"),
        ({"threads": 0}, "threads"),
        ({"threads": -1}, "threads"),
        ({"threads": 1.5}, "threads"),
        ({"threads": 10**9}, "threads"),
        ({"threads": "2"}, "threads"),
        ({"to": "nosuch"}, "nosuch"),
        ({"to": 3}, "`to` is a str"),
        ({"on": "nosuch"}, "nosuch"),
        ({"on": None}, "on"),
    ],
)
def test_odd_arguments_of_train(given: dict[str, Any], says: str, tmp_path: Path) -> None:
    asked: dict[str, Any] = {"network": toy.experiment(), "data": toy.data(), "out": tmp_path, "threads": 1} | given
    with pytest.raises(fw.FeatherweightError, match=says) as caught:
        fw.train(**asked)
    assert caught.value.exit_status == 2 and not any(tmp_path.iterdir())


@pytest.mark.parametrize("name", ["accuracy", "flash", "ram", "macs", "parameters", "cycles", "minimize", "minutes",
                                  "trials", "seed", "size", "out", "data_dir", "on_news", "data"])  # fmt: skip
def test_odd_arguments_of_fit(name: str, tmp_path: Path) -> None:
    odd = [True, b"x", object(), {"a": 1}, {1}, 1 + 2j, range(3), np.zeros((2, 2)), torch.tensor([1, 2]), float("nan")]
    odd += [float("inf"), [], int if name != "on_news" else "f", "a\0b"]
    for value in odd:
        asked: dict[str, Any] = {"data": toy.data(), "out": tmp_path / "out", "minutes": 0.001} | {name: value}
        with pytest.raises(fw.FeatherweightError) as caught:
            fw.fit(**asked)
        assert caught.value.exit_status in (2, 3), (value, caught.value)
    assert not any(tmp_path.iterdir())
