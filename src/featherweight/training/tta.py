"""Test-time augmentation: every image read in five places, for a figure of its own beside the plain one."""

import torch
from torch import Tensor

from featherweight.data import Split
from featherweight.data.augment import normalise
from featherweight.engine import Engine
from featherweight.training.loop import EVALUATION_BATCH

TTA_SHIFTS = ((0, 0), (-1, 0), (1, 0), (0, -1), (0, 1))
"""Pixels down and to the right: as it is, and by one to each side. An answer costs as many forward passes."""


def translate(images: Tensor, down: int, right: int) -> Tensor:
    """Images [N C H W] moved by whole pixels, no more than H and W; edges are repeated into what becomes free.

    >>> translate(torch.tensor([[[[1, 2], [3, 4]]]]), down=1, right=0)[0, 0].tolist()
    [[1, 2], [1, 2]]
    """
    height, width = images.shape[2:]
    rows = (torch.arange(height, device=images.device) - down).clamp(0, height - 1)
    columns = (torch.arange(width, device=images.device) - right).clamp(0, width - 1)
    return images[:, :, rows][:, :, :, columns]


def evaluate_shifted(engine: Engine, split: Split, mean: tuple[float, ...], std: tuple[float, ...]) -> int:
    """How many images are right where the mean of the probabilities over the five places answers."""
    correct = 0
    for start in range(0, len(split), EVALUATION_BATCH):
        images = split.images[start : start + EVALUATION_BATCH]
        views = [engine.scores(normalise(translate(images, *place), mean, std)).softmax(1) for place in TTA_SHIFTS]
        answers = torch.stack(views).mean(0).argmax(1)
        correct += int((answers == split.labels[start : start + EVALUATION_BATCH]).sum())
    return correct
