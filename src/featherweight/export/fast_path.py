"""What the C program's faster code keeps in RAM beside what `memory` plans: buffers, each for the largest layer."""

import math
from collections.abc import Sequence

from featherweight.export.fixed_point import FixedPoint


def window(network: FixedPoint, streams: Sequence[int | None]) -> int:
    """Bytes of the faster code's copy of the pixels under a kernel, where that has several rows or edges."""
    found = 0
    for index, (stage, stream) in enumerate(zip(network.stages, streams, strict=True)):
        step, channels = stage.step, network.sizes[stage.step.reads(index)[0]][0]
        rows = step.kernel[0] if stream is None else 1
        if step.kind == "convolution" and (rows > 1 or any(step.pad) or step.dilation != (1, 1)):
            found = max(found, rows * step.kernel[1] * channels)
    return found


def pairs(network: FixedPoint, streams: Sequence[int | None]) -> int:
    """Words of what the code for the DSP extension prepares: the pixels under a kernel at two places, each row of it a
    multiple of four; or the weights of four channels that have kernels of their own."""
    found = 0
    for index, (stage, stream) in enumerate(zip(network.stages, streams, strict=True)):
        step, channels = stage.step, network.sizes[stage.step.reads(index)[0]][0]
        rows = step.kernel[0] if stream is None else 1
        if step.kind == "convolution" and step.groups == 1:
            found = max(found, 4 * rows * -(-step.kernel[1] * channels // 4))
        elif step.kind == "convolution" and step.groups == channels == len(stage.weights):
            found = max(found, 2 * math.prod(step.kernel))
    return found


def edge(network: FixedPoint) -> int:
    """Bytes of the same code's copy of the pixels under a row of a kernel that reaches outside, or has gaps."""
    found = 0
    for index, stage in enumerate(network.stages):
        step, channels = stage.step, network.sizes[stage.step.reads(index)[0]][0]
        if step.kind == "convolution" and step.groups == 1 and (any(step.pad) or step.dilation != (1, 1)):
            found = max(found, step.kernel[1] * channels)
    return found
