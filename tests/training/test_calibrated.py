"""`calibrate` fits on pictures that a run held out, and on no others; `predict` then says "none of these"."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import featherweight as fw
from commands import Run
from featherweight.experiments.calibration import FILE
from featherweight.training.runs.calibrated import MADE, made_strangers, scores_of
from featherweight.training.runs.trained import load_trained

HELD = ("--data", "digits", "--holdout", 437)


@pytest.fixture
def trained(run: Run, toy_file: Path, alone: Path) -> Path:
    """A run that was judged on held-out digits."""
    assert run("train", toy_file, *HELD, "--out", "runs")[0] == 0
    return Path("runs/own-seed0")


def test_strangers_are_made_anew_of_the_same_blocks() -> None:
    known = torch.arange(2 * 3 * 9 * 13).remainder(251).to(torch.uint8).reshape(2, 3, 9, 13)
    kinds = dict(made_strangers(known))
    assert list(kinds) == ["noise", "frames of one colour", "scrambled images"]
    noise, flat, mixed = kinds.values()
    assert noise.shape == flat.shape == (MADE, 3, 9, 13) and noise.float().std() > 70
    assert (flat == flat[:, :, :1, :1]).all() and len(flat[:, 0, 0, 0].unique()) > 200
    blocks = {
        known[n, :, y : y + 2, x : x + 3].numpy().tobytes() for n in (0, 1) for y in (0, 2, 4, 6) for x in (0, 3, 6, 9)
    }
    found = {
        mixed[n, :, y : y + 2, x : x + 3].numpy().tobytes() for n in (0, 1) for y in (0, 2, 4, 6) for x in (0, 3, 6, 9)
    }
    assert len(blocks) == 32 and found == blocks and not (mixed == known).all()
    assert (mixed.sort(0).values[:, :, 8] == known.sort(0).values[:, :, 8]).all()  # what is left at the edge stays
    assert all((again == kinds[name]).all() for name, again in made_strangers(known))


def test_predict_says_none_of_these_by_the_scores(run: Run, trained: Path, tmp_path: Path) -> None:
    status, out, _ = run("predict", _pictures(tmp_path), "--run", trained, "--json")
    assert status == 0
    before = json.loads(out)["pictures"]
    assert {(one["unknown"], one["set"]) for one in before} == {(None, None)}
    (tmp_path / "others").mkdir()
    for number in range(3):
        Image.new("RGB", (40, 30), (80 * number, 10, 10)).save(tmp_path / "others" / f"{number}.png")
    words = ("--strangers", "others", "--strangers", "digits", "--cover", 99)
    status, out, _ = run("calibrate", trained, *words, "--json")
    known = json.loads(out)
    assert status == 0 and (known["held_out"], known["cover"], known["by"]) == (437, 99, "itself")
    kinds = {name: of for name, (_, of) in known["refused"].items()}
    assert kinds == {"held-out images": 437, "noise": MADE, "frames of one colour": MADE, "scrambled images": 437,
                     "others": 3, "digits": 359 * 2}  # fmt: skip
    refused, of = known["refused"]["held-out images"]
    assert 0 < refused <= 0.05 * of
    after = json.loads(run("predict", tmp_path / "some", "--run", trained, "--json")[1])["pictures"]
    model = load_trained(trained)
    assert model.calibration is not None and model.calibration.threshold is not None
    pixels = np.stack([np.array(Image.open(one["file"])) for one in after])[:, None]
    scores = scores_of(model, torch.from_numpy(pixels))
    refusals = model.calibration.unknown(scores)
    assert refusals is not None and refusals[:36].any() and not refusals[:36].all()
    assert [one["unknown"] for one in after] == [*refusals[:36].tolist(), True]
    assert after[36]["digits"] == []  # noise, where no digit is found
    after = after[:36]
    for one in after:
        assert one["set"][0] == one["digit"] and len(set(one["set"])) == len(one["set"])
        chances = np.array(one["probabilities"])
        wanted = set(np.flatnonzero(chances >= min(known["least_probability"], chances.max())).tolist())
        assert set(one["set"]) == wanted
    table = run("predict", tmp_path / "some", "--run", trained)[1]
    assert table.count("none of these") == sum(one["unknown"] for one in after)
    found = fw.load(trained).predict(pixels[:36])
    assert [one.unknown for one in found] == [one["unknown"] for one in after]
    assert [one.confidence for one in found] == pytest.approx([one["confidence"] for one in after], abs=1e-6)


def test_a_run_without_held_out_pictures_takes_them_of_another(run: Run, toy_file: Path, trained: Path) -> None:
    assert run("train", toy_file, "--data", "digits", "--out", "whole")[0] == 0
    whole = Path("whole/own-seed0")
    status, _, err = run("calibrate", whole)
    assert status == 2 and "--holdout" in err and "--by" in err and not (whole / FILE).exists()
    status, out, _ = run("calibrate", whole, "--by", trained, "--json")
    known = json.loads(out)
    assert status == 0 and known["held_out"] == 437 and "seed 0" in known["by"]
    assert known["refused"]["test images"][1] == 360
    assert run("train", toy_file, *HELD, "--epochs", 1, "--out", "shorter")[0] == 0
    status, _, err = run("calibrate", whole, "--by", "shorter/own-seed0")
    assert status == 2 and "recipe" in err
    for words, says in ((("--refuse", 0), "refuse"), (("--strangers", "nothing/here"), "nothing/here")):
        status, _, err = run("calibrate", whole, "--by", trained, *words)
        assert status == 2 and says in err
    assert json.loads((whole / FILE).read_text()) == known  # as it was


def test_too_few_pictures_give_no_threshold_and_no_program_for_one(run: Run, toy_file: Path, alone: Path) -> None:
    assert run("train", toy_file, "--data", "digits", "--holdout", 50, "--out", "runs")[0] == 0
    status, out, _ = run("calibrate", "runs/own-seed0")
    assert status == 0 and "too few" in out
    status, _, err = run("export", "runs/own-seed0", "--to", "c", "--unknown")
    assert status == 2 and "too few" in err and not Path("exports").exists()


def test_a_calibration_is_of_its_weights_alone(run: Run, trained: Path) -> None:
    assert run("calibrate", trained)[0] == 0
    values = json.loads((trained / FILE).read_text())
    for wrong in ({"weights": "0" * 64}, {"temperature": -1}):
        (trained / FILE).write_text(json.dumps(values | wrong))
        status, _, err = run("evaluate", trained)
        assert status == 4 and FILE in err


def _pictures(folder: Path) -> Path:
    """Digits, some turned by a quarter, and noise."""
    (folder / "some").mkdir()
    digits = fw.load_data("digits").train.images[:30, 0].numpy()
    noise = np.random.default_rng(0).integers(0, 256, digits[:1].shape, dtype=np.uint8)
    for number, pixels in enumerate([*digits, *np.rot90(digits[:6], axes=(1, 2)), *noise]):
        Image.fromarray(pixels).save(folder / "some" / f"{number:02}.png")
    return folder / "some"
