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
from featherweight.experiments.recipe import Recipe

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
    recipe: Recipe,
    *,
    shape: tuple[int, int, int],
    device: torch.device,
    threads: int = 1,
    batch: int | None = None,
) -> Engine:
    """The engine that executes `network` on batches of images of `shape` (C, H, W), with the recipe's loss.

    `kind` is `native` (CPU kernels; UsageError where they cannot do it), `torch` (any device), or `auto`:
    native where it can, else torch with the reason in `Engine.note`. Of the recipe it takes the loss, label smoothing
    and the teacher's share of the loss, and, unless `batch` is given, the batch size: room is made for so many images.
    `threads` (1 or more) are the CPU's; PyTorch's own operators get them too with `torch`, and one with `native`.

    >>> network = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    >>> engine = build("torch", network, Recipe(loss="nll", batch=5), shape=(1, 2, 2), device=torch.device("cpu"))
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
        bound = native.Bound(network, recipe, shape=shape, batch=batch or recipe.batch, threads=threads)
        return Engine(name="native", step=bound.step, scores=bound.scores, sampler=bound.sampler)
    step, scores = torch_engine.bind(network, recipe, device=device, threads=threads)
    return Engine(name="torch", step=step, scores=scores, note=note)
