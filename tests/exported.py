"""What the tests of exports share: networks with every kind of layer, and ten digits as strokes of a pen."""

import math
import os
import shutil
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from featherweight.export.lowering import Lowered, lower
from featherweight.export.source import Source
from featherweight.networks.layers.blocks import Residual, Sum, conv_norm_relu, residual_norm_relu, separable_norm_relu

ROOT = Path(__file__).parent.parent
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
MNIST = pytest.mark.skipif(
    "FEATHERWEIGHT_DATA" not in os.environ, reason="needs MNIST: let FEATHERWEIGHT_DATA name its folder"
)


def lively(network: nn.Module, seed: int = 0) -> nn.Module:
    """The network in evaluation mode with norms that have seen something, so that none of them does nothing."""
    draws = torch.Generator().manual_seed(seed)
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d | nn.BatchNorm1d):
            count = module.num_features
            assert module.running_mean is not None and module.running_var is not None
            module.running_mean.copy_(torch.randn(count, generator=draws) * 0.3)
            module.running_var.copy_(torch.rand(count, generator=draws) + 0.5)
            with torch.no_grad():
                module.weight.copy_(torch.rand(count, generator=draws) + 0.5)
                module.bias.copy_(torch.randn(count, generator=draws) * 0.2)
    return network.eval()


def odd() -> nn.Module:
    """Everything at once, for pictures of 2 x 13 x 11: no size is another's, hardly a setting is the usual one."""
    torch.manual_seed(7)
    return lively(
        nn.Sequential(
            nn.Conv2d(2, 6, (3, 2), stride=(1, 2), padding=(2, 1), groups=2),
            nn.ReLU(),
            nn.BatchNorm2d(6),
            Residual(nn.BatchNorm2d(6), nn.Conv2d(6, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), nn.ReLU()),
            nn.Dropout2d(0.3),
            nn.MaxPool2d(3, 2, padding=1),
            nn.ReLU(),
            nn.Conv2d(6, 9, (2, 4), padding="same", groups=3),
            nn.AvgPool2d((3, 2), (2, 1), padding=(1, 1)),
            Residual(conv_norm_relu(9, 9, padding=1)),
            nn.Conv2d(9, 5, 1),
            nn.Flatten(),
            nn.ReLU(),
            nn.Linear(5 * 4 * 4, 7),
            nn.BatchNorm1d(7),
            nn.LogSoftmax(dim=1),
        )
    )


ODD_SHAPE = (2, 13, 11)


def pooled_last() -> nn.Module:
    """A norm before the first convolution, and an average that gives the scores."""
    torch.manual_seed(8)
    return lively(
        nn.Sequential(
            nn.BatchNorm2d(1), nn.Conv2d(1, 5, 5), nn.ReLU(), nn.Conv2d(5, 3, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten()
        )
    )


def relu_last() -> nn.Module:
    """A maximum first and a ReLU last, neither of which can be part of a neighbour."""
    torch.manual_seed(9)
    return lively(nn.Sequential(nn.AdaptiveMaxPool2d((7, 14)), nn.Flatten(), nn.Linear(98, 4), nn.ReLU()))


def in_steps() -> nn.Module:
    """Separable convolutions, padded and not, and two of 1 x 1 in a row: rows that are used up as they are made."""
    torch.manual_seed(10)
    return lively(
        nn.Sequential(
            conv_norm_relu(1, 5), separable_norm_relu(5, 7, padding=1), separable_norm_relu(7, 6), nn.Conv2d(6, 8, 1),
            nn.ReLU(), nn.Conv2d(8, 4, 1), nn.MaxPool2d(2), nn.Flatten(), nn.Linear(64, 3),
        )
    )  # fmt: skip


IN_STEPS_SHAPE = (1, 12, 12)


def branched() -> nn.Module:
    """Residual blocks with projected, strided and plain shortcuts, the first of pictures themselves; a sum of three."""
    torch.manual_seed(11)
    return lively(
        nn.Sequential(
            residual_norm_relu(3, 5), residual_norm_relu(5, 5), residual_norm_relu(5, 7, stride=2),
            Sum(nn.Conv2d(7, 6, 1), separable_norm_relu(7, 6, padding=1)),
            Sum(
                nn.Conv2d(6, 4, 3, padding=1),
                nn.Conv2d(6, 4, 1),
                nn.Sequential(nn.BatchNorm2d(6), nn.Conv2d(6, 4, 1)),
            ),
            nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3),
        )
    )  # fmt: skip


