"""In what order an epoch takes the training images, and how often each.

By default each comes once. A recipe with `hard` takes as many, and those that are not learned yet more often.
"""

import torch
from torch import Tensor

from featherweight.experiments.recipe import HardExamples


def shuffled(count: int, draws: torch.Generator) -> Tensor:
    """int64 [count]: each position once."""
    return torch.randperm(count, generator=draws)


def expected_counts(losses: Tensor, hard: HardExamples) -> Tensor:
    """How often each image is expected in an epoch: float64 [N], which sum to N; losses [N] are 0 or more, in nats.

    >>> expected_counts(torch.tensor([0.0, 0.05, 0.1, 3.0]), HardExamples(factor=5, loss=0.1)).float()  # 1, 3, 5, 5
    tensor([0.2857, 0.8571, 1.4286, 1.4286])
    """
    weights = 1 + (hard.factor - 1) * (losses.double() / hard.loss).clamp(max=1)
    return weights * (len(weights) / weights.sum())


def sample_by_loss(losses: Tensor, hard: HardExamples, draws: torch.Generator) -> Tensor:
    """int64 [N], positions of images by their losses [N], in a random order.

    Systematic sampling (Madow, 1949): an image with a share of 1.4 comes once or twice, never more nor less, so that
    chance alone leaves out none that is hard.
    """
    ends = expected_counts(losses.cpu(), hard).cumsum(0)
    marks = torch.arange(len(ends), dtype=torch.float64) + torch.rand((), generator=draws, dtype=torch.float64)
    chosen = torch.searchsorted(ends, marks, right=True).clamp(max=len(ends) - 1)
    return chosen[shuffled(len(chosen), draws)]
