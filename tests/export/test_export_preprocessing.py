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
from featherweight.experiments.augmentation import Preprocessing
from featherweight.export import c_source, execute, integers
from featherweight.export.estimate import deployed
from featherweight.export.fixed_point import FixedPoint, quantise
from featherweight.export.lowering import lower
from featherweight.export.memory import deskewing
from featherweight.export.onnx_model import model_bytes
from featherweight.export.page import page_html, steps_in_page
from featherweight.export.preprocessing import preprocess_bytes
from featherweight.export.proof import compiled_scores, network_probabilities, normalise_pictures
from featherweight.export.source import Source
from featherweight.networks.steps import to_bytes
from featherweight.reading.network import _folded_network

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


def leaning(count: int, shape: tuple[int, int, int], seed: int = 1) -> Tensor:
    """Noise, strokes that lean either way under noise, one row, and pictures of one brightness: uint8 [N C H W]."""
    draws, pictures = torch.Generator().manual_seed(seed), noise(count, shape, seed)
    _, height, width = shape
    for picture in pictures[count // 2 :, 0]:
        slant, thick, bright, base = (float(torch.rand((), generator=draws)) for _ in range(4))
        rows, columns = torch.arange(height)[:, None], torch.arange(width)
        stroke = (columns - width / 2 - (3 * slant - 1.5) * (rows - height / 2)).abs() < 1 + 2 * thick
        picture[:] = (stroke * (60 + 120 * bright) + 70 * base + picture * 0.01).to(torch.uint8)
    pictures[2], pictures[3], pictures[3, :, 4] = 77, 9, 200
    return pictures


FIRST = [(fw.Crop(1),), (fw.Crop(2), fw.Crop(1)), (fw.Deskew(),), (nn.Sequential(fw.Deskew(), fw.Crop(2)),)]


@pytest.mark.parametrize("first", FIRST)
def test_steps_onnx_page_and_numpy_answer_as_the_network(first: tuple[nn.Module, ...], tmp_path: Path) -> None:
    import onnxruntime

    of, pictures = of_digits(after(*first)), leaning(24, SHAPE)
    steps = lowered(of)
    expected = network_probabilities(of, pictures)
    assert np.abs(execute.scores(steps, normalise_pictures(of, pictures)).softmax(1).numpy() - expected).max() < 1e-6
    session = onnxruntime.InferenceSession(model_bytes(of, steps), providers=["CPUExecutionProvider"])
    assert np.abs(session.run(None, {"pictures": pictures[:, 0].numpy()})[0] - expected).max() < 1e-5
    read = steps_in_page(page_html(of, steps), steps)
    assert read.preprocessing == steps.preprocessing and read.preprocessing
    (tmp_path / "steps.safetensors").write_bytes(to_bytes(steps.steps, of.mean, of.std, steps.preprocessing))
    scores = torch.from_numpy(_folded_network(tmp_path)(pictures[:, 0].numpy()))
    assert np.abs(scores.softmax(1).numpy() - expected).max() < 1e-5


@pytest.mark.parametrize("first", FIRST)
@pytest.mark.parametrize("shape", [SHAPE, (1, 19, 33)])
@pytest.mark.skipif(not COMPILER, reason="needs gcc: apt-get install gcc")
def test_c_gives_the_bytes_of_the_integers(
    first: tuple[nn.Module, ...], shape: tuple[int, int, int], tmp_path: Path
) -> None:
    of, pictures = of_digits(after(*first), shape), leaning(60, shape)
    network = made(of, pictures)
    expected = integers.integer_scores(network, pictures)
    assert len(np.unique(expected, axis=0)) > 30
    for name, text in c_source.source_files(of, network, "noise").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert (compiled_scores(COMPILER, OPTIONS, tmp_path, of, pictures) == expected).all()


def test_a_crop_in_c_is_the_network_on_smaller_pictures() -> None:
    whole, inside = of_digits(after(fw.Crop(2))), of_digits(after(), (1, 24, 24))
    pictures = noise(30, SHAPE)
    within = pictures[:, :, 2:26, 2:26]
    assert (
        integers.integer_scores(made(whole, pictures), pictures)
        == integers.integer_scores(made(inside, within), within)
    ).all()
    cost, without = deployed(whole.network, SHAPE), deployed(inside.network, (1, 24, 24))
    assert (cost.flash, cost.ram, cost.macs) == (without.flash, without.ram, without.macs) and cost.picture == 784


def test_without_preprocessing_nothing_of_it_is_written() -> None:
    of = of_digits(after())
    texts = c_source.source_files(of, made(of, noise(9, SHAPE)), "noise")
    assert (
        "cut off each side" not in texts["prepared.c"]
        and "preprocessing" not in page_html(of, lowered(of)).split("numbers")[0]
    )
    assert b"preprocessing" not in to_bytes(lowered(of).steps, of.mean, of.std)


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([nn.ReLU(), fw.Crop(1)], r"Layer 1 \(Crop\) comes after other layers or in a branch"),
        ([fw.Residual(fw.Crop(1))], r"Layer 0.0 \(Crop\) comes after other layers or in a branch"),
        ([nn.Flatten(), fw.Crop(1)], r"Layer 1 \(Crop\) comes after other layers"),
        ([fw.Crop(3)], r"Layer 0 \(Crop\) leaves nothing of 6 x 6"),
        ([fw.Crop(1), fw.Deskew()], r"Layer 1 \(Deskew\) comes after another layer that prepares pictures"),
    ],
)
def test_pictures_are_prepared_first_or_not_at_all(layers: list[nn.Module], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        lower(nn.Sequential(*layers, nn.Flatten(), nn.Linear(16, 3)).eval(), (1, 6, 6))


def test_deskewing_is_for_pictures_of_one_channel_that_64_bits_can_sum() -> None:
    for shape in ((2, 6, 6), (1, 65, 6), (1, 6, 65)):
        with pytest.raises(UsageError, match=r"Layer 0 \(Deskew\) takes pictures of one channel and at most 64 x 64"):
            lower(nn.Sequential(fw.Deskew(), nn.Flatten(), nn.Linear(9, 3)).eval(), shape)


def test_whole_numbers_deskew_as_the_network_does() -> None:
    pictures = leaning(200, SHAPE)
    ours = preprocess_bytes(pictures, Preprocessing(deskew=True)).float()
    # Half a unit of the last place is lost in each pixel, and about as much again in slant, centre and shift, each of
    # which moves a row by less than 1/256 pixel: of 255, less than 2.
    assert (ours - fw.Deskew()(pictures.float())).abs().max() < 2.5
    assert (ours - pictures).abs().amax((1, 2, 3))[100:].min() > 20
    # The largest there are, at both ends: 64 x 64 of 255 below a diagonal.
    large = (torch.arange(64)[:, None] > torch.arange(64)).to(torch.uint8)[None, None] * 255
    assert (preprocess_bytes(large, Preprocessing(deskew=True)) - fw.Deskew()(large.float())).abs().max() < 2.5


def test_a_slant_is_taken_out_by_hand() -> None:
    """One pixel of ink a row, at columns 3, 2 and 1 from the top: covariance -2/3, variance 2/3, so a slant of -1."""
    picture = torch.zeros(1, 1, 3, 5, dtype=torch.uint8)
    picture[0, 0, [0, 1, 2], [3, 2, 1]] = 200
    assert preprocess_bytes(picture, Preprocessing(deskew=True))[0, 0].tolist() == [[0, 0, 200, 0, 0]] * 3
    # Half a pixel a row: columns 2 and 3 share the first row and 1 and 2 the last, so half of each comes to 2 and a
    # quarter of all to either side.
    picture[0, 0, [0, 2]] = torch.tensor([[0, 0, 100, 100, 0], [0, 100, 100, 0, 0]], dtype=torch.uint8)
    assert preprocess_bytes(picture, Preprocessing(deskew=True))[0, 0].tolist() == [
        [0, 50, 100, 50, 0], [0, 0, 200, 0, 0], [0, 50, 100, 50, 0]
    ]  # fmt: skip


def test_deskewing_is_paid_for_in_multiply_adds_and_memory() -> None:
    upright, plain = (deployed(after(*first), SHAPE) for first in ((fw.Deskew(),), ()))
    assert upright.macs - plain.macs == 4 * 28 * 28 + 4 * 28 == 3248
    assert upright.ram - plain.ram == 28 * 28 + deskewing("cortex-m0plus")["stack"]
    assert upright.flash > plain.flash and upright.cycles > plain.cycles
    assert fw.dissect(after(fw.Deskew())).macs == upright.macs


def test_crops_add_up() -> None:
    assert lowered(of_digits(after(fw.Crop(2), fw.Crop(1)))).preprocessing == Preprocessing(crop=3)
