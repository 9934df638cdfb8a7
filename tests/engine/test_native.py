"""The native engine against PyTorch in double precision, over random networks; threads; masks; refusals."""

import copy
import random
from collections.abc import Callable
from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from featherweight.engine import build_engine, native
from featherweight.engine.program import lower_for_training
from featherweight.engine.torch_engine import loss_of
from featherweight.experiments.recipe import Recipe
from featherweight.networks.layers.blocks import Gated, Residual, Sum, squeeze_excite
from random_networks import ACTIVATIONS, Masked, random_network

CPU = torch.device("cpu")
NETWORKS = 520
pytestmark = pytest.mark.skipif(native.library() is None, reason="the native kernels are not built here")


def with_masks(network: nn.Module, shape: tuple[int, int, int], images: int, seed: int) -> nn.Module:
    """`network` in double precision, its dropouts replaced by the masks the native engine draws."""
    program = lower_for_training(network, shape)
    plan = native.Plan(program, Recipe(loss="nll"), batch=images, threads=1)
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
    choices = {"kind": "native", "recipe": Recipe(), "batch": 20}
    engine = build_engine(network=network, **{**choices, **changes}, shape=shape, device=CPU)
    torch.set_num_threads(1)  # what PyTorch computes here is too small to be shared
    return engine


def in_single_precision(reference: nn.Module) -> nn.Module:
    single = copy.deepcopy(reference).float()
    single.zero_grad()
    for module in single.modules():
        if isinstance(module, Masked):
            module.mask = module.mask.float()
    return single


def trained(network: nn.Module) -> list[nn.Parameter]:
    return [parameter for parameter in network.parameters() if parameter.requires_grad]


def check(number: int) -> None:
    """Loss, hits, gradients, statistics and scores of one random network on the native engine, against float64."""
    draw = random.Random(number)
    images, smoothing = draw.choice((2, 3, 5, 16, 17, 20, 33)), draw.choice((0.0, 0.1))
    compare(number, *random_network(number), images, smoothing, threads=draw.choice((1, 2)))


def compare(
    number: object,
    network: nn.Module,
    shape: tuple[int, int, int],
    logs: bool,
    images: int,
    smoothing: float,
    threads: int,
) -> None:
    seed = number if isinstance(number, int) else 0
    recipe = Recipe(loss="nll" if logs else "cross_entropy", label_smoothing=smoothing)
    x, labels = torch.rand(images, *shape), torch.randint(0, 2, (images,))
    reference = with_masks(network, shape, images, seed=seed)
    single = in_single_precision(reference)
    engine = bound(network, shape, recipe=recipe, threads=threads)
    network.train()
    mean, correct = engine.step(x, labels, seed)
    output = reference.train()(x.double())
    expected = loss_of(output, labels, recipe)
    expected.backward()
    loss_of(single.train()(x), labels, recipe).backward()
    assert abs(mean.item() - expected.item()) < 1e-5 * max(1, expected.item()), number
    assert correct.item() == (output.argmax(1) == labels).sum().item(), number
    whole = torch.cat([p.grad.flatten() for p in trained(reference)]).norm().item()
    for got, wanted, rounded in zip(trained(network), trained(reference), trained(single), strict=True):
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


def depthwise(channels: int, pad: int = 1, bias: bool = False) -> nn.Conv2d:
    return nn.Conv2d(channels, channels, 3, padding=pad, groups=channels, bias=bias)


def normed(channels: int, act: nn.Module | None = None) -> list[nn.Module]:
    return [nn.BatchNorm2d(channels), act or nn.ReLU()]


def average(channels: int) -> list[nn.Module]:
    return [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3)]


def frozen(layers: list[nn.Module]) -> list[nn.Module]:
    for layer in layers:
        layer.requires_grad_(False)
    return layers


