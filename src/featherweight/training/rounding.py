"""Weights rounded to a few levels while a network is trained, so that it learns to work with them.

Forward and backward passes see the rounded weights; the optimiser changes the exact ones by the same gradients (the
straight-through estimator: Bengio et al., "Estimating or Propagating Gradients Through Stochastic Neurons for
Conditional Computation", 2013; Jacob et al., "Quantization and Training of Neural Networks for Efficient
Integer-Arithmetic-Only Inference", 2018). Each output channel has a scale of its own, which folding a norm into the
convolution only multiplies, so that the program in C computes with exactly the weights that were trained.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

TERNARY = 1.53
"""The scale of weights -1, 0 and 1 over their mean absolute value: the least squared error for normally distributed
ones (after Li et al., "Ternary Weight Networks", 2016)."""


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """Which of a network's flat parameters are rounded, and how."""

    places: Tensor
    """[w] int64: their positions."""
    channels: Tensor
    """[w] int64: the output channel of each, counted through all layers."""
    count: int
    """Of channels."""
    bits: int

    def rounded(self, values: Tensor) -> Tensor:
        """The rounded weights [w] of flat parameters `values` [n].

        In 8 and 4 bits the largest weight of a channel keeps its value and the others are multiples of a 127th or a
        seventh of it.
        """
        exact = values[self.places]
        size = exact.abs()
        if self.bits == 2:
            total = torch.zeros(self.count, device=values.device).index_add_(0, self.channels, size)
            number = torch.zeros(self.count, device=values.device).index_add_(0, self.channels, torch.ones_like(size))
            step, most = TERNARY * total / number, 1
        else:
            most = (1 << self.bits - 1) - 1
            largest = torch.zeros(self.count, device=values.device)
            step = largest.scatter_reduce_(0, self.channels, size, "amax") / most
        each = step[self.channels].clamp_min(torch.finfo(values.dtype).tiny)
        return (exact / each).round_().clamp_(-most, most).mul_(each)

    @contextmanager
    def applied(self, values: Tensor) -> Iterator[None]:
        """Round the flat parameters `values` in place; restore them at the end."""
        exact = values[self.places]
        values[self.places] = self.rounded(values)
        try:
            yield
        finally:
            values[self.places] = exact


def rounding_of(network: nn.Module, values: Tensor, bits: int) -> Rounding:
    """The rounding of all kernels and matrices of a network whose parameters are views into `values` [n]."""
    places, channels, count = [], [], 0
    for parameter in network.parameters():
        if parameter.requires_grad and parameter.ndim > 1:
            first = (parameter.data_ptr() - values.data_ptr()) // values.element_size()
            places.append(torch.arange(first, first + parameter.numel()))
            each = parameter[0].numel()
            channels.append(count + torch.arange(parameter.numel()) // each)
            count += len(parameter)
    where = values.device
    return Rounding(places=torch.cat(places).to(where), channels=torch.cat(channels).to(where), count=count, bits=bits)
