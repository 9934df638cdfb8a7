"""A network from an ONNX file teaches: the same targets as the file gives, and the search says who taught."""

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import featherweight as fw
from commands import Run
from featherweight.data import load
from featherweight.errors import UsageError
from featherweight.experiments.recipe import Distil
from featherweight.search.fit import pipeline
from featherweight.search.fit.cost import Limits
from featherweight.search.fit.notes import read_result
from featherweight.search.fit.request import FitRequest
from featherweight.search.fit.trial import Aim
from featherweight.training.distillation import teacher_facts, teacher_network, teacher_runs

pytest.importorskip("onnx")


@pytest.fixture(scope="module")
def teacher(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A network of ten classes for 3 x 14 x 14 pixels of 0 to 1."""
    torch.manual_seed(1)
    network = nn.Sequential(nn.Conv2d(3, 4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(144, 10)).eval()
    network[3].weight.data *= 20  # so that its answers differ
    path = tmp_path_factory.mktemp("teacher") / "big.onnx"
    torch.onnx.export(network, (torch.rand(1, 3, 14, 14),), str(path), dynamo=False)
    return path


def test_it_hears_pixels_of_its_own_size_and_colours(teacher: Path) -> None:
    import onnxruntime

    data = load("digits", holdout=100)
    images = data.test.images[:8]
    normal = (images.float() / 255 - data.mean[0]) / data.std[0]
    with torch.no_grad():
        ours = teacher_network(teacher, data)(normal)
    small = nn.functional.interpolate(images.float() / 255, (14, 14), mode="bilinear", antialias=True).expand(
        -1, 3, -1, -1
    )
    session = onnxruntime.InferenceSession(teacher.read_bytes(), providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    theirs = np.concatenate([session.run(None, {name: one[None].numpy()})[0] for one in small])
    assert np.abs(ours.numpy() - theirs).max() < 1e-4


def test_a_recipe_learns_from_a_file_and_the_record_says_so(teacher: Path, tmp_path: Path) -> None:
    distil = Distil(teacher=str(teacher), share=1.0, temperature=1.0)
    assert teacher_runs(distil, {"seed": 0, "holdout": 10, "name": "x", "source": "x"}, tmp_path) == [teacher]
    network = nn.Sequential(nn.MaxPool2d(4), nn.Flatten(), nn.Linear(49, 10))
    recipe = fw.Recipe(epochs=4, lr=0.1, distil=distil)
    model = fw.train(network, "digits", recipe=recipe, out=tmp_path)
    [taught] = model.record.teachers
    assert taught == teacher_facts(teacher) and taught["parameters"] == 4 * 28 + 1450
    data = load("digits")
    normal = (data.test.images.float() / 255 - data.mean[0]) / data.std[0]
    with torch.no_grad():
        theirs = teacher_network(teacher, data)(normal).softmax(1)
        ours = model(data.test.images).softmax(1)
        plain = theirs.mean(0)  # what a student would say that had learned nothing of single pictures
    assert (ours - theirs).abs().mean() < 0.8 * (plain - theirs).abs().mean()
    with pytest.raises(UsageError, match="not there"):
        fw.train(network, "digits", recipe=fw.Recipe(epochs=1, distil=Distil(teacher="gone.onnx")), out=tmp_path)


@pytest.fixture
def pictures(alone: Path) -> Path:
    """Twelve pictures of two classes."""
    for number in range(12):
        folder = Path("pictures", str(number % 2))
        folder.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(number).integers(0, 128, (12, 12), dtype=np.uint8) + 100 * (number % 2)
        Image.fromarray(pixels.astype(np.uint8)).save(folder / f"{number}.png")
    return Path("pictures")


def test_fit_has_a_teacher_for_the_chosen_network(run: Run, pictures: Path, tmp_path: Path) -> None:
    network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(1, 2)).eval()
    teacher = tmp_path / "big.onnx"
    torch.onnx.export(network, (torch.rand(1, 1, 16, 16),), str(teacher), dynamo=False)
    words = ("fit", pictures, "--trials", 1, "--flash", "6k", "--teacher", teacher)
    status, _, err = run(*words)
    assert status in (0, 1), err
    out = Path("fits/pictures")
    found = json.loads((out / "fit.json").read_text())
    assert len(found["request"]["teacher"]) == 64
    assert "Distil(" in (out / "pictures.py").read_text()
    record = json.loads(next((out / "runs").glob("*/record.json")).read_text())
    assert record["teachers"][0]["run"] == "big.onnx"
    before = (out / "fit.json").read_bytes()
    assert "is finished" in "".join(run(*words)[1:]) and (out / "fit.json").read_bytes() == before
    asked, values = FitRequest(data="pictures", trials=1), read_result(out)
    aim = Aim(target=None, limits=Limits(**values["asked"]["limits"]))
    taught: Any = SimpleNamespace(teacher=teacher, aim=aim)
    untaught: Any = SimpleNamespace(teacher=None, aim=aim)
    assert pipeline._is_finished(taught, asked, values)
    assert not pipeline._is_finished(untaught, asked, values)
    assert run("fit", pictures, "--teacher", "none.onnx")[0] == 4


def test_a_teacher_of_other_classes_is_refused_before_anything_is_trained(
    teacher: Path, run: Run, pictures: Path
) -> None:
    status, _, err = run("fit", pictures, "--trials", 1, "--teacher", teacher)
    assert status == 2 and "10 classes" in err and not list(Path("fits").glob("*/fit.json"))
