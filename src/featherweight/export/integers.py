"""Runs the integer network exactly in Python; the C program must give the same bytes."""

import math
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional as F

from featherweight.experiments.calibration import Calibration
from featherweight.export.fixed_point import WIDE_ZERO, FixedPoint, Stage, group_size
from featherweight.export.preprocessing import preprocess_bytes
from featherweight.networks.layers.activations import CURVES

BATCH = 100
"""Pictures at a time: so few fit the processor's cache, which makes it three times as fast as a thousand would be."""

INT32 = (1 << 31) - 1


def integer_scores(network: FixedPoint, pictures: Tensor) -> NDArray[np.int16]:
    """The scores [N classes] of pictures, uint8 [N C H W], in units of 2^-score_bits."""
    parts = [_batch(network, part) for part in torch.split(pictures, BATCH)]
    return np.concatenate(parts).astype(np.int16)


def unknown(scores: NDArray[Any], known: Calibration, score_bits: int) -> NDArray[np.bool_]:
    """Whether pictures with these scores, [N classes], are of none of the classes, as C decides it."""
    wide, (least, most) = scores.astype(np.int64), limits_in_units(known, score_bits, scores.shape[1])
    centred = scores.shape[1] * wide - wide.sum(1, keepdims=True)
    found: NDArray[np.bool_] = centred.max(1) < least
    if known.typical is None:
        return found
    typical = np.array(known.typical) << typical_shift(known, score_bits)
    found |= np.abs(centred - scores.shape[1] * typical[wide.argmax(1)]).sum(1) > most
    return found


def limits_in_units(known: Calibration, score_bits: int, classes: int) -> tuple[int, int]:
    """The least greatest score and the greatest distance of pictures of known classes, in units of a score times the
    number of classes; rounded so that what the network accepts is not refused for it."""
    unit = classes << score_bits
    assert known.threshold is not None
    least, most = math.floor(known.threshold * unit), math.ceil((known.farthest or 0) * unit)
    return max(-INT32, min(least, INT32)), min(most, INT32)


def typical_shift(known: Calibration, score_bits: int) -> int:
    """By how many bits a typical score of the calibration is shifted to be in units of a score."""
    assert score_bits + math.log2(known.step) >= 0, (score_bits, known.step)
    return score_bits + round(math.log2(known.step))


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
