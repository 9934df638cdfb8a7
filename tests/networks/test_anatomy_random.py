"""Anatomy against the networks themselves: 300 random ones, measured by finite differences and by gradients.

torchinfo counts the parameters of 100 of them, torch's FLOP counter the multiply-adds of all.
"""

import random

import pytest
import torch
import torch.nn.functional as F
import torchinfo
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from featherweight.networks.anatomy import Anatomy, dissect
from featherweight.networks.anatomy.walk import walk


def chain(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers)


class Excite(nn.Module):
    """Squeeze and excitation (Hu et al., 2018): a gate that sees the whole image."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(channels, 2), nn.Linear(2, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x * torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3))))))[:, :, None, None]


class Join(nn.Module):
    """Branches, summed or concatenated; and the input itself, where asked for."""

    def __init__(self, how: str, *branches: nn.Module) -> None:
        super().__init__()
        self.how, self.branches = how, nn.ModuleList(branches)

    def forward(self, x: Tensor) -> Tensor:
        made = [branch(x) for branch in self.branches]
        if self.how == "cat":
            return torch.cat(made, 1)
        if self.how == "crop":  # a valid convolution beside the input without its border
            return made[0] + F.pad(x, (-1, -1, -1, -1))
        return sum(made[1:], made[0])


class Call(nn.Module):
    """A function as a layer, so that random networks hold functional calls."""

    def __init__(self, function: object) -> None:
        super().__init__()
        self.function = function

    def forward(self, x: Tensor) -> Tensor:
        return self.function(x)  # type: ignore[operator, no-any-return]


def grow_convolution(draw: random.Random, channels: int, valid: bool) -> tuple[nn.Module, int]:
    kernel = (draw.choice([1, 2, 3, 3, 4, 5]), draw.choice([1, 2, 3, 3]))
    dilation = draw.choice([1, 1, 2])
    outputs = draw.choice([channels, 2, 3])
    groups = channels if outputs == channels and draw.random() < 0.3 else 1
    stride: tuple[int, int] | int = draw.choice([1, 1, 1, 2, 3, (2, 1)])
    padding: str | int = 0 if valid else draw.choice([0, 1, 2, "same"] if stride == 1 else [0, 1])
    layer = nn.Conv2d(
        channels, outputs, kernel, stride=stride, padding=padding, dilation=dilation, groups=groups,
        bias=draw.random() < 0.5,
    )  # fmt: skip
    return layer, outputs


def grow_pool(draw: random.Random, valid: bool) -> nn.Module:
    kernel, stride, padding = draw.choice([2, 3]), draw.choice([1, 2]), 0 if valid else draw.choice([0, 1])
    return draw.choice(
        [
            nn.MaxPool2d(kernel, stride, padding, dilation=draw.choice([1, 2])),
            nn.AvgPool2d(kernel, stride, padding),
            Call(lambda x: F.max_pool2d(x, kernel, stride=stride)),
            Call(lambda x: F.avg_pool2d(x, kernel)),
        ]
    )


def grow_branches(draw: random.Random, channels: int, valid: bool) -> tuple[nn.Module, int]:
    if valid:
        return Join("crop", nn.Conv2d(channels, channels, 3)), channels
    if draw.random() < 0.4:  # halving branches, equal in size for even and odd inputs
        choices = [
            nn.Conv2d(channels, channels, 2, 2),
            nn.Conv2d(channels, channels, 4, 2, 1),
            nn.MaxPool2d(2),
        ]
    else:  # offsets differ: the even kernel is padded in front, or behind
        choices = [
            nn.Identity(), nn.Conv2d(channels, channels, (3, 5), padding=(1, 2)), nn.MaxPool2d(3, 1, 1),
            chain(nn.ZeroPad2d((1, 0, 0, 1)), nn.Conv2d(channels, channels, 2)),
            chain(nn.ZeroPad2d((0, 3, 3, 0)), nn.Conv2d(channels, channels, 4)),
        ]  # fmt: skip
    count = draw.choice([2, 2, 3])
    how = draw.choice(["add", "cat"])
    return Join(how, *draw.sample(choices, count)), channels * (count if how == "cat" else 1)


def grow_ending(draw: random.Random, channels: int, network: nn.Sequential, side: tuple[int, int]) -> list[nn.Module]:
    output = dissect(network, (1, *side)).rows[-1].output
    pooled = draw.choice([nn.AdaptiveAvgPool2d(1), Call(lambda x: x.mean((2, 3), keepdim=True)), None])
    if pooled is None:
        return [nn.Flatten(), nn.Linear(output[0] * output[1] * output[2], 3), nn.LogSoftmax(1)]
    return [pooled, nn.Conv2d(channels, 4, 1), Call(lambda x: x.view(x.size(0), -1)), nn.Linear(4, 3)]


def grow(seed: int) -> tuple[nn.Sequential, tuple[int, int]]:
    """A random network and the height and width of an image large enough for one unit's whole window."""
    draw = random.Random(seed)
    torch.manual_seed(seed)
    whole = draw.random() < 0.3  # some units see every other; then nothing is padded, so that nothing is cut off
    layers: list[nn.Module] = []
    channels = 1
    for _ in range(draw.randint(2, 5)):
        kind = draw.choice(["convolution", "convolution", "pool", "branches"])
        if kind == "convolution":
            layer, channels = grow_convolution(draw, channels, whole)
            layers += [layer, nn.BatchNorm2d(channels)] if draw.random() < 0.3 else [layer]
        elif kind == "pool":
            layers.append(grow_pool(draw, whole))
        else:
            layer, channels = grow_branches(draw, channels, whole)
            layers.append(layer)
        layers += draw.sample([nn.ReLU(), nn.SiLU(), nn.PReLU(), nn.Hardswish(), nn.GELU(), nn.Dropout(0.1)], 1)
        if whole and draw.random() < 0.2:
            layers.append(Excite(channels))
    network = chain(*layers)
    height, width = (axis.size + 4 * axis.jump for axis in walk(network, (1, 211, 199))[1].axes)
    if whole:
        return chain(*layers, *grow_ending(draw, channels, network, (height, width))), (height, width)
    return network, (3 * height, 3 * width)


