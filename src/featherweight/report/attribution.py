"""What a network takes from an image: effective receptive fields, evidence for a class (Grad-CAM), first kernels.

And the training images as it saw them, by repeating the run's own random draws.
"""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional as F

from featherweight.data.augment import augment
from featherweight.data.dataset import Data
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.networks.anatomy import Anatomy, LayerRow, dissect, middle
from featherweight.training.state import draw_seed


@dataclass(frozen=True, kw_only=True)
class ClassEvidence:
    """Where the evidence for a class lies in some images (Grad-CAM, HiResCAM), as heat maps."""

    layer: str
    """The name of the last layer that still has a map."""
    map: tuple[int, int]
    """Height and width of its map, which is the resolution of the evidence."""
    heat: NDArray[np.float64]
    """[N H W], scaled so that each image's largest absolute value is 1; all zeros if nothing speaks for the class. In a
    contrast of two classes, what speaks for the second is negative; otherwise nothing is."""


FEWEST_UNITS = 7
"""A contrast is read off a map of at least this many units on each side; a coarser one says little of places."""


def evidence(network: nn.Module, images: Tensor, classes: Tensor) -> ClassEvidence | None:
    """Grad-CAM: the places in each image that speak for the given class; None if no layer of the network has a map.

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
    return ClassEvidence(layer=maps[-1].name, map=(kept.shape[2], kept.shape[3]), heat=heat.double().numpy())


def contrast(network: nn.Module, images: Tensor, classes: Tensor, rivals: Tensor) -> ClassEvidence | None:
    """HiResCAM of two classes: the places in each image that speak for its first class, or for the rival.

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
    return ClassEvidence(layer=maps[-1].name, map=(kept.shape[2], kept.shape[3]), heat=heat.double().numpy())


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


# ------------------------------------------------------------------------------------------- effective fields

# The window is computed by `anatomy`. The gradient in it is measured: the mean over images of the absolute gradient of
# the unit in the middle with respect to the pixels (Luo, Li, Urtasun and Zemel, "Understanding the Effective Receptive
# Field in Deep Convolutional Neural Networks", 2016). They average over random weights or images; we, over real images.


@dataclass(frozen=True, kw_only=True)
class Field:
    """The theoretical and effective receptive field of the unit in the middle of one layer's output."""

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
    """The layers at which the receptive field grows, of those that output a map."""
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


# ------------------------------------------------------------------------------------------- images as they were seen


@dataclass(frozen=True, kw_only=True)
class Seen:
    """Training images of a run's first step, before and after augmentation."""

    indices: NDArray[np.int64]
    """[N]: their positions among the training images."""
    plain: NDArray[np.float64]
    """[N C H W], brightness 0 to 1: the original images."""
    changed: NDArray[np.float64]
    """[N C H W], brightness 0 to 1: the images used in training."""
    exact: bool
    """Whether the run made exactly these draws; those of a GPU cannot be repeated on a CPU."""


def seen_in_training(record: Record, data: Data, count: int = 24) -> Seen | None:
    """The first `count` images of the first step, with their random changes; None if the recipe changes no images.

    The draws follow from (seed, epoch, step), so they can be repeated at any time and are not kept in the record.
    """
    recipe = Recipe.from_json(record.recipe)
    if not recipe.augment or recipe.plain_epochs == recipe.epochs:
        return None
    order = torch.randperm(
        len(data.train), generator=torch.Generator().manual_seed(draw_seed(record.seed, "order", epoch=0))
    )
    chosen = order[: recipe.batch]  # the whole batch, since its images share one stream of draws
    draws = torch.Generator().manual_seed(draw_seed(record.seed, "step", epoch=0, step=0))
    channels = data.train.images.shape[1]
    unscaled = augment(
        data.train.images, recipe.augment, draws, mean=[0.0] * channels, std=[1.0] * channels, chosen=chosen,
        then=recipe.augment_then,
    )  # fmt: skip
    return Seen(
        indices=chosen[:count].numpy(),
        plain=data.train.images[chosen[:count]].double().numpy() / 255,
        changed=unscaled[:count].clamp(0, 1).double().numpy(),
        exact=record.environment["device_type"] == "cpu",
    )
