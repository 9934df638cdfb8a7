"""Tables of answers against scikit-learn, fields and evidence against arithmetic, augmented images against training."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from sklearn import metrics
from torch import nn

import toy
from featherweight.data.augment import normalise
from featherweight.errors import UsageError
from featherweight.experiments.recipe import Augment, Recipe
from featherweight.networks.layers.blocks import conv_norm_relu
from featherweight.report.analysis import Answers, answers_of, calibration, class_rows, confusion, mistakes, pooled
from featherweight.report.attribution import contrast, evidence, fields, first_kernels, seen_in_training
from featherweight.training.runs.trained import data_of, load_trained
from made import record


def made_up(count: int = 4001, classes: int = 7, seed: int = 5) -> Answers:
    """Answers that are right about two times in three; class 6 is never chosen, and the last class has no image."""
    draws = np.random.default_rng(seed)
    labels = draws.integers(0, classes - 1, count)
    scores = draws.normal(size=(count, classes))
    scores[np.arange(count), labels] += 2.0
    scores[:, 5] -= 100.0
    probabilities = np.exp(scores) / np.exp(scores).sum(axis=1, keepdims=True)
    return Answers(probabilities=probabilities, labels=labels, classes=tuple("abcdefg")[:classes])


# ------------------------------------------------------------------------------------ against scikit-learn


def test_the_confusion_matrix_is_scikit_learn_s() -> None:
    answers = made_up()
    theirs = metrics.confusion_matrix(answers.labels, answers.chosen, labels=range(7))
    assert confusion(answers).tolist() == theirs.tolist()
    assert theirs.trace() not in (0, len(answers))


def test_the_table_by_class_is_scikit_learn_s() -> None:
    answers = made_up()
    precision, recall, _, support = metrics.precision_recall_fscore_support(
        answers.labels, answers.chosen, labels=range(7), zero_division=np.nan
    )
    rows = class_rows(answers)
    assert [row.name for row in rows] == list("abcdefg")
    for at, row in enumerate(rows):
        assert row.images == support[at]
        assert row.accuracy == pytest.approx(100 * metrics.accuracy_score(answers.labels == at, answers.chosen == at))
        for ours, theirs in ((row.precision, precision[at]), (row.recall, recall[at])):
            assert (ours is None) if np.isnan(theirs) else ours == pytest.approx(100 * theirs)
    assert rows[5].precision is None and rows[5].recall == 0  # never chosen
    assert rows[6].recall is None  # no image of it
    assert answers.accuracy == pytest.approx(100 * metrics.accuracy_score(answers.labels, answers.chosen))


def test_the_mistakes_are_all_of_them_the_most_confident_first() -> None:
    answers = made_up()
    found = mistakes(answers)
    assert len(found) == len(answers) - metrics.accuracy_score(answers.labels, answers.chosen, normalize=False) > 500
    assert {one.index for one in found} == set(np.flatnonzero(answers.labels != answers.probabilities.argmax(1)))
    assert all(one.confidence >= other.confidence for one, other in pairwise(found))
    for one in found[:50]:
        row = answers.probabilities[one.index]
        assert (one.truth, one.chosen) == (answers.labels[one.index], row.argmax())
        assert (one.confidence, one.truth_probability) == (row.max(), row[one.truth])


def test_the_answers_of_a_run_are_what_the_record_says_and_what_scikit_learn_counts(short_runs: list[Path]) -> None:
    for folder in short_runs:
        trained = load_trained(folder)
        data = data_of(trained.record)
        answers = answers_of(trained, data)
        with torch.no_grad():
            scores = trained.network(normalise(data.test.images, trained.mean, trained.std))
        theirs = metrics.confusion_matrix(data.test.labels, scores.argmax(1))
        assert confusion(answers).tolist() == theirs.tolist()
        assert np.allclose(answers.probabilities, scores.double().softmax(1), atol=1e-5)
        assert answers.accuracy == trained.record.rows[-1].test_accuracy
        wrong = (scores.argmax(1) != data.test.labels).nonzero()[:, 0].tolist()
        assert sorted(one.index for one in mistakes(answers)) == wrong and wrong


def test_other_images_than_the_network_takes_are_refused(short_runs: list[Path]) -> None:
    with pytest.raises(UsageError, match="distinguishes 10 classes of .1, 28, 28. images; bars has 4"):
        answers_of(load_trained(short_runs[0]), toy.data())


def test_pooled_answers_add_up() -> None:
    one, other = made_up(seed=1), made_up(seed=2)
    assert confusion(pooled([one, other])).tolist() == (confusion(one) + confusion(other)).tolist()
    for wrong in ([], [one, made_up(classes=6)]):
        with pytest.raises(UsageError, match="same classes"):
            pooled(wrong)


def test_calibration_against_arithmetic() -> None:
    # Two images at 0.6 of which one is right, one at 1.0 that is right, one at 0.9 that is wrong, in 5 bins.
    confidence, right = [0.6, 0.6, 1.0, 0.9], [True, False, True, False]
    probabilities = np.array([[value, 1 - value] for value in confidence])
    answers = Answers(probabilities=probabilities, labels=np.array([0 if r else 1 for r in right]), classes=("a", "b"))
    found = calibration(answers, bins=5)
    assert [one.images for one in found.bins] == [0, 0, 2, 0, 2]
    assert (found.bins[2].accuracy, found.bins[4].accuracy) == (0.5, 0.5)
    assert found.bins[4].confidence == pytest.approx(0.95)
    assert found.error == pytest.approx((2 * 0.1 + 2 * 0.45) / 4)
    quarters = Answers(probabilities=np.array([[0.75, 0.25]] * 3), labels=np.array([0, 0, 1]), classes=("a", "b"))
    assert [one.images for one in calibration(quarters, bins=4).bins] == [0, 0, 3, 0]  # a bin has its upper edge
    perfect = Answers(probabilities=np.eye(3), labels=np.arange(3), classes=("a", "b", "c"))
    assert calibration(perfect).error == 0
    assert [one.images for one in calibration(perfect).bins] == [0] * 14 + [3]


# ----------------------------------------------------------------------------------------- inside a network


def test_the_effective_field_of_one_convolution_is_its_kernel() -> None:
    network = nn.Sequential(nn.Conv2d(1, 1, 3, bias=False))
    kernel = torch.tensor([[1.0, -2.0, 3.0], [0.0, 4.0, -8.0], [1.0, 2.0, 0.0]])
    network[0].weight.data[0, 0] = kernel
    (field,) = fields(network, torch.randn(5, 1, 7, 11))
    assert field.window == ((2, 4), (4, 6)) and (field.height, field.width) == (3, 3)  # the unit at 2, 4 of 5 x 9
    expected = np.zeros((7, 11))
    expected[2:5, 4:7] = kernel.abs() / 8
    assert np.allclose(field.heat, expected)


def test_the_effective_field_lies_inside_the_theoretical_one_and_grows() -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        conv_norm_relu(2, 3), conv_norm_relu(3, 5, padding=1), nn.MaxPool2d(2), conv_norm_relu(5, 7), nn.Flatten(),
        nn.LazyLinear(3),
    )  # fmt: skip
    images = torch.randn(13, 2, 17, 19)
    network(images)
    network.train()
    found = fields(network, images)
    assert [field.height for field in found] == [3, 5, 6, 10]
    assert network.training and not any(module._forward_hooks for module in network.modules())
    for field in found:
        (top, bottom), (left, right) = field.window
        outside = field.heat.copy()
        outside[max(top, 0) : bottom + 1, max(left, 0) : right + 1] = 0
        assert field.heat.max() == 1 and outside.max() == 0
        rows, columns = np.nonzero(field.heat)
        assert (rows.min(), columns.min()) == (max(top, 0), max(left, 0))  # and reaches its edge
        assert (rows.max(), columns.max()) == (min(bottom, 16), min(right, 18))


def test_evidence_of_a_network_that_averages_one_channel_is_that_channel() -> None:
    network = nn.Sequential(nn.Conv2d(1, 2, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2, 2))
    network[0].weight.data[:, 0, 0, 0] = torch.tensor([1.0, -1.0])
    network[3].weight.data[:] = torch.tensor([[1.0, 0.0], [0.0, 1.0]])
    image = torch.zeros(1, 1, 5, 7)
    image[0, 0, 1, 2], image[0, 0, 3, 4] = 2.0, -4.0
    for label, bright in ((0, (1, 2)), (1, (3, 4))):
        found = evidence(network, image, torch.tensor([label]))
        assert found is not None and found.layer == "0" and found.map == (5, 7)
        expected = np.zeros((5, 7))
        expected[bright] = 1
        assert np.allclose(found.heat[0], expected)


def test_a_contrast_shows_what_speaks_for_either_class_and_the_other_way_round() -> None:
    """One channel each: the scores are means of the left and of the right half, so each pixel speaks for its half."""

    class Halves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.same = nn.Conv2d(1, 1, 1, bias=False)
            self.halves = nn.AdaptiveAvgPool2d((1, 2))

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return self.halves(self.same(images)).flatten(1)  # type: ignore[no-any-return]

    network = Halves()
    nn.init.ones_(network.same.weight)
    image = torch.rand(1, 1, 8, 8, generator=torch.Generator().manual_seed(2)) + 0.1
    found = contrast(network, image, torch.tensor([0]), torch.tensor([1]))
    assert found is not None and found.layer == "same" and found.map == (8, 8)
    expected = image[0, 0].double().numpy() * np.where(np.arange(8) < 4, 1, -1)
    assert found.heat[0] == pytest.approx(expected / np.abs(expected).max(), abs=1e-6)
    other = contrast(network, image, torch.tensor([1]), torch.tensor([0]))
    assert other is not None and other.heat == pytest.approx(-found.heat)
    assert contrast(network, image[..., :6, :6], torch.tensor([0]), torch.tensor([1])) is None  # too coarse a map


def test_a_network_without_a_map_has_no_evidence_and_no_kernels() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(35, 3))
    assert evidence(network, torch.zeros(2, 1, 5, 7), torch.tensor([0, 1])) is None
    assert first_kernels(network) is None and fields(network, torch.zeros(2, 1, 5, 7)) == []


def test_images_seen_are_those_that_training_saw(monkeypatch: pytest.MonkeyPatch) -> None:
    from featherweight.training import step as train

    inputs: list[torch.Tensor] = []
    real = train.augment

    def spy(*args: object, **kwargs: object) -> torch.Tensor:
        out = real(*args, **kwargs)  # type: ignore[arg-type]
        inputs.append(out.clone())
        return out

    monkeypatch.setattr(train, "augment", spy)
    toy.trained(seed=3)
    data = toy.data()
    about = {"environment": {"torch": "", "threads": 1, "device_type": "cpu"}}
    seen = seen_in_training(record("f3", [99.0], 3, recipe=toy.RECIPE.to_json(), **about), data, count=7)
    assert seen is not None and seen.exact and seen.changed.shape == (7, 1, 11, 13)
    normalised = (seen.changed - data.mean[0]) / data.std[0]
    assert np.allclose(normalised, inputs[0][:7], atol=1e-5)
    assert np.allclose(seen.plain * 255, data.train.images[seen.indices])
    about["environment"]["device_type"] = "cuda"
    assert not seen_in_training(record("f3", [99.0], 3, recipe=toy.RECIPE.to_json(), **about), data).exact  # type: ignore[union-attr]


@pytest.mark.parametrize("recipe", [Recipe(), Recipe(epochs=2, plain_epochs=2, augment=Augment(shift_px=1))])
def test_without_augmentation_nothing_is_seen_changed(recipe: Recipe) -> None:
    assert seen_in_training(record("f3", [99.0], recipe=recipe.to_json()), toy.data()) is None
