"""Pictures are prepared alike in every exported form: ONNX, the steps in numpy, the page, and C byte for byte."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import featherweight as fw
from exported import lively, lowered, noise, source
from featherweight.errors import UsageError
from featherweight.experiments.preprocessing import Preprocessing
from featherweight.ship.export import c_source, execute, integers
from featherweight.ship.export.estimate import deployed
from featherweight.ship.export.fixed_point import FixedPoint, quantise
from featherweight.ship.export.lowering import lower
from featherweight.ship.export.onnx_model import model_bytes
from featherweight.ship.export.page import page, steps_of
from featherweight.ship.export.proof import compiled_scores, normalised, probabilities
from featherweight.ship.export.source import Source
from featherweight.ship.predict.network import _network
from featherweight.ship.steps import to_bytes

SHAPE = (1, 28, 28)
OPTIONS = ["-Wall", "-Wextra", "-Werror", "-pedantic", "-g", "-fsanitize=address,undefined",
           "-fno-sanitize-recover=all"]  # fmt: skip
COMPILER = shutil.which("gcc") or ""


def after(*first: nn.Module) -> nn.Module:
    """A small network behind these layers, whose first convolution is padded, so that edges count."""
    torch.manual_seed(5)
    layers = nn.Conv2d(1, 6, 3, padding=1, stride=2), nn.BatchNorm2d(6), nn.ReLU(), nn.MaxPool2d(2)
    head = fw.separable_norm_relu(6, 8), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 10)
    return lively(nn.Sequential(*first, *layers, *head))


def of_digits(network: nn.Module, shape: tuple[int, int, int] = SHAPE) -> Source:
    plain = source(network, shape, 10, "prepared")
    return Source(**{**vars(plain), "classes": tuple("0123456789")})


def made(of: Source, pictures: Tensor) -> FixedPoint:
    with torch.no_grad():
        return quantise(lowered(of), pictures, of.mean, of.std)


FIRST = [(fw.Crop(1),), (fw.Crop(2), fw.Crop(1))]


@pytest.mark.parametrize("first", FIRST)
def test_steps_onnx_page_and_numpy_answer_as_the_network(first: tuple[nn.Module, ...], tmp_path: Path) -> None:
    import onnxruntime

    of, pictures = of_digits(after(*first)), noise(12, SHAPE)
    steps = lowered(of)
    expected = probabilities(of, pictures)
    assert np.abs(execute.scores(steps, normalised(of, pictures)).softmax(1).numpy() - expected).max() < 1e-6
    session = onnxruntime.InferenceSession(model_bytes(of, steps), providers=["CPUExecutionProvider"])
    assert np.abs(session.run(None, {"pictures": pictures[:, 0].numpy()})[0] - expected).max() < 1e-5
    read = steps_of(page(of, steps), steps)
    assert read.preprocessing == steps.preprocessing and read.preprocessing
    (tmp_path / "steps.safetensors").write_bytes(to_bytes(steps.steps, of.mean, of.std, steps.preprocessing))
    scores = torch.from_numpy(_network(tmp_path)(pictures[:, 0].numpy()))
    assert np.abs(scores.softmax(1).numpy() - expected).max() < 1e-5


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("shape", [SHAPE, (1, 19, 33)])
@pytest.mark.skipif(not COMPILER, reason="needs gcc: apt-get install gcc")
def test_c_gives_the_bytes_of_the_integers(
    first: tuple[nn.Module, ...], shape: tuple[int, int, int], tmp_path: Path
) -> None:
    of, pictures = of_digits(after(*first), shape), noise(40, shape)
    network = made(of, pictures)
    expected = integers.scores(network, pictures)
    assert len(np.unique(expected, axis=0)) > 30
    for name, text in c_source.files(of, network, "noise").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert (compiled_scores(COMPILER, OPTIONS, tmp_path, of, pictures) == expected).all()


def test_a_crop_in_c_is_the_network_on_smaller_pictures() -> None:
    whole, inside = of_digits(after(fw.Crop(2))), of_digits(after(), (1, 24, 24))
    pictures = noise(30, SHAPE)
    within = pictures[:, :, 2:26, 2:26]
    assert (integers.scores(made(whole, pictures), pictures) == integers.scores(made(inside, within), within)).all()
    cost, without = deployed(whole.network, SHAPE), deployed(inside.network, (1, 24, 24))
    assert (cost.flash, cost.ram, cost.macs) == (without.flash, without.ram, without.macs) and cost.picture == 784


def test_without_preprocessing_nothing_of_it_is_written() -> None:
    of = of_digits(after())
    texts = c_source.files(of, made(of, noise(9, SHAPE)), "noise")
    assert (
        "cut off each side" not in texts["prepared.c"]
        and "preprocessing" not in page(of, lowered(of)).split("numbers")[0]
    )
    assert b"preprocessing" not in to_bytes(lowered(of).steps, of.mean, of.std)


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([nn.ReLU(), fw.Crop(1)], r"Layer 1 \(Crop\) comes after other layers or in a branch"),
        ([fw.Residual(fw.Crop(1))], r"Layer 0.0 \(Crop\) comes after other layers or in a branch"),
        ([nn.Flatten(), fw.Crop(1)], r"Layer 1 \(Crop\) comes after other layers"),
        ([fw.Crop(3)], r"Layer 0 \(Crop\) leaves nothing of 6 x 6"),
    ],
)
def test_pictures_are_prepared_first_or_not_at_all(layers: list[nn.Module], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        lower(nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 3)).eval(), (1, 6, 6))


def test_crops_add_up() -> None:
    assert lowered(of_digits(after(fw.Crop(2), fw.Crop(1)))).preprocessing == Preprocessing(crop=3)
