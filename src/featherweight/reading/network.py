"""The networks that come with the package, run by numpy alone: importing PyTorch would take longer than all the rest.

`weights/` holds finished runs, byte for byte, the folded steps of each, and the temperatures that calibrate the
probabilities of those that read pictures.
"""

import json
from collections.abc import Callable, Sequence
from functools import lru_cache, reduce
from pathlib import Path

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from featherweight.experiments.augmentation import Preprocessing
from featherweight.networks.layers.activations import CURVES
from featherweight.networks.steps import Operation, from_file

Floats = NDArray[np.float32]
Scorer = Callable[[NDArray[np.uint8]], Floats]
"""Pictures uint8 [N 28 28] (or [N H W 3]) -> scores [N classes], before softmax."""

READER = "reader"
"""The experiment whose runs read pictures unless others are asked for."""
WEIGHTS = Path(__file__).parents[1] / "experiments" / "records" / "weights"


@lru_cache
def shipped(experiment: str = READER) -> Scorer:
    """A function that gives the mean of the scores of this experiment's shipped runs.

    >>> shipped("smallest")(np.zeros((2, 28, 28), dtype=np.uint8)).shape
    (2, 10)
    """
    networks = [_folded_network(folder) for folder in sorted(WEIGHTS.glob(f"{experiment}-seed*"))]
    assert networks, f"no run of {experiment} in {WEIGHTS}"

    def scores(pictures: NDArray[np.uint8]) -> Floats:
        mean: Floats = np.stack([network(pictures) for network in networks]).mean(0)
        return mean

    return scores


def shipped_experiments() -> set[str]:
    """Names of the experiments that come with the package.

    >>> sorted(shipped_experiments())
    ['f3', 'leanest', 'reader', 'smallest']
    """
    return {path.parent.name.partition("-seed")[0] for path in WEIGHTS.glob("*/steps.safetensors")}


@lru_cache
def temperature(experiment: str = READER) -> float:
    """The temperature of a packaged network, by which its scores are divided before softmax; 1 if none was fitted
    (Guo et al., 2017)."""
    fitted = json.loads((WEIGHTS / "calibration.json").read_text(encoding="utf-8"))
    return float(fitted[experiment]["temperature"]) if experiment in fitted else 1.0


@lru_cache
def least_energy(experiment: str = READER) -> float:
    """The energy below which its answer is probably for no digit; minus infinity if none was chosen."""
    chosen = json.loads((WEIGHTS / "calibration.json").read_text(encoding="utf-8")).get(experiment, {})
    return float(chosen.get("least_energy", -np.inf))


def energy(scores: Floats) -> Floats:
    """How much the scores [N classes] speak for any class at all, [N]: the logarithm of their summed powers.

    It is low for pictures unlike those of training (Liu et al., "Energy-based Out-of-distribution Detection", 2020).

    >>> energy(np.array([[0.0, np.log(3.0)], [0.0, 0.0]])).round(2).tolist()
    [1.39, 0.69]
    """
    most = scores.max(1)
    found: Floats = most + np.log(np.exp(scores - most[:, None]).sum(1))
    return found


def probabilities(scores: Floats, temperature: float) -> Floats:
    """A network's calibrated probabilities: softmax of scores divided by a temperature; both are [N classes].

    >>> probabilities(np.array([[0.0, np.log(3.0)]]), 1.0).round(2).tolist()
    [[0.25, 0.75]]
    """
    warm = np.asarray(scores, dtype=np.float64) / temperature
    powers = np.exp(warm - warm.max(1, keepdims=True))
    shares: Floats = powers / powers.sum(1, keepdims=True)
    return shares


def _folded_network(folder: Path) -> Scorer:
    """The network of one run as a function, from its folded steps."""
    found = from_file(folder / "steps.safetensors")
    # [C 1 1] each
    mean, std = (np.array(values, dtype=np.float32)[:, None, None] for values in (found.mean, found.std))

    def scores(pictures: NDArray[np.uint8]) -> Floats:
        images = pictures[:, None] if pictures.ndim == 3 else pictures.transpose(0, 3, 1, 2)  # -> [N C H W]
        normalised = ((images / np.float32(255) - mean) / std).astype(np.float32)
        made: list[Floats] = [_preprocess(normalised, found.preprocessing)]
        for step in found.steps:
            made.append(apply_step(step, made[step.source], made))
        return made[-1].reshape(len(pictures), -1)

    return scores


