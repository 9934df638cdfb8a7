"""Training and evaluation: the loop, whole.

Every random draw of a run follows from (seed, what it is for, epoch, step), never from a state carried along, so a run
can be taken up at any step and end bit for bit the same. `fit` is a generator: it hands the state back after each step,
and whoever iterates shows progress, saves, or stops. It knows nothing of files, reports or terminals.
"""

import copy
import hashlib
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from featherweight.data import Data, Split
from featherweight.data.augment import augment, normalise
from featherweight.engine import Engine
from featherweight.errors import TrainingError
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Row, percent
from featherweight.training.sampling import sample_by_loss, shuffled
from featherweight.training.schedule import rate

EVALUATION_BATCH = 1000
"""Images a forward pass in evaluation; larger ones leave the cache, smaller ones pay more calls."""

CHECK_STEPS = 50
"""Steps between looks at whether the loss is still a number; each look waits for a GPU to catch up."""


def draw_seed(seed: int, purpose: str, epoch: int = 0, step: int = 0) -> int:
    """A 63-bit seed for one purpose at one place of a run; neighbouring places get unrelated ones.

    >>> draw_seed(0, "order", epoch=1) == draw_seed(0, "order", epoch=1) != draw_seed(1, "order", epoch=1)
    True
    """
    place = f"{seed}/{purpose}/{epoch}/{step}".encode()
    return int.from_bytes(hashlib.blake2b(place, digest_size=8).digest(), "little") >> 1


@dataclass(kw_only=True)
class FlatParameters:
    """A network's tensors laid end to end, so that the optimiser and the average take one operation, not one a layer.

    The module's own parameters, gradients and float buffers become views into these.
    """

    values: Tensor
    """[n] all that training changes: the decayed weights, then the undecayed, then the norms' running statistics."""
    gradients: Tensor
    """[m] of the weights, in the same order."""
    decayed: nn.Parameter
    """The weights that weight decay applies to; a view, as is its gradient."""
    undecayed: nn.Parameter
    """The norms' and biases; likewise."""


def flatten_parameters(network: nn.Module, decay_norms_and_biases: bool = False) -> FlatParameters:
    """Move the network's tensors into `FlatParameters`; the module works as before and shares their memory.

    Weight decay is for tensors of two dimensions and more: kernels and matrices, not biases or norms.
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


def optimizer_for(flat: FlatParameters, recipe: Recipe) -> torch.optim.Optimizer:
    """PyTorch's own optimiser over the flat parameters; the learning rate is set before every step."""
    groups = [
        {"params": [flat.decayed], "weight_decay": recipe.weight_decay},
        {"params": [flat.undecayed], "weight_decay": 0.0},
    ]
    if recipe.optimizer == "adam":
        return torch.optim.Adam(groups, lr=recipe.lr)
    if recipe.optimizer == "adamw":
        return torch.optim.AdamW(groups, lr=recipe.lr)
    nesterov = recipe.nesterov and recipe.momentum > 0
    # `fused` is one sweep over a vector; on networks this small a sweep costs less than calling it.
    return torch.optim.SGD(groups, lr=recipe.lr, momentum=recipe.momentum, nesterov=nesterov, fused=True)


@dataclass(kw_only=True)
class State:
    """Everything that a training run carries from one step to the next. `checkpoint` saves and restores it."""

    network: nn.Module
    parameters: FlatParameters
    optimizer: torch.optim.Optimizer
    averaged: nn.Module | None
    """The moving average as a network of its own; None where the recipe has none."""
    averaged_parameters: FlatParameters | None
    loss_sum: Tensor
    """Scalar: sum over the images of this epoch so far."""
    correct: Tensor
    """Scalar int64: how many of them were right."""
    epoch: int = 0
    """Epochs finished."""
    step: int = 0
    """Steps finished in the epoch under way."""
    seen: int = 0
    """Images in those steps."""
    lr: float = 0.0
    epoch_seconds: float = 0.0
    """Wall time of the epoch under way."""
    train_seconds: float = 0.0
    """Wall time of all training steps."""
    rows: list[Row] = field(default_factory=list)
    losses: Tensor | None = None
    """[N] of the training images when the epoch under way began; None unless the recipe takes hard ones more often."""

    @property
    def ema_network(self) -> nn.Module:
        """The network that is evaluated and saved: the average, where there is one."""
        return self.network if self.averaged is None else self.averaged


