"""Where the evidence for a class lies (Grad-CAM), and what the first layer looks for."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from featherweight.networks.anatomy import dissect


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """Maps of class evidence over some images."""

    layer: str
    """The name of the last layer that still has a map."""
    map: tuple[int, int]
    """Height and width of its map, which is the resolution of the evidence."""
    heat: NDArray[np.float64]
    """[N H W], scaled so that each image's largest absolute value is 1; all zeros if nothing speaks for the class. In a
    contrast of two classes, what speaks for the second is negative; otherwise nothing is."""


FEWEST_UNITS = 7
"""A contrast is read off a map of at least this many units on each side; a coarser one says little of places."""


def evidence(network: nn.Module, images: Tensor, classes: Tensor) -> Evidence | None:
    """The places in each image that speak for the given class; None if no layer of the network has a map.

    Grad-CAM (Selvaraju et al., 2017): the channels of the last map, each weighted by the mean gradient of the class's
    score over it, are summed; negative values become 0, and the result is resized to the image bilinearly. `images` are
    float32 [N C H W], normalised, `classes` int64 [N]. The network is run in evaluation mode and not changed.
    """
    layers = dict(network.named_modules())
    rows = dissect(network, (images.shape[1], images.shape[2], images.shape[3])).rows
    maps = [row for row in rows if row.name in layers and len(row.output) == 3 and row.output[1] * row.output[2] > 1]
    if not maps:
        return None
    kept, gradient = _gradient(network, layers[maps[-1].name], images, classes)
    weights = gradient.mean(dim=(2, 3), keepdim=True)  # [N K 1 1]
    heat = (weights * kept).sum(dim=1, keepdim=True).relu()  # [N 1 h w]
    heat = F.interpolate(heat, size=tuple(images.shape[2:]), mode="bilinear", align_corners=False)[:, 0]
    heat = heat / heat.amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    return Evidence(layer=maps[-1].name, map=(kept.shape[2], kept.shape[3]), heat=heat.double().numpy())


def contrast(network: nn.Module, images: Tensor, classes: Tensor, rivals: Tensor) -> Evidence | None:
    """The places in each image that speak for its first class rather than the rival, or the other way round.

    HiResCAM (Draelos and Carin, 2020), of the difference of the two scores: over the last map of 7 x 7 units or more,
    the gradient times the activation, summed over channels. None if no layer has such a map. `images` are float32
    [N C H W], normalised; `classes` and `rivals` int64 [N]. The network is run in evaluation mode and not changed.
    """
    layers = dict(network.named_modules())
    rows = dissect(network, (images.shape[1], images.shape[2], images.shape[3])).rows
    maps = [row for row in rows if row.name in layers and len(row.output) == 3 and min(row.output[1:]) >= FEWEST_UNITS]
    if not maps:
        return None
    kept, gradient = _gradient(network, layers[maps[-1].name], images, classes, rivals)
    heat = (gradient * kept).sum(dim=1, keepdim=True)  # [N 1 h w]
    heat = F.interpolate(heat, size=tuple(images.shape[2:]), mode="bilinear", align_corners=False)[:, 0]
    heat = heat / heat.abs().amax(dim=(1, 2), keepdim=True).clamp(min=1e-12)
    return Evidence(layer=maps[-1].name, map=(kept.shape[2], kept.shape[3]), heat=heat.double().numpy())


def _gradient(
    network: nn.Module, layer: nn.Module, images: Tensor, classes: Tensor, rivals: Tensor | None = None
) -> tuple[Tensor, Tensor]:
    """The layer's output, and the gradient by it of the scores of the classes, less those of the rivals if given."""
    kept: list[Tensor] = []
    training = network.training
    handle = layer.register_forward_hook(lambda _, __, output: kept.append(output))
    try:
        with torch.enable_grad():
            scores = network.eval()(images.detach().clone().requires_grad_())
            chosen = scores.gather(1, classes[:, None]).sum()
            if rivals is not None:
                chosen = chosen - scores.gather(1, rivals[:, None]).sum()
            (gradient,) = torch.autograd.grad(chosen, kept[0])
    finally:
        network.train(training)
        handle.remove()
    return kept[0].detach(), gradient


def first_kernels(network: nn.Module) -> NDArray[np.float64] | None:
    """The kernels of the first convolution, [outputs inputs height width]; None if there is no convolution.

    >>> from featherweight.experiments.experiment import find
    >>> first_kernels(find("f3").build()).shape
    (8, 1, 3, 3)
    """
    for module in network.modules():
        if isinstance(module, nn.Conv2d):
            kernels: NDArray[np.float64] = module.weight.detach().cpu().double().numpy()
            return kernels
    return None
