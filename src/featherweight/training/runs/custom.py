"""A loss, an augmentation or an optimiser of one's own, given as a function, in place of the recipe's.

PyTorch trains what no kernel exists for. A record keeps the name and the source of each, for people to read; nothing
runs them, so that whoever resumes such a run gives them again.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass, fields, replace
from tokenize import TokenError
from typing import Any

import torch
from torch import Tensor, nn

from featherweight.data.dataset import Data
from featherweight.engine import Engine
from featherweight.errors import UsageError
from featherweight.training.state import State

LONGEST = 20_000
"""Characters of a function's source that a record keeps."""


@dataclass(frozen=True, kw_only=True)
class Custom:
    """Functions that replace parts of training; None leaves the recipe's."""

    loss: Callable[[Tensor, Tensor], Tensor] | None = None
    """(output of the network [N classes], labels [N] int64) -> the mean loss, a scalar."""
    augment: Callable[[Tensor, torch.Generator], Tensor] | None = None
    """(images [N C H W] as fractions from 0 to 1, a generator seeded for the step) -> images of the same shape, after
    what the recipe does to them, in every epoch."""
    optimizer: Callable[[list[dict[str, Any]]], torch.optim.Optimizer] | None = None
    """(PyTorch's parameter groups, the second without weight decay) -> an optimiser, whose rate the schedule sets."""

    def __post_init__(self) -> None:
        for name, function in self.named().items():
            if not callable(function):
                raise UsageError(f"`{name}` is a function, or left out for the recipe's; given {function!r:.60}.")

    def named(self) -> dict[str, Any]:
        """Those that are given, by name."""
        return {one.name: value for one in fields(self) if (value := getattr(self, one.name)) is not None}

    def require_none(self, on: str) -> None:
        """Raise UsageError if any is given to runs on a cluster at this address, which have no way to get them."""
        if given := ", ".join(self.named()):
            raise UsageError(f"Functions of your own ({given}) train on this machine alone; leave out on={on!r:.60}.")

    def describe(self) -> dict[str, dict[str, str]] | None:
        """Name and source of each, as a record keeps them; None if nothing is replaced."""
        return {name: {"name": _name(one), "source": _source(one)} for name, one in self.named().items()} or None


def _name(function: Any) -> str:
    return str(getattr(function, "__qualname__", type(function).__qualname__))[:255]


def _source(function: Any) -> str:
    try:
        return inspect.getsource(function if inspect.isroutine(function) else type(function))[:LONGEST]
    except (OSError, TypeError, SyntaxError, TokenError):  # typed, or its file has changed since
        return "not to be had"


def with_own_loss(network: nn.Module, engine: Engine, custom: Custom, data: Data) -> Engine:
    """The torch engine with this loss and augmentation in its steps; the recipe's loss stays that of evaluation."""
    if custom.loss is None and custom.augment is None:
        return engine
    mean, std = (torch.tensor(of).reshape(1, -1, 1, 1) for of in (data.mean, data.std))

    def step(images: Tensor, labels: Tensor, seed: int, taught: Tensor | None = None) -> tuple[Tensor, Tensor]:
        if custom.augment is not None:
            centre, scale = mean.to(images.device), std.to(images.device)
            draws = torch.Generator(device=images.device).manual_seed(seed)
            changed = custom.augment(images * scale + centre, draws)
            if changed.shape != images.shape:
                raise UsageError(f"`augment` returned images {[*changed.shape]} for {[*images.shape]}.")
            images = (changed - centre) / scale
        if custom.loss is None:
            return engine.step(images, labels, seed, *(() if taught is None else (taught,)))
        network.train()
        torch.manual_seed(seed)
        output = network(images)
        mean_loss = custom.loss(output, labels)
        if not isinstance(mean_loss, Tensor) or mean_loss.ndim:
            raise UsageError(
                f"`loss` returns one number, the mean over the batch, as a tensor; given {mean_loss!r:.60}."
            )
        mean_loss.backward()  # type: ignore[no-untyped-call]
        return mean_loss.detach(), (output.detach().argmax(1) == labels).sum()

    return replace(engine, step=step)


def with_own_optimizer(state: State, custom: Custom) -> None:
    """Give the state this optimiser over its flat parameters."""
    if custom.optimizer is None:
        return
    groups = [{**group} for group in state.optimizer.param_groups]
    made = custom.optimizer([{"params": group["params"], "weight_decay": group["weight_decay"]} for group in groups])
    if not isinstance(made, torch.optim.Optimizer):
        raise UsageError(f"`optimizer` returns an optimiser of PyTorch; given {made!r:.60}.")
    state.optimizer = made
