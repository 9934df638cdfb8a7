"""Random networks of every layer that the native engine knows, and dropout whose mask is given."""

import random

import torch
from torch import Tensor, nn

from featherweight.networks.layers import Residual


def _convolution(draw: random.Random, c: int, side: int) -> list[nn.Module]:
    kernel = draw.choice([k for k in (1, 3, 3, 5, 7, 2) if k <= side])
    outputs = draw.choice((1, 2, 3, 5, 7, 8, 11, 13))
    groups = draw.choice((1, 1, 1, c))
    if groups > 1:
        outputs = c * draw.choice((1, 2))
    if c % 2 == 0 and draw.random() < 0.2:
        groups, outputs = 2, 2 * outputs
    return [
        nn.Conv2d(
            c, outputs, kernel, padding=draw.randint(0, kernel // 2), stride=draw.choice((1, 1, 1, 2)),
            groups=groups, bias=draw.random() < 0.5,
        )
    ]  # fmt: skip


def _layers(draw: random.Random, c: int, side: int) -> list[nn.Module]:
    kind = draw.choice(("conv", "conv", "conv", "norm", "norm", "act", "act", "drop", "pool", "residual"))
    if kind == "conv":
        return _convolution(draw, c, side)
    if kind == "norm":
        norm = nn.BatchNorm2d(c, eps=0.5, momentum=draw.choice((0.1, 0.3, None)), affine=draw.random() < 0.8)
        if norm.affine:
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
        return [norm]
    if kind == "act":
        return [draw.choice((nn.ReLU, nn.SiLU))()]
    if kind == "drop":
        return [draw.choice((nn.Dropout, nn.Dropout2d))(draw.choice((0.0, 0.05, 0.3)))]
    if kind == "pool" and side >= 4:
        size, stride = draw.choice(((2, 2), (2, 2), (3, 2), (3, 3), (2, 1), (2, 3)))
        return [draw.choice((nn.MaxPool2d, nn.AvgPool2d))(size, stride)]
    if kind == "residual":
        inner = [
            nn.Conv2d(c, c, 3, padding=1, bias=False),
            nn.BatchNorm2d(c, eps=0.5),
            nn.ReLU(),
            nn.Dropout(0.1),
        ]
        return [Residual(*inner[: draw.randint(1, 4)])]
    return []


def random_network(seed: int) -> tuple[nn.Sequential, tuple[int, int, int], bool]:
    """A network of up to nine layers in any order, the shape it takes, and whether it ends in LogSoftmax."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    shape = (draw.choice((1, 2, 3)), side := draw.choice((5, 7, 9, 11, 13)), side)
    layers: list[nn.Module] = []
    size = shape
    for _ in range(draw.randint(2, 9)):
        layers += _layers(draw, size[0], size[1])
        size = tuple(nn.Sequential(*layers).eval()(torch.zeros(2, *shape)).shape[1:])
    if draw.random() < 0.4:
        layers.append(nn.AdaptiveAvgPool2d(1))
        size = (size[0], 1, 1)
    layers += [nn.Flatten(), nn.Linear(size[0] * size[1] * size[2], draw.choice((2, 3, 10)))]
    logs = draw.random() < 0.5
    return nn.Sequential(*layers, *[nn.LogSoftmax(1)] * logs), shape, logs


class Masked(nn.Module):
    """Dropout whose mask is given."""

    def __init__(self, mask: Tensor) -> None:
        super().__init__()
        self.mask = mask.double()

    def forward(self, x: Tensor) -> Tensor:
        return x * self.mask.view_as(x) if self.training else x
