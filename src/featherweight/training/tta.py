"""Test-time augmentation: the mean prediction over an image and its shifts, reported beside the plain accuracy.

Follows Krizhevsky, Sutskever and Hinton, "ImageNet Classification with Deep Convolutional Neural Networks" (2012), who
average the softmax over crops.
"""

from functools import partial

import torch
from torch import Tensor

from featherweight.data.split import Split
from featherweight.engine import Engine
from featherweight.training.evaluation import predict

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
    for views in zip(*(predict(engine, split, mean, std, move) for move in moves), strict=True):
        answers = torch.stack([scores.softmax(1) for scores, _ in views]).mean(0).argmax(1)
        correct += int((answers == views[0][1]).sum())
    return correct