def _preprocess(images: Floats, by: Preprocessing) -> Floats:
    """Normalised pictures [N C H W] as the first weight gets them."""
    images = _deskew(images) if by.deskew else images
    height, width = images.shape[2:]
    return images[:, :, by.crop : height - by.crop, by.crop : width - by.crop]


def _deskew(images: Floats) -> Floats:
    """Pictures [N 1 H W] without their slant, as `networks.layers.preprocessing.deskewed` defines it."""
    height, width = images.shape[2:]
    rows, columns = (np.arange(n, dtype=np.float32) for n in (height, width))
    lowest = images.min((2, 3), keepdims=True)  # [N 1 1 1]
    ink = images - lowest
    mass, moment = ink.sum(3, keepdims=True), (ink * (columns - np.float32((width - 1) / 2))).sum(3, keepdims=True)
    total, tiny = mass.sum(2, keepdims=True), np.float32(1e-12)
    rows = rows[:, None]
    down = rows - (mass * rows).sum(2, keepdims=True) / np.maximum(total, tiny)  # [N 1 H 1]
    variance = np.maximum((mass * down * down).sum(2, keepdims=True), np.maximum(total / 16, tiny))
    slant = np.clip((moment * down).sum(2, keepdims=True) / variance, -1, 1)
    place = columns + slant * down  # [N 1 H W]
    left = np.floor(place)
    padded = np.pad(ink, ((0, 0), (0, 0), (0, 0), (1, 1)))
    near = [np.take_along_axis(padded, np.clip(left + n, 0, width + 1).astype(np.int64), 3) for n in (1, 2)]
    found: Floats = lowest + near[0] + (place - left) * (near[1] - near[0])
    return found


def apply_step(step: Operation[Floats], images: Floats, before: Sequence[Floats]) -> Floats:
    """Run one step of a network in numpy, on float32 [N C H W]; `before` are the earlier tensors, one of which a sum
    also reads."""
    if step.kind == "relu":
        return np.maximum(images, 0)
    if step.kind == "clip":
        least, greatest = (np.float32(bound) for bound in step.bounds)
        return np.minimum(np.maximum(images, least), greatest)
    if step.kind in CURVES and (curve := CURVES[step.kind].curve):
        return curve(images)
    if step.kind == "group norm":
        grouped = images.reshape(len(images), step.groups, -1)
        centred = grouped - grouped.mean(-1, keepdims=True)
        deviation = np.sqrt((centred * centred).mean(-1, keepdims=True) + np.float32(step.eps))
        found: Floats = (centred / deviation).reshape(images.shape) * step.weight + step.bias
        return found
    if step.kind == "add":
        return images + before[step.other]
    top, left, bottom, right = step.pad
    if any(step.pad):
        outside = -np.inf if step.kind == "max" else 0.0
        images = np.pad(images, ((0, 0), (0, 0), (top, bottom), (left, right)), constant_values=outside)
    rows, columns = step.stride
    down, right = step.dilation
    windows = sliding_window_view(images, step.reach, axis=(2, 3))  # [N C h w *reach]
    windows = windows[:, :, ::rows, ::columns, ::down, ::right]  # [N C h w *kernel]
    if step.kind == "convolution":
        return _convolved(step, windows)
    # Handle one position of all windows at a time: numpy is slow if the innermost axis is short.
    places = [windows[..., row, column] for row, column in np.ndindex(*step.kernel)]
    return reduce(np.maximum, places) if step.kind == "max" else reduce(np.add, places) / np.float32(len(places))


def _convolved(step: Operation[Floats], windows: Floats) -> Floats:
    """The sums of a convolution, one matrix product per group: [N C h w *kernel] -> [N outputs h w]."""
    assert step.weight is not None and step.bias is not None
    n, channels, height, width = windows.shape[:4]
    groups, taken = step.groups, channels // step.groups
    parts = windows.reshape(n, groups, taken, height, width, *step.kernel).transpose(1, 2, 5, 6, 0, 3, 4)
    columns = parts.reshape(groups, -1, n * height * width)
    kernels = step.weight.reshape(groups, len(step.weight) // groups, -1)
    sums = (kernels @ columns).reshape(len(step.weight), n, height, width).transpose(1, 0, 2, 3)
    return sums + step.bias[:, None, None]
