"""What this machine can do: its threads, its peak, and the speed of the native engine's convolutions against that."""

import os
import time
from dataclasses import dataclass

import torch
from torch import nn

from featherweight.engine import native
from featherweight.engine.program import CONVOLUTION, PREPARE, Program, lower_for_training
from featherweight.errors import FeatherweightError, UsageError
from featherweight.experiments.recipe import Recipe


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
