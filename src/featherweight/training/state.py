"""The state of a training run from one step to the next: network, optimiser, moving average, rounding, counters."""

import copy
import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from inspect import unwrap
from typing import TypeVar

import torch
from torch import Tensor, nn

from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Row

TERNARY = 1.53
"""The scale of weights -1, 0 and 1 over their mean absolute value: the least squared error for normally distributed
ones (after Li et al., "Ternary Weight Networks", 2016)."""


@dataclass(frozen=True, kw_only=True)
class Rounding:
    """The rounding of weights in training: which of a network's flat parameters, and how."""

    places: Tensor
    """[w] int64: their positions."""
    channels: Tensor
    """[w] int64: the output channel of each, counted through all layers."""
    count: int
    """Of channels."""
    bits: int

    def rounded(self, values: Tensor) -> Tensor:
        """The rounded weights [w] of flat parameters `values` [n].

        In 8 and 4 bits the largest weight of a channel keeps its value and the others are multiples of a 127th or a
        seventh of it.
        """
        exact = values[self.places]
        size = exact.abs()
        if self.bits == 2:
            total = torch.zeros(self.count, device=values.device).index_add_(0, self.channels, size)
            number = torch.zeros(self.count, device=values.device).index_add_(0, self.channels, torch.ones_like(size))
            step, most = TERNARY * total / number, 1
        else:
            most = (1 << self.bits - 1) - 1
            largest = torch.zeros(self.count, device=values.device)
            step = largest.scatter_reduce_(0, self.channels, size, "amax") / most
        each = step[self.channels].clamp_min(torch.finfo(values.dtype).tiny)
        return (exact / each).round_().clamp_(-most, most).mul_(each)

    @contextmanager
    def applied(self, values: Tensor) -> Iterator[None]:
        """Round the flat parameters `values` in place; restore them at the end."""
        exact = values[self.places]
        values[self.places] = self.rounded(values)
        try:
            yield
        finally:
            values[self.places] = exact


