"""Pictures to digits: made pictures of many kinds, lines of digits, empty ones, and what the command line says."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks.predict import (
    MARKS,
    PAGE,
    RESULTS,
    answered,
    calibration_error,
    fitted,
    kinds_csv,
    pictures,
    right,
    table,
)
from PIL import Image, ImageDraw
from torch import nn
from typer.testing import CliRunner

from commands import Run
from featherweight import data as datasets
from featherweight.cli import app
from featherweight.data.augment import normalise
from featherweight.data.download import UnavailableError
from featherweight.data.split import Split
from featherweight.experiments.record import read_record
from featherweight.export.lowering import lower
from featherweight.networks.layers.blocks import Residual
from featherweight.networks.steps import from_file, to_bytes
from featherweight.reading import predict
from featherweight.reading.network import (
    WEIGHTS,
    apply_step,
    energy,
    least_energy,
    probabilities,
    shipped,
    temperature,
)
from featherweight.reading.normalise import as_it_is, pen_width, stroke_width
from featherweight.training.runs.trained import load_pretrained, load_trained
from synthetic_photos.glyphs import drawn, from_style, thinned
from synthetic_photos.habits import HABITS, drawing
from synthetic_photos.media import KINDS
from synthetic_photos.styles import STYLES

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def digits() -> Split:
    """MNIST's test digits, where they are at hand."""
    try:
        return datasets.store.load(datasets.SETS["mnist"], None, None, with_test=True).test  # type: ignore[return-value]
    except UnavailableError as problem:
        pytest.skip(f"MNIST is not at hand; name its folder in FEATHERWEIGHT_DATA ({problem})")


def written(digit: int, side: int = 200, pen: float = 9) -> np.ndarray:
    """A digit of the first style in black on white, uint8 [side side]."""
    glyph = from_style(digit, np.random.default_rng(digit))
    return (255 - 255 * drawn(glyph, (side, side), (side * 0.25, side * 0.2), side * 0.6, pen)).astype(np.uint8)


def read_one(image: Image.Image, folder: Path, name: str = "picture.png"):  # type: ignore[no-untyped-def]
    image.save(folder / name)
    [found] = predict([str(folder / name)])
    assert found.error is None
    return found


@pytest.mark.parametrize("per_kind", [3, pytest.param(16, marks=pytest.mark.slow)])
def test_more_than_97_percent_of_made_pictures_are_read(digits: Split, per_kind: int) -> None:
    """Pictures of 16 kinds: drawings, scans, photos with shadows and rulings; see tests/synthetic_photos/media.py."""
    made = list(pictures(digits, sorted(KINDS), per_kind, seed=3, largest=320))
    assert len(made) == 16 * per_kind and len({kind for kind, _, _ in made}) == 16
    answers, _ = answered(made)
    wrong = [(kind, label) for (kind, label, _), found in zip(made, answers, strict=True) if not right(found, label)]
    assert len(wrong) <= 0.03 * len(made), wrong


def test_mnist_s_own_digits_are_read_as_well_as_by_the_network(digits: Split) -> None:
    images, labels = digits.images[:300, 0].numpy(), digits.labels[:300].tolist()
    answers, _ = answered([("", label, Image.fromarray(image)) for image, label in zip(images, labels, strict=True)])
    read = sum(right(found, label) for found, label in zip(answers, labels, strict=True))
    direct = int((shipped()(images).argmax(1) == labels).sum())
    assert direct > 295 and abs(read - direct) <= 1


@pytest.mark.parametrize("digit", range(10))
def test_a_drawn_digit_is_read_in_any_dress(digit: int, tmp_path: Path) -> None:
    plain = written(digit)
    for name, pixels in {
        "black.png": plain,
        "white.png": 255 - plain,
        "red.png": np.stack([np.full_like(plain, 250), plain, plain], 2),
        "small.png": np.pad(plain, 500, constant_values=255),
        "photo.jpg": 25 + plain * np.linspace(0.3, 0.8, 200) + np.random.default_rng(0).normal(0, 4, (200, 200)),
    }.items():
        found = read_one(Image.fromarray(pixels.clip(0, 255).astype(np.uint8)), tmp_path, name)
        assert [one.name for one in found.digits] == [str(digit)], name


