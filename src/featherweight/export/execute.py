"""Carries out the steps of a lowered network in PyTorch, to calibrate and check exported forms."""

import torch
from torch import Tensor
from torch.nn import functional as F

from featherweight.export.lowering import Lowered, Step
from featherweight.networks.layers.activations import CURVES
from featherweight.networks.layers.preprocessing import prepared


def tensors(lowered: Lowered, pictures: Tensor) -> list[Tensor]:
    """Every tensor of the network, [N C H W] each: the prepared pictures first, the scores last.

    `pictures` are normalised.
    """
    found = [prepared(pictures, lowered.preprocessing)]
    for step in lowered.steps:
        found.append(run_step(step, found[step.source], found))
    return found


def scores(lowered: Lowered, pictures: Tensor) -> Tensor:
    """The scores [N classes] of normalised pictures [N C H W]; their softmax gives the probabilities."""
    kept: list[Tensor] = [prepared(pictures, lowered.preprocessing)]
    held = {place for index, step in enumerate(lowered.steps) for place in step.reads(index) if place != index}
    for step in lowered.steps:
        kept.append(run_step(step, kept[step.source], kept))
        if len(kept) - 2 not in held:
            kept[-2] = kept[-2][:0]  # 10,000 digits at once would fill memory
    return kept[-1].flatten(1)


def run_step(step: Step, images: Tensor, before: list[Tensor]) -> Tensor:
    """The result of one step on [N C H W]; `before` are the tensors so far, one of which a sum also reads."""
    top, left, bottom, right = step.pad
    sides = (left, right, top, bottom)
    if step.kind == "convolution":
        assert step.weight is not None
        return F.conv2d(F.pad(images, sides), step.weight, step.bias, step.stride, dilation=step.dilation,
                        groups=step.groups)  # fmt: skip
    if step.kind == "relu":
        return torch.relu(images)
    if step.kind == "clip":
        return images.clamp(*step.bounds)
    if step.kind in CURVES:
        return CURVES[step.kind].function(images)
    if step.kind == "group norm":
        assert step.weight is not None and step.bias is not None
        return F.group_norm(images, step.groups, eps=step.eps) * step.weight + step.bias
    if step.kind == "max":
        return F.max_pool2d(F.pad(images, sides, value=-torch.inf), step.kernel, step.stride)
    if step.kind == "average":
        return F.avg_pool2d(F.pad(images, sides), step.kernel, step.stride)
    return images + before[step.other]