def rounding_of(network: nn.Module, values: Tensor, bits: int) -> Rounding:
    """The rounding of all kernels and matrices of a network whose parameters are views into `values` [n]."""
    places, channels, count = [], [], 0
    for parameter in network.parameters():
        if parameter.requires_grad and parameter.ndim > 1:
            first = (parameter.data_ptr() - values.data_ptr()) // values.element_size()
            places.append(torch.arange(first, first + parameter.numel()))
            each = parameter[0].numel()
            channels.append(count + torch.arange(parameter.numel()) // each)
            count += len(parameter)
    where = values.device
    return Rounding(places=torch.cat(places).to(where), channels=torch.cat(channels).to(where), count=count, bits=bits)


def draw_seed(seed: int, purpose: str, epoch: int = 0, step: int = 0) -> int:
    """A 63-bit seed for one purpose at one point of a run; neighbouring points get unrelated seeds.

    >>> draw_seed(0, "order", epoch=1) == draw_seed(0, "order", epoch=1) != draw_seed(1, "order", epoch=1)
    True
    """
    place = f"{seed}/{purpose}/{epoch}/{step}".encode()
    return int.from_bytes(hashlib.blake2b(place, digest_size=8).digest(), "little") >> 1


@dataclass(kw_only=True)
class FlatParameters:
    """A network's tensors laid end to end, so that optimiser and moving average need one operation, not one per layer.

    The module's own parameters, gradients and float buffers become views into these.
    """

    values: Tensor
    """[n], everything that training changes: decayed parameters, undecayed parameters, running statistics of norms."""
    gradients: Tensor
    """[m], the gradients of the parameters, in the same order."""
    decayed: nn.Parameter
    """The parameters that weight decay applies to; they and their gradient are views."""
    undecayed: nn.Parameter
    """The other parameters, those of norms and biases; also views."""


def flatten_parameters(network: nn.Module, decay_norms_and_biases: bool = False) -> FlatParameters:
    """Move the network's tensors into `FlatParameters`; the module works as before and shares their memory.

    Unless `decay_norms_and_biases` is set, weight decay applies only to tensors with two or more dimensions: kernels
    and matrices, not biases or norms (He et al., "Bag of Tricks for Image Classification with Convolutional Neural
    Networks", 2019).
    """
    parameters = [p for p in network.parameters() if p.requires_grad]
    decayed = [p for p in parameters if p.ndim > 1 or decay_norms_and_biases]
    undecayed = [p for p in parameters if not (p.ndim > 1 or decay_norms_and_biases)]
    buffers = [b for b in network.buffers() if b.is_floating_point()]
    values = torch.cat([tensor.detach().reshape(-1) for tensor in (*decayed, *undecayed, *buffers)])
    gradients = torch.zeros(sum(p.numel() for p in parameters), device=values.device)
    at = 0
    for tensor in (*decayed, *undecayed, *buffers):
        place = slice(at, at + tensor.numel())
        tensor.data = values[place].view(tensor.shape)
        if tensor.requires_grad:
            tensor.grad = gradients[place].view(tensor.shape)
        at = place.stop
    vectors = []
    for place in (slice(0, cut := sum(p.numel() for p in decayed)), slice(cut, len(gradients))):
        vectors.append(nn.Parameter(values[place]))
        vectors[-1].grad = gradients[place]
    return FlatParameters(values=values, gradients=gradients, decayed=vectors[0], undecayed=vectors[1])


Kind = TypeVar("Kind", bound=torch.optim.Optimizer)


def _eager(kind: type[Kind]) -> type[Kind]:
    """The optimiser without the wrappers that import PyTorch's compiler, which takes a second of every process, and
    without the one for profilers and hooks, which is a third of a small network's optimiser step.

    They guard against being compiled, as nothing is here; the arithmetic is in the methods that they wrap.
    """
    guarded = ("add_param_group", "load_state_dict", "state_dict", "zero_grad")
    inner = {name: unwrap(getattr(kind, name)) for name in guarded}
    step = torch.no_grad()(unwrap(kind.step))
    step.hooked = True  # PyTorch's mark of a step that already has that wrapper
    made: type[Kind] = type(kind.__name__, (kind,), inner | {"step": step})
    return made


def optimizer_for(flat: FlatParameters, recipe: Recipe) -> torch.optim.Optimizer:
    """PyTorch's optimiser over the flat parameters; the training loop sets the learning rate before every step.

    AdamW: Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2019.
    """
    groups = [
        {"params": [flat.decayed], "weight_decay": recipe.weight_decay},
        {"params": [flat.undecayed], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adam":
        return _eager(torch.optim.Adam)(groups, lr=recipe.lr)
    if recipe.optimizer == "adamw":
        return _eager(torch.optim.AdamW)(groups, lr=recipe.lr)
    nesterov = recipe.nesterov and recipe.momentum > 0
    # `fused` makes one pass over each vector; on networks this small the call overhead outweighs the pass itself.
    return _eager(torch.optim.SGD)(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, fused=True)


@dataclass(kw_only=True)
class State:
    """The state of a training run: everything it carries from one step to the next. `checkpoint` saves and restores
    it."""

    network: nn.Module
    parameters: FlatParameters
    optimizer: torch.optim.Optimizer
    averaged: nn.Module | None
    """A second network holding the moving average; None if the recipe has none."""
    averaged_parameters: FlatParameters | None
    loss_sum: Tensor
    """Scalar: sum of the losses over the images of this epoch so far."""
    correct: Tensor
    """Scalar int64: how many of these images were classified correctly."""
    epoch: int = 0
    """Number of finished epochs."""
    step: int = 0
    """Number of finished steps in the current epoch."""
    seen: int = 0
    """Number of images in those steps."""
    lr: float = 0.0
    epoch_seconds: float = 0.0
    """Wall time of the current epoch."""
    train_seconds: float = 0.0
    """Wall time of all training steps."""
    rows: list[Row] = field(default_factory=list)
    rounding: Rounding | None = None
    """How weights are rounded in training and evaluation; None unless the recipe has `weight_bits`."""
    losses: Tensor | None = None
    """[N], losses of the training images at the start of the current epoch; None unless the recipe has `hard`."""

    @property
    def ema_network(self) -> nn.Module:
        """The network that is evaluated and saved: the moving average if there is one."""
        return self.network if self.averaged is None else self.averaged

    @property
    def evaluated(self) -> FlatParameters:
        """The parameters of that network."""
        return self.parameters if self.averaged_parameters is None else self.averaged_parameters


def initial_state(network: nn.Module, recipe: Recipe, device: torch.device, images: int = 0) -> State:
    """The state before the first step; the network is moved to the device and used in place.

    `images` is the number of training images, needed for recipes with `hard`.
    """
    assert images or not recipe.hard, "a recipe with `hard` keeps a loss for each training image"
    network.to(device)
    averaged = copy.deepcopy(network) if recipe.average else None
    parameters = flatten_parameters(network, recipe.decay_norms_and_biases)
    return State(
        network=network,
        parameters=parameters,
        optimizer=optimizer_for(parameters, recipe),
        averaged=averaged,
        averaged_parameters=None if averaged is None else flatten_parameters(averaged, recipe.decay_norms_and_biases),
        loss_sum=torch.zeros((), device=device),
        correct=torch.zeros((), dtype=torch.int64, device=device),
        losses=torch.zeros(images, device=device) if recipe.hard else None,
        rounding=rounding_of(network, parameters.values, recipe.weight_bits) if recipe.weight_bits else None,
    )