def test_boxes_are_in_the_picture_s_own_pixels(tmp_path: Path) -> None:
    page = Image.new("L", (3000, 2000), 255)
    ImageDraw.Draw(page).line([(2000, 400), (1900, 1600)], fill=0, width=90)
    [digit] = read_one(page, tmp_path).digits
    assert digit.name == "1" and np.abs(np.array(digit.box) - (1855, 400, 2045, 1600)).max() <= 12


@pytest.mark.parametrize("number", ["8047", "12", "90210"])
def test_a_line_of_digits_is_read_from_left_to_right(number: str, tmp_path: Path) -> None:
    parts = [written(int(name), 120, 6)[:, 15:105] for name in number]
    found = read_one(Image.fromarray(np.concatenate(parts, 1)), tmp_path)
    assert "".join(one.name for one in found.digits) == number
    lefts = [one.box[0] for one in found.digits]
    assert all(90 * place <= left < 90 * (place + 1) for place, left in enumerate(lefts))
    values = found.to_json()
    assert (values["digit"], values["confidence"], values["probabilities"]) == (None, None, None)
    assert [one["digit"] for one in values["digits"]] == [int(name) for name in number]


def test_two_lines_are_read_one_after_the_other(tmp_path: Path) -> None:
    lines = [np.concatenate([written(digit, 120, 6)[:, 15:105] for digit in line], 1) for line in ((3, 5), (6, 2))]
    assert "".join(one.name for one in read_one(Image.fromarray(np.concatenate(lines)), tmp_path).digits) == "3562"


def test_a_5_in_two_strokes_is_one_digit(tmp_path: Path) -> None:
    page = Image.new("L", (200, 200), 255)
    pen = ImageDraw.Draw(page)
    pen.line([(70, 40), (140, 38)], fill=0, width=9)
    pen.line([(66, 52), (62, 95), (85, 88), (115, 92), (130, 115), (125, 140), (105, 160), (75, 162), (55, 150)],
             fill=0, width=9, joint="curve")  # fmt: skip
    assert [one.name for one in read_one(page, tmp_path).digits] == ["5"]


def empty(kind: str) -> np.ndarray:
    rng = np.random.default_rng(5)
    slope = np.linspace(90, 240, 300)[None] * np.ones((220, 1))
    rulings = np.full((220, 300), 235.0)
    rulings[20::28] = 150
    return {
        "white": np.full((220, 300), 255.0),
        "black": np.zeros((28, 28)),
        "grey": np.full((64, 64), 128.0),
        "noise": 200 + rng.normal(0, 12, (220, 300)),
        "slope": slope + rng.normal(0, 2, slope.shape),
        "ruled": rulings + rng.normal(0, 3, rulings.shape),
        "speck": np.pad(np.zeros((1, 1)), 40, constant_values=255),
    }[kind]


@pytest.mark.parametrize("kind", ["white", "black", "grey", "noise", "slope", "ruled", "speck"])
def test_where_there_is_no_digit_none_is_guessed(kind: str, tmp_path: Path) -> None:
    found = read_one(Image.fromarray(empty(kind).clip(0, 255).astype(np.uint8)), tmp_path)
    assert found.digits == ()
    assert found.to_json() == {
        "file": str(tmp_path / "picture.png"), "digit": None, "confidence": None, "probabilities": None,
        "digits": [], "unlike": False, "unknown": None, "set": None, "error": None,
    }  # fmt: skip


