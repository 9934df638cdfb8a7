"""What executes a training step. Everything outside uses `Engine` and `build` alone.

An engine works on the module's own parameters and buffers: after `step`, gradients are in `.grad` and
batch-norm statistics in the module, whoever computed them.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn

from featherweight.data.augment import Sampler, sample
from featherweight.engine import native, torch_engine
from featherweight.engine.measure import Convolutions, convolutions, peak
from featherweight.engine.torch_engine import Scores, Step
from featherweight.errors import UsageError, nearest
from featherweight.experiments.recipe import Distil

__all__ = ["Convolutions", "Engine", "build", "convolutions", "peak"]

Kind = Literal["auto", "native", "torch"]


@dataclass(frozen=True, kw_only=True)
class Engine:
    """One network bound to one way of executing it."""

    name: str
    """`torch` or `native`."""
    step: Step
    """(images [N C H W] float, labels [N] int64, seed of the step's dropout[, teacher's answers [N classes] float]) ->
    (mean loss, number correct), both scalars on the device; training mode, forward and backward. Gradients are
    **added** to `.grad`, in place."""
    scores: Scores
    """Images [N C H W] float -> the network's output [N classes], evaluation mode, no gradients."""
    sampler: Sampler = sample
    """What `augment` samples training images with."""
    note: str = ""
    """Why `auto` took torch, in one line; empty where there is nothing to say."""


def build(
    kind: str,
    network: nn.Module,
    *,
    loss: str,
    label_smoothing: float,
    shape: tuple[int, int, int],
    batch: int,
    device: torch.device,
    threads: int,
    distil: Distil | None = None,
) -> Engine:
    """The engine that executes `network` on batches of up to `batch` images of `shape` (C, H, W).

    `kind` is `native` (CPU kernels; UsageError where they cannot do it), `torch` (any device), or `auto`:
    native where it can, else torch with the reason in `Engine.note`. `loss` is `cross_entropy` (the output is
    scores) or `nll` (it is log-probabilities); `distil` says what a teacher's answers count for in steps that are
    given them. `threads` (1 or more) are the CPU's; PyTorch's own operators get them too with `torch`, and one with
    `native`.

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    >>> engine = build("torch", network, loss="nll", label_smoothing=0, shape=(1, 2, 2), batch=5,
    ...                device=torch.device("cpu"), threads=1)
    >>> engine.name, engine.scores(torch.zeros(5, 1, 2, 2)).shape
    ('torch', torch.Size([5, 3]))
    """
    if kind not in get_args(Kind):
        raise UsageError(f"Unknown engine {kind!r}; {nearest(kind, get_args(Kind))}")
    if threads < 1:
        raise UsageError(f"An engine runs on 1 thread or more; given {threads}.")
    note = "" if kind == "torch" else native.why_not(network, shape=shape, device=device)
    if kind == "native" and note:
        raise UsageError(f"{note} Use --engine auto or torch.")
    if kind != "torch" and not note:
        torch.set_num_threads(1)  # what is left to PyTorch is too small to be shared
        bound = native.Bound(
            network,
            loss=loss,
            label_smoothing=label_smoothing,
            shape=shape,
            batch=batch,
            threads=threads,
            distil=distil,
        )
        return Engine(name="native", step=bound.step, scores=bound.scores, sampler=bound.sampler)
    step, scores = torch_engine.bind(
        network, loss=loss, label_smoothing=label_smoothing, device=device, threads=threads, distil=distil
    )
    return Engine(name="torch", step=step, scores=scores, note=note)
