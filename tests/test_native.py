"""The native engine against PyTorch in double precision, over random networks; threads; masks; refusals."""

import copy
import random

import pytest
import torch
from torch import Tensor, nn

from featherweight.engine import build, native
from featherweight.engine.lowering import lower
from featherweight.engine.torch_engine import loss_of
from featherweight.networks.layers import Gated, Residual, Sum

CPU = torch.device("cpu")
NETWORKS = 520
pytestmark = pytest.mark.skipif(native.library() is None, reason="the native kernels are not built here")


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


def with_masks(network: nn.Module, shape: tuple[int, int, int], images: int, seed: int) -> nn.Module:
    """`network` in double precision, its dropouts replaced by the masks the native engine draws."""
    program = lower(network, shape)
    plan = native.Plan(program, batch=images, threads=1, loss="nll", label_smoothing=0)
    dropping = iter([i for i, node in enumerate(program.nodes) if "drop" in node])
    reference = copy.deepcopy(network).double()

    def replace(parent: nn.Module) -> None:
        for name, child in parent.named_children():
            if isinstance(child, nn.Dropout | nn.Dropout2d):
                masked = child.p > 0
                new = Masked(plan.mask(program, next(dropping), images, seed)) if masked else nn.Identity()
                setattr(parent, name, new)
            replace(child)

    replace(reference)
    assert next(dropping, None) is None
    return reference


def error(got: Tensor, expected: Tensor) -> float:
    return ((got.double() - expected).norm() / expected.norm()).item()


def bound(network: nn.Module, shape: tuple[int, int, int], **changes):
    choices = {"kind": "native", "loss": "cross_entropy", "label_smoothing": 0.0, "batch": 20, "threads": 1}
    engine = build(network=network, **{**choices, **changes}, shape=shape, device=CPU)
    torch.set_num_threads(1)  # what PyTorch computes here is too small to be shared
    return engine


def in_single_precision(reference: nn.Module) -> nn.Module:
    single = copy.deepcopy(reference).float()
    single.zero_grad()
    for module in single.modules():
        if isinstance(module, Masked):
            module.mask = module.mask.float()
    return single


def check(number: int) -> None:
    """Loss, hits, gradients, statistics and scores of one random network on the native engine, against float64."""
    network, shape, logs = random_network(number)
    draw = random.Random(number)
    images, smoothing = draw.choice((2, 3, 5, 16, 17, 20, 33)), draw.choice((0.0, 0.1))
    loss = "nll" if logs else "cross_entropy"
    x, labels = torch.rand(images, *shape), torch.randint(0, 2, (images,))
    reference = with_masks(network, shape, images, seed=number)
    single = in_single_precision(reference)
    engine = bound(network, shape, loss=loss, label_smoothing=smoothing, threads=draw.choice((1, 2)))
    network.train()
    mean, correct = engine.step(x, labels, number)
    output = reference.train()(x.double())
    expected = loss_of(output, labels, loss=loss, label_smoothing=smoothing)
    expected.backward()
    loss_of(single.train()(x), labels, loss=loss, label_smoothing=smoothing).backward()
    assert abs(mean.item() - expected.item()) < 1e-5 * max(1, expected.item()), number
    assert correct.item() == (output.argmax(1) == labels).sum().item(), number
    whole = torch.cat([p.grad.flatten() for p in reference.parameters()]).norm().item()
    for got, wanted, rounded in zip(network.parameters(), reference.parameters(), single.parameters(), strict=True):
        # A gradient far below the network's is a difference of larger terms: there 1e-6 of the network's. Where even
        # that is asked too much, PyTorch in single precision is off as well.
        scale = max(wanted.grad.norm().item(), 0.1 * whole)
        wrong, theirs = ((p.grad.double() - wanted.grad).norm().item() for p in (got, rounded))
        assert wrong < max(1e-5 * scale, 10 * theirs), (number, wrong / scale, theirs / scale)
    for got, wanted in zip(network.buffers(), reference.buffers(), strict=True):
        assert torch.allclose(got.double(), wanted.double(), rtol=1e-5, atol=1e-6), number
    assert error(engine.scores(x), reference.eval()(x.double())) < 1e-5, number


@pytest.mark.parametrize("part", range(10))
def test_random_networks_match_double_precision(part):
    numbers = range(part, NETWORKS, 10)
    assert len(numbers) == NETWORKS // 10
    for number in numbers:
        check(number)


def test_random_networks_have_every_layer():
    kinds = {type(layer) for number in range(NETWORKS) for layer in random_network(number)[0].modules()}
    assert {*ACTIVATIONS, Sum, Gated, Residual, nn.AdaptiveAvgPool2d, nn.MaxPool2d, nn.Dropout2d} <= kinds


@pytest.mark.slow
def test_many_random_networks_match_double_precision():
    for number in range(NETWORKS, 6 * NETWORKS):
        check(number)


def gradients_and_state(threads: int, images: int) -> list[Tensor]:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.1), nn.MaxPool2d(2),
        Residual(nn.Conv2d(6, 6, 3, padding=1), nn.SiLU(), nn.Dropout(0.2)),
        nn.Conv2d(6, 5, 3, stride=2), nn.BatchNorm2d(5), nn.ReLU(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.Linear(5, 3),
    )  # fmt: skip
    engine = bound(network, (1, 13, 13), threads=threads, batch=images)
    x, labels = torch.rand(images, 1, 13, 13), torch.arange(images) % 3
    results = [tensor for seed in (5, 6) for tensor in engine.step(x, labels, seed)]
    return [*results, engine.scores(x), *(p.grad for p in network.parameters()), *network.buffers()]


@pytest.mark.parametrize("images", [7, 83])
def test_bits_do_not_depend_on_threads_or_runs(images):
    first = gradients_and_state(1, images)
    for threads in (1, 2, 3):
        assert all(torch.equal(a, b) for a, b in zip(first, gradients_and_state(threads, images), strict=True)), threads