BRANCHED_SHAPE = (3, 13, 11)
"""Odd sides, so that a stride of two reaches beyond them."""


def streaming() -> nn.Module:
    """Windows that share no rows: a pool, a strided convolution, and averages in two branches, one of them grouped."""
    torch.manual_seed(12)
    return lively(
        nn.Sequential(
            conv_norm_relu(2, 6), nn.Conv2d(6, 6, 1), nn.MaxPool2d(2), nn.Conv2d(6, 8, 4, stride=4, groups=2),
            nn.ReLU(),
            Sum(
                nn.Sequential(nn.Conv2d(8, 6, 3, padding=1), nn.AdaptiveAvgPool2d(1)),
                nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(8, 6, 1)),
            ),
            nn.Flatten(), nn.Linear(6, 5),
        )
    )  # fmt: skip


STREAMING_SHAPE = (2, 42, 43)


def mapped() -> nn.Module:
    """A linear layer on a map, the last one, and the largest of each column strip before it."""
    torch.manual_seed(13)
    return lively(
        nn.Sequential(
            nn.Conv2d(1, 6, 3, stride=(1, 2), padding=1), nn.ReLU(), nn.MaxPool2d((4, 3), (4, 1), padding=(0, 1)),
            nn.Conv2d(6, 6, (1, 3)), nn.ReLU(), nn.Flatten(), nn.Linear(6 * 6 * 8, 6),
        )
    )  # fmt: skip


def curved() -> nn.Module:
    """Every activation, clipped, looked up or alone after a pool or in a branch; kernels with gaps, grouped or not."""
    torch.manual_seed(14)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3, padding=2, dilation=2), nn.SiLU(),
        nn.Conv2d(6, 6, (3, 2), padding=(3, 1), dilation=(3, 2), groups=6), nn.ReLU6(),
        nn.Conv2d(6, 6, 3, stride=2, dilation=(1, 2), groups=2), nn.Hardswish(), nn.MaxPool2d(2),
        nn.Hardtanh(-0.5, 0.7),
        Residual(nn.Hardtanh(-0.2, 0.3), nn.Conv2d(6, 6, 3, padding="same", dilation=2), nn.Tanh()),
        nn.Conv2d(6, 5, 1), nn.Hardsigmoid(), nn.Flatten(), nn.Linear(5 * 4 * 3, 4), nn.Sigmoid(),
    )  # fmt: skip
    with torch.no_grad():
        for module in network.modules():
            if isinstance(module, nn.Conv2d | nn.Linear):
                module.weight.mul_(3)  # so that the curves bend what comes to them
    return lively(network)


CURVED_SHAPE = (1, 19, 17)


def normed() -> nn.Module:
    """Norms of each picture's own groups and layers, after a pool, in a branch and of features; GELU."""
    torch.manual_seed(16)
    network = nn.Sequential(
        nn.Conv2d(2, 6, 3), nn.GroupNorm(3, 6, eps=0.02), nn.GELU("tanh"), nn.MaxPool2d(2),
        Residual(nn.GroupNorm(6, 6), nn.Conv2d(6, 6, 3, padding=1)), nn.LayerNorm((6, 4, 3)), nn.ReLU(),
        nn.Conv2d(6, 4, 2, padding=1), nn.LayerNorm((4, 5, 4), elementwise_affine=False), nn.Flatten(),
        nn.LayerNorm(80), nn.Linear(80, 5), nn.LayerNorm(5), nn.Linear(5, 3),
    )  # fmt: skip
    for module in network.modules():
        if isinstance(module, nn.GroupNorm | nn.LayerNorm) and module.weight is not None:
            nn.init.uniform_(module.weight, -0.5, 1.5)
            nn.init.uniform_(module.bias, -0.5, 0.5)
    return network.eval()


NORMED_SHAPE = (2, 11, 9)