def test_the_shipped_runs_are_the_recorded_ones_and_run_as_in_pytorch() -> None:
    folders = sorted(WEIGHTS.glob("reader-seed*"))
    assert [folder.name for folder in folders] == ["reader-seed0", "reader-seed1", "reader-seed2"]
    images = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)
    scores = []
    for folder in folders:
        trained = load_trained(folder)
        kept = read_record(ROOT / "results" / "reader" / f"{folder.name.removeprefix('reader-')}.json")
        assert [row.test_loss for row in trained.record.rows] == [row.test_loss for row in kept.rows]
        with torch.no_grad():
            scores.append(trained.network(normalise(torch.from_numpy(images)[:, None], trained.mean, trained.std)))
    assert np.abs(shipped()(images) - torch.stack(scores).mean(0).numpy()).max() < 1e-4


OPERATIONS = [
    nn.Conv2d(6, 4, (3, 2), stride=(2, 1), padding=(1, 2)),
    nn.Conv2d(6, 9, 3, groups=3, bias=False),
    nn.Conv2d(6, 12, 2, padding="same", groups=6),
    nn.Sequential(nn.Conv2d(6, 5, 3), nn.BatchNorm2d(5), nn.ReLU()),
    nn.BatchNorm2d(6),
    nn.MaxPool2d(3, stride=2, padding=1),
    nn.AvgPool2d((2, 3), padding=1),
    nn.AdaptiveAvgPool2d(1),
    Residual(nn.Conv2d(6, 6, 3, padding=1), nn.ReLU(), nn.Conv2d(6, 6, 1)),
]


@pytest.mark.parametrize("operation", OPERATIONS)
def test_steps_in_numpy_are_what_pytorch_makes_of_the_network(operation: nn.Module, tmp_path: Path) -> None:
    torch.manual_seed(0)
    pictures = torch.rand(5, 6, 7, 11) - 0.5
    operation.train()(pictures)  # so that running statistics are not 0 and 1
    network = nn.Sequential(operation, nn.Flatten(), nn.LazyLinear(3)).eval()
    with torch.no_grad():
        expected = network(pictures).numpy()
        lowered = lower(network, (6, 7, 11)).steps
    path = tmp_path / "steps.safetensors"
    path.write_bytes(to_bytes(lowered, (0.25,), (0.5,)))
    found = from_file(path)
    assert (found.mean, found.std, len(found.steps)) == ((0.25,), (0.5,), len(lowered))
    made = [pictures.numpy()]
    for step in found.steps:
        made.append(apply_step(step, made[-1], made))
    assert made[-1].shape == (5, 3, 1, 1)
    assert np.abs(made[-1][:, :, 0, 0] - expected).max() < 1e-5


@pytest.mark.parametrize("name", ["leanest", "smallest"])
def test_any_shipped_network_answers_as_in_pytorch(name: str) -> None:
    images = np.random.default_rng(0).integers(0, 256, (7, 28, 28), dtype=np.uint8)
    trained = load_pretrained(name)
    with torch.no_grad():
        expected = trained.network(normalise(torch.from_numpy(images)[:, None], trained.mean, trained.std)).numpy()
    assert np.abs(shipped(name)(images) - expected).max() < 1e-4


def test_a_network_of_the_package_reads_pictures_by_its_name(tmp_path: Path) -> None:
    Image.fromarray(written(7)).save(tmp_path / "seven.png")
    [by_f3], [by_another] = (predict([str(tmp_path / "seven.png")], run) for run in (None, Path("smallest")))
    assert [digit.name for digit in by_another.digits] == [digit.name for digit in by_f3.digits] == ["7"]
    assert by_another.digits[0].probabilities != by_f3.digits[0].probabilities


@pytest.mark.parametrize("name", ["leanest", "smallest"])
def test_other_records_come_with_the_weights_of_their_seed_0(name: str) -> None:
    trained = load_pretrained(name)
    kept = read_record(ROOT / "results" / name / "seed0.json")
    assert (trained.record.experiment, trained.record.seed) == (name, 0)
    assert [row.test_loss for row in trained.record.rows] == [row.test_loss for row in kept.rows]
    assert sum(p.numel() for p in trained.network.parameters()) == kept.parameters


