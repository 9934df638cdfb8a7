"""One training batch: the only place where images, teacher, engine, optimiser and moving average meet."""

import math
from collections.abc import Callable

import torch
from torch import Tensor

from featherweight.data import Data
from featherweight.data.augment import augment, normalise
from featherweight.engine import Engine
from featherweight.experiments.recipe import Recipe
from featherweight.training.state import State

Teacher = Callable[[Tensor], Tensor]
"""Images [N C H W], augmented and normalised -> probabilities [N classes] at the temperature of the recipe."""


def steps_in_epoch(data: Data, recipe: Recipe) -> int:
    """How many steps an epoch takes; the last may be short."""
    return math.ceil(len(data.train.labels) / recipe.batch)


def train_batch(
    state: State,
    data: Data,
    chosen: Tensor,
    recipe: Recipe,
    engine: Engine,
    teacher: Teacher | None = None,
    *,
    seed: int,
    lr: float,
) -> tuple[Tensor, Tensor]:
    """Train `state` on one batch, in place; the batch's mean loss before the step and its number correct, two scalars.

    `chosen` are positions [B] of training images of `data`, which is on the network's device; `engine` executes
    `state.network`. The changes to images and the dropout follow from `seed`. A recipe with `distil` needs a `teacher`.
    """
    assert (teacher is None) == (recipe.distil is None), "callers find the teacher that the recipe asks for"
    images, labels = data.train.images, data.train.labels

    # 1. The batch, each image with its own random changes.
    if recipe.augment and state.epoch < recipe.epochs - recipe.plain_epochs:
        draws = torch.Generator(device=images.device).manual_seed(seed)
        inputs = augment(
            images, recipe.augment, draws, mean=data.mean, std=data.std, chosen=chosen, sampler=engine.sampler
        )
    else:
        inputs = normalise(images[chosen], data.mean, data.std)

    # 2. Forward and backward: gradients into `.grad`.
    state.parameters.gradients.zero_()
    taught = (teacher(inputs),) if teacher else ()
    loss, correct = engine.step(inputs, labels[chosen], seed, *taught)

    # 3. The step.
    state.lr = lr
    for group in state.optimizer.param_groups:
        group["lr"] = lr
    state.optimizer.step()

    # 4. The moving average of weights and batch-norm statistics; `Recipe.average` says where it is from.
    if state.averaged_parameters is not None:
        done = state.epoch * steps_in_epoch(data, recipe) + state.step
        keep = min(recipe.average, (1 + done) / (10 + done))
        state.averaged_parameters.values.lerp_(state.parameters.values, 1 - keep)
    return loss, correct
