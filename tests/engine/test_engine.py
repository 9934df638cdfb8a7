"""`build` and the torch engine: loss against arithmetic, gradients added in place, dropout by seed alone."""

import math

import pytest
import torch
from torch import nn

from featherweight.engine import Engine, build_engine
from featherweight.engine.torch_engine import loss_of
from featherweight.errors import UsageError
from featherweight.experiments.recipe import Recipe

CPU = torch.device("cpu")


def torch_engine(network: nn.Module, **changes) -> Engine:
    choices = {"kind": "torch", "recipe": Recipe(batch=5), "shape": (1, 2, 3)}
    return build_engine(network=network, **{**choices, **changes}, device=CPU)


@pytest.mark.parametrize("loss", ["cross_entropy", "nll"])
def test_smoothed_loss_is_the_arithmetic(loss):
    chances = torch.tensor([[0.5, 0.3, 0.2]]).log()
    expected = -(0.9 * math.log(0.3) + 0.1 / 3 * sum(map(math.log, (0.5, 0.3, 0.2))))
    got = loss_of(chances, torch.tensor([1]), Recipe(loss=loss, label_smoothing=0.1))
    assert got.item() == pytest.approx(expected, rel=1e-6)


def test_gradients_are_added_in_place_and_counted():
    network = nn.Sequential(nn.Flatten(), nn.Linear(6, 2, bias=False))
    with torch.no_grad():
        network[1].weight.zero_()
    weight = network[1].weight
    weight.grad = torch.ones(2, 6)
    kept = weight.grad
    loss, correct = torch_engine(network).step(torch.ones(5, 1, 2, 3), torch.tensor([0, 0, 0, 1, 1]), 7)
    # At zero weights both chances are 1/2: the gradient of class 0 is 5/2 - 3 = -0.5 over 5 images, -0.1.
    assert loss.item() == pytest.approx(math.log(2))
    assert correct.item() == 3 and weight.grad is kept
    assert torch.allclose(kept, 1 + torch.tensor([[-0.1], [0.1]]).expand(2, 6))


def test_dropout_follows_the_seed_alone():
    network = nn.Sequential(nn.Dropout(0.5), nn.Flatten(), nn.Linear(6, 2))
    engine = torch_engine(network)
    images, labels = torch.rand(5, 1, 2, 3), torch.zeros(5, dtype=torch.int64)
    losses = [engine.step(images, labels, seed)[0].item() for seed in (1, 2, 1)]
    assert losses[0] == losses[2] != losses[1]
    assert torch.equal(engine.scores(images), network[2](images.flatten(1)))


def test_wrong_names_and_threads_are_sentences():
    with pytest.raises(UsageError, match="Unknown engine 'nativ'; did you mean native"):
        torch_engine(nn.Identity(), kind="nativ")
    with pytest.raises(UsageError, match="1 to 8 threads .* given 0"):
        torch_engine(nn.Identity(), threads=0)
