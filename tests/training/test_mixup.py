"""Mixup: shares against their distribution; blends, targets and a step against arithmetic."""

import pytest
import torch
from torch import nn

from featherweight.data.augment import normalise
from featherweight.data.dataset import Data
from featherweight.data.transforms import blend, blended_targets
from featherweight.engine import build_engine
from featherweight.errors import UsageError
from featherweight.experiments.augmentation import Augment
from featherweight.experiments.recipe import Distil, Recipe
from featherweight.training.state import initial_state
from featherweight.training.step import train_batch


def draws(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("alpha", [0.2, 1.0, 3.0])
def test_the_larger_share_of_a_draw_from_beta_is_the_images_own(alpha: float) -> None:
    share, other, _ = blend(torch.zeros(40_000, 1, 1, 1), alpha, draws())
    beta = torch.distributions.Beta(alpha, alpha)
    torch.manual_seed(5)
    wanted = (b := beta.sample((400_000,))).maximum(1 - b).sort().values
    quantiles = torch.tensor([0.05, 0.25, 0.5, 0.75, 0.95])
    assert torch.allclose(share.quantile(quantiles), wanted[(quantiles * 399_999).long()], atol=0.01)
    assert other.sort().values.equal(torch.arange(40_000))


def test_blends_and_targets_are_the_arithmetic() -> None:
    images = torch.randn(7, 3, 4, 5)
    share, other, blends = blend(images, 0.7, draws(2))
    targets = blended_targets(torch.arange(7) % 3, share, other, 3, 0.12)
    for place in range(7):
        s, o = share[place].item(), int(other[place])
        assert torch.allclose(blends[place], s * images[place] + (1 - s) * images[o], atol=1e-6)
        row = [0.04, 0.04, 0.04]
        row[place % 3] += 0.88 * s
        row[o % 3] += 0.88 * (1 - s)
        assert targets[place].tolist() == pytest.approx(row, abs=1e-6)


@pytest.mark.parametrize("kind", ["torch", "native"])
@pytest.mark.parametrize("loss", ["cross_entropy", "nll"])
def test_a_step_learns_from_blended_images_and_labels(kind: str, loss: str) -> None:
    torch.manual_seed(0)
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(30, 3)]
    network = nn.Sequential(*layers, *([nn.LogSoftmax(1)] if loss == "nll" else []))
    start = [p.detach().clone() for p in network.parameters()]
    images = torch.randint(0, 256, (12, 1, 5, 6), dtype=torch.uint8)
    data = Data.from_arrays(images.numpy(), torch.arange(12).numpy() % 3, test=(images.numpy(), [0, 1, 2] * 4))
    recipe = Recipe(epochs=2, plain_epochs=1, batch=12, lr=0.5, momentum=0, nesterov=False, loss=loss,  # type: ignore[arg-type]
                    label_smoothing=0.09, augment=Augment(mixup=0.8))  # fmt: skip
    state = initial_state(network, recipe, torch.device("cpu"))
    engine = build_engine(kind, state.network, recipe, shape=(1, 5, 6), device=torch.device("cpu"))
    mean, correct = train_batch(state, data, torch.arange(12), recipe, engine, seed=9, lr=0.5)

    share, other, blends = blend(normalise(images, data.mean, data.std), 0.8, draws(9))
    weight, bias = (p.clone().requires_grad_() for p in start)
    logs = (blends.flatten(1) @ weight.T + bias).log_softmax(1)
    label = torch.arange(12) % 3
    wanted = -(
        0.91 * (share * logs[torch.arange(12), label] + (1 - share) * logs[torch.arange(12), label[other]])
        + 0.03 * logs.sum(1)
    ).mean()
    wanted.backward()  # type: ignore[no-untyped-call]
    assert mean.item() == pytest.approx(wanted.item(), rel=1e-5)
    assert correct.item() == (logs.argmax(1) == label).sum()
    for now, before, used in zip(state.network.parameters(), start, (weight, bias), strict=True):
        assert used.grad is not None
        assert torch.allclose(now.detach(), before - 0.5 * used.grad, atol=1e-6)

    state.epoch = 1  # plain: neither images nor labels are blended
    before = [p.detach().clone() for p in state.network.parameters()]
    mean, _ = train_batch(state, data, torch.arange(12), recipe, engine, seed=9, lr=0.5)
    logs = (normalise(images, data.mean, data.std).flatten(1) @ before[0].T + before[1]).log_softmax(1)
    wanted = -(0.91 * logs[torch.arange(12), label] + 0.03 * logs.sum(1)).mean()
    assert mean.item() == pytest.approx(wanted.item(), rel=1e-5)


def test_blended_labels_and_a_teacher_exclude_each_other() -> None:
    with pytest.raises(UsageError, match="not both"):
        Recipe(augment=Augment(mixup=0.2), distil=Distil(teacher="relaxed"))
