"""A lowered network in 8-bit integers: the numbers with which the C program computes.

After Jacob et al. (2018): a number is scale * (q - zero), with q from 0 to 255 for activations and from -127 to 127 for
weights (-7 to 7 in 4 bits, -1 to 1 in 2), which have one scale per output channel. We differ in two points, so that 32
bits without division suffice:

* Every sum is made non-negative before it is converted to the next scale: `zero` and all rounding are in the bias.
  A sum below 0 becomes 0, which is ReLU if zero is 0, and saturation otherwise.
* A sum s becomes min(((s >> before) * multiplier) >> after, top): both shifts truncate, the multiplier has 16 bits, and
  the product fits 32 unsigned bits whatever the picture (`before` is chosen from the largest sum that can occur).
* The scores are the last stage's, with a top of 65535 and a zero of 32768, in units of 2^-bits.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featherweight.errors import UsageError
from featherweight.experiments.augmentation import NOTHING, Preprocessing
from featherweight.export.execute import run_step
from featherweight.export.lowering import Lowered, Size, Step
from featherweight.export.preprocessing import preprocess_bytes
from featherweight.networks.layers.activations import CURVES

Integers = NDArray[np.int64]

TOP, WIDE_TOP, WIDE_ZERO = 255, 65535, 32768
LEAST_STEP = 2.0**-22
"""The least step of a weight, in steps of the result for each of the input: a channel that training brought to nothing
would have steps that no 32 bits can scale, and all of its weights together make no difference below this one."""
NORM_BITS = 10
"""Of the fraction of a number of deviations."""
_FRACTIONS = np.linspace(0.3, 1.0, 36)
"""Fractions of the largest activation seen at which a scale may end. The one with the least squared error is used."""


@dataclass(frozen=True, kw_only=True)
class Scale:
    """The meaning of a tensor's integers q: number = step * (q - zero)."""

    step: float
    zero: int


@dataclass(frozen=True, kw_only=True)
class Stage:
    """One operation on integers. Stage i makes tensor i + 1, as in `Lowered`."""

    step: Step
    """Kind, kernel, stride, padding, groups, and for a sum the second tensor."""
    pad_value: int
    """The integer that pads the edge: the zero of the tensor that is read."""
    top: int
    """The largest result: 255, or 65535 for the scores."""
    weights: Integers
    """[outputs, inputs / groups, rows, columns], -127 to 127 or fewer; empty unless the stage is a convolution."""
    bias: Integers
    """One for each output channel of a convolution, a single one for an average or a sum: 32 bits signed, or, where
    weights have fewer than 8 bits, multiples of 2^lift that need 16 without their last zeros."""
    multipliers: Integers
    """16 bits unsigned, as many as biases; a sum has two, for its first and second tensor, and a norm two more."""
    before: int
    after: int
    lift: int = 0
    """Of the biases."""
    table: Integers = field(default_factory=lambda: np.zeros(0, np.int64))
    """For an activation that is looked up: the result for each of 0 to 255. Otherwise empty."""


@dataclass(frozen=True, kw_only=True)
class FixedPoint:
    """A network in integers."""

    stages: tuple[Stage, ...]
    sizes: tuple[Size, ...]
    score_bits: int
    """A score s stands for s / 2^score_bits in the float network."""
    bits: int = 8
    """Of each weight."""
    preprocessing: Preprocessing = NOTHING
    """What is done to a picture's bytes before the first stage."""

    @property
    def classes(self) -> int:
        """The number of scores per picture."""
        return self.sizes[-1][0]


def quantise(lowered: Lowered, pictures: Tensor, mean: Sequence[float], std: Sequence[float]) -> FixedPoint:
    """The network in 8 bits, with the ranges of its activations measured on these pictures (uint8 [N C H W]).

    They should be training pictures, because the ranges are a choice. Raises UsageError if there are none.
    """
    if len(pictures) == 0:
        raise UsageError("The ranges of activations are measured on pictures; give at least one.")
    steps, sizes = _fused_steps(lowered)
    pictures = preprocess_bytes(pictures, lowered.preprocessing)
    spread = torch.tensor(std).reshape(1, -1, 1, 1)
    seen = [(pictures.float() / 255 - torch.tensor(mean).reshape(1, -1, 1, 1)) / spread]
    scales = [Scale(step=1 / 255, zero=round(255 * sum(mean) / len(mean)))]
    stages: list[Stage] = []
    bits = 0
    for index, (step, after) in enumerate(steps):
        out = run_step(step, seen[step.source], seen)
        seen.append(run_step(after, out, seen) if after else out)
        source = scales[step.source]
        if index == len(steps) - 1:
            bits = _score_bits(seen[-1])
            scales.append(Scale(step=2.0**-bits, zero=WIDE_ZERO))
        else:
            scales.append(source if step.kind == "max" else fitting(seen[-1]))
        first = (mean, std) if index == 0 else None
        top = WIDE_TOP if index == len(steps) - 1 else TOP
        stages.append(_stage(step, source, scales, top, first, lowered.bits))
    return FixedPoint(stages=tuple(stages), sizes=tuple(sizes), score_bits=bits, bits=lowered.bits,
                      preprocessing=lowered.preprocessing)  # fmt: skip


