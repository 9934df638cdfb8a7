"""The loop against a plain one written out with PyTorch's own parts, and what it promises about draws."""

import math
from dataclasses import replace
from itertools import islice

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import toy
from featherweight.data.augment import normalise
from featherweight.engine import native
from featherweight.errors import TrainingError
from featherweight.experiments.recipe import Augment, Constant, Recipe
from featherweight.training.evaluation import evaluate
from featherweight.training.loop import fit
from featherweight.training.runs.prepare import prepare
from featherweight.training.state import State, draw_seed, flatten_parameters, initial_state
from featherweight.training.step import steps_in_epoch

PLAIN = Recipe(epochs=2, batch=16, lr=0.05, weight_decay=0.01, schedule=Constant())


def _weights(state: State) -> dict[str, Tensor]:
    return {name: value.clone() for name, value in state.ema_network.state_dict().items()}


def _same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return all(torch.equal(one[name], other[name]) for name in one)


def _groups(network: nn.Module, decay: float) -> list[dict[str, object]]:
    weights = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim == 1]
    return [{"params": weights, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]


@pytest.mark.parametrize("kind", ["sgd", "adam", "adamw"])
def test_the_loop_is_the_plain_one(kind: str) -> None:
    """Same order, same dropout, per-layer optimiser and average written out: the same numbers."""
    recipe = replace(PLAIN, optimizer=kind, average=0.9)  # type: ignore[arg-type]
    ours = toy.trained(recipe)

    torch.manual_seed(draw_seed(0, "weights"))
    network = toy.network()
    average = {name: value.clone() for name, value in network.state_dict().items()}
    make = {
        "sgd": lambda groups: torch.optim.SGD(groups, lr=0.05, momentum=0.9, nesterov=True),
        "adam": lambda groups: torch.optim.Adam(groups, lr=0.05),
        "adamw": lambda groups: torch.optim.AdamW(groups, lr=0.05),
    }
    optimizer = make[kind](_groups(network, 0.01))
    data, step, sums = toy.data(), 0, torch.zeros(2, 2)
    for epoch in range(2):
        generator = torch.Generator().manual_seed(draw_seed(0, "order", epoch))
        for at, chosen in enumerate(torch.randperm(53, generator=generator).split(16)):
            network.train()
            torch.manual_seed(draw_seed(0, "step", epoch, at))
            images = normalise(data.train.images[chosen], data.mean, data.std)
            targets, scores = data.train.labels[chosen], network(images)
            loss = F.cross_entropy(scores, targets)
            optimizer.zero_grad()
            sums[epoch] += torch.tensor([loss.item() * len(chosen), float((scores.argmax(1) == targets).sum())])
            loss.backward()
            optimizer.step()
            keep = min(0.9, (1 + step) / (10 + step))
            for name, value in network.state_dict().items():
                if value.is_floating_point():
                    average[name] = keep * average[name] + (1 - keep) * value
            step += 1
    for name, value in ours.ema_network.state_dict().items():
        if value.is_floating_point():
            torch.testing.assert_close(value, average[name], rtol=1e-4, atol=1e-6)
    for row, (loss_sum, right) in zip(ours.rows, sums.tolist(), strict=True):
        assert row.train_loss == pytest.approx(loss_sum / 53, rel=1e-4)
        assert row.train_accuracy == pytest.approx(100 * right / 53)
    network.load_state_dict(average)
    network.eval()
    scores = network(normalise(data.test.images, data.mean, data.std))
    assert ours.rows[-1].test_loss == pytest.approx(F.cross_entropy(scores, data.test.labels).item(), rel=1e-4)
    right = int((scores.argmax(1) == data.test.labels).sum())
    assert ours.rows[-1].test_accuracy == 100 * right / 23


def test_it_learns_the_toy_task() -> None:
    state = toy.trained(replace(toy.RECIPE, epochs=25, average=0.0, augment=Augment()))
    assert state.rows[-1].test_accuracy >= 90
    assert state.rows[-1].train_loss < state.rows[0].train_loss / 3


def test_every_image_of_an_epoch_is_seen_once_and_the_last_batch_is_short() -> None:
    recipe = replace(PLAIN, epochs=1)
    state = toy.fresh(recipe)
    data = toy.data()
    numbered = replace(data, train=replace(data.train, images=data.train.images.clone()))
    numbered.train.images[:] = torch.arange(53, dtype=torch.uint8).view(-1, 1, 1, 1)
    seen: list[int] = []
    trainer, evaluator = toy.engines_of(state, recipe)

    def spy(images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        seen.append(len(images))
        pixels.extend((images[:, 0, 0, 0] * 0.3 + 0.15).mul(255).round().int().tolist())
        return trainer.step(images, labels, seed)

    pixels: list[int] = []
    for _ in fit(state, numbered, recipe, 0, replace(trainer, step=spy), evaluator):
        pass
    assert seen == [16, 16, 16, 5]
    assert sorted(pixels) == list(range(53)) and pixels != list(range(53))
    assert steps_in_epoch(numbered, recipe) == 4


def test_same_seed_same_bits_and_other_seed_other_bits() -> None:
    first, again, other = toy.trained(), toy.trained(), toy.trained(seed=1)
    assert _same(_weights(first), _weights(again))
    assert [replace(row, seconds=0) for row in first.rows] == [replace(row, seconds=0) for row in again.rows]
    assert not _same(_weights(first), _weights(other))


def test_draws_of_neighbouring_places_are_unrelated() -> None:
    seeds = {
        draw_seed(s, what, e, n) for s in range(5) for what in ("order", "step") for e in range(7) for n in range(11)
    }
    assert len(seeds) == 5 * 2 * 7 * 11
    assert all(0 <= seed < 2**63 for seed in seeds)


def test_plain_epochs_at_the_end_are_not_augmented() -> None:
    recipe = replace(toy.RECIPE, epochs=3, plain_epochs=1, augment=Augment(shift_px=1000))
    state = toy.fresh(recipe)
    trainer, evaluator = toy.engines_of(state, recipe)
    black: list[bool] = []

    def spy(images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        black.append(bool((images == images.min()).float().mean() > 0.9))
        return trainer.step(images, labels, seed)

    for _ in fit(state, toy.data(), recipe, 0, replace(trainer, step=spy), evaluator):
        pass
    assert black == [True] * 8 + [False] * 4


def test_the_average_s_first_steps_are_not_held_back() -> None:
    recipe = replace(PLAIN, epochs=1, average=0.998)
    state = toy.fresh(recipe)
    start = _weights(state)
    next(iter(fit(state, toy.data(), recipe, 0, *toy.engines_of(state, recipe))))
    now = state.network.state_dict()
    for name, value in _weights(state).items():
        if value.is_floating_point():  # keep = min(0.998, 1/10)
            torch.testing.assert_close(value, 0.1 * start[name] + 0.9 * now[name], rtol=1e-5, atol=1e-7)


def test_vectors_share_memory_with_the_module_and_leave_its_function_alone() -> None:
    torch.manual_seed(0)
    network = toy.network().eval()
    images = torch.randn(3, 1, 11, 13)
    before = network(images)
    vectors = flatten_parameters(network)
    # Convolutions 5*9 and 7*5*9 and the linear layer's 7*4 decay; two norms of 5 and 7 and the bias of 4 do not.
    assert len(vectors.decayed) == 45 + 315 + 28
    assert len(vectors.undecayed) == 2 * 5 + 2 * 7 + 4
    assert len(vectors.values) == 388 + 28 + 2 * 5 + 2 * 7  # and running means and variances
    assert len(vectors.gradients) == 388 + 28
    assert torch.equal(network(images), before)
    with torch.no_grad():
        vectors.decayed.zero_()
        vectors.undecayed.zero_()
    assert torch.equal(network(images), torch.zeros(3, 4))
    network(images).sum().backward()
    assert vectors.undecayed.grad is not None and vectors.undecayed.grad[-4:].tolist() == [3.0] * 4
    assert vectors.gradients[-4:].tolist() == [3.0] * 4
    assert torch.equal(vectors.gradients[:388], vectors.decayed.grad)
    assert len(flatten_parameters(toy.network(), decay_norms_and_biases=True).undecayed) == 0


def test_a_loss_that_is_no_number_stops_the_run() -> None:
    recipe = replace(PLAIN, lr=1e30)
    state = toy.fresh(recipe)
    with pytest.raises(TrainingError, match=r"became (nan|inf) in epoch 1 at a learning rate of 1e\+30; lower"):
        for _ in fit(state, toy.data(), recipe, 0, *toy.engines_of(state, recipe)):
            pass


def test_evaluation_counts_every_image() -> None:
    state = toy.trained(PLAIN)
    data = toy.data()
    _, evaluator = toy.engines_of(state, PLAIN)
    loss, correct = evaluate(evaluator, data.test, data.mean, data.std)
    state.network.eval()
    scores = state.network(normalise(data.test.images, data.mean, data.std))
    assert correct == int((scores.argmax(1) == data.test.labels).sum())
    assert math.isclose(loss, F.cross_entropy(scores, data.test.labels).item(), rel_tol=1e-5)


def test_progress_is_yielded_after_every_step_and_every_evaluation() -> None:
    state = initial_state(toy.network(), PLAIN, torch.device("cpu"))
    places = [(s.epoch, s.step, len(s.rows)) for s in fit(state, toy.data(), PLAIN, 0, *toy.engines_of(state, PLAIN))]
    first = [(0, 1, 0), (0, 2, 0), (0, 3, 0), (0, 4, 0), (1, 0, 1)]
    assert places == [*first, *((epoch + 1, step, rows + 1) for epoch, step, rows in first)]
    assert list(islice(fit(state, toy.data(), PLAIN, 0, *toy.engines_of(state, PLAIN)), 1)) == []


@pytest.mark.skipif(native.library() is None, reason="the native kernels are not built here")
def test_evaluating_averaged_weights_takes_no_memory_of_a_batch() -> None:
    experiment = toy.experiment(Recipe(batch=16, average=0.9))
    run = prepare(experiment, toy.data(), threads=1, engine="native")
    bound = run.evaluator.scores.__self__  # type: ignore[attr-defined]
    scores = run.evaluator.scores(torch.rand(1000, 1, 11, 13))
    trained = native.Bound(toy.network(), experiment.recipe, shape=(1, 11, 13), batch=16, threads=1)
    # One lane group, as the step's plan of 16 images has where lanes are 16; that of 1,000 images would have 63.
    assert scores.shape == (1000, 4) and bound.planned.bytes() <= trained.plan(16).bytes()
