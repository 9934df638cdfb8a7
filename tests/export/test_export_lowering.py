"""Networks in steps answer as the networks do, and what has no step is refused by name."""

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from exported import (
    BRANCHED_SHAPE,
    CURVED_SHAPE,
    NORMED_SHAPE,
    ODD_SHAPE,
    branched,
    curved,
    lively,
    normed,
    odd,
    pooled_last,
    relu_last,
)  # fmt: skip
from featherweight.errors import UsageError
from featherweight.experiments.experiment import find, ids
from featherweight.export.execute import scores, tensors
from featherweight.export.fixed_point import outline, quantise
from featherweight.export.lowering import lower
from featherweight.export.memory import planned
from featherweight.networks.layers.blocks import Residual, Sum
from featherweight.networks.steps import from_file, to_bytes
from featherweight.reading.network import apply_step
from featherweight.training.runs.trained import load_pretrained


def largest_difference(network: nn.Module, shape: tuple[int, int, int]) -> float:
    pictures = torch.randn(5, *shape, generator=torch.Generator().manual_seed(2))
    steps = lower(network, shape)
    with torch.no_grad():
        ours, theirs = scores(steps, pictures), network(pictures)
    ours = ours.log_softmax(1) if steps.log_output else ours
    return float((ours - theirs).abs().max())


def test_every_experiment_of_the_package_has_steps_that_answer_as_it_does() -> None:
    assert len(ids()) == 70
    for experiment in map(find, ids()):
        torch.manual_seed(1)
        assert largest_difference(lively(experiment.build()), experiment.shape) < 1e-5, experiment.id


@pytest.mark.parametrize(
    ("network", "shape"),
    [
        (odd(), ODD_SHAPE),
        (pooled_last(), (1, 9, 12)),
        (relu_last(), (1, 14, 28)),
        (branched(), BRANCHED_SHAPE),
        (curved(), CURVED_SHAPE),
        (normed(), NORMED_SHAPE),
    ],
)
def test_unusual_networks_have_steps_that_answer_as_they_do(network: nn.Module, shape: tuple[int, int, int]) -> None:
    assert largest_difference(network, shape) < 1e-5


@pytest.mark.parametrize(
    ("network", "shape"), [(curved(), CURVED_SHAPE), (branched(), BRANCHED_SHAPE), (normed(), NORMED_SHAPE)]
)
def test_numpy_carries_the_steps_out_as_pytorch_does_after_a_file(
    network: nn.Module, shape: tuple[int, int, int], tmp_path: Path
) -> None:
    lowered = lower(network, shape)
    (tmp_path / "steps").write_bytes(to_bytes(lowered.steps, (0.1,), (0.3,)))
    pictures = torch.randn(5, *shape, generator=torch.Generator().manual_seed(3))
    made = [pictures.numpy()]
    for step in from_file(tmp_path / "steps").steps:
        made.append(apply_step(step, made[step.source], made))
    assert made[-1].dtype == np.float32
    assert np.abs(made[-1].reshape(5, -1) - scores(lowered, pictures).numpy()).max() < 1e-5


def test_a_norm_is_folded_only_into_a_convolution_that_nothing_else_reads() -> None:
    flat = (nn.AdaptiveAvgPool2d(1), nn.Flatten())
    folded = nn.Sequential(nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), *flat)
    held = nn.Sequential(nn.Conv2d(1, 4, 3), Residual(nn.BatchNorm2d(4)), *flat)
    later = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.BatchNorm2d(4), *flat)
    kinds = [[step.kind for step in lower(lively(network), (1, 6, 6)).steps] for network in (folded, held, later)]
    assert kinds[0] == ["convolution", "average"]
    assert kinds[1] == ["convolution", "convolution", "add", "average"]
    assert kinds[2] == ["convolution", "relu", "convolution", "average"]


def test_sizes_are_those_of_the_tensors() -> None:
    steps = lower(odd(), ODD_SHAPE)
    found = tensors(steps, torch.zeros(1, *ODD_SHAPE))
    assert tuple(tuple(tensor.shape[1:]) for tensor in found) == steps.sizes
    assert steps.sizes[-1] == (7, 1, 1) and steps.log_output