DEPTHWISE = {
    "blocks": lambda: [nn.Conv2d(1, 5, 3), *normed(5), depthwise(5), nn.Conv2d(5, 6, 1), *normed(6), depthwise(6, 0),
                       nn.Conv2d(6, 7, 1), *normed(7)],
    "one after another": lambda: [nn.Conv2d(1, 5, 3), *normed(5), depthwise(5), depthwise(5, 2), depthwise(5, 0),
                                  nn.Conv2d(5, 7, 3), *normed(7)],
    "with biases": lambda: [nn.Conv2d(1, 5, 3), *normed(5, nn.SiLU()), depthwise(5, bias=True), nn.Conv2d(5, 7, 1)],
    "norm after it": lambda: [nn.Conv2d(1, 5, 3), *normed(5), depthwise(5), *normed(5), depthwise(5),
                             nn.Conv2d(5, 7, 1)],
    "dropout before it": lambda: [nn.Conv2d(1, 5, 3), *normed(5), nn.Dropout(0.2), depthwise(5), nn.Conv2d(5, 7, 1)],
    "pool before it": lambda: [nn.Conv2d(1, 5, 3), *normed(5), nn.MaxPool2d(2), depthwise(5), nn.Conv2d(5, 7, 1)],
    "PReLU before it": lambda: [nn.Conv2d(1, 5, 3), *normed(5, nn.PReLU()), depthwise(5), nn.Conv2d(5, 7, 1)],
    "read twice": lambda: [nn.Conv2d(1, 7, 3), *normed(7), Residual(depthwise(7), nn.Conv2d(7, 7, 1), *normed(7)),
                           depthwise(7), nn.Conv2d(7, 7, 1)],
    "frozen before it": lambda: [*frozen([nn.Conv2d(1, 5, 3)]), *normed(5), depthwise(5), nn.Conv2d(5, 7, 1)],
    "norm frozen too": lambda: [*frozen([nn.Conv2d(1, 5, 3), *normed(5)]), depthwise(5), nn.Conv2d(5, 7, 1)],
    "as many outputs as one channel": lambda: [nn.Conv2d(1, 1, 3), *normed(1), depthwise(1), nn.Conv2d(1, 7, 1)],
}  # fmt: skip


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", DEPTHWISE)
def test_depthwise_convolutions_wherever_they_stand(name, threads):
    torch.manual_seed(0)
    network = nn.Sequential(*DEPTHWISE[name](), *average(7))
    compare(name, network, (1, 12, 11), logs=False, images=85, smoothing=0.0, threads=threads)


