"""Engines execute training steps, on as many threads as this machine has. Other packages use only what is here.

An engine works on the module's own parameters and buffers: after `step`, gradients are in `.grad` and batch-norm
statistics in the module, whichever engine computed them.
"""

import os
import time
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn

from featherweight.data.augment import Sampler, sample
from featherweight.engine import native, torch_engine
from featherweight.engine.native import instructions, multiplies_bf16
from featherweight.engine.program import CONVOLUTION, PREPARE, Program, lower_for_training
from featherweight.engine.torch_engine import Scores, StepFunction
from featherweight.errors import FeatherweightError, UsageError, nearest
from featherweight.experiments.recipe import Recipe

__all__ = [
    "Convolutions", "Engine", "build_engine", "convolutions", "instructions", "multiplies_bf16", "peak", "processors",
    "require_threads",
]  # fmt: skip

SLOWER = (
    "PyTorch trains instead, about 7 times slower (an epoch of f3 on one thread takes 9.9 s, not 1.4; of smallest"
    " 18.2 s, not 1.9); install g++ or another C++ compiler and then featherweight again, or a wheel with kernels."
)
"""Measured with `featherweight bench f3 smallest --threads 1` on an AMD EPYC with AVX-512."""
Kind = Literal["auto", "native", "native_bf16", "torch"]


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One network bound to one way of executing it."""

    name: str
    """`torch`, `native` or `native_bf16`."""
    step: StepFunction
    """(images [N C H W] float, labels [N] int64, seed of the step's dropout[, target probabilities [N classes] float])
    -> (mean loss, number correct), both scalars on the device. Runs forward and backward in training mode. Gradients
    are **added** to `.grad`, in place."""
    scores: Scores
    """Images [N C H W] float -> the network's output [N classes], in evaluation mode and without gradients."""
    sampler: Sampler = sample
    """The sampler that `augment` uses for training images."""
    note: str = ""
    """Why `auto` chose torch, in one line; empty otherwise."""


def build_engine(
    kind: str,
    network: nn.Module,
    recipe: Recipe,
    *,
    shape: tuple[int, int, int],
    device: torch.device,
    threads: int = 1,
    batch: int | None = None,
) -> Engine:
    """The engine that executes `network` on batches of images of `shape` (C, H, W), with the recipe's loss.

    `kind` is `native` (CPU kernels; UsageError if they cannot execute the network), `native_bf16` (the same with the
    products of 1x1 convolutions in bfloat16, in steps but not in scores; UsageError where the CPU has none), `torch`
    (any device), or `auto`: native if possible, otherwise torch with the reason in `Engine.note`. The recipe gives the
    loss, label smoothing, how targets that come with a batch count, and the batch size unless `batch` is given; memory
    is planned for a step with that many images. Scores need no more of it for more images, so 1 is enough where nothing
    is trained. `threads` are CPU threads, no more than there are processors (UsageError); PyTorch's own operators use
    as many with `torch`, and one with `native`.

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    >>> recipe = Recipe(loss="nll", batch=5)
    >>> engine = build_engine("torch", network, recipe, shape=(1, 2, 2), device=torch.device("cpu"))
    >>> engine.name, engine.scores(torch.zeros(5, 1, 2, 2)).shape
    ('torch', torch.Size([5, 3]))
    """
    if kind not in get_args(Kind):
        raise UsageError(f"Unknown engine {kind!r}; {nearest(kind, get_args(Kind))}")
    require_threads(threads)
    note = "" if kind == "torch" else native.why_not(network, shape=shape, device=device)
    if kind != "torch" and recipe.class_weights:
        note = note or "The native engine has no class weights."
    if kind.startswith("native") and note:
        raise UsageError(f"{note} Use --engine auto or torch.")
    if kind == "native_bf16" and not multiplies_bf16():
        raise UsageError("This CPU does not multiply bfloat16 numbers (AVX512-BF16). Use --precision float32.")
    if kind != "torch" and not note:
        torch.set_num_threads(1)  # the operations left to PyTorch are too small to share
        bf16 = kind == "native_bf16"
        bound = native.Bound(network, recipe, shape=shape, batch=batch or recipe.batch, threads=threads, bf16=bf16)
        exact = native.Bound(network, recipe, shape=shape, batch=1, threads=threads) if bf16 else bound
        return Engine(name=kind if bf16 else "native", step=bound.step, scores=exact.scores, sampler=bound.sampler)
    if kind == "auto" and device.type == "cpu" and not instructions():
        note = f"{note} {SLOWER}"
    step, scores = torch_engine.bind(network, recipe, device=device, threads=threads)
    return Engine(name="torch", step=step, scores=scores, note=note)


@dataclass(frozen=True, kw_only=True)
class Convolutions:
    """The convolutions of one training step: forward, and backward to the weights and to the inputs."""

    seconds: float
    """The seconds of one step: the fastest of several."""
    plain: float
    """Multiply-adds of the step according to the definition of a convolution."""
    executed: float
    """Multiply-adds that the kernels really execute; Winograd convolutions need fewer."""


def processors() -> int:
    """The number of processors that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def require_threads(threads: int) -> None:
    """Raise UsageError unless this is a number of threads that the processors of this process can run at once."""
    most = processors()
    if type(threads) is not int or not 1 <= threads <= most:
        allowed = f"1 to {most} threads" if most > 1 else "1 thread"
        raise UsageError(
            f"This process may use {most} processor{'s' * (most > 1)}, so {allowed} can be asked for; given {threads}."
        )


def peak(threads: int, seconds: float = 0.3) -> float:
    """Multiply-adds per second (each counted once) of `threads` threads that do nothing else; 0 without kernels."""
    require_threads(threads)
    kernels = native.library()
    if kernels is None:
        return 0.0
    rate = float(kernels.featherweight_peak(threads, seconds))
    if rate < 0:
        raise FeatherweightError(f"The system refuses to start {threads} threads; give fewer, or end other programs.")
    return rate * 1e9 / 2


def convolutions(
    network: nn.Module, *, shape: tuple[int, int, int], batch: int, threads: int, seconds: float = 1.0
) -> Convolutions:
    """Time the convolutions of one step on random images for about `seconds`; the native engine must support them."""
    bound = native.Bound(network, Recipe(), shape=shape, batch=batch, threads=threads)
    plan, times, started = bound.plan(batch), list[float](), time.perf_counter()
    bound.step(torch.rand(batch, *shape), torch.zeros(batch, dtype=torch.int64), 0)
    while time.perf_counter() - started < seconds:
        times.append(float(plan.kernels.featherweight_convolutions(plan.handle)))
    executed = float(plan.kernels.featherweight_products(plan.handle))
    return Convolutions(
        seconds=min(times), plain=batch * _plain_macs(lower_for_training(network, shape)), executed=batch * executed
    )


def _plain_macs(program: Program) -> float:
    """Multiply-adds of a training step per image; the images themselves need no gradient."""
    total, pictures = 0.0, {0, *(node["out"] for node in program.nodes if node["kind"] == PREPARE)}
    for node in program.nodes:
        if node["kind"] == CONVOLUTION:
            inputs, (outputs, h, w) = program.sizes[node["in"]][0], program.sizes[node["out"]]
            once = node["kernel"] ** 2 * inputs / node["groups"] * outputs * h * w
            total += once * (2 if node["in"] in pictures else 3)
    return total
