"""Which images an epoch takes, and how often, against arithmetic and a loop that is watched."""

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor

import toy
from featherweight.engine import Engine
from featherweight.errors import UsageError
from featherweight.experiments.recipe import Augment, HardExamples, Recipe
from featherweight.training import loop
from featherweight.training.evaluation import image_losses
from featherweight.training.loop import expected_counts, fit, sample_by_loss

HARD = HardExamples(factor=5, loss=0.1)


def _draws(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_shares_are_the_arithmetic() -> None:
    # Weights 1, 3, 5, 5, 1.4 by 1 + 4 min(1, loss / 0.1); they sum to 15.4, and there are 5 images.
    losses = torch.tensor([0.0, 0.05, 0.1, 7.0, 0.01])
    expected = torch.tensor([1.0, 3.0, 5.0, 5.0, 1.4], dtype=torch.float64) * 5 / 15.4
    torch.testing.assert_close(expected_counts(losses, HARD), expected)


def test_an_image_comes_as_often_as_its_share_rounded_down_or_up() -> None:
    losses = torch.rand(997, generator=_draws(3)) ** 4 * 0.4
    share = expected_counts(losses, HARD)
    for seed in range(5):
        chosen = sample_by_loss(losses, HARD, _draws(seed))
        assert len(chosen) == 997
        often = torch.bincount(chosen, minlength=997)
        assert torch.all((often - share).abs() < 1)
        assert often.max() > 1 > often.min()
    mean = sum(torch.bincount(sample_by_loss(losses, HARD, _draws(s)), minlength=997) for s in range(400)) / 400
    assert torch.all((mean - share).abs() < 0.12)  # 400 draws of a fraction: 0.025 is one standard error at most


def test_the_order_is_random_and_its_seed_s() -> None:
    losses = torch.rand(211, generator=_draws(3))
    first, again, other = (sample_by_loss(losses, HARD, _draws(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert not torch.equal(first, first.sort().values)


def _taken(recipe: Recipe, hard: list[int]) -> list[Tensor]:
    """How often each image is taken, epoch by epoch, where a evaluator finds these hard and all others easy."""
    data, state = toy.data(), toy.fresh(recipe)
    tagged = torch.arange(53, dtype=torch.uint8)  # each training image is known by its first pixel
    data.train.images[:, 0, 0, 0] = tagged
    engine, _ = toy.engines_of(state, recipe)
    epochs: list[Tensor] = []
    often = torch.zeros(53, dtype=torch.long)

    def step(images: Tensor, labels: Tensor, seed: int, *taught: Any) -> tuple[Tensor, Tensor]:
        pixels = ((images[:, 0, 0, 0] * 0.3 + 0.15) * 255).round().long()
        often.add_(torch.bincount(pixels, minlength=53))
        return engine.step(images, labels, seed)

    def scores(images: Tensor) -> Tensor:
        pixels = ((images[:, 0, 0, 0] * 0.3 + 0.15) * 255).round().long()
        sure = torch.tensor([0.0 if int(pixel) in hard else 30.0 for pixel in pixels])
        return sure[:, None] * torch.eye(4)[pixels % 4]  # labels go round by position

    watched = Engine(name="torch", step=step, scores=engine.scores)
    evaluator = Engine(name="torch", step=step, scores=scores)
    for now in fit(state, data, recipe, 0, watched, evaluator):
        if now.step == 0:
            epochs.append(often.clone())
            often.zero_()
    return epochs


def test_hard_images_are_taken_more_often_from_the_second_epoch_to_the_plain_ones() -> None:
    recipe = replace(toy.RECIPE, epochs=4, plain_epochs=1, augment=Augment(), hard=HardExamples(factor=6, loss=0.1))
    # An augmentation of nothing leaves the tag alone. Losses are log 4 and 0: weights 6 and 1, of 3 and 50 images.
    first, second, third, last = _taken(recipe, hard=[5, 17, 52])
    assert torch.equal(first, torch.ones(53, dtype=torch.long)) and torch.equal(last, first)
    share = 6 * 53 / (3 * 6 + 50)  # 4.68
    for epoch in (second, third):
        assert epoch.sum() == 53
        assert all(int(epoch[place]) in (int(share), int(share) + 1) for place in (5, 17, 52))
        assert epoch.max() == epoch[[5, 17, 52]].max() and 36 <= int(sum(epoch)) - int(epoch[[5, 17, 52]].sum()) <= 41
    assert not torch.equal(second, third)


def test_the_time_of_a_look_counts_as_training(monkeypatch: pytest.MonkeyPatch) -> None:
    """A clock that only a look moves on, by 100 seconds."""
    now = [0.0]

    def look(*about: Any) -> Tensor:
        now[0] += 100
        return image_losses(*about)

    monkeypatch.setattr(loop, "time", SimpleNamespace(perf_counter=lambda: now[0]))
    monkeypatch.setattr(loop, "image_losses", look)
    recipe = replace(toy.RECIPE, epochs=5, plain_epochs=1, hard=HardExamples(factor=6, loss=0.1))
    state = toy.fresh(recipe)
    *_, last = fit(state, toy.data(), recipe, 0, *toy.engines_of(state, recipe))
    assert [row.seconds for row in last.rows] == [0, 100, 100, 100, 0]
    assert last.train_seconds == 300


def test_losses_of_images_are_torch_s_own() -> None:
    state = toy.fresh()
    engine, _ = toy.engines_of(state, toy.RECIPE)
    data = toy.data()
    network = state.network.eval()
    inputs = (data.train.images / 255 - 0.15) / 0.3
    expected = -network(inputs).log_softmax(1)[torch.arange(53), data.train.labels]
    torch.testing.assert_close(image_losses(engine, data.train, data.mean, data.std), expected.detach())


@pytest.mark.parametrize("wrong", [{"factor": 0.9}, {"loss": 0.0}])
def test_hard_examples_have_limits(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError, match=rf"HardExamples.{next(iter(wrong))} must be"):
        HardExamples(**wrong)