def memory_of_a_block(memory: Callable[[int, int], int]) -> float:
    """Vectors that a block takes for a lane group more, from the bytes for a number of blocks and of images."""
    more_images = [memory(blocks, 1600) - memory(blocks, 800) for blocks in (4, 6)]
    lanes = native.library().featherweight_lanes()
    return (more_images[1] - more_images[0]) / 2 / (800 // lanes) / (lanes * 4)


def test_what_a_depthwise_convolution_reads_and_gives_takes_no_memory_for_every_image():
    def memory(blocks: int, images: int) -> int:
        layers = [layer for _ in range(blocks) for layer in (depthwise(8), nn.Conv2d(8, 8, 1), *normed(8))]
        network = nn.Sequential(nn.Conv2d(1, 8, 1), *normed(8), *layers, *average(8))
        return native.Plan(lower_for_training(network, (1, 12, 12)), Recipe(), batch=images, threads=1).bytes()

    # Of a block, only the output of its 1x1 convolution, and weight gradients and sums by lane group.
    assert memory_of_a_block(memory) < 8 * ((12 + 2) * (12 + 2) + 1) + 60


def padded(*channels: int, act: nn.Module | None = None) -> nn.Sequential:
    """Convolutions from one of these numbers of channels to the next, each with norm and activation."""
    return nn.Sequential(
        *(layer for i, o in pairwise(channels) for layer in (nn.Conv2d(i, o, 3, padding=1), *normed(o, act)))
    )


RESIDUAL = {
    "blocks": lambda: [Residual(padded(6, 6)), Residual(padded(6, 5, 6)), nn.MaxPool2d(2), Residual(padded(6, 6))],
    "of the picture": lambda: [Residual(padded(2, 2)), Residual(padded(2, 2)), nn.Conv2d(2, 6, 3)],
    "one in another": lambda: [Residual(Residual(padded(6, 6))), Residual(Residual(padded(6, 6)), padded(6, 6))],
    "three terms": lambda: [Sum(padded(6, 6), nn.Conv2d(6, 6, 1), padded(6, 6)), Sum(padded(6, 6), nn.Identity())],
    "two norms": lambda: [Sum(padded(6, 6), padded(6, 6)), depthwise(6)],
    "norms before": lambda: [Residual(*normed(6), depthwise(6)), Residual(*normed(6)), nn.ReLU()],
    "no activation": lambda: [Residual(depthwise(6), nn.BatchNorm2d(6)), nn.ReLU(), Residual(padded(6, 6))],
    "other activations": lambda: [Residual(padded(6, 6, act=act)) for act in (nn.SiLU(), nn.PReLU(), nn.GELU("tanh"))],
    "dropout": lambda: [Residual(padded(6, 6), nn.Dropout(0.3)), Residual(padded(6, 6, act=nn.SiLU()), nn.Dropout2d())],
    "gated": lambda: [Residual(padded(6, 6), squeeze_excite(6, 2)), Residual(padded(6, 6)), squeeze_excite(6, 2)],
    "frozen": lambda: [*frozen([Residual(padded(6, 6))]), Residual(padded(6, 6))],
}


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", RESIDUAL)
def test_residual_sums_wherever_they_stand(name, threads):
    torch.manual_seed(0)
    start = [] if name == "of the picture" else [*frozen([nn.Conv2d(2, 6, 3)])] if name == "frozen" else [padded(2, 6)]
    network = nn.Sequential(*start, *RESIDUAL[name](), *average(6))
    compare(name, network, (2, 9, 8), logs=False, images=85, smoothing=0.0, threads=threads)


def test_a_residual_sum_takes_memory_for_two_tensors_of_every_image():
    def memory(blocks: int, images: int) -> int:
        layers = [Residual(nn.Conv2d(8, 8, 1), *normed(8)) for _ in range(blocks)]
        network = nn.Sequential(nn.Conv2d(1, 8, 1), *normed(8), *layers, *average(8))
        return native.Plan(lower_for_training(network, (1, 12, 12)), Recipe(), batch=images, threads=1).bytes()

    # What the convolution gives and what is added to; a quarter of a tensor more for the rest.
    assert memory_of_a_block(memory) < 2.25 * 8 * (12 * 12 + 1)


def grouped(channels: int, groups: int = 1, act: type[nn.Module] = nn.ReLU) -> list[nn.Module]:
    """A group norm with weights that have seen something, and an activation."""
    norm = nn.GroupNorm(groups, channels, eps=0.02)
    nn.init.uniform_(norm.weight, -0.5, 1.5)
    nn.init.uniform_(norm.bias, -0.5, 0.5)
    return [norm, act()]


def by_layer(*shape: int) -> nn.LayerNorm:
    norm = nn.LayerNorm(shape, eps=0.03)
    nn.init.uniform_(norm.weight, -0.5, 1.5)
    nn.init.uniform_(norm.bias, -0.5, 0.5)
    return norm


GROUPED = {
    "groups": lambda: [nn.Conv2d(2, 6, 3), *grouped(6, 3), nn.Conv2d(6, 6, 3), *grouped(6, 2), *grouped(6, 6)],
    "every channel, then pools": lambda: [nn.Conv2d(2, 6, 3), *grouped(6), nn.MaxPool2d(2), nn.BatchNorm2d(6),
                                          *grouped(6, 2), nn.AvgPool2d(2)],
    "of the picture": lambda: [nn.GroupNorm(2, 2), nn.Conv2d(2, 6, 3)],
    "without weights": lambda: [nn.Conv2d(2, 6, 3), nn.GroupNorm(3, 6, affine=False), nn.SiLU(),
                                nn.LayerNorm((6, 7, 6), elementwise_affine=False)],
    "frozen": lambda: [*frozen([nn.Conv2d(2, 6, 3), *grouped(6, 2)]), nn.Conv2d(6, 6, 3), *frozen(grouped(6, 3))],
    "layer norm": lambda: [nn.Conv2d(2, 6, 3), by_layer(6, 7, 6), nn.ReLU(), nn.Conv2d(6, 6, 3), by_layer(6, 5, 4)],
    "layer norm without bias": lambda: [nn.Conv2d(2, 6, 3), nn.LayerNorm((6, 7, 6), bias=False), nn.PReLU()],
    "residual": lambda: [nn.Conv2d(2, 6, 3), Residual(nn.Conv2d(6, 6, 3, padding=1), *grouped(6, 2)), *grouped(6, 3),
                         Sum(nn.Sequential(*grouped(6, 2)), nn.Conv2d(6, 6, 1)), squeeze_excite(6, 2)],
    "dilated depthwise": lambda: [nn.Conv2d(2, 6, 3), *grouped(6, 2),
                                  nn.Conv2d(6, 6, 3, padding=2, dilation=2, groups=6),
                                  nn.Conv2d(6, 6, 1), *grouped(6), depthwise(6), nn.Conv2d(6, 6, 1)],
    "dropout": lambda: [nn.Conv2d(2, 6, 3), *grouped(6, 2), nn.Dropout(0.2), nn.Conv2d(6, 6, 3), *grouped(6, 3)],
}  # fmt: skip


@pytest.mark.parametrize("images", [5, 85])
@pytest.mark.parametrize("name", GROUPED)
def test_group_and_layer_norms_wherever_they_stand(name, images):
    torch.manual_seed(0)
    network = nn.Sequential(*GROUPED[name](), nn.AdaptiveAvgPool2d(1), nn.Flatten(), by_layer(6), nn.Linear(6, 3))
    compare(name, network, (2, 9, 8), logs=False, images=images, smoothing=0.0, threads=2)


@pytest.mark.parametrize("norm", [nn.GroupNorm(2, 4, eps=0.0), nn.LayerNorm((4, 3, 3), eps=0.0)])
def test_lanes_without_an_image_add_nothing_to_the_weights_of_a_norm(norm):
    """Their variance is 0: without an epsilon, they would divide by it."""
    network = nn.Sequential(nn.Conv2d(1, 4, 3), norm, nn.Flatten(), nn.Linear(36, 2))
    compare("no epsilon", network, (1, 5, 5), logs=False, images=3, smoothing=0.0, threads=1)


@pytest.mark.parametrize("act", [nn.GELU("tanh"), nn.Hardswish()])
def test_an_activation_far_from_zero_on_both_sides(act):
    network = nn.Sequential(nn.Conv2d(1, 4, 3), act, nn.Dropout(0.1), nn.Flatten(), nn.Linear(36, 2))
    with torch.no_grad():
        network[0].weight.mul_(20)
    compare("far", network, (1, 5, 5), logs=False, images=19, smoothing=0.0, threads=1)


def gradients_and_state(threads: int, images: int) -> list[Tensor]:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Dropout(0.1), nn.MaxPool2d(2),
        Residual(nn.Conv2d(6, 6, 3, padding=1), nn.SiLU(), nn.Dropout(0.2)),
        nn.Conv2d(6, 5, 3, stride=2), nn.BatchNorm2d(5), nn.ReLU(), nn.GroupNorm(5, 5), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.LayerNorm(5), nn.Linear(5, 3),
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