def test_strokes_come_within_their_limits() -> None:
    for width in (1, 4, 12, 40):
        bar = np.zeros((140, 100), dtype=np.float32)
        bar[10:130, 30 : 30 + width] = 1
        bar = bar[10:130, 30 : 30 + width]
        wide = (pen_width(bar) > 127).sum(1).max()
        expected = min(max(width, 0.105 * 120), 0.2 * 120)
        assert abs(wide - expected) <= 5, width
        assert stroke_width(bar) == pytest.approx(width / 120, abs=0.04)


def test_only_what_is_in_mnist_s_manner_is_left_as_it_is() -> None:
    digit = np.zeros((28, 28), dtype=np.uint8)
    digit[5:25, 13:16] = 255
    given = as_it_is(np.repeat(digit[..., None], 3, 2))
    assert given is not None and (given == digit).all()
    given = as_it_is(np.repeat(255 - digit[..., None], 3, 2))
    assert given is not None and (given == digit).all()
    assert as_it_is(np.repeat(np.roll(digit, 4, 1)[..., None], 3, 2)) is None  # off centre
    assert as_it_is(np.repeat((digit * (np.arange(28) == 14))[..., None], 3, 2)) is None  # one pixel wide
    assert as_it_is(np.repeat(np.kron(digit, np.ones((2, 2), np.uint8))[..., None], 3, 2)) is None


def test_temperature_and_calibration_error_by_hand() -> None:
    scores = np.array([[4.0, 0.0]] * 4, dtype=np.float32)
    assert fitted(scores, np.array([0, 0, 0, 1])) == pytest.approx(4 / np.log(3), rel=1e-3)  # so that 3 of 4 is said
    assert probabilities(scores, 4 / np.log(3))[0, 0] == pytest.approx(0.75)
    sure = np.array([0.75, 0.75, 0.75, 0.75, 0.3])
    assert calibration_error(sure, np.array([True, True, True, False, True])) == pytest.approx(0.7 / 5)


def test_the_temperature_was_fitted_on_training_digits() -> None:
    every = json.loads((WEIGHTS / "calibration.json").read_text())
    assert set(every) == {"f3", "reader"}
    for name, about in every.items():
        assert about["digits"] == "training" and about["fitted_on"] > 200
        assert 0.5 < about["temperature"] == temperature(name) < 5
    assert temperature("smallest") == 1


def test_what_is_unlike_any_digit_is_said(tmp_path: Path) -> None:
    draws = np.random.default_rng(4)
    assert least_energy("smallest") == -np.inf and energy(np.zeros((1, 10)))[0] == pytest.approx(np.log(10))
    for at in range(12):  # blots: no stroke at all
        blot = Image.new("L", (300, 300), 255)
        corners = [(int(x), int(y)) for x, y in draws.integers(40, 260, (5, 2))]
        ImageDraw.Draw(blot).polygon(corners, fill=0)
        blot.save(tmp_path / f"{at:02d}.png")
    assert sum(found.unlike or not found.digits for found in predict([str(tmp_path)])) >= 8
    for digit in range(10):
        found = read_one(Image.fromarray(written(digit)), tmp_path)
        assert not found.unlike and found.to_json()["unlike"] is False, digit


def test_the_reader_reads_flagged_ones(tmp_path: Path) -> None:
    made = [("flagged 1", *drawing("flagged 1", np.random.default_rng([77, place]))) for place in range(30)]
    good = {name: sum(right(found, 1) for found in answered(made, name)[0]) for name in ("f3", "reader")}
    assert good["reader"] >= 26 and good["reader"] >= good["f3"] + 4, good


def test_each_habit_is_drawn_by_its_digit_alone() -> None:
    for habit, (digit, _) in HABITS.items():
        found, image = drawing(habit, np.random.default_rng(5))
        ink = np.asarray(image.convert("L")) < 128
        assert found == digit and image.size == (280, 280) and 100 < ink.sum() < 20_000


