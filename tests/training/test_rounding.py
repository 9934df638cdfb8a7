"""Weights of few bits: levels against arithmetic, the straight-through step, and what is saved and exported."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import toy
from featherweight.data.augment import normalise
from featherweight.data.dataset import Data
from featherweight.engine import build_engine
from featherweight.errors import UsageError
from featherweight.experiments.recipe import OneCycle, Recipe
from featherweight.export import c_source, integers
from featherweight.export.fixed_point import levels, quantise
from featherweight.export.lowering import lower
from featherweight.export.proof import compiled_scores
from featherweight.export.source import Source
from featherweight.training.loop import fit
from featherweight.training.runs.prepare import prepare
from featherweight.training.state import flatten_parameters, initial_state, rounding_of
from featherweight.training.step import train_batch


def network() -> nn.Sequential:
    layers = nn.Conv2d(1, 6, 3), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 6, 3, groups=6), nn.Conv2d(6, 7, 1)
    return nn.Sequential(*layers, nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, 4))


def test_levels_are_multiples_of_a_channels_scale() -> None:
    layer = nn.Linear(4, 2)
    flat = flatten_parameters(layer)
    layer.weight.data[:] = torch.tensor([[0.7, -0.33, 0.04, 0.06], [-1.4, 1.0, 0.31, 0.0]])
    layer.bias.data[:] = torch.tensor([0.123, -0.456])
    four = rounding_of(layer, flat.values, 4)
    with four.applied(flat.values):
        # A seventh of the largest is 0.1 and 0.2: -3.3 becomes -3, 0.4 becomes 0, 0.6 becomes 1 and 1.5 becomes 2.
        expected = torch.tensor([[0.7, -0.3, 0.0, 0.1], [-1.4, 1.0, 0.4, 0.0]])
        assert torch.allclose(layer.weight, expected, atol=1e-6)
        assert layer.bias.tolist() == pytest.approx([0.123, -0.456])
    assert layer.weight[0].tolist() == pytest.approx([0.7, -0.33, 0.04, 0.06])
    with rounding_of(layer, flat.values, 2).applied(flat.values):
        first, second = 1.53 * (0.7 + 0.33 + 0.04 + 0.06) / 4, 1.53 * 2.71 / 4
        assert layer.weight[0].tolist() == pytest.approx([first, -first, 0, 0])
        assert layer.weight[1].tolist() == pytest.approx([-second, second, 0, 0])


def test_the_exact_weights_change_by_the_gradients_of_the_rounded_ones() -> None:
    torch.manual_seed(0)
    whole = nn.Sequential(nn.Flatten(), nn.Linear(30, 3))
    start = [p.detach().clone() for p in whole.parameters()]
    images = torch.randint(0, 256, (12, 1, 5, 6), dtype=torch.uint8)
    data = Data.from_arrays(images.numpy(), np.arange(12) % 3, test=(images.numpy(), np.arange(12) % 3))
    recipe = Recipe(batch=12, lr=0.5, momentum=0, nesterov=False, weight_bits=4)
    state = initial_state(whole, recipe, torch.device("cpu"))
    engine = build_engine("native", state.network, recipe, shape=(1, 5, 6), device=torch.device("cpu"))
    train_batch(state, data, torch.arange(12), recipe, engine, seed=9, lr=0.5)

    step = start[0].abs().amax(1, keepdim=True) / 7
    weight = ((start[0] / step).round() * step).requires_grad_()
    bias = start[1].clone().requires_grad_()
    scores = normalise(images, data.mean, data.std).flatten(1) @ weight.T + bias
    nn.functional.cross_entropy(scores, torch.arange(12) % 3).backward()  # type: ignore[no-untyped-call]
    for now, before, used in zip(whole.parameters(), start, (weight, bias), strict=True):
        assert used.grad is not None
        assert torch.allclose(now.detach(), before - 0.5 * used.grad, atol=1e-6)


@pytest.mark.parametrize("bits", [8, 4, 2])
@pytest.mark.parametrize("average", [0.0, 0.9])
def test_what_is_saved_has_so_many_levels_and_was_evaluated(bits: int, average: float) -> None:
    recipe = Recipe(epochs=2, batch=50, lr=0.05, schedule=OneCycle(), weight_bits=bits, average=average)
    experiment = toy.experiment(recipe)
    data = toy.data()
    run = prepare(experiment, data, seed=1, threads=1)
    for _ in fit(run.state, run.data, experiment.recipe, run.seed, run.engine, run.evaluator):
        pass
    most = levels(bits)
    for parameter in run.state.ema_network.parameters():
        if parameter.ndim > 1:
            rows = parameter.detach().flatten(1)
            whole = rows / rows.abs().amax(1, keepdim=True) * most
            assert torch.allclose(whole, whole.round(), atol=1e-3)
    with torch.no_grad():
        run.state.ema_network.eval()
        answers = run.state.ema_network(normalise(data.test.images, data.mean, data.std)).argmax(1)
    right = 100 * (answers == data.test.labels).float().mean().item()
    assert run.state.rows[-1].test_accuracy == pytest.approx(right, abs=0.01)


@pytest.mark.parametrize(("bits", "offset"), [(4, 1.0), (2, 1.0), (4, 1000.0)])
def test_c_computes_with_the_trained_weights_byte_for_byte(bits: int, offset: float, tmp_path: Path) -> None:
    compiler = shutil.which("gcc") or shutil.which("clang")
    if compiler is None:
        pytest.skip("needs a C compiler: apt-get install gcc")
    torch.manual_seed(2)
    made = network()
    flat = flatten_parameters(made)
    for norm in made.modules():
        if isinstance(norm, nn.BatchNorm2d):
            norm.running_mean.uniform_(-offset, offset)
            norm.running_var.uniform_(0.5, 2)
            norm.weight.data.uniform_(-1.5, 1.5)
    rounding = rounding_of(made, flat.values, bits)
    flat.values[rounding.places] = rounding.rounded(flat.values)
    pictures = torch.randint(0, 256, (60, 1, 11, 10), dtype=torch.uint8)
    source = Source(
        name="net", network=made.eval(), shape=(1, 11, 10), classes=("a", "b", "c", "d"), mean=(0.4,), std=(0.3,),
        experiment="net", seed=0, parameters=0, accuracy=0.0, tested="no images", bits=bits,
    )  # fmt: skip
    with torch.no_grad():
        fixed = quantise(lower(made, source.shape, bits), pictures, source.mean, source.std)
    # Biases of more than 16 bits are stored without their last zeros.
    assert (max(stage.lift for stage in fixed.stages) > 3) == (offset > 1)
    assert all(abs(int(bias) >> stage.lift) < 2**15 for stage in fixed.stages for bias in stage.bias)
    kernels = [stage.weights for stage in fixed.stages if stage.weights.size]
    layers = [layer.weight.detach() for layer in made if isinstance(layer, nn.Conv2d | nn.Linear)]
    for kernel, weight in zip(kernels, layers, strict=True):
        rows = weight.flatten(1)
        whole = (rows / rows.abs().amax(1, keepdim=True) * levels(bits)).round().abs().to(torch.int64)
        assert np.array_equal(np.abs(kernel.reshape(len(kernel), -1)), whole.numpy())
    for name, text in c_source.source_files(source, fixed, "noise").items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    options = ["-Wall", "-Wextra", "-Werror", "-pedantic"]
    found = compiled_scores(compiler, options, tmp_path, source, pictures)
    assert np.array_equal(found, integers.integer_scores(fixed, pictures))


def test_only_these_bits_are_known() -> None:
    with pytest.raises(UsageError, match="weight_bits must be 8, 4, 2 or 0; given 3"):
        Recipe(weight_bits=3)  # type: ignore[arg-type]
    assert "weight_bits" not in Recipe().to_json()
    assert Recipe.from_json(Recipe(weight_bits=4).to_json()).weight_bits == 4


def test_all_channels_are_divided_by_one_number() -> None:
    images = np.zeros((40, 3, 8, 8), np.uint8)
    images[::2] = np.array([30, 60, 255])[:, None, None]
    data = Data.from_arrays(images, np.arange(40) % 2, test=(images[:4], [0, 1, 0, 1]))
    experiment = toy.experiment(Recipe(weight_bits=4))
    run = prepare(experiment, data, seed=0, threads=1)
    assert run.data.std == pytest.approx((sum(data.std) / 3,) * 3) and len(set(data.std)) == 3
    assert prepare(toy.experiment(Recipe()), data, seed=0, threads=1).data.std == data.std
