"""Images as the network saw them, by repeating the run's own random draws."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from featherweight.data.augment import augment
from featherweight.data.dataset import Data
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.training.state import draw_seed


@dataclass(frozen=True, kw_only=True)
class Seen:
    """The first images of a run's first step."""

    indices: NDArray[np.int64]
    """[N]: their positions among the training images."""
    plain: NDArray[np.float64]
    """[N C H W], brightness 0 to 1: the original images."""
    changed: NDArray[np.float64]
    """[N C H W], brightness 0 to 1: the images used in training."""
    exact: bool
    """Whether the run made exactly these draws; those of a GPU cannot be repeated on a CPU."""


def seen_in_training(record: Record, data: Data, count: int = 24) -> Seen | None:
    """The first `count` images of the first step, with their random changes; None if the recipe changes no images.

    The draws follow from (seed, epoch, step), so they can be repeated at any time and are not kept in the record.
    """
    recipe = Recipe.from_json(record.recipe)
    if not recipe.augment or recipe.plain_epochs == recipe.epochs:
        return None
    order = torch.randperm(
        len(data.train), generator=torch.Generator().manual_seed(draw_seed(record.seed, "order", epoch=0))
    )
    chosen = order[: recipe.batch]  # the whole batch, since its images share one stream of draws
    draws = torch.Generator().manual_seed(draw_seed(record.seed, "step", epoch=0, step=0))
    channels = data.train.images.shape[1]
    unscaled = augment(
        data.train.images, recipe.augment, draws, mean=[0.0] * channels, std=[1.0] * channels, chosen=chosen,
        then=recipe.augment_then,
    )  # fmt: skip
    return Seen(
        indices=chosen[:count].numpy(),
        plain=data.train.images[chosen[:count]].double().numpy() / 255,
        changed=unscaled[:count].clamp(0, 1).double().numpy(),
        exact=record.environment["device_type"] == "cpu",
    )