def make_positive(network: nn.Module) -> nn.Module:
    """Every weight positive and each unit a mean of what it sees, so that nothing cancels and nothing blows up."""
    for module in network.modules():
        if isinstance(module, nn.Conv2d | nn.Linear):
            fan_in = module.weight[0].numel()
            nn.init.uniform_(module.weight, 0.5 / fan_in, 1.5 / fan_in)
            if module.bias is not None:
                nn.init.zeros_(module.bias)
    return network.double().eval()


def middle(output: Tensor) -> Tensor:
    """[N C H W] -> [N C], the unit in the middle; [N features] as it is."""
    if output.dim() == 2:
        return output
    return output[:, :, (output.shape[2] - 1) // 2, (output.shape[3] - 1) // 2]


def moved(network: nn.Module, shape: tuple[int, int], rows: tuple[int, int], columns: tuple[int, int]) -> list[bool]:
    """Whether the middle unit changes when pixels are raised: before, on and behind each edge of a window."""
    images = torch.ones(9, 1, *shape, dtype=torch.float64)
    for index, (axis, window) in enumerate(((1, rows), (2, columns))):
        first, last = window
        for place, part in enumerate(
            (slice(0, first), slice(first, first + 1), slice(last, last + 1), slice(last + 1, None))
        ):
            image = images[1 + 4 * index + place]
            image[(slice(None),) * axis + (part,)] = 1e5
    with torch.no_grad():
        units = middle(network(images))
    change = (units[1:] - units[:1]).abs().amax(1) / units[0].abs().amax().clamp(min=1.0)
    return [value > 1e-10 for value in change.tolist()]


def seen(network: nn.Module, shape: tuple[int, int]) -> tuple[tuple[int, int], tuple[int, int]]:
    """First and last row and column with a gradient of the middle unit."""
    image = torch.rand(1, 1, *shape, dtype=torch.float64, requires_grad=True)
    unit = middle(network(image))[0]
    (gradient,) = torch.autograd.grad((unit * torch.arange(1.0, 1.0 + len(unit))).sum(), image)
    found = [gradient[0, 0].abs().amax(axis).nonzero().flatten().tolist() for axis in (1, 0)]
    return (found[0][0], found[0][-1]), (found[1][0], found[1][-1])


@pytest.fixture(scope="module")
def grown() -> list[tuple[nn.Sequential, tuple[int, int]]]:
    torch.set_num_threads(1)
    networks: list[tuple[nn.Sequential, tuple[int, int]]] = []
    seed = 0
    while len(networks) < 300:
        network, side = grow(seed)
        seed += 1
        if max(side) <= 150:
            networks.append((network, side))
    assert seed < 600
    return networks


def test_windows_against_the_networks_themselves(grown: list[tuple[nn.Sequential, tuple[int, int]]]) -> None:
    by_gradient = whole = 0
    for index, (network, side) in enumerate(grown):
        make_positive(network)
        _, units = walk(network, (1, *side))
        rows, columns = (axis.window((axis.count - 1) // 2) for axis in units.axes)
        assert min(rows[0], columns[0]) >= 0 and rows[1] < side[0] and columns[1] < side[1], f"cut off: {index}"
        # what lies outside never moves the unit; both edges always do
        assert moved(network, side, rows, columns) == [False, True, True, False] * 2, f"network {index}: {network}"
        anatomy = dissect(network, (1, *side))
        size = (rows[1] - rows[0] + 1, columns[1] - columns[0] + 1)
        assert anatomy.field == (size[0] if size[0] == size[1] else size)
        whole += len(units.shape) == 2
        if "max_pool" not in anatomy.table() and "MaxPool" not in anatomy.table():
            by_gradient += 1
            assert seen(network, side) == (rows, columns), f"network {index}: {network}"
    assert len(grown) == 300
    assert by_gradient >= 100
    assert whole >= 50


def test_jump_is_how_far_the_neighbour_sees(grown: list[tuple[nn.Sequential, tuple[int, int]]]) -> None:
    compared = 0
    for network, side in grown:
        _, units = walk(network, (1, *side))
        if len(units.shape) == 2:
            continue
        make_positive(network)
        y, x = ((axis.count - 1) // 2 + 1 for axis in units.axes)
        neighbour = chain(network, Call(lambda out, y=y, x=x: out[:, :, y : y + 1, x : x + 1]))
        (top, bottom), (left, right) = (axis.window((axis.count - 1) // 2) for axis in units.axes)
        down, along = (axis.jump for axis in units.axes)
        rows, columns = (top + down, bottom + down), (left + along, right + along)
        assert moved(neighbour, side, rows, columns) == [False, True, True, False] * 2
        compared += 1
    assert compared >= 150


def test_macs_are_half_of_torchs_flops_and_shapes_are_the_networks(
    grown: list[tuple[nn.Sequential, tuple[int, int]]],
) -> None:
    counted = 0
    for network, side in grown:
        network.double().eval()
        anatomy = dissect(network, (1, *side))
        with torch.no_grad(), FlopCounterMode(display=False) as counter:
            output = network(torch.zeros(1, 1, *side, dtype=torch.float64))
        assert counter.get_total_flops() == 2 * anatomy.macs
        assert anatomy.rows[-1].output == tuple(output.shape[1:])
        counted += anatomy.macs > 0
    assert counted >= 250


def test_parameters_are_torchinfos(grown: list[tuple[nn.Sequential, tuple[int, int]]]) -> None:
    compared = 0
    for network, side in grown[:100]:
        anatomy: Anatomy = dissect(network.float(), (1, *side))
        summary = torchinfo.summary(network, input_size=(1, 1, *side), verbose=0)
        assert anatomy.parameters == summary.total_params == sum(row.parameters for row in anatomy.rows)
        compared += anatomy.parameters > 0
    assert compared >= 90
