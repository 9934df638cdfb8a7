"""Mixup: each image of a batch blended with another one, and its target with the other's."""

import torch
from torch import Tensor
from torch.nn import functional as F


def blend(images: Tensor, alpha: float, generator: torch.Generator) -> tuple[Tensor, Tensor, Tensor]:
    """Each image's share of its blend, float32 [N]; the position of the other image, int64 [N]; and the blends.

    Images are [N C H W], augmented and normalised. The others are the same batch in random order. Of the two shares of
    a draw from Beta(alpha, alpha) the image has the larger one, from 0.5 to 1, so that its own class stays the likelier
    one (Zhang et al., "mixup: Beyond Empirical Risk Minimization", 2018).

    >>> share, other, blends = blend(torch.eye(4).reshape(4, 1, 2, 2), 1.0, torch.Generator().manual_seed(0))
    >>> bool((0.5 <= share).all() and (share <= 1).all()), sorted(other.tolist()), blends.sum().item()
    (True, [0, 1, 2, 3], 4.0)
    """
    count, device = len(images), images.device
    shape = torch.full((2, count), alpha, dtype=torch.float64, device=device)
    first, second = torch._standard_gamma(shape, generator).clamp_min(1e-300)
    share = (torch.maximum(first, second) / (first + second)).float()
    other = torch.randperm(count, generator=generator, device=device)
    return share, other, torch.lerp(images[other], images, share[:, None, None, None])


def blended_targets(labels: Tensor, share: Tensor, other: Tensor, classes: int, smoothing: float) -> Tensor:
    """The probabilities [N classes] that blended images are to be given, with label smoothing.

    >>> blended_targets(torch.tensor([0, 2]), torch.tensor([0.75, 1.0]), torch.tensor([1, 0]), 3, 0.0).tolist()
    [[0.75, 0.0, 0.25], [0.0, 0.0, 1.0]]
    """
    hot = F.one_hot(labels, classes).float()
    return torch.lerp(hot[other], hot, share[:, None]) * (1 - smoothing) + smoothing / classes
