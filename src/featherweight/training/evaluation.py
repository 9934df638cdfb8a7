"""A split through a network, batch by batch, and what is measured on the way."""

from collections.abc import Callable, Iterator

import torch
from torch import Tensor
from torch.nn import functional as F

from featherweight.data import Split
from featherweight.data.augment import normalise
from featherweight.engine import Engine

EVALUATION_BATCH = 1000
"""Images a forward pass in evaluation; larger ones leave the cache, smaller ones pay more calls."""


def predict(
    engine: Engine,
    split: Split,
    mean: tuple[float, ...],
    std: tuple[float, ...],
    change: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """The network's output [B classes] in evaluation mode and the labels [B] of each batch, in the split's order.

    `change` is applied to each batch of images, uint8 [B C H W], before they are normalised.
    """
    for start in range(0, len(split), EVALUATION_BATCH):
        batch = slice(start, start + EVALUATION_BATCH)
        images = split.images[batch]
        yield engine.scores(normalise(change(images) if change else images, mean, std)), split.labels[batch]


def image_losses(engine: Engine, split: Split, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Cross-entropy of every image of the split, [N], in evaluation mode."""
    batches = predict(engine, split, mean, std)
    return torch.cat([F.cross_entropy(scores, labels, reduction="none") for scores, labels in batches])


def evaluate(engine: Engine, split: Split, mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[float, int]:
    """Mean cross-entropy and number correct over every image of the split, in evaluation mode."""
    loss, correct = 0.0, 0
    for scores, labels in predict(engine, split, mean, std):
        loss += F.cross_entropy(scores, labels, reduction="sum").item()
        correct += int((scores.argmax(1) == labels).sum())
    return loss / len(split), correct