def levels(bits: int) -> int:
    """The largest weight of so many bits.

    >>> [levels(bits) for bits in (8, 4, 2)]
    [127, 7, 1]
    """
    return (1 << bits - 1) - 1


def bias_bits(bits: int) -> int:
    """The bits of a bias beside weights of so many bits."""
    return 32 if bits == 8 else 16


def _stored(bias: Integers, bits: int) -> tuple[Integers, int]:
    """The biases as C can store them beside weights of so many bits, and the power of two of which they are multiples.

    >>> _stored(np.array([-7, 32767]), 4), _stored(np.array([-7, 32768]), 8), _stored(np.array([-7, 65535, 40001]), 4)
    ((array([   -7, 32767]), 0), (array([   -7, 32768]), 0), (array([   -8, 65536, 40000]), 2))
    """
    most, lift = (1 << bias_bits(bits) - 1) - 1, 0
    largest = int(np.abs(bias).max())
    while largest + (1 << lift >> 1) >> lift > most:
        lift += 1
    return bias + (1 << lift >> 1) >> lift << lift, lift


def outline(lowered: Lowered) -> FixedPoint:
    """The same stages with all numbers zero: enough to plan the memory of the C program before any training.

    >>> from torch import nn
    >>> from featherweight.export.lowering import lower
    >>> network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(144, 3))
    >>> [stage.weights.size for stage in outline(lower(network.eval(), (1, 8, 8))).stages], 4 * 9, 144 * 3
    ([36, 432], 36, 432)
    """
    steps, sizes = _fused_steps(lowered)
    stages = tuple(_outlined(step) for step, _ in steps)
    return FixedPoint(stages=stages, sizes=tuple(sizes), score_bits=0, bits=lowered.bits,
                      preprocessing=lowered.preprocessing)  # fmt: skip


def _outlined(step: Step) -> Stage:
    weights = (0, 1, 1, 1) if step.weight is None else tuple(step.weight.shape)
    biases = len(step.weight) if step.weight is not None else int(step.kind in ("average", "add"))
    if step.kind == "group norm":
        weights, biases = (0, 1, 1, 1), step.weight.numel() if step.weight is not None else 0
    multipliers = {"add": 2, "group norm": biases + 2}.get(step.kind, biases)
    return Stage(step=step, pad_value=0, top=TOP, weights=np.zeros(weights, np.int64), bias=np.zeros(biases, np.int64),
                 multipliers=np.zeros(multipliers, np.int64), before=0, after=0,
                 table=np.zeros(256 if step.kind in CURVES else 0, np.int64))  # fmt: skip


def _fused_steps(lowered: Lowered) -> tuple[list[tuple[Step, Step | None]], list[Size]]:
    """Steps, each with the ReLU or clip after it if nothing else reads its result; and the sizes of the tensors.

    A scale fitted to the results of a ReLU or clip has the same effect: it ends where they cut off. One that cannot be
    merged becomes a convolution that changes nothing. The same convolution is added to normalise the pictures if the
    first step is not a convolution, and to make the scores if the last step cannot.
    """
    readers = Counter(place for index, step in enumerate(lowered.steps) for place in step.reads(index))
    steps: list[tuple[Step, Step | None]] = []
    sizes = [lowered.sizes[0]]
    place = {0: 0}  # of the lowered network's tensors, among those of the result
    first = lowered.steps[0]
    if first.kind != "convolution" or readers[0] > 1:
        steps.append((_unchanged(sizes[0][0]), None))
        sizes.append(sizes[0])
        place[0] = 1
    for index, step in enumerate(lowered.steps):
        alone = step.reads(index) == (index,) and readers[index] == 1
        cuts = step.kind in ("relu", "clip")
        if cuts and steps and steps[-1][0].kind not in ("max", *CURVES) and alone and not steps[-1][1]:
            steps[-1] = (steps[-1][0], step)
        else:
            source, *_ = (place[tensor] for tensor in step.reads(index))
            made = _unchanged(lowered.sizes[index + 1][0]) if cuts else replace(step, other=place[step.other])
            made = replace(made, source=-1 if source == len(steps) else source)
            steps.append((made, step if cuts else None))
            sizes.append(lowered.sizes[index + 1])
        place[index + 1] = len(steps)
    if steps[-1][0].kind not in ("convolution", "average") or steps[-1][1]:
        steps.append((_unchanged(lowered.classes), None))
        sizes.append(sizes[-1])
    return steps, sizes