def test_the_command_line_answers_all_and_names_what_is_wrong(tmp_path: Path) -> None:
    Image.fromarray(written(3)).save(tmp_path / "a.png")
    (tmp_path / "b.png").touch()
    Image.fromarray(written(7)).save(tmp_path / "c.png")
    done = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "featherweight", "predict", "--json", "--show", str(tmp_path / "s"),
         str(tmp_path), "gone.png"],
        capture_output=True, text=True, check=False, cwd=tmp_path,
    )  # fmt: skip
    assert done.returncode == 4
    rows = json.loads(done.stdout)["pictures"]
    assert [Path(row["file"]).name for row in rows] == ["a.png", "b.png", "c.png", "gone.png"]
    assert [row["digit"] for row in rows] == [3, None, 7, None]
    assert [row["error"] is None for row in rows] == [True, False, True, False]
    assert set(rows[0]) == {
        "file",
        "digit",
        "confidence",
        "probabilities",
        "digits",
        "unlike",
        "unknown",
        "set",
        "error",
    }
    assert len(rows[0]["probabilities"]) == 10 and sum(rows[0]["probabilities"]) == pytest.approx(1)
    assert rows[0]["confidence"] == max(rows[0]["probabilities"]) == rows[0]["digits"][0]["confidence"]
    assert "torch" not in {line.split("|")[-1].strip() for line in done.stderr.splitlines()}
    assert sorted(path.name for path in (tmp_path / "s").iterdir()) == ["a.png", "c.png"]


def test_the_table_says_what_is_read_and_what_is_not(tmp_path: Path) -> None:
    Image.fromarray(written(4)).save(tmp_path / "a.png")
    Image.new("L", (50, 50), 255).save(tmp_path / "none.png")
    shown = CliRunner().invoke(app, ["predict", str(tmp_path)], env={"COLUMNS": "200"})
    assert shown.exit_code == 0, shown.output
    lines = shown.output.splitlines()
    assert lines[1].split()[1] == "4" and lines[1].split()[3] == "%" and "no digit found" in lines[2]


def test_a_run_of_one_s_own_reads_with_its_classes(run: Run, tmp_path: Path) -> None:
    for half, count in (("train", 8), ("test", 4)):
        for name, colour in (("sky", "blue"), ("grass", "green")):
            (tmp_path / "set" / half / name).mkdir(parents=True)
            for number in range(count):
                Image.new("RGB", (28, 28), colour).save(tmp_path / "set" / half / name / f"{number}.png")
    run("train", "f1", "--epochs", 1, "--data", tmp_path / "set", "--out", tmp_path / "runs", "--threads", 1)
    Image.new("RGB", (90, 60), "blue").save(tmp_path / "view.png")
    [found] = predict([str(tmp_path / "view.png")], tmp_path / "runs" / "f1-set-seed0")
    [one] = found.digits
    assert one.name in ("sky", "grass") and one.seen.shape == (28, 28, 3) and one.box == (0, 0, 90, 60)
    assert found.to_json()["digit"] == one.name and len(one.probabilities) == 2


def test_thinning_leaves_lines_one_pixel_wide() -> None:
    bar = np.zeros((30, 20), dtype=bool)
    bar[4:26, 6:13] = True
    thin = thinned(bar)
    assert thin.any() and thin.sum(1).max() == 1 and (bar | ~thin).all()


def test_there_are_styles_of_every_digit() -> None:
    assert sorted(STYLES) == list(range(10)) and all(len(styles) >= 3 for styles in STYLES.values())


def test_the_page_quotes_the_records() -> None:
    text = PAGE.read_text(encoding="utf-8")
    begin, end = MARKS
    assert text.split(begin)[1].split(end)[0].strip() == table()
    assert (RESULTS / "kinds.csv").read_text(encoding="utf-8") == kinds_csv()
