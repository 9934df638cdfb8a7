"""The complete training loop, and the order in which it visits the images.

Every random draw of a run is determined by (seed, purpose, epoch, step), never by a generator state carried along, so a
run can be resumed at any step and end bit for bit the same. `fit` is a generator: it yields the state after each step,
and its caller shows progress, saves, or stops. It knows nothing of files, reports or terminals.
"""

import math
import time
from collections.abc import Iterator
from contextlib import nullcontext

import torch
from torch import Tensor

from featherweight.data.dataset import Data
from featherweight.engine import Engine
from featherweight.errors import TrainingError
from featherweight.experiments.recipe import HardExamples, Recipe
from featherweight.experiments.record import Row, percent
from featherweight.training.evaluation import evaluate, image_losses
from featherweight.training.schedule import rate
from featherweight.training.state import State, draw_seed
from featherweight.training.step import Teacher, steps_in_epoch, train_batch


def shuffled(count: int, draws: torch.Generator) -> Tensor:
    """The order of an epoch that visits each training image once: int64 [count]."""
    return torch.randperm(count, generator=draws)


def expected_counts(losses: Tensor, hard: HardExamples) -> Tensor:
    """How often an epoch is expected to visit each training image: float64 [N] with sum N, by losses [N] in nats.

    >>> expected_counts(torch.tensor([0.0, 0.05, 0.1, 3.0]), HardExamples(factor=5, loss=0.1)).float()  # 1, 3, 5, 5
    tensor([0.2857, 0.8571, 1.4286, 1.4286])
    """
    weights = 1 + (hard.factor - 1) * (losses.double() / hard.loss).clamp(max=1)
    return weights * (len(weights) / weights.sum())


def sample_by_loss(losses: Tensor, hard: HardExamples, draws: torch.Generator) -> Tensor:
    """Positions of images sampled according to their losses [N], in random order: int64 [N].

    Uses systematic sampling (Madow, 1949): an image with an expected count of 1.4 is taken once or twice, never more or
    less often, so that no hard image is left out by chance.
    """
    ends = expected_counts(losses.cpu(), hard).cumsum(0)
    marks = torch.arange(len(ends), dtype=torch.float64) + torch.rand((), generator=draws, dtype=torch.float64)
    chosen = torch.searchsorted(ends, marks, right=True).clamp(max=len(ends) - 1)
    return chosen[shuffled(len(chosen), draws)]


CHECK_STEPS = 50
"""Steps between checks that the loss is finite; on a GPU, each check waits for pending work to finish."""


def fit(
    state: State,
    data: Data,
    recipe: Recipe,
    seed: int,
    engine: Engine,
    evaluator: Engine,
    teacher: Teacher | None = None,
) -> Iterator[State]:
    """Train to the end of the recipe, yielding the state after each step and after each epoch's evaluation.

    After a step, `state.step` includes it; after an evaluation, `state.step` is 0 and `state.rows` has a new row. The
    data must be on the network's device; `engine` executes `state.network` and `evaluator` executes
    `state.ema_network`; a recipe with `distil` needs its `teacher`.
    Raises TrainingError if the loss is infinite or NaN; `state` is then unusable.
    """
    steps = steps_in_epoch(data, recipe)

    while state.epoch < recipe.epochs:
        # 1. A new order of the training images each epoch.
        order = _order(state, data, recipe, seed, evaluator)

        while state.step < steps:
            started = time.perf_counter()
            # 2. The batch: images, forward, backward, the step at the schedule's rate, the moving average.
            chosen = order[state.step * recipe.batch : (state.step + 1) * recipe.batch]
            place = draw_seed(seed, "step", state.epoch, state.step)
            lr = rate(recipe, state.epoch * steps + state.step, steps, state.rows)
            loss, correct = train_batch(state, data, chosen, recipe, engine, teacher, seed=place, lr=lr)

            # 3. Running figures stay on the device until someone reads them.
            state.loss_sum += loss * len(chosen)
            state.correct += correct
            state.seen += len(chosen)
            state.step += 1
            if state.step % CHECK_STEPS == 0 or state.step == steps:
                _require_finite(state)
            took = time.perf_counter() - started
            state.epoch_seconds += took
            state.train_seconds += took
            yield state

        # 4. Evaluation on the whole test set, with the weights that would be saved.
        started = time.perf_counter()
        rounding, values = state.rounding, state.evaluated.values
        if rounding and state.epoch + 1 == recipe.epochs:  # what is saved stays rounded
            values[rounding.places] = rounding.rounded(values)
            rounding = None
        with rounding.applied(values) if rounding else nullcontext():
            test_loss, test_correct = evaluate(evaluator, data.test, data.mean, data.std)
        state.rows.append(
            Row(
                epoch=state.epoch + 1,
                lr=state.lr,
                train_loss=state.loss_sum.item() / state.seen,
                train_accuracy=percent(int(state.correct), state.seen),
                test_loss=test_loss,
                test_accuracy=percent(test_correct, len(data.test.labels)),
                seconds=state.epoch_seconds + time.perf_counter() - started,
            )
        )
        state.epoch, state.step, state.seen, state.epoch_seconds = state.epoch + 1, 0, 0, 0.0
        state.loss_sum.zero_()
        state.correct.zero_()
        yield state


def _order(state: State, data: Data, recipe: Recipe, seed: int, evaluator: Engine) -> Tensor:
    """Positions of the training images that the current epoch takes, in order: int64 [N]. Each comes once, unless the
    recipe takes hard ones more often."""
    draws = torch.Generator().manual_seed(draw_seed(seed, "order", state.epoch))
    if not recipe.hard or state.losses is None or not 0 < state.epoch < recipe.epochs - recipe.plain_epochs:
        return shuffled(len(data.train), draws).to(data.train.labels.device)
    if state.step == 0:
        started = time.perf_counter()
        state.losses.copy_(image_losses(evaluator, data.train, data.mean, data.std))
        took = time.perf_counter() - started
        state.epoch_seconds += took
        state.train_seconds += took
    return sample_by_loss(state.losses, recipe.hard, draws).to(data.train.labels.device)


def _require_finite(state: State) -> None:
    loss = state.loss_sum.item()
    if not math.isfinite(loss):
        raise TrainingError(
            f"The training loss became {loss} in epoch {state.epoch + 1} at a learning rate of {state.lr:.4g};"
            " lower the recipe's lr, or warm it up over the first epoch."
        )
