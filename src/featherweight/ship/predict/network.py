"""The network that comes with the package, run by numpy alone: importing PyTorch would take longer than all the rest.

`weights/` holds finished runs of f3, byte for byte, and a temperature that makes their probabilities honest.
"""

import json
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray
from safetensors.numpy import load_file

Floats = NDArray[np.float32]
Scorer = Callable[[NDArray[np.uint8]], Floats]
"""Pictures uint8 [N 28 28] (or [N H W 3]) -> scores [N classes], before softmax."""

WEIGHTS = Path(__file__).parent.parent.parent / "training" / "runs" / "weights"
PADDED = 1
"""f3 pads what goes into its convolution of this number, counted from 0, by a pixel on each side."""
SMALLEST_VARIANCE = 1e-5
"""What batch norm adds to a variance."""


@lru_cache(maxsize=1)
def shipped() -> Scorer:
    """The mean of the shipped runs' scores."""
    networks = [_network(folder) for folder in sorted(WEIGHTS.glob("f3-seed*"))]
    assert networks, WEIGHTS

    def scores(pictures: NDArray[np.uint8]) -> Floats:
        mean: Floats = np.stack([network(pictures) for network in networks]).mean(0)
        return mean

    return scores


@lru_cache(maxsize=1)
def temperature() -> float:
    """By which scores are divided before softmax (Guo et al., 2017)."""
    return float(json.loads((WEIGHTS / "calibration.json").read_text(encoding="utf-8"))["temperature"])


def probabilities(scores: Floats, temperature: float) -> Floats:
    """Softmax of scores over a temperature: [N classes] each.

    >>> probabilities(np.array([[0.0, np.log(3.0)]]), 1.0).round(2).tolist()
    [[0.25, 0.75]]
    """
    warm = np.asarray(scores, dtype=np.float64) / temperature
    powers = np.exp(warm - warm.max(1, keepdims=True))
    shares: Floats = powers / powers.sum(1, keepdims=True)
    return shares


def _network(folder: Path) -> Scorer:
    """One run of f3 as a function: convolutions with their norms folded in, a pool, a mean, a linear layer."""
    tensors = load_file(folder / "weights.safetensors")
    record = json.loads((folder / "record.json").read_text(encoding="utf-8"))
    mean, std = np.float32(record["data"]["mean"][0]), np.float32(record["data"]["std"][0])
    blocks = sorted({int(name.split(".")[0]) for name in tensors})
    convolutions = [_folded(tensors, block) for block in blocks[:-1]]
    # What has no weights between two convolutions of f3 is a pool.
    pooled = {place for place, block in enumerate(blocks[:-2]) if blocks[place + 1] > block + 1}
    weight, bias = tensors[f"{blocks[-1]}.weight"], tensors[f"{blocks[-1]}.bias"]

    def scores(pictures: NDArray[np.uint8]) -> Floats:
        planes: Floats = ((pictures / np.float32(255) - mean) / std)[:, None].astype(np.float32)
        for place, (kernels, biases) in enumerate(convolutions):
            if place == PADDED:
                planes = np.pad(planes, ((0, 0), (0, 0), (1, 1), (1, 1)))
            planes = _convolved(planes, kernels, biases)
            if place in pooled:
                n, c, h, w = planes.shape
                planes = planes.reshape(n, c, h // 2, 2, w // 2, 2).max((3, 5))
        result: Floats = planes.mean((2, 3)) @ weight.T + bias
        return result

    return scores


def _folded(tensors: dict[str, Floats], block: int) -> tuple[Floats, Floats]:
    """A block's kernels as a matrix [out, in * 9] and its biases, batch norm included."""
    weight = tensors[f"{block}.0.weight"]
    gamma, beta, mean, variance = (
        tensors[f"{block}.1.{name}"] for name in ("weight", "bias", "running_mean", "running_var")
    )
    factor = gamma / np.sqrt(variance + SMALLEST_VARIANCE)
    bias = tensors.get(f"{block}.0.bias", np.float32(0))
    return (weight * factor[:, None, None, None]).reshape(len(weight), -1), beta + (bias - mean) * factor


def _convolved(planes: Floats, kernels: Floats, biases: Floats) -> Floats:
    """ReLU of a valid 3 x 3 convolution: [N C H W] -> [N out H-2 W-2]."""
    windows = sliding_window_view(planes, (3, 3), axis=(2, 3))  # [N C H-2 W-2 3 3]
    n, c, h, w = windows.shape[:4]
    columns = windows.transpose(0, 2, 3, 1, 4, 5).reshape(n, h * w, c * 9)
    result: Floats = np.maximum(columns @ kernels.T + biases, 0).transpose(0, 2, 1).reshape(n, -1, h, w)
    return result
