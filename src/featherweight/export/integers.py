"""Runs the integer network exactly in Python; the C program must give the same bytes."""

import math

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from featherweight.export.fixed_point import WIDE_ZERO, FixedPoint, Stage, group_size
from featherweight.export.preprocessing import preprocess_bytes
from featherweight.networks.layers.activations import CURVES

BATCH = 100
"""Pictures at a time: so few fit the processor's cache, which makes it three times as fast as a thousand would be."""


def integer_scores(network: FixedPoint, pictures: Tensor) -> NDArray[np.int16]:
    """The scores [N classes] of pictures, uint8 [N C H W], in units of 2^-score_bits."""
    parts = [_batch(network, part) for part in torch.split(pictures, BATCH)]
    return np.concatenate(parts).astype(np.int16)


def _batch(network: FixedPoint, pictures: Tensor) -> NDArray[np.int64]:
    # Integers below 2^53 are exact in float64, which PyTorch convolves faster than integers.
    tensors = [preprocess_bytes(pictures, network.preprocessing).double()]
    for stage in network.stages:
        tensors.append(_carry_out(stage, tensors[stage.step.source], tensors))
    found: NDArray[np.int64] = tensors[-1].flatten(1).numpy().astype(np.int64) - WIDE_ZERO
    return found


def _carry_out(stage: Stage, images: Tensor, tensors: list[Tensor]) -> Tensor:
    step = stage.step
    top, left, bottom, right = step.pad
    padded = F.pad(images, (left, right, top, bottom), value=float(stage.pad_value))
    if step.kind == "max":
        return F.max_pool2d(padded, step.kernel, step.stride)
    if step.kind in CURVES:
        return torch.from_numpy(stage.table).double()[images.long()]
    if step.kind == "add":
        first, second = (int(m) for m in stage.multipliers)
        return _rescale(images * first + tensors[step.other] * second + float(stage.bias[0]), 0, 1, stage)
    if step.kind == "group norm":
        return _normalised(stage, images)
    if step.kind == "average":
        ones = torch.ones(images.shape[1], 1, *step.kernel, dtype=torch.float64)
        sums = F.conv2d(padded, ones, None, step.stride, groups=images.shape[1]) + float(stage.bias[0])
        return _rescale(sums, stage.before, int(stage.multipliers[0]), stage)
    weights, bias = torch.from_numpy(stage.weights).double(), torch.from_numpy(stage.bias).double()
    sums = F.conv2d(padded, weights, bias, step.stride, dilation=step.dilation, groups=step.groups)
    return _rescale(sums, stage.before, torch.from_numpy(stage.multipliers).reshape(1, -1, 1, 1), stage)


def _normalised(stage: Stage, images: Tensor) -> Tensor:
    """Each value's distance from the mean of its group by the group's deviation, both times the group's size; then a
    multiplier and a bias for each channel, or for each value."""
    step, size = stage.step, group_size(stage.step)
    *multipliers, low, high = stage.multipliers.tolist()
    values = images.long().numpy().reshape(len(images), step.groups, -1)
    sums, squares = values.sum(2), (values * values).sum(2)  # [N groups]
    variances = size * squares - sums * sums + size * (low + (high << 16))
    inverse = np.array([[(1 << 41) // max(1, math.isqrt(int(of))) for of in row] for row in variances])
    distance = size * values - sums[..., None]
    far = np.minimum((np.abs(distance) * inverse[..., None] + (1 << 30)) >> 31, 32767)
    found = torch.from_numpy(np.sign(distance) * far).reshape(images.shape)
    each = torch.tensor(multipliers).reshape(-1, step.channels).T  # rows, columns, channels -> channels, places
    by = ((each ^ 0x8000) - 0x8000).reshape(step.channels, *(step.kernel if each.shape[1] > 1 else (1, 1)))
    bias = torch.from_numpy(stage.bias).reshape(-1, step.channels).T.reshape(by.shape)
    return _rescale((found * by + bias).double(), 0, 1, stage)


def _rescale(sums: Tensor, before: int, multiplier: "Tensor | int", stage: Stage) -> Tensor:
    whole = (sums.clamp(min=0).long() >> before) * multiplier >> stage.after
    return whole.clamp(max=stage.top).double()
