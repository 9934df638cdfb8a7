"""Random networks of every layer that the native engine knows, and dropout whose mask is given."""

import random

import torch
from torch import Tensor, nn

from featherweight.networks.layers.blocks import Gated, Residual, Sum

ACTIVATIONS = (nn.ReLU, nn.ReLU, nn.SiLU, nn.ReLU6, nn.Hardswish, nn.PReLU, nn.Sigmoid, nn.Hardsigmoid)


def _activation(draw: random.Random, c: int) -> nn.Module:
    made = draw.choice(ACTIVATIONS)
    return nn.PReLU(draw.choice((1, c)), init=draw.choice((0.25, -0.5))) if made is nn.PReLU else made()


def _convolution(draw: random.Random, c: int, side: int) -> list[nn.Module]:
    kernel = draw.choice([k for k in (1, 3, 3, 5, 7, 2) if k <= side])
    dilation = draw.choice((1, 1, 1, 2, 3))
    if dilation * (kernel - 1) >= side:
        dilation = 1
    outputs = draw.choice((1, 2, 3, 5, 7, 8, 11, 13))
    groups = draw.choice((1, 1, 1, c))
    if groups > 1:
        outputs = c * draw.choice((1, 2))
    if c % 2 == 0 and draw.random() < 0.2:
        groups, outputs = 2, 2 * outputs
    return [
        nn.Conv2d(
            c, outputs, kernel, padding=draw.randint(0, kernel // 2 * dilation), stride=draw.choice((1, 1, 1, 2)),
            groups=groups, bias=draw.random() < 0.5, dilation=dilation,
        )
    ]  # fmt: skip


def _branches(draw: random.Random, c: int, side: int) -> nn.Module:
    """A residual block with a projected shortcut, or a gate for each channel or pixel."""
    if draw.random() < 0.5:
        outputs, stride = draw.choice((2, 5, 8)), draw.choice((1, 2)) if side > 2 else 1
        body = [nn.Conv2d(c, outputs, 3, stride=stride, padding=1, bias=False), nn.BatchNorm2d(outputs, eps=0.5)]
        body += [_activation(draw, outputs), nn.Conv2d(outputs, outputs, 3, padding=1)]
        short = [nn.Conv2d(c, outputs, 1, stride=stride, bias=False), nn.BatchNorm2d(outputs, eps=0.5)]
        more = [nn.Sequential(nn.Conv2d(c, outputs, 1, stride=stride), nn.Hardswish())] * (draw.random() < 0.3)
        return Sum(nn.Sequential(*body), nn.Sequential(*short[: draw.randint(1, 2)]), *more)
    if draw.random() < 0.7:
        pool = nn.AdaptiveAvgPool2d(1)
        return Gated(
            pool, nn.Conv2d(c, 3, 1), nn.ReLU(), nn.Conv2d(3, c, 1), draw.choice((nn.Sigmoid, nn.Hardsigmoid))()
        )
    return Gated(nn.Conv2d(c, c, 3, padding=1, groups=c), nn.Sigmoid())


def _layers(draw: random.Random, c: int, side: int) -> list[nn.Module]:
    kind = draw.choice(("conv", "conv", "conv", "norm", "norm", "act", "act", "drop", "pool", "residual", "branches"))
    if kind == "conv":
        return _convolution(draw, c, side)
    if kind == "norm":
        norm = nn.BatchNorm2d(c, eps=0.5, momentum=draw.choice((0.1, 0.3, None)), affine=draw.random() < 0.8)
        if norm.affine:
            nn.init.uniform_(norm.weight, 0.5, 1.5)
            nn.init.uniform_(norm.bias, -0.5, 0.5)
        return [norm]
    if kind == "act":
        return [_activation(draw, c)]
    if kind == "drop":
        return [draw.choice((nn.Dropout, nn.Dropout2d))(draw.choice((0.0, 0.05, 0.3)))]
    if kind == "pool" and side >= 4:
        size, stride = draw.choice(((2, 2), (2, 2), (3, 2), (3, 3), (2, 1), (2, 3)))
        if draw.random() < 0.2:
            return [nn.AvgPool2d((size, 1), (stride, 2))]
        return [draw.choice((nn.MaxPool2d, nn.AvgPool2d))(size, stride)]
    if kind == "residual":
        inner = [
            nn.Conv2d(c, c, 3, padding=1, bias=False),
            nn.BatchNorm2d(c, eps=0.5),
            nn.ReLU(),
            nn.Dropout(0.1),
        ]
        return [Residual(*inner[: draw.randint(1, 4)])]
    if kind == "branches":
        return [_branches(draw, c, side)]
    return []


def random_network(seed: int) -> tuple[nn.Sequential, tuple[int, int, int], bool]:
    """A network of up to nine layers in any order, the shape it takes, and whether it ends in LogSoftmax."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    shape = (draw.choice((1, 2, 3)), side := draw.choice((5, 7, 9, 11, 13)), side + draw.choice((0, 0, 0, 1, 4)))
    layers: list[nn.Module] = []
    size = shape
    for _ in range(draw.randint(2, 9)):
        layers += _layers(draw, size[0], min(size[1:]))
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
