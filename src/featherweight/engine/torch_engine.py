"""The torch engine: PyTorch's own operators on any device; on CUDA a step is one captured graph.

A step of these networks has about a hundred small kernels, which take longer to launch one by one than to run.
Captured once per batch size, they are launched together
(https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).
"""

from collections.abc import Callable
from typing import Protocol

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from featherweight.experiments.recipe import Recipe

Scores = Callable[[Tensor], Tensor]


class StepFunction(Protocol):
    """Forward and backward of one batch; see `Engine.step`."""

    def __call__(
        self, images: Tensor, labels: Tensor, seed: int, taught: Tensor | None = None, /
    ) -> tuple[Tensor, Tensor]:
        """Mean loss and number correct, two scalars."""
        ...


WARM_UP_STEPS = 3  # before a capture, so that libraries have chosen their algorithms and workspaces


def loss_of(output: Tensor, labels: Tensor, recipe: Recipe, taught: Tensor | None = None) -> Tensor:
    """The mean loss over a batch, a scalar, as set by the recipe: output [N classes], labels [N].

    `cross_entropy` takes scores and `nll` log-probabilities; label smoothing spreads a share of the target over all
    classes (Szegedy et al., "Rethinking the Inception Architecture for Computer Vision", 2016). With `taught`,
    probabilities [N classes], the share of the loss in `recipe.taught` is measured against them: a teacher's answers
    (Hinton et al., "Distilling the Knowledge in a Neural Network", 2015), or blended labels.

    >>> output = torch.tensor([[0.0, 2.0]])
    >>> round(loss_of(output.log_softmax(1), torch.tensor([1]), Recipe(loss="nll", label_smoothing=0.1)).item(), 4)
    0.2269
    """
    smoothing, (share, temperature) = recipe.label_smoothing, recipe.taught
    if recipe.class_weights:
        weights = output.new_tensor(recipe.class_weights)
        # Softmax leaves the logarithms of probabilities as they are, so this is right for `nll` too.
        own = F.cross_entropy(output, labels, weight=weights, label_smoothing=smoothing)
    elif recipe.loss == "cross_entropy":
        own = F.cross_entropy(output, labels, label_smoothing=smoothing)
    else:
        own = (1 - smoothing) * F.nll_loss(output, labels) - smoothing * output.mean()
    if taught is None or share == 0:
        return own
    # The square of the temperature keeps the size of the gradient the same at any temperature.
    theirs = F.cross_entropy(output / temperature, taught) * temperature**2
    return (1 - share) * own + share * theirs


def bind(network: nn.Module, recipe: Recipe, *, device: torch.device, threads: int) -> tuple[StepFunction, Scores]:
    """`step` and `scores` of an Engine for `network`, which is on `device`; `threads` is the number of CPU threads."""
    torch.set_num_threads(threads)

    def forward_backward(images: Tensor, labels: Tensor, taught: Tensor | None) -> tuple[Tensor, Tensor]:
        output = network(images)
        mean = loss_of(output, labels, recipe, taught)
        mean.backward()  # type: ignore[no-untyped-call]
        return mean.detach(), (output.detach().argmax(1) == labels).sum()

    def eager(images: Tensor, labels: Tensor, seed: int, taught: Tensor | None = None) -> tuple[Tensor, Tensor]:
        network.train()
        torch.manual_seed(seed)
        return forward_backward(images, labels, taught)

    @torch.inference_mode()
    def scores(images: Tensor) -> Tensor:
        network.eval()
        output: Tensor = network(images)
        return output

    capturable = device.type == "cuda" and not _counts_on_host(network)
    return (_captured(network, forward_backward) if capturable else eager), scores


def _counts_on_host(network: nn.Module) -> bool:
    """Whether a norm reads its count of batches on the host (momentum None), which a graph cannot contain."""
    norms = (module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))
    return any(norm.track_running_stats and norm.momentum is None for norm in norms)


Inputs = tuple[Tensor, Tensor, Tensor | None]
"""Images, labels and, if there is a teacher, its answers."""


def _captured(network: nn.Module, forward_backward: Callable[..., tuple[Tensor, Tensor]]) -> StepFunction:
    """A `step` that replays a CUDA graph for each batch size; it is captured again if a tensor has moved."""
    graphs: dict[tuple[int, ...], tuple[torch.cuda.CUDAGraph, Inputs, Tensor, Tensor]] = {}

    def step(images: Tensor, labels: Tensor, seed: int, taught: Tensor | None = None) -> tuple[Tensor, Tensor]:
        network.train()
        for parameter in network.parameters():
            if parameter.requires_grad and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        trained = [*network.parameters(), *(p.grad for p in network.parameters() if p.grad is not None)]
        key = (taught is None, *images.shape, *(tensor.data_ptr() for tensor in trained))
        inputs = (images, labels, taught)
        if key not in graphs:
            graphs[key] = _capture(network, forward_backward, inputs)
        graph, static, mean, correct = graphs[key]
        for place, given in zip(static, inputs, strict=True):
            if place is not None and given is not None:
                place.copy_(given)
        torch.cuda.manual_seed(seed)  # a replay takes the seed of dropout from the generator
        graph.replay()
        return mean.clone(), correct.clone()  # the next replay overwrites the graph's own

    return step


def _capture(
    network: nn.Module, forward_backward: Callable[..., tuple[Tensor, Tensor]], inputs: Inputs
) -> tuple[torch.cuda.CUDAGraph, Inputs, Tensor, Tensor]:
    """A graph of forward and backward, its inputs and its outputs; gradients and statistics are not changed."""
    touched = [*network.buffers(), *(p.grad for p in network.parameters() if p.grad is not None)]
    before = [tensor.clone() for tensor in touched]
    images, labels, taught = inputs
    static = (images.clone(), labels.clone(), None if taught is None else taught.clone())
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP_STEPS):
            forward_backward(*static)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        mean, correct = forward_backward(*static)
    with torch.no_grad():
        for tensor, value in zip(touched, before, strict=True):
            tensor.copy_(value)
    return graph, static, mean, correct
