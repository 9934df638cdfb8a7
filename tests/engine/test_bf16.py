"""Products in bfloat16: against float64 with the same operands rounded; on any number of threads; refusals."""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import featherweight as fw
from featherweight.cli.options import engine_with
from featherweight.engine import build_engine, native
from featherweight.errors import UsageError
from featherweight.experiments.recipe import Recipe
from featherweight.networks.layers.blocks import Residual, separable_norm_relu

CPU = torch.device("cpu")
bf16 = pytest.mark.skipif(not native.multiplies_bf16(), reason="the CPU has no products of bfloat16")


def rounded(x: Tensor) -> Tensor:
    return x.float().bfloat16().double()


class Products(torch.autograd.Function):
    """A 1x1 convolution of [N C H W] by [O C], in double precision after its operands are rounded, forward and back."""

    @staticmethod
    def forward(context: Any, x: Tensor, weight: Tensor) -> Tensor:
        context.save_for_backward(x, weight)
        return torch.einsum("nchw,oc->nohw", rounded(x), rounded(weight))

    @staticmethod
    def backward(context: Any, *given: Tensor) -> tuple[Tensor, Tensor]:
        x, weight = context.saved_tensors
        back = torch.einsum("nohw,oc->nchw", rounded(given[0]), rounded(weight))
        return back, torch.einsum("nohw,nchw->oc", rounded(given[0]), rounded(x))


class Pointwise(nn.Module):
    """The reference of a 1x1 convolution."""

    def __init__(self, of: nn.Conv2d) -> None:
        super().__init__()
        self.weight, self.bias = of.weight, of.bias

    def forward(self, x: Tensor) -> Tensor:
        products: Tensor = Products.apply(x, self.weight[:, :, 0, 0])
        return products if self.bias is None else products + self.bias[:, None, None]


def reference_of(network: nn.Module) -> nn.Module:
    reference = copy.deepcopy(network).double()
    for parent in list(reference.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.Conv2d) and child.kernel_size == (1, 1) and child.stride == (1, 1):
                setattr(parent, name, Pointwise(child))
    return reference


def gradients(
    engine: str, network: nn.Module, shape: tuple[int, int, int], images: int, threads: int = 1
) -> list[Tensor]:
    """Of every parameter, after the loss; from a step on made pictures."""
    torch.manual_seed(1)
    x, labels = torch.randn(images, *shape), torch.arange(images) % 3
    if engine == "float64":
        reference = reference_of(network).train()
        loss = nn.functional.cross_entropy(reference(x.double()), labels)
        loss.backward()
        return [loss.detach(), *(parameter.grad for parameter in reference.parameters())]
    own = copy.deepcopy(network)
    bound = build_engine(engine, own, Recipe(batch=images), shape=shape, device=CPU, threads=threads)
    mean, _ = bound.step(x, labels, 0)
    return [mean.double(), *(parameter.grad for parameter in own.parameters())]


def first() -> nn.Module:
    """The picture itself is rounded. Seven outputs are blocks of four and three, twelve columns three tiles of four."""
    return nn.Sequential(nn.Conv2d(3, 7, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, 3))


def deep() -> nn.Module:
    """Gradients reach convolutions before, and add to those of a residual sum."""
    return nn.Sequential(
        nn.Conv2d(2, 6, 3, bias=False), nn.BatchNorm2d(6), nn.ReLU(), Residual(nn.Conv2d(6, 6, 1)),
        *separable_norm_relu(6, 5, padding=1), nn.Conv2d(5, 9, 1, bias=False), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(9, 3),
    )  # fmt: skip


CASES = {
    "first": (first, (3, 9, 12), 37),
    "deep": (deep, (2, 12, 9), 20),
    "in strips": (deep, (2, 60, 57), 3),  # of rows, as both tensors of a convolution exceed 256 kB
}


@bf16
@pytest.mark.parametrize("case", CASES)
def test_steps_are_those_of_rounded_operands(case: str) -> None:
    make, shape, images = CASES[case]
    torch.manual_seed(0)
    network = make()
    expected = gradients("float64", network, shape, images)
    found = gradients("native_bf16", network, shape, images)
    exact = gradients("native", network, shape, images)

    def error(given: list[Tensor]) -> float:
        return max(float((a.double() - b).norm() / b.norm()) for a, b in zip(given, expected, strict=True))

    # Few numbers are so near the middle between two of bfloat16 that float32 rounds them the other way than float64.
    assert error(found) < (1e-5 if case == "first" else 2e-3)
    assert error(exact) > 100 * error(found)


@bf16
def test_bits_do_not_depend_on_threads_and_scores_are_not_rounded() -> None:
    torch.manual_seed(0)
    network = deep()
    one, two, three = (gradients("native_bf16", network, (2, 11, 10), 83, threads) for threads in (1, 2, 3))
    for a, b, c in zip(one, two, three, strict=True):
        assert torch.equal(a, b) and torch.equal(a, c)
    x = torch.randn(20, 2, 11, 10)
    both = [
        build_engine(kind, network, Recipe(batch=20), shape=(2, 11, 10), device=CPU).scores(x)
        for kind in ("native", "native_bf16")
    ]
    assert torch.equal(both[0], both[1])


@bf16
def test_a_resumed_run_ends_with_the_same_bits(tmp_path: Path) -> None:
    settings = {"recipe.epochs": 2, "budget.accuracy": 10.0, "budget.held": 1}
    whole = fw.train("smallest", "digits", settings=settings, out=tmp_path / "a", threads=2, engine="native_bf16")

    def stop(row: object) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fw.train(
            "smallest", "digits", settings=settings, out=tmp_path / "b", threads=1, engine="native_bf16", on_epoch=stop
        )
    run = fw.resume(tmp_path / "b" / "smallest-seed0")
    assert (run.state.epoch, run.record.engine, whole.record.engine) == (1, "native_bf16", "native_bf16")
    for _ in fw.steps(run):
        pass
    both = zip(whole.trained.network.parameters(), run.state.ema_network.parameters(), strict=True)
    assert all(torch.equal(a, b) for a, b in both)


def test_a_cpu_without_them_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("featherweight.engine.multiplies_bf16", lambda: False)
    with pytest.raises(UsageError, match="does not multiply bfloat16 numbers"):
        build_engine("native_bf16", first(), Recipe(), shape=(3, 9, 12), device=CPU)


def test_precision_names_an_engine() -> None:
    assert [engine_with("float32", engine) for engine in ("auto", "torch")] == ["auto", "torch"]
    assert [engine_with("bf16", engine) for engine in ("auto", "native")] == ["native_bf16"] * 2
    with pytest.raises(UsageError, match="leave out --engine torch"):
        engine_with("bf16", "torch")
    with pytest.raises(UsageError, match="Unknown precision 'fp16'"):
        engine_with("fp16", "auto")
