"""Test-time augmentation, against arithmetic written out."""

from dataclasses import replace
from pathlib import Path

import pytest
import torch
from torch import Tensor

import toy
from featherweight.data.split import Split
from featherweight.engine import Engine
from featherweight.errors import FileError
from featherweight.experiments.record import Record
from featherweight.training.evaluation import evaluate_shifted, translate
from featherweight.training.runs import run as runs
from made import record


def test_images_move_by_whole_pixels_and_edges_are_repeated() -> None:
    image = torch.tensor([[[[1, 2, 3], [4, 5, 6]]]])
    assert translate(image, 0, 0).equal(image)
    assert translate(image, -1, 0)[0, 0].tolist() == [[4, 5, 6], [4, 5, 6]]
    assert translate(image, 0, 1)[0, 0].tolist() == [[1, 1, 2], [4, 4, 5]]
    assert translate(image, 0, -1)[0, 0].tolist() == [[2, 3, 3], [5, 6, 6]]
    assert translate(image, 1, 2)[0, 0].tolist() == [[1, 1, 1], [1, 1, 1]]


def test_the_mean_of_probabilities_answers_not_most_places_nor_scores() -> None:
    # One dot in a 3 x 3 image; where it is seen decides what a made-up network says.
    answers = torch.full((3, 3, 2), 0.5)
    answers[1, 1] = torch.tensor([0.98, 0.02])  # as it is: surely 0
    answers[0, 1] = answers[2, 1] = answers[1, 0] = torch.tensor([0.4, 0.6])  # three of the others: rather 1
    answers[1, 2] = torch.tensor([1e-9, 1 - 1e-9])  # the last: 1, and its logarithm would outweigh all the rest
    # Mean of class 0: (0.98 + 3 x 0.4 + 0) / 5 = 0.436, so 1. With 0.6 in place of that 0: 0.556, so 0.
    image = torch.zeros(2, 1, 3, 3, dtype=torch.uint8)
    image[:, 0, 1, 1] = 255
    surer = answers.clone()
    surer[1, 2] = torch.tensor([0.6, 0.4])

    # Four of 0.7 and that 0: (4 x 0.7 + 0) / 5 = 0.56, so 0, which logarithms would outweigh.
    outweighed = torch.full((3, 3, 2), 0.5)
    outweighed[1, 1] = outweighed[0, 1] = outweighed[2, 1] = outweighed[1, 0] = torch.tensor([0.7, 0.3])
    outweighed[1, 2] = answers[1, 2]

    def judge(table: Tensor) -> Engine:
        def scores(images: Tensor) -> Tensor:
            row, column = (images[:, 0] > 0.5).nonzero()[:, 1:].T
            return table[row, column].log() + 7.0

        return Engine(name="torch", step=lambda *_: (torch.zeros(()), torch.zeros(())), scores=scores)

    split = Split(images=image, labels=torch.tensor([0, 1]))
    assert [evaluate_shifted(judge(table), split, (0.0,), (1.0,)) for table in (answers, surer)] == [1, 1]
    ones = replace(split, labels=torch.tensor([1, 1]))
    assert [evaluate_shifted(judge(table), ones, (0.0,), (1.0,)) for table in (answers, surer, outweighed)] == [2, 0, 0]


def test_a_finished_run_says_what_it_does_so(tmp_path: Path) -> None:
    run = runs.new_run(toy.experiment(), toy.data(), out=tmp_path, engine="torch", threads=1)
    for _ in runs.train(run):
        assert run.record.shifted_accuracy is None
    test, mean = run.data.test, 0.0
    for down, right in ((0, 0), (1, 0), (-1, 0), (0, 1), (0, -1)):
        padded = torch.nn.functional.pad(test.images.float(), (1, 1, 1, 1), mode="replicate")
        view = padded[:, :, 1 - down : 12 - down, 1 - right : 14 - right]
        mean = mean + run.state.ema_network.eval()((view / 255 - 0.15) / 0.3).softmax(1)
    assert isinstance(mean, Tensor)
    expected = 100 * int((mean.argmax(1) == test.labels).sum()) / 23
    assert run.record.shifted_accuracy == pytest.approx(expected)
    assert 100 * 0.25 < expected < 100


def test_records_from_before_have_none_and_are_written_as_they_were() -> None:
    old, new = record("f3", [99.5] * 15), record("f3", [99.5] * 15, shifted_accuracy=99.61)
    assert "shifted_accuracy" not in old.to_json()
    assert Record.from_json(old.to_json(), "here").shifted_accuracy is None
    assert Record.from_json(new.to_json(), "here") == new
    with pytest.raises(FileError, match="shifted_accuracy must be .*given 'high'"):
        Record.from_json(new.to_json() | {"shifted_accuracy": "high"}, "here")
