"""Evaluating a network on a whole split, batch by batch."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from featherweight.data.augment import normalise
from featherweight.data.split import Split
from featherweight.engine import Engine

EVALUATION_BATCH = 1000
"""Images per forward pass in evaluation; larger batches do not fit the cache, smaller ones cost more calls."""


def predict(
    engine: Engine,
    split: Split,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    change: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Yield the network's output [B classes] in evaluation mode and the labels [B] of each batch, in the split's order.

    `change` is applied to each batch of images, uint8 [B C H W], before normalisation.
    """
    for start in range(0, len(split), EVALUATION_BATCH):
        batch = slice(start, start + EVALUATION_BATCH)
        images = split.images[batch]
        yield engine.scores(normalise(change(images) if change else images, mean, std)), split.labels[batch]


def image_losses(engine: Engine, split: Split, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """The cross-entropy of every image of the split, [N], in evaluation mode."""
    batches = predict(engine, split, mean, std)
    return torch.cat([F.cross_entropy(scores, labels, reduction="none") for scores, labels in batches])


def evaluate(engine: Engine, split: Split, mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[float, int]:
    """The mean cross-entropy and the number of correct images over the whole split, in evaluation mode."""
    loss, correct = 0.0, 0
    for scores, labels in predict(engine, split, mean, std):
        loss += F.cross_entropy(scores, labels, reduction="sum").item()
        correct += int((scores.argmax(1) == labels).sum())
    return loss / len(split), correct