def narrow() -> nn.Module:
    """One to seven channels, and rows of an odd number of places: hardly a length is a multiple of four, or of two."""
    torch.manual_seed(27)
    return lively(
        nn.Sequential(
            conv_norm_relu(1, 3, padding=1), conv_norm_relu(3, 5), nn.MaxPool2d(3, 2, padding=1),
            nn.Conv2d(5, 5, 3, padding=1, groups=5), nn.ReLU(), nn.Conv2d(5, 7, 1),
            nn.Conv2d(7, 7, (3, 1), stride=(2, 1), groups=7), nn.Conv2d(7, 6, (2, 3)),
            nn.Conv2d(6, 6, 2, groups=6, dilation=(1, 2)), nn.MaxPool2d(2), nn.Conv2d(6, 1, 1),
            nn.Conv2d(1, 3, (1, 2)), nn.Flatten(), nn.Linear(6, 5),
        )
    )  # fmt: skip


NARROW_SHAPE = (1, 23, 21)


def each_its_own() -> nn.Module:
    """Kernels of each channel's own, the largest where the channels are too few for code that takes four at a time."""
    torch.manual_seed(28)
    return lively(
        nn.Sequential(
            nn.Conv2d(3, 3, (5, 7), padding=(2, 3), groups=3), nn.Conv2d(3, 6, 1), nn.ReLU(),
            nn.Conv2d(6, 6, 2, stride=2, padding=1, groups=6), nn.ReLU(), nn.Conv2d(6, 6, (7, 1), groups=6),
            nn.Flatten(), nn.Linear(6 * 4 * 9, 5),
        )
    )  # fmt: skip


EACH_ITS_OWN_SHAPE = (3, 18, 17)


def source(network: nn.Module, shape: tuple[int, int, int], classes: int, name: str = "odd") -> Source:
    """A network that nobody trained, ready for export."""
    channels = shape[0]
    return Source(
        name=name, network=network, shape=shape, classes=tuple(f"class {n}" for n in range(classes)),
        mean=(0.13, 0.21, 0.34)[:channels], std=(0.31, 0.27, 0.19)[:channels], experiment=name, seed=3,
        parameters=sum(p.numel() for p in network.parameters()), accuracy=12.5, tested="8 test images of nothing",
    )  # fmt: skip


def lowered(of: Source) -> Lowered:
    return lower(of.network, of.shape)


def noise(count: int, shape: tuple[int, int, int], seed: int = 1) -> Tensor:
    """Pictures that reach both ends of the range, uint8 [N C H W]."""
    draws = torch.Generator().manual_seed(seed)
    pictures = torch.randint(0, 256, (count, *shape), generator=draws, dtype=torch.uint8)
    pictures[0], pictures[1] = 0, 255
    return pictures


# ------------------------------------------------------------------------------------------- digits drawn with a pen

Stroke = list[tuple[float, float]]


def arc(x: float, y: float, across: float, down: float, begin: float, end: float) -> Stroke:
    """Part of an ellipse, by degrees clockwise from the right."""
    turns = [math.radians(begin + (end - begin) * at / 24) for at in range(25)]
    return [(x + across * math.cos(turn), y + down * math.sin(turn)) for turn in turns]


DRAWN: dict[str, list[Stroke]] = {
    "0": [arc(0.5, 0.5, 0.22, 0.34, -80, 280)],
    "1": [[(0.5, 0.15), (0.48, 0.85)]],
    "2": [[*arc(0.5, 0.33, 0.2, 0.18, -170, 40), (0.3, 0.82), (0.75, 0.82)]],
    "3": [[*arc(0.47, 0.32, 0.2, 0.16, -150, 90), *arc(0.47, 0.66, 0.23, 0.18, -90, 150)]],
    "4": [[(0.35, 0.15), (0.28, 0.52), (0.74, 0.52)], [(0.64, 0.2), (0.6, 0.88)]],
    "5": [[(0.7, 0.17), (0.38, 0.17), (0.36, 0.45), *arc(0.48, 0.63, 0.22, 0.2, -110, 140)]],
    "6": [[(0.62, 0.14), (0.42, 0.4), *arc(0.5, 0.66, 0.18, 0.18, 190, 550)]],
    "7": [[(0.28, 0.2), (0.72, 0.2), (0.45, 0.86)]],
    "8": [[*arc(0.5, 0.33, 0.16, 0.17, 90, -270), *arc(0.5, 0.68, 0.2, 0.18, -90, 270)]],
    "9": [[*arc(0.5, 0.35, 0.18, 0.18, 0, 360), (0.67, 0.5), (0.6, 0.86)]],
}
"""Strokes on a square of side 1."""
