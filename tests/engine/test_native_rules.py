"""What the native engine refuses and says, its masks' statistics, NaN, memory, and the torch engine's place."""

import resource
from pathlib import Path

import pytest
import torch
from torch import nn

from featherweight.engine import build_engine, native
from featherweight.engine.program import lower_for_training
from featherweight.errors import UsageError
from featherweight.experiments.recipe import Recipe
from featherweight.networks.layers.blocks import Gated, Sum

CPU = torch.device("cpu")
pytestmark = pytest.mark.skipif(native.library() is None, reason="the native kernels are not built here")


def engine(network: nn.Module, kind: str = "native", shape: tuple[int, int, int] = (3, 9, 9), **changes):
    choices = {"recipe": Recipe(), "batch": 8, "device": CPU}
    return build_engine(kind, network, shape=shape, **{**choices, **changes})


def ended(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten())


class Doubled(nn.Module):
    def forward(self, x):
        return 2 * x


REFUSED = [
    (ended(nn.Conv2d(3, 5, 3), nn.Mish()), "Layer 1 (Mish) has no native kernel."),
    (ended(nn.Conv2d(3, 5, 3), nn.GELU()), "Layer 1 (GELU) has approximate='none' and needs approximate='tanh'"),
    (ended(nn.GroupNorm(2, 4)), "takes (4,) and gets (3,)"),
    (ended(nn.LayerNorm((9, 9))), "takes (9, 9) and gets (3, 9, 9)"),
    (ended(nn.AdaptiveAvgPool2d(1), nn.GroupNorm(3, 3)), "has groups of a single value"),
    (ended(nn.Sequential(nn.Conv2d(3, 5, 3), Doubled())), "Layer 0.1 (Doubled) has no native kernel."),
    (ended(nn.Conv2d(2, 5, 3)), "Layer 0 (Conv2d) takes 2 channels, not 3; there is no native kernel for this."),
    (ended(nn.Conv2d(3, 5, (3, 5))), "Layer 0 (Conv2d) has kernel (3, 5)"),
    (ended(nn.Conv2d(3, 5, 3, stride=3)), "Layer 0 (Conv2d) has kernel (3, 3), stride (3, 3)"),
    (ended(nn.Conv2d(3, 5, 3, dilation=(1, 2))), "has dilation (1, 2), not the same both ways"),
    (ended(nn.PReLU(2)), "has 2 weights for 3 channels"),
    (ended(Sum(nn.Conv2d(3, 5, 3), nn.Identity())), "Layer 0 (Sum) has terms of several shapes"),
    (ended(Gated(nn.Conv2d(3, 1, 1))), "makes no factor for each channel, or for each pixel, of what it gets"),
    (ended(nn.Conv2d(3, 5, 3, padding=1, padding_mode="reflect")), "pads with reflect"),
    (ended(nn.Conv2d(3, 5, 11)), "is larger than its input of 9 x 9"),
    (ended(nn.BatchNorm2d(3, track_running_stats=False)), "keeps no running statistics"),
    (ended(nn.MaxPool2d(3, padding=1)), "Layer 0 (MaxPool2d) pads"),
    (nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten()), "makes 2 of 9 x 9, not windows of equal size"),
    (nn.Sequential(nn.Conv2d(3, 5, 9)), "The network gives [N 5 1 1], not [N classes]; end it with Flatten."),
    (nn.Sequential(nn.Flatten(), nn.Linear(100, 2)), "takes 100 features and does not get them flat"),
    (nn.Sequential(nn.Flatten(), nn.LogSoftmax(1), nn.Linear(243, 2)), "Layer 2 (Linear) follows LogSoftmax"),
    (ended(nn.Conv2d(3, 5, 3)).double(), "works in float32 on the CPU; 0.weight is torch.float64 on cpu."),
]


@pytest.mark.parametrize(("network", "sentence"), REFUSED, ids=[sentence for _, sentence in REFUSED])
def test_native_refuses_and_auto_says_why(network, sentence):
    with pytest.raises(UsageError) as refusal:
        engine(network)
    assert sentence in str(refusal.value) and str(refusal.value).endswith("Use --engine auto or torch.")
    chosen = engine(network, "auto")
    assert chosen.name == "torch" and sentence in chosen.note and "\n" not in chosen.note


def test_hooks_and_other_devices_are_refused():
    network = ended(nn.Conv2d(3, 5, 3))
    with pytest.raises(UsageError, match="runs on the CPU; the network is on meta"):
        engine(network, device=torch.device("meta"))
    network[0].register_forward_hook(lambda *_: None)
    with pytest.raises(UsageError, match=r"Layer 0 \(Conv2d\) has hooks"):
        engine(network)


def test_auto_takes_native_without_a_word():
    chosen = engine(ended(nn.Conv2d(3, 5, 3)), "auto")
    assert (chosen.name, chosen.note) == ("native", "")


def test_without_kernels_auto_takes_torch(monkeypatch):
    monkeypatch.setattr(native, "library", lambda: None)
    network = ended(nn.Conv2d(3, 5, 3))
    note = engine(network, "auto").note
    assert "no C++ compiler" in note and "7 times slower" in note and "g++" in note
    assert "slower" not in engine(network, "torch").note
    with pytest.raises(UsageError, match="was not built here"):
        engine(network)


