"""Evaluating a network on a whole split, batch by batch, on the images as they are or on shifts of them as well.

The mean prediction over an image and its shifts (test-time augmentation) is reported beside the plain accuracy. It
follows Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks" (2012), who
average the softmax over crops.
"""

from collections.abc import Callable, Iterator
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F

from featherweight.data.augment import normalise
from featherweight.data.split import Split
from featherweight.engine import Engine

EVALUATION_BATCH = 1000
"""Images per forward pass in evaluation; larger batches do not fit the cache, smaller ones cost more calls."""


def predict_batches(
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
    batches = predict_batches(engine, split, mean, std)
    return torch.cat([F.cross_entropy(scores, labels, reduction="none") for scores, labels in batches])


def evaluate(engine: Engine, split: Split, mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[float, int]:
    """The mean cross-entropy and the number of correct images over the whole split, in evaluation mode."""
    loss, correct = 0.0, 0
    for scores, labels in predict_batches(engine, split, mean, std):
        loss += F.cross_entropy(scores, labels, reduction="sum").item()
        correct += int((scores.argmax(1) == labels).sum())
    return loss / len(split), correct


TTA_SHIFTS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
"""Shifts in pixels (down, right): none, and one pixel to each side. Each shift costs one forward pass per image."""


def translate(images: Tensor, down: int, right: int) -> Tensor:
    """Images [N C H W] shifted by whole pixels, at most H and W; edge pixels are repeated into the space that opens up.

    >>> translate(torch.tensor([[[[1, 2], [3, 4]]]]), down=1, right=0)[0, 0].tolist()
    [[1, 2], [1, 2]]
    """
    height, width = images.shape[2:]
    rows = (torch.arange(height, device=images.device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) - right).clamp(0, width - 1)
    return images[:, :, rows][:, :, :, columns]


def evaluate_shifted(engine: Engine, split: Split, mean: tuple[float, ...], std: tuple[float, ...]) -> int:
    """The number of images classified correctly by the mean of the probabilities over all shifts."""
    moves = [partial(translate, down=down, right=right) for down, right in TTA_SHIFTS]
    correct = 0
    for views in zip(*(predict_batches(engine, split, mean, std, move) for move in moves), strict=True):
        answers = torch.stack([scores.softmax(1) for scores, _ in views]).mean(0).argmax(1)
        correct += int((answers == views[0][1]).sum())
    return correct