END = (nn.Flatten(), nn.Linear(36, 3))


@pytest.mark.parametrize(
    ("layers", "says"),
    [
        ([nn.ELU(), *END], r"Layer 0 \(ELU\) is of a kind that has no exported form"),
        ([nn.Hardtanh(0.1, 1), *END], r"Layer 0 \(Hardtanh\) clips to 0.1 to 1, without 0"),
        ([nn.Sequential(nn.ReLU(), nn.GELU()), *END], r"Layer 0\.1 \(GELU\) has approximate='none'"),
        ([nn.Conv2d(1, 1, 3, dilation=3), *END], r"Layer 0 \(Conv2d\) is larger than its input of"),
        ([nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect"), *END], "pads with reflect"),
        ([nn.Conv2d(2, 1, 3), *END], "takes 2 channels, not 1"),
        ([nn.Conv2d(1, 1, 7), *END], "is larger than its input of"),
        ([nn.Linear(6, 3)], r"takes 6 features and does not get them flat"),
        ([nn.BatchNorm2d(1, track_running_stats=False), *END], "keeps no running statistics"),
        ([nn.Flatten(), nn.BatchNorm1d(36), nn.Linear(36, 3)], r"takes 36 channels"),
        ([nn.MaxPool2d(2, ceil_mode=True), *END], "counts windows upwards"),
        ([nn.MaxPool2d(2, dilation=2), *END], "is dilated"),
        ([nn.AvgPool2d(2, padding=1, count_include_pad=False), *END], "does not divide by the size of its window"),
        ([nn.AdaptiveAvgPool2d(4), nn.Flatten()], "makes 4 of 6 x 6"),
        ([Residual(nn.Conv2d(1, 1, 3)), *END], r"Layer 0 \(Residual\) changes the shape"),
        ([Sum(nn.Conv2d(1, 1, 3), nn.Conv2d(1, 2, 3)), *END], r"Layer 0 \(Sum\) has terms of several shapes, or none"),
        ([Sum(), *END], r"Layer 0 \(Sum\) has terms of several shapes, or none"),
        ([nn.Flatten(2), nn.Linear(36, 3)], "keeps an axis"),
        ([*END, nn.LogSoftmax(1), nn.ReLU()], r"Layer 3 \(ReLU\) follows LogSoftmax"),
        ([nn.LogSoftmax(1), *END], "is not over the classes"),
        ([nn.Conv2d(1, 3, 3)], "3 x 4 x 4 numbers per picture"),
        ([], "not scores of classes"),
    ],
)
def test_a_layer_without_a_form_is_refused_by_name(layers: list[nn.Module], says: str) -> None:
    with pytest.raises(UsageError, match=says):
        lower(nn.Sequential(*layers).eval(), (1, 6, 6))


def test_a_sequence_of_one_s_own_is_refused_as_is_a_hook() -> None:
    class Doubled(nn.Sequential):
        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return 2 * super().forward(images)

    with pytest.raises(UsageError, match=r"The layer Doubled is of a kind"):
        lower(Doubled(*END), (1, 6, 6))
    hooked = nn.Sequential(*END)
    hooked[0].register_forward_hook(lambda *_: None)
    with pytest.raises(UsageError, match=r"Layer 0 \(Flatten\) has hooks"):
        lower(hooked, (1, 6, 6))


@pytest.mark.parametrize("name", ["f3", "leanest", "smallest"])
def test_the_outline_of_a_network_plans_the_memory_of_the_trained_one(name: str) -> None:
    trained = load_pretrained(name)
    lowered = lower(trained.network, (1, 28, 28))
    pictures = torch.randint(0, 256, (20, 1, 28, 28), generator=torch.Generator().manual_seed(1), dtype=torch.uint8)
    whole = planned(quantise(lowered, pictures, trained.mean, trained.std))
    assert planned(outline(lower(find(name).build().eval(), (1, 28, 28)))) == whole and whole.ram > 1000
