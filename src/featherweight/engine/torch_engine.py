"""The torch engine: PyTorch's own operators on any device; on CUDA a step is one captured graph.

A step of these networks is some hundred small kernels; launched one by one they take longer to launch than to
run. Captured once for a batch size, they are launched together
(https://pytorch.org/docs/stable/notes/cuda.html#cuda-graphs).
"""

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Step = Callable[[Tensor, Tensor, int], tuple[Tensor, Tensor]]
Scores = Callable[[Tensor], Tensor]

WARM_UP_STEPS = 3  # before a capture, so that libraries have chosen their algorithms and workspaces


def loss_of(output: Tensor, labels: Tensor, *, loss: str, label_smoothing: float) -> Tensor:
    """The mean loss over a batch, a scalar: output [N classes], labels [N].

    `cross_entropy` takes scores and `nll` log-probabilities; smoothing spreads a share of the target over all
    classes.

    >>> output = torch.tensor([[0.0, 2.0]])
    >>> round(loss_of(output.log_softmax(1), torch.tensor([1]), loss="nll", label_smoothing=0.1).item(), 4)
    0.2269
    """
    if loss == "cross_entropy":
        return F.cross_entropy(output, labels, label_smoothing=label_smoothing)
    return (1 - label_smoothing) * F.nll_loss(output, labels) - label_smoothing * output.mean()


def bind(
    network: nn.Module, *, loss: str, label_smoothing: float, device: torch.device, threads: int
) -> tuple[Step, Scores]:
    """`step` and `scores` of an Engine for `network`, which is on `device`; `threads` are the CPU's."""
    torch.set_num_threads(threads)

    def forward_backward(images: Tensor, labels: Tensor) -> tuple[Tensor, Tensor]:
        output = network(images)
        mean = loss_of(output, labels, loss=loss, label_smoothing=label_smoothing)
        mean.backward()  # type: ignore[no-untyped-call]
        return mean.detach(), (output.detach().argmax(1) == labels).sum()

    def eager(images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        network.train()
        torch.manual_seed(seed)
        return forward_backward(images, labels)

    @torch.inference_mode()
    def scores(images: Tensor) -> Tensor:
        network.eval()
        output: Tensor = network(images)
        return output

    capturable = device.type == "cuda" and not _counts_on_host(network)
    return (_captured(network, forward_backward) if capturable else eager), scores


def _counts_on_host(network: nn.Module) -> bool:
    """Whether a norm reads its count of batches back (momentum None), which a graph cannot hold."""
    norms = (module for module in network.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm))
    return any(norm.track_running_stats and norm.momentum is None for norm in norms)


def _captured(network: nn.Module, forward_backward: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]) -> Step:
    """`step` that replays a CUDA graph for each batch size, captured anew when a tensor has moved."""
    graphs: dict[tuple[int, ...], tuple[torch.cuda.CUDAGraph, Tensor, Tensor, Tensor, Tensor]] = {}

    def step(images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
        network.train()
        for parameter in network.parameters():
            if parameter.requires_grad and parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)
        trained = [*network.parameters(), *(p.grad for p in network.parameters() if p.grad is not None)]
        key = (*images.shape, *(tensor.data_ptr() for tensor in trained))
        if key not in graphs:
            graphs[key] = _capture(network, forward_backward, images, labels)
        graph, static_images, static_labels, mean, correct = graphs[key]
        static_images.copy_(images)
        static_labels.copy_(labels)
        torch.cuda.manual_seed(seed)  # a replay takes dropout's seed from the generator
        graph.replay()
        return mean.clone(), correct.clone()  # the next replay writes over the graph's own

    return step


def _capture(
    network: nn.Module,
    forward_backward: Callable[[Tensor, Tensor], tuple[Tensor, Tensor]],
    images: Tensor,
    labels: Tensor,
) -> tuple[torch.cuda.CUDAGraph, Tensor, Tensor, Tensor, Tensor]:
    """A graph of forward and backward, its inputs and outputs; gradients and statistics stay as they were."""
    touched = [*network.buffers(), *(p.grad for p in network.parameters() if p.grad is not None)]
    before = [tensor.clone() for tensor in touched]
    static_images, static_labels = images.clone(), labels.clone()
    side = torch.cuda.Stream()  # type: ignore[no-untyped-call]
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        for _ in range(WARM_UP_STEPS):
            forward_backward(static_images, static_labels)
    torch.cuda.current_stream().wait_stream(side)
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        mean, correct = forward_backward(static_images, static_labels)
    with torch.no_grad():
        for tensor, value in zip(touched, before, strict=True):
            tensor.copy_(value)
    return graph, static_images, static_labels, mean, correct
