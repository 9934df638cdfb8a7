"""What executes a training step. Everything outside uses `Engine` and `build` alone.

An engine works on the module's own parameters and buffers: after `step`, gradients are in `.grad` and batch-norm
statistics in the module, whoever computed them.
"""

from collections.abc import Callable
from dataclasses import dataclass

from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One network bound to one way of executing it."""

    name: str
    """`torch` or `native`."""
    step: Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]
    """(images [N C H W] float, labels [N] int64, seed of the step's dropout) -> (mean loss, number correct), both
    scalars on the device; training mode, forward and backward. Gradients are **added** to `.grad`, in place."""
    scores: Callable[[Tensor], Tensor]
    """Images [N C H W] float -> the network's output [N classes], evaluation mode, no gradients."""