def test_steps_refuse_what_does_not_fit():
    bound = engine(ended(nn.Conv2d(3, 5, 9), nn.BatchNorm2d(5)))
    images, labels = torch.rand(4, 3, 9, 9), torch.tensor([0, 1, 2, 4])
    with pytest.raises(UsageError, match="A label is outside 0 to 4"):
        bound.step(images, labels + 1, 0)
    with pytest.raises(UsageError, match=r"built for float32 images \[N 3 9 9\]"):
        bound.step(images[:, :2], labels, 0)
    with pytest.raises(UsageError, match=r"given torch.float64"):
        bound.scores(images.double())
    with pytest.raises(UsageError, match="needs at least two values per channel; 1 image"):
        bound.step(images[:1], labels[:1], 0)
    assert torch.isfinite(bound.step(images, labels, 0)[0])


def test_gradients_are_added_and_frozen_parameters_left_alone():
    network = ended(nn.Conv2d(3, 5, 3), nn.ReLU(), nn.Conv2d(5, 4, 3))
    network[0].weight.requires_grad_(False)
    bound = engine(network)
    images, labels = torch.rand(7, 3, 9, 9), torch.arange(7) % 4
    bound.step(images, labels, 0)
    once = network[2].weight.grad.clone()
    kept = network[2].weight.grad
    bound.step(images, labels, 0)
    assert network[0].weight.grad is None and network[2].weight.grad is kept
    assert torch.allclose(kept, 2 * once)


def test_moved_parameters_are_found():
    network = ended(nn.Conv2d(3, 5, 3))
    bound = engine(network)
    images = torch.rand(7, 3, 9, 9)
    network[0].weight.data = torch.zeros(5, 3, 3, 3)
    assert torch.allclose(bound.scores(images), network[0].bias.detach().expand(7, 5))
    network[0].weight.data = torch.zeros(3, 5, 3, 3).transpose(0, 1)
    with pytest.raises(UsageError, match="contiguous float32"):
        bound.scores(images)


def test_masks_keep_their_rate_and_follow_seed_and_layer():
    network = ended(nn.Conv2d(3, 8, 3), nn.Dropout(0.2), nn.Conv2d(8, 8, 3), nn.Dropout(0.2), nn.Dropout2d(0.2))
    program = lower_for_training(network, (3, 9, 9))
    plan = native.Plan(program, Recipe(loss="nll"), batch=320, threads=1)
    first, second, spatial = (i for i, node in enumerate(program.nodes) if "drop" in node)
    mask = plan.mask(program, first, 320, 5)
    count = mask.numel()
    assert count == 320 * 8 * 49 and set(mask.unique().tolist()) == {0.0, 1.25}
    sigma = (0.2 * 0.8 / count) ** 0.5
    assert abs((mask == 0).float().mean().item() - 0.2) < 4 * sigma
    dropped = (mask == 0).flatten().float() - 0.2
    for distance in (1, 7, 49, 392):  # a column, a row, a channel, an image further
        together = (dropped[distance:] * dropped[:-distance]).mean().item()
        assert abs(together) < 4 * 0.16 / count**0.5, distance
    other = (plan.mask(program, first, 320, 6) == 0).flatten().float() - 0.2
    assert abs((dropped * other).mean().item()) < 4 * 0.16 / count**0.5
    assert torch.equal(mask, plan.mask(program, first, 320, 5))
    assert not torch.equal(mask[:, :, :5, :5], plan.mask(program, second, 320, 5))
    whole = plan.mask(program, spatial, 320, 5).flatten(2)
    assert torch.equal(whole, whole[:, :, :1].expand_as(whole)) and set(whole.unique().tolist()) == {0.0, 1.25}


def test_nan_reaches_the_loss():
    network = ended(nn.Conv2d(3, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(5, 4, 3), nn.ReLU())
    bound = engine(network)
    images, labels = torch.rand(7, 3, 9, 9), torch.arange(7) % 4
    images[3, 1, 4, 4] = float("nan")
    assert bound.step(images, labels, 0)[0].isnan()
    with torch.no_grad():
        network[4].bias[0] = float("nan")
    assert bound.scores(torch.rand(7, 3, 9, 9))[:, 0].isnan().all()


def resident() -> int:
    """KiB this process holds now; where the system does not say, the most it has held."""
    pages = Path("/proc/self/statm")
    if pages.exists():
        return int(pages.read_text().split()[1]) * resource.getpagesize() // 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss


def test_memory_does_not_grow_over_a_thousand_steps():
    bound = engine(ended(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Dropout(0.1)), threads=2)
    images, labels = torch.rand(8, 3, 9, 9), torch.arange(8)
    for seed in range(100):
        bound.step(images, labels, seed)
    before = resident()
    for seed in range(1000):
        bound.step(images, labels, seed)
        bound.scores(images)
    assert resident() - before <= 256  # KiB: a quarter of one a step


def test_a_plan_is_freed_with_its_engine():
    def once() -> None:
        bound = engine(ended(nn.Conv2d(3, 16, 3)), shape=(3, 64, 64), batch=64)
        bound.step(torch.rand(64, 3, 64, 64), torch.zeros(64, dtype=torch.int64), 0)

    def grown() -> int:
        before = resident()
        for _ in range(10):
            once()
        return resident() - before

    # Until the allocator has settled on what it keeps, some series grow; a leak makes each of them grow.
    assert min(grown() for _ in range(4)) < 20_000  # KiB; one such plan takes some 40,000


def test_batches_of_any_size_up_to_more_than_planned():
    network = ended(nn.Conv2d(3, 5, 3), nn.ReLU())
    bound = engine(network, batch=4)
    for count in (1, 4, 5, 40, 3):
        images = torch.rand(count, 3, 9, 9)
        expected = network.eval()(images).detach()
        assert torch.allclose(bound.scores(images), expected, atol=1e-6)
        assert torch.isfinite(bound.step(images, torch.zeros(count, dtype=torch.int64), 0)[0])
    assert bound.scores(torch.rand(0, 3, 9, 9)).shape == (0, 5)
