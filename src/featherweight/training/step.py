"""One training batch: the only place where images, teacher, engine, optimiser and moving average meet."""

import math
from collections.abc import Callable
from contextlib import nullcontext

import torch
from torch import Tensor

from featherweight.data.augment import augment, normalise
from featherweight.data.dataset import Data
from featherweight.data.transforms import blend, blended_targets
from featherweight.engine import Engine
from featherweight.experiments.recipe import Recipe
from featherweight.training.state import State

Teacher = Callable[[Tensor], Tensor]
"""Maps images [N C H W], augmented and normalised, to probabilities [N classes] at the recipe's temperature."""


def steps_in_epoch(data: Data, recipe: Recipe) -> int:
    """The number of steps in an epoch; the last batch may be smaller."""
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
    """Train `state` in place on one batch; return two scalars, its mean loss before the step and its number correct.

    `chosen` holds the positions [B] of training images in `data`, which is on the network's device; `engine` executes
    `state.network`. Augmentation and dropout are determined by `seed`. A recipe with `distil` needs a `teacher`.
    """
    assert (teacher is None) == (recipe.distil is None), "a teacher must be given exactly if the recipe has `distil`"
    images, labels = data.train.images, data.train.labels

    # 1. The batch, each image with its own random augmentation, and targets beside the labels where there are any.
    taught: Tensor | None = None
    if recipe.augment and state.epoch < recipe.epochs - recipe.plain_epochs:
        draws = torch.Generator(device=images.device).manual_seed(seed)
        inputs = augment(
            images, recipe.augment, draws, mean=data.mean, std=data.std, chosen=chosen, sampler=engine.sampler,
            then=recipe.augment_then,
        )  # fmt: skip
        if recipe.augment.mixup:
            share, other, inputs = blend(inputs, recipe.augment.mixup, draws)
            taught = blended_targets(labels[chosen], share, other, len(data.classes), recipe.label_smoothing)
    else:
        inputs = normalise(images[chosen], data.mean, data.std)

    # 2. Forward and backward pass: gradients go to `.grad`.
    state.parameters.gradients.zero_()
    taught = teacher(inputs) if teacher else taught
    targets = () if taught is None else (taught,)
    with state.rounding.applied(state.parameters.values) if state.rounding else nullcontext():
        loss, correct = engine.step(inputs, labels[chosen], seed, *targets)

    # 3. The optimiser step.
    state.lr = lr
    for group in state.optimizer.param_groups:
        group["lr"] = lr
    state.optimizer.step()

    # 4. The moving average of weights and batch-norm statistics; see `Recipe.average` for the source.
    if state.averaged_parameters is not None:
        done = state.epoch * steps_in_epoch(data, recipe) + state.step
        keep = min(recipe.average, (1 + done) / (10 + done))
        state.averaged_parameters.values.lerp_(state.parameters.values, 1 - keep)
    return loss, correct
