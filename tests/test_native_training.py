"""Training on the native engine follows PyTorch's, given the same dropout masks."""

import copy

import pytest
import torch
from torch import Tensor, nn

from featherweight.bench import c3
from featherweight.engine import build, native
from featherweight.engine.lowering import lower
from test_native import Masked

SHAPE = (1, 28, 28)
RATE = 0.01  # at higher ones single and double precision part within 200 steps, in PyTorch itself
pytestmark = pytest.mark.skipif(native.library() is None, reason="the native kernels are not built here")


def blots(count: int, draws: torch.Generator) -> tuple[Tensor, Tensor]:
    """Images that ten classes can be told apart in, and their labels."""
    patterns = torch.rand(10, 1, 7, 7, generator=torch.Generator().manual_seed(1))
    labels = torch.randint(0, 10, (count,), generator=draws)
    images = nn.functional.interpolate(patterns[labels], scale_factor=4.0, mode="bilinear")
    return images + 0.3 * torch.randn(images.shape, generator=draws), labels


def masked(network: nn.Module) -> tuple[nn.Module, list[Masked]]:
    """A copy whose dropouts multiply with masks that are set from outside; and those, in order."""
    twin, found = copy.deepcopy(network), []
    for block in twin.modules():
        for name, child in block.named_children():
            if isinstance(child, nn.Dropout):
                found.append(Masked(torch.ones(1)))
                setattr(block, name, found[-1])
    return twin, found


def losses(steps: int, batch: int) -> tuple[list[float], list[float]]:
    """Of the first `steps` of c3 by the native engine, and by PyTorch with the masks that the native engine drew."""
    torch.manual_seed(0)
    network = c3()
    twin, dropouts = masked(network)
    program = lower(network, SHAPE)
    dropping = [i for i, node in enumerate(program.nodes) if "drop" in node]
    assert len(dropping) == len(dropouts) == 6
    plan = native.Plan(program, batch=batch, threads=1, loss="cross_entropy", label_smoothing=0)
    settings = {"loss": "cross_entropy", "label_smoothing": 0.0, "shape": SHAPE, "batch": batch, "threads": 1}
    cpu = torch.device("cpu")
    pairs = [(build(kind, n, **settings, device=cpu), torch.optim.SGD(n.parameters(), RATE, momentum=0.9))
             for kind, n in (("native", network), ("torch", twin))]  # fmt: skip
    draws = torch.Generator().manual_seed(2)
    history: tuple[list[float], list[float]] = ([], [])
    for seed in range(steps):
        images, labels = blots(batch, draws)
        for dropout, node in zip(dropouts, dropping, strict=True):
            dropout.mask = plan.mask(program, node, batch, seed)
        for (engine, optimizer), taken in zip(pairs, history, strict=True):
            optimizer.zero_grad(set_to_none=False)
            taken.append(engine.step(images, labels, seed)[0].item())
            optimizer.step()
    return history


@pytest.mark.parametrize(("steps", "batch"), [(30, 40), pytest.param(200, 128, marks=pytest.mark.slow)])
def test_losses_of_the_first_steps_are_pytorch_s(steps, batch):
    ours, theirs = losses(steps, batch)
    apart = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    assert len(apart) == steps and max(apart) < 1e-3, max(apart)
    assert theirs[-1] < theirs[0] / 1.5, theirs  # it learns
    print(f"largest difference of {steps} losses: {max(apart):.1e}; last loss {ours[-1]:.4f}")
