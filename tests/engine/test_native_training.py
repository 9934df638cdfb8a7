"""The losses of a training run on the native engine are PyTorch's at the same weights, with the same dropout masks.

Two runs that only start from the same weights part within 200 steps, on whatever engines: one unit of rounding turns
a ReLU on or off somewhere, and training amplifies it. On MNIST at a rate of 0.02, PyTorch in single and in double
precision end 4e-2 apart. So at each step PyTorch starts from where the native engine is.
"""

import copy

import pytest
import torch
from torch import Tensor, nn

from featherweight.engine import build_engine, native
from featherweight.engine.program import lower_for_training
from featherweight.experiments.experiment import find
from featherweight.experiments.recipe import Recipe
from random_networks import Masked

SHAPE = (1, 28, 28)
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
    network = find("c3").network()
    twin, dropouts = masked(network)
    program = lower_for_training(network, SHAPE)
    dropping = [i for i, node in enumerate(program.nodes) if "drop" in node]
    assert len(dropping) == len(dropouts) == 6
    plan = native.Plan(program, Recipe(), batch=batch, threads=1)
    native_step, torch_step = (
        build_engine(kind, bound, Recipe(batch=batch), shape=SHAPE, device=torch.device("cpu")).step
        for kind, bound in (("native", network), ("torch", twin))
    )
    optimizer = torch.optim.SGD(network.parameters(), 0.02, momentum=0.9)
    draws = torch.Generator().manual_seed(2)
    history: tuple[list[float], list[float]] = ([], [])
    for seed in range(steps):
        images, labels = blots(batch, draws)
        for dropout, node in zip(dropouts, dropping, strict=True):
            dropout.mask = plan.mask(program, node, batch, seed)
        twin.load_state_dict(network.state_dict(), strict=False)
        optimizer.zero_grad(set_to_none=False)
        history[0].append(native_step(images, labels, seed)[0].item())
        history[1].append(torch_step(images, labels, seed)[0].item())
        optimizer.step()
    return history


@pytest.mark.parametrize(("steps", "batch"), [(30, 40), pytest.param(200, 128, marks=pytest.mark.slow)])
def test_losses_of_the_first_steps_are_pytorch_s(steps, batch):
    ours, theirs = losses(steps, batch)
    apart = [abs(a - b) for a, b in zip(ours, theirs, strict=True)]
    assert len(apart) == steps and max(apart) < 1e-5, max(apart)
    assert theirs[-1] < theirs[0] / 1.5, theirs  # it learns