def initial_state(network: nn.Module, recipe: Recipe, device: torch.device, images: int = 0) -> State:
    """The state before the first step; the network is moved to the device and used in place.

    `images` says how many there are to train on, for recipes with `hard`.
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
    )


def steps_in_epoch(data: Data, recipe: Recipe) -> int:
    """How many steps an epoch takes; the last may be short."""
    return math.ceil(len(data.train.labels) / recipe.batch)


def fit(
    state: State,
    data: Data,
    recipe: Recipe,
    seed: int,
    engine: Engine,
    evaluator: Engine,
    teacher: Callable[[Tensor], Tensor] | None = None,
) -> Iterator[State]:
    """Train to the end of the recipe, yielding the state after each step and after each epoch's evaluation.

    After a step, `state.step` counts it; after an evaluation, `state.step` is 0 and `state.rows` has a new row. The
    data is on the network's device; `engine` executes `state.network` and `evaluator` `state.ema_network`; `teacher`
    turns images [N C H W], augmented and normalised, into probabilities [N classes].
    Raises TrainingError when the loss is infinite or not a number; `state` is then of no use.
    """
    images, labels = data.train.images, data.train.labels
    draws = torch.Generator(device=images.device)
    steps = steps_in_epoch(data, recipe)

    while state.epoch < recipe.epochs:
        # 1. A new order of the training images each epoch.
        order = _order(state, data, recipe, seed, evaluator)
        answers = labels[order]
        changes = recipe.augment if state.epoch < recipe.epochs - recipe.plain_epochs else None

        while state.step < steps:
            started = time.perf_counter()
            # 2. The batch, each image with its own random changes.
            batch = slice(state.step * recipe.batch, (state.step + 1) * recipe.batch)
            chosen, targets = order[batch], answers[batch]
            place = draw_seed(seed, "step", state.epoch, state.step)
            if changes:
                draws.manual_seed(place)
                inputs = augment(
                    images, changes, draws, mean=data.mean, std=data.std, chosen=chosen, sampler=engine.sampler
                )
            else:
                inputs = normalise(images[chosen], data.mean, data.std)

            # 3. Forward and backward: gradients into `.grad`.
            state.parameters.gradients.zero_()
            taught = (teacher(inputs),) if teacher else ()
            loss, correct = engine.step(inputs, targets, place, *taught)

            # 4. The step, at the schedule's rate.
            state.lr = rate(recipe, state.epoch * steps + state.step, steps, state.rows)
            for group in state.optimizer.param_groups:
                group["lr"] = state.lr
            state.optimizer.step()

            # 5. The moving average of weights and batch-norm statistics.
            if state.averaged_parameters is not None:
                done = state.epoch * steps + state.step
                keep = min(recipe.average, (1 + done) / (10 + done))
                state.averaged_parameters.values.lerp_(state.parameters.values, 1 - keep)

            # 6. Running figures stay on the device; whoever shows them reads them.
            state.loss_sum += loss * len(targets)
            state.correct += correct
            state.seen += len(targets)
            state.step += 1
            if state.step % CHECK_STEPS == 0 or state.step == steps:
                _require_finite(state)
            took = time.perf_counter() - started
            state.epoch_seconds += took
            state.train_seconds += took
            yield state

        # 7. The whole test set, with the weights that are kept.
        started = time.perf_counter()
        test_loss, test_correct = evaluate(evaluator, data.test, data.mean, data.std)
        state.rows.append(
            Row(
                epoch=state.epoch + 1,
                lr=state.lr,
                train_loss=state.loss_sum.item() / state.seen,
                train_accuracy=percent(int(state.correct), state.seen),
                test_loss=test_loss,
                test_accuracy=percent(test_correct, len(data.test.labels)),
                seconds=state.epoch_seconds + time.perf_counter() - started,
            )
        )
        state.epoch, state.step, state.seen, state.epoch_seconds = state.epoch + 1, 0, 0, 0.0
        state.loss_sum.zero_()
        state.correct.zero_()
        yield state


def _order(state: State, data: Data, recipe: Recipe, seed: int, evaluator: Engine) -> Tensor:
    """int64 [N]: which training images the epoch under way takes, in order; each once, or hard ones more often."""
    draws = torch.Generator().manual_seed(draw_seed(seed, "order", state.epoch))
    if not recipe.hard or state.losses is None or not 0 < state.epoch < recipe.epochs - recipe.plain_epochs:
        return shuffled(len(data.train), draws).to(data.train.labels.device)
    if state.step == 0:
        started = time.perf_counter()
        state.losses.copy_(image_losses(evaluator, data.train, data.mean, data.std))
        took = time.perf_counter() - started
        state.epoch_seconds += took
        state.train_seconds += took
    return sample_by_loss(state.losses, recipe.hard, draws).to(data.train.labels.device)


def _require_finite(state: State) -> None:
    loss = state.loss_sum.item()
    if not math.isfinite(loss):
        raise TrainingError(
            f"The training loss became {loss} in epoch {state.epoch + 1} at a learning rate of {state.lr:.4g};"
            " lower the recipe's lr, or warm it up over the first epoch."
        )


def image_losses(engine: Engine, split: Split, mean: tuple[float, ...], std: tuple[float, ...]) -> Tensor:
    """Cross-entropy of every image of the split, [N], in evaluation mode."""
    parts = []
    for start in range(0, len(split), EVALUATION_BATCH):
        scores = engine.scores(normalise(split.images[start : start + EVALUATION_BATCH], mean, std))
        parts.append(F.cross_entropy(scores, split.labels[start : start + EVALUATION_BATCH], reduction="none"))
    return torch.cat(parts)


def evaluate(engine: Engine, split: Split, mean: tuple[float, ...], std: tuple[float, ...]) -> tuple[float, int]:
    """Mean cross-entropy and number correct over every image of the split, in evaluation mode."""
    loss, correct = 0.0, 0
    for start in range(0, len(split), EVALUATION_BATCH):
        labels = split.labels[start : start + EVALUATION_BATCH]
        scores = engine.scores(normalise(split.images[start : start + EVALUATION_BATCH], mean, std))
        loss += F.cross_entropy(scores, labels, reduction="sum").item()
        correct += int((scores.argmax(1) == labels).sum())
    return loss / len(split), correct