def _unchanged(channels: int) -> Step:
    return Step(kind="convolution", name="unchanged", groups=channels, weight=torch.ones(channels, 1, 1, 1),
                bias=torch.zeros(channels))  # fmt: skip


def fitting(values: Tensor) -> Scale:
    """The scale under which these numbers, rounded and clipped, have the least squared error.

    >>> scale = fitting(torch.tensor([0.0, 0.5, 1.0]))
    >>> round(scale.step * 255, 2), scale.zero
    (1.0, 0)
    """
    flat = values.double().flatten()
    flat = flat[:: max(1, len(flat) // 200_000)]
    low, high = min(0.0, float(flat.min())), max(float(flat.max()), 1e-6)
    best, least = Scale(step=1.0, zero=0), float("inf")
    for fraction in _FRACTIONS:
        step = fraction * (high - low) / TOP
        zero = round(-fraction * low / step)
        error = float((flat - step * ((flat / step).round() + zero).clamp(0, TOP).sub(zero)).square().mean())
        if error < least:
            best, least = Scale(step=float(step), zero=zero), error
    return best


def _score_bits(values: Tensor) -> int:
    """The number of fractional bits of 16-bit scores that leaves room for scores four times as large as any seen."""
    return min(14, int(np.floor(np.log2(WIDE_ZERO / max(4 * float(values.abs().max()), 1.0)))))


def _stage(
    step: Step,
    source: Scale,
    scales: Sequence[Scale],
    top: int,
    first: "tuple[Sequence[float], Sequence[float]] | None",
    bits: int,
) -> Stage:
    result = scales[-1]
    if step.kind == "convolution":
        return _quantise_convolution(step, source, result, top, first, bits)
    if step.kind == "average":
        count = step.kernel[0] * step.kernel[1]
        ratio = np.array([source.step / result.step / count])
        bias = result.zero / ratio - count * source.zero
        nothing = np.zeros((0, 1, 1, 1), np.int64)
        return _scaled_stage(step, source.zero, top, nothing, bias, ratio, np.array([count * TOP]), bits)
    if step.kind == "add":
        return _quantise_sum(step, source, scales, top, bits)
    if step.kind == "group norm":
        return _quantise_norm(step, source, result, top, bits)
    none = np.zeros(0, np.int64)
    table = _looked_up(step, source, result) if step.kind in CURVES else none
    return Stage(step=step, pad_value=0, top=top, weights=none.reshape(0, 1, 1, 1), bias=none, multipliers=none,
                 before=0, after=0, table=table)  # fmt: skip


def _looked_up(step: Step, source: Scale, result: Scale) -> Integers:
    """The result of an activation for each of 0 to 255, rounded and clipped."""
    numbers = source.step * (torch.arange(TOP + 1, dtype=torch.float64) - source.zero)
    found: Integers = np.rint(run_step(step, numbers, []).numpy() / result.step).astype(np.int64) + result.zero
    return np.clip(found, 0, TOP)


def _quantise_convolution(step: Step, source: Scale, result: Scale, top: int,
                 first: "tuple[Sequence[float], Sequence[float]] | None", bits: int) -> Stage:  # fmt: skip
    assert step.weight is not None and step.bias is not None
    weight, bias = step.weight.double().numpy(), step.bias.double().numpy()
    outputs = len(bias)
    zero: float | NDArray[np.float64] = float(source.zero)
    if first is not None:  # raw pixels, whose mean is not an integer: exact in the bias, rounded only at the edge
        mean, std = (np.asarray(values, np.float64) for values in first)
        channel = np.arange(outputs) // (outputs // step.groups) * weight.shape[1]
        which = channel[:, None] + np.arange(weight.shape[1])
        weight = weight / std[which][:, :, None, None]
        zero = 255 * mean[which][:, :, None, None]
    largest = np.abs(weight).max(axis=(1, 2, 3))
    # A channel with tiny weights must not get a bias of more than 24 bits.
    steps = np.maximum(largest / levels(bits), np.abs(bias) / source.step / 2**24)
    steps = np.where(steps == 0, result.step / source.step, steps)
    steps = np.maximum(steps, LEAST_STEP * result.step / source.step)
    whole = np.rint(weight / steps[:, None, None, None])
    ratio = steps * source.step / result.step
    offset = bias / (steps * source.step) - (whole * zero).sum(axis=(1, 2, 3)) + result.zero / ratio
    reach = TOP * np.maximum(whole, 0).sum(axis=(1, 2, 3))
    return _scaled_stage(step, source.zero, top, whole.astype(np.int64), offset, ratio, reach, bits)


def _scaled_stage(step: Step, pad_value: int, top: int, weights: Integers, offset: NDArray[np.float64],
            ratio: NDArray[np.float64], reach: NDArray[np.float64] | Integers, bits: int = 8) -> Stage:  # fmt: skip
    """A stage that multiplies sums plus `offset` by `ratio`; without `offset`, the sums are at most `reach`."""
    offset = offset + 0.5 / ratio  # rounds the last shift, which truncates
    largest = float((offset + reach).max())
    before = max(0, int(np.ceil(np.log2(max(largest, 1.0) + 1))) - 16)
    offset = offset + (2**before - 1) / 2  # and the first one, on average
    after = int(np.floor(np.log2(65535 / float(ratio.max())))) - before
    multipliers = np.rint(ratio * 2.0 ** (before + after)).astype(np.int64)
    bias, lift = _stored(np.rint(offset).astype(np.int64), bits)
    highest = np.maximum(bias + reach.astype(np.int64), 0) >> before
    fits = 0 <= after < 32 and multipliers.max() <= 65535 and int((highest * multipliers).max()) < 2**32
    if not fits or np.abs(bias).max() >= 2**30:
        raise UsageError(f"Layer {step.name} has numbers too large or too small for 8 bits; it cannot go to C.")
    return Stage(step=step, pad_value=pad_value, top=top, weights=weights, bias=bias, multipliers=multipliers,
                 before=before, after=after, lift=lift)  # fmt: skip


def _quantise_norm(step: Step, source: Scale, result: Scale, top: int, bits: int) -> Stage:
    """A value's distance from its group's mean in units of 2^-10 deviations, times a multiplier of 16 bits with a sign,
    plus a bias, shifted right by `after`. The last two multipliers are the low and the high half of the epsilon: of
    what is added to a group's variance times its size, in whole steps. See `integers`, which carries it out."""
    assert step.weight is not None and step.bias is not None
    parts = (step.weight, step.bias)  # in the order of C's tensors: rows, columns, channels
    weight, bias = (part.double().permute(1, 2, 0).reshape(-1).numpy() / result.step for part in parts)
    offset = bias + result.zero
    most = ((2**15 - 1) * 2.0**NORM_BITS, 2.0**29)  # of multipliers and of biases
    room = (most[0] / max(np.abs(weight).max(), 1e-9), most[1] / max(np.abs(offset).max(), 1.0))
    after = min(24, *(int(np.floor(np.log2(ratio))) for ratio in room))
    multipliers = np.rint(weight * 2.0 ** (after - NORM_BITS)).astype(np.int64)
    size = group_size(step)
    epsilon = round(size * step.eps / source.step**2)
    if after < 0 or epsilon >= 2**32 or size >= 2**23:
        raise UsageError(f"Layer {step.name} has numbers too large or too small for 8 bits; it cannot go to C.")
    halves = np.array([epsilon & 0xFFFF, epsilon >> 16])
    stored, lift = _stored(np.rint(offset * 2.0**after).astype(np.int64) + (1 << after >> 1), bits)
    return Stage(step=step, pad_value=0, top=top, weights=np.zeros((0, 1, 1, 1), np.int64), bias=stored,
                 multipliers=np.append(multipliers & 0xFFFF, halves), before=0, after=after, lift=lift)  # fmt: skip


def group_size(step: Step) -> int:
    """The number of values that a norm takes the mean of."""
    return step.channels // step.groups * step.kernel[0] * step.kernel[1]


def _quantise_sum(step: Step, source: Scale, scales: Sequence[Scale], top: int, bits: int) -> Stage:
    """first * multiplier + second * multiplier + bias, shifted right by `after` alone."""
    parts, result = (source, scales[step.other]), scales[-1]
    ratios = np.array([part.step / result.step for part in parts])
    after = int(np.floor(np.log2(65535 / ratios.max())))
    multipliers = np.rint(ratios * 2.0**after).astype(np.int64)
    zeros = sum(int(m) * part.zero for m, part in zip(multipliers, parts, strict=True))
    bias, lift = _stored(np.array([(result.zero << after) - zeros + (1 << after >> 1)]), bits)
    return Stage(step=step, pad_value=0, top=top, weights=np.zeros((0, 1, 1, 1), np.int64), bias=bias,
                 multipliers=multipliers, before=0, after=after, lift=lift)  # fmt: skip
