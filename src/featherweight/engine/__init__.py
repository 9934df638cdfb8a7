"""Engines execute training steps. Other packages use only `Engine` and `build_engine`.

An engine works on the module's own parameters and buffers: after `step`, gradients are in `.grad` and batch-norm
statistics in the module, whichever engine computed them.
"""

from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import nn

from featherweight.data.augment import Sampler, sample
from featherweight.engine import native, torch_engine
from featherweight.engine.measure import Convolutions, convolutions, peak, processors, require_threads
from featherweight.engine.native import instructions, multiplies_bf16
from featherweight.engine.torch_engine import Scores, StepFunction
from featherweight.errors import UsageError, nearest
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
