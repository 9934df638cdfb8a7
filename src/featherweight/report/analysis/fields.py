"""How far a unit looks: the window that it can depend on, and where in the window the gradient is.

The first is computed by `anatomy`. The second is measured: the mean over images of the absolute gradient of the
unit in the middle with respect to the pixels (Luo, Li, Urtasun and Zemel, "Understanding the Effective Receptive Field
in Deep Convolutional Neural Networks", 2016). They average over random weights or images; we average over real images.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from featherweight.networks.anatomy import Anatomy, LayerRow, dissect, middle


@dataclass(frozen=True, kw_only=True)
class Field:
    """The receptive field of the unit in the middle of one layer's output."""

    layer: str
    kind: str
    output: tuple[int, ...]
    """The layer's output: channels, height, width."""
    window: tuple[tuple[int, int], tuple[int, int]]
    """First and last row, then first and last column, of pixels it can depend on; beyond the image is padding."""
    heat: NDArray[np.float64]
    """[H W]: mean absolute gradient with respect to each pixel, summed over channels and scaled to a maximum of 1."""

    @property
    def height(self) -> int:
        """Of the window, in pixels."""
        return self.window[0][1] - self.window[0][0] + 1

    @property
    def width(self) -> int:
        """Of the window, in pixels."""
        return self.window[1][1] - self.window[1][0] + 1


def growing(anatomy: Anatomy, network: nn.Module) -> list[LayerRow]:
    """The rows of layers that output a map and change the field."""
    layers = dict(network.named_modules())
    kept: list[LayerRow] = []
    for row in anatomy.rows:
        if row.name in layers and len(row.output) == 3 and (not kept or kept[-1].field != row.field):
            kept.append(row)
    return kept


def fields(network: nn.Module, images: Tensor) -> list[Field]:
    """The theoretical and effective field of every layer at which the field grows.

    `images` are float32 [N C H W], normalised. `network` is run in evaluation mode and not changed. A layer whose
    gradient is zero for all images has a heat of zeros.
    """
    rows = growing(dissect(network, (images.shape[1], images.shape[2], images.shape[3])), network)
    layers, training = dict(network.named_modules()), network.training
    outputs: dict[str, Tensor] = {}
    handles = []
    for row in rows:

        def keep(_: nn.Module, __: object, output: Tensor, name: str = row.name) -> None:
            outputs.setdefault(name, output)  # if a layer is used twice, the first use counts

        handles.append(layers[row.name].register_forward_hook(keep))
    pixels = images.detach().clone().requires_grad_()
    try:
        with torch.enable_grad():
            network.eval()(pixels)
            return [_field(row, outputs[row.name], pixels) for row in rows]
    finally:
        network.train(training)
        for handle in handles:
            handle.remove()


def _field(row: LayerRow, output: Tensor, pixels: Tensor) -> Field:
    """`output` is [N C H W] and depends on `pixels`."""
    unit = output[:, :, middle(output.shape[2]), middle(output.shape[3])]
    (gradient,) = torch.autograd.grad(unit.sum(), pixels, retain_graph=True)
    heat = gradient.abs().sum(dim=1).double().mean(dim=0)  # [N C H W] -> [H W]
    heat = heat / heat.max() if heat.max() > 0 else heat
    return Field(layer=row.name, kind=row.kind, output=row.output, window=row.window, heat=heat.numpy())
