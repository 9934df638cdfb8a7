"""Layers that prepare pictures: what they give, what they cost, and that a record says so."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from docs.build.publish import index_entry
from torch import nn

import featherweight as fw
from featherweight.cli import listing
from featherweight.errors import UsageError
from featherweight.experiments.augmentation import Preprocessing, preprocessing_words
from featherweight.experiments.experiment import contenders, find
from featherweight.experiments.verdicts import run_json, verdict_sentence
from featherweight.networks.layers.preprocessing import preprocessing_of
from featherweight.protocol.proof_plan import require_own_name
from featherweight.training.runs.restore import architecture_of
from made import record

HEAD = (nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(5, 10))


def cropped() -> nn.Sequential:
    return nn.Sequential(fw.Crop(2), fw.conv_norm_relu(1, 5), *HEAD)


def test_a_crop_keeps_what_lies_inside() -> None:
    pictures = torch.rand(3, 2, 11, 13)
    assert torch.equal(fw.Crop(3)(pictures), pictures[:, :, 3:8, 3:10])
    with pytest.raises(UsageError, match="cuts 1 pixel or more off each side; given 0"):
        fw.Crop(0)


def test_a_crop_costs_nothing_and_moves_the_field() -> None:
    rows = fw.dissect(cropped()).rows
    first, convolution = rows[0], rows[1]
    assert (first.name, first.kind, first.output, first.parameters, first.macs) == ("0", "Crop", (1, 24, 24), 0, 0)
    # 24 - 2 rows and columns of 5 channels with 9 weights each; the middle one of 22, number 10, begins at 2 + 10.
    assert (convolution.output, convolution.macs, convolution.field) == ((5, 22, 22), 22 * 22 * 5 * 9, 3)
    assert convolution.window == ((12, 14), (12, 14))


def test_deskewing_takes_the_slant_out_by_hand() -> None:
    picture = torch.zeros(1, 1, 3, 5)
    picture[0, 0, [0, 1, 2], [3, 2, 1]] = 2.0
    upright = torch.tensor([[0.0, 0, 2, 0, 0]] * 3)
    assert torch.allclose(fw.Deskew()(picture)[0, 0], upright, atol=1e-6)
    # By any scale and zero of its numbers, and both ways.
    assert torch.allclose(fw.Deskew()(3 * picture.flip(3) - 0.4)[0, 0], 3 * upright - 0.4, atol=1e-5)
    # Steeper than a pixel a row: the mass of columns 4, 2 and 0 has a slant of -2, and rows move by one pixel alone.
    picture = torch.zeros(1, 1, 3, 5)
    picture[0, 0, [0, 1, 2], [4, 2, 0]] = 1.0
    assert fw.Deskew()(picture)[0, 0].argmax(1).tolist() == [3, 2, 1]


def test_what_has_no_slant_stays_as_it_is() -> None:
    bars = torch.zeros(3, 1, 7, 9)
    bars[0, 0, 3, 2:8], bars[1, 0, :, 4] = 1.0, 0.5  # a row, a column, nothing
    assert torch.allclose(fw.Deskew()(bars), bars, atol=1e-6)
    with pytest.raises(UsageError, match="takes pictures of one channel; given 3"):
        fw.Deskew()(torch.zeros(1, 3, 4, 4))


def test_a_slanted_digit_comes_out_as_the_upright_one() -> None:
    digits = torch.zeros(1, 1, 28, 28)
    digits[0, 0, 6:22, 12:16] = 1.0
    rows = torch.arange(28.0) - 13.5
    grid = torch.arange(28.0) + 0.5 * rows[:, None]
    left = grid.floor().long().clamp(0, 26)
    part = (grid - left).clamp(0, 1)
    sheared = (1 - part) * digits[0, 0].gather(1, left) + part * digits[0, 0].gather(1, left + 1)
    restored = fw.Deskew()(sheared[None, None])
    assert (sheared - digits).abs().max() == 1 and (restored - digits).abs().mean() < 0.02


def test_deskewing_is_counted_and_sees_the_whole_picture() -> None:
    first, after = fw.dissect(nn.Sequential(fw.Deskew(), nn.Conv2d(1, 2, 3)), (1, 28, 20)).rows
    assert (first.kind, first.output, first.parameters, first.macs) == ("Deskew", (1, 28, 20), 0, 4 * 560 + 4 * 28)
    assert first.field == after.field == (28, 20) and after.macs == 26 * 18 * 2 * 9


def test_a_record_says_what_its_network_does_to_pictures() -> None:
    assert preprocessing_of(cropped()) == Preprocessing(crop=2)
    kept = record("f3", [99.0] * 15)
    plain, saying = verdict_sentence(kept), replace(kept, architecture=architecture_of(cropped()))
    assert (
        preprocessing_words(saying.architecture) == ["cropped by 2 px"]
        and preprocessing_words(architecture_of(nn.Sequential(*HEAD))) == []
    )
    assert "cropped" not in plain and "(10,000 test images, cropped by 2 px): " in verdict_sentence(saying)
    assert run_json(saying, Path("run"))["preprocessing"] == ["cropped by 2 px"]
    assert "preprocessing" not in run_json(kept, Path("run"))


def test_a_list_says_it_too() -> None:
    experiment = fw.Experiment(id="f3-cropped", title="f3 again", network=cropped, recipe=fw.Recipe())
    entry = index_entry(experiment, {})
    assert entry["preprocessing"] == ["cropped by 2 px"] and "preprocessing" not in index_entry(find("f3"), {})
    lines = " ".join(line.strip() for line, _ in listing.lines([entry], []))
    assert "f3 again, cropped by 2 px" in lines.replace("  ", " ")


def test_a_record_with_preprocessing_has_a_name_of_its_own() -> None:
    own = fw.Experiment(id="leanest-cropped", title="", network=cropped, recipe=fw.Recipe())
    require_own_name(own)
    for experiment in contenders():
        require_own_name(experiment)
    with pytest.raises(UsageError, match=r"leanest reads pictures that are cropped by 2 px.*such as leanest-cropped\."):
        require_own_name(replace(own, id="leanest"))
