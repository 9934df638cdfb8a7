"""The order in which an epoch visits the training images, and how often it takes each of them.

By default an epoch takes each image once. With `hard` in the recipe, it takes the same number of images in total, but
those with a high loss more often.
"""

import torch
from torch import Tensor

from featherweight.experiments.recipe import HardExamples


def shuffled(count: int, draws: torch.Generator) -> Tensor:
    """Each position once, in random order: int64 [count]."""
    return torch.randperm(count, generator=draws)


def expected_counts(losses: Tensor, hard: HardExamples) -> Tensor:
    """How often each image is expected in an epoch: float64 [N] with sum N; losses [N] are in nats, 0 or more.

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
