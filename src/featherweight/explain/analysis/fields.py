"""How far a unit looks: the window that it can depend on, and where in it the gradient is.

The first is the arithmetic of `anatomy`. The second is measured: the mean over images of the absolute gradient of the
unit in the middle with respect to the pixels (Luo, Li, Urtasun and Zemel, "Understanding the Effective Receptive Field
in Deep Convolutional Neural Networks", 2016). They average over random weights or images; here, over real images.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from featherweight.networks.anatomy import Anatomy, Row, dissect, middle


@dataclass(frozen=True, kw_only=True)
class Field:
    """Of the unit in the middle of one layer's output."""

    layer: str
    kind: str
    output: tuple[int, ...]
    """C H W."""
    window: tuple[tuple[int, int], tuple[int, int]]
    """First and last row, then column, of pixels that it can depend on; what is beyond the image is padding."""
    heat: NDArray[np.float64]
    """[H W]: mean absolute gradient with respect to each pixel, summed over channels, the largest 1."""

    @property
    def height(self) -> int:
        """Of the window, in pixels."""
        return self.window[0][1] - self.window[0][0] + 1

    @property
    def width(self) -> int:
        """Of the window, in pixels."""
        return self.window[1][1] - self.window[1][0] + 1


def growing(anatomy: Anatomy, network: nn.Module) -> list[Row]:
    """The rows after which the field is another than before, of those that are layers with a map as output."""
    layers = dict(network.named_modules())
    kept: list[Row] = []
    for row in anatomy.rows:
        if row.name in layers and len(row.output) == 3 and (not kept or kept[-1].field != row.field):
            kept.append(row)
    return kept


def fields(network: nn.Module, images: Tensor) -> list[Field]:
    """Theoretical and effective field of every layer at which the field grows.

    `network` takes `images`, float32 [N C H W], normalised; it is run in evaluation mode and left as it was. A layer
    whose gradient is zero for all images has a heat of zeros.
    """
    rows = growing(dissect(network, (images.shape[1], images.shape[2], images.shape[3])), network)
    layers, training = dict(network.named_modules()), network.training
    outputs: dict[str, Tensor] = {}
    handles = []
    for row in rows:

        def keep(_: nn.Module, __: object, output: Tensor, name: str = row.name) -> None:
            outputs.setdefault(name, output)  # of a layer used twice, the first use

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


def _field(row: Row, output: Tensor, pixels: Tensor) -> Field:
    """`output` is [N C H W] and depends on `pixels`."""
    unit = output[:, :, middle(output.shape[2]), middle(output.shape[3])]
    (gradient,) = torch.autograd.grad(unit.sum(), pixels, retain_graph=True)
    heat = gradient.abs().sum(dim=1).double().mean(dim=0)  # [N C H W] -> [H W]
    heat = heat / heat.max() if heat.max() > 0 else heat
    return Field(layer=row.name, kind=row.kind, output=row.output, window=row.window, heat=heat.numpy())
