"""The C program of a network in integers: a header, a source, an example program and an Arduino sketch."""

import textwrap
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from featherweight.errors import UsageError
from featherweight.files import c_string, in_c_comment
from featherweight.ship.export.fixed_point import FixedPoint, Integers, Stage
from featherweight.ship.export.memory import Memory, planned, report, tallest
from featherweight.ship.export.page import DIGITS
from featherweight.ship.export.source import Source
from featherweight.ship.export.templates import rendered
from featherweight.ship.steps import CURVES

_KINDS = {"convolution": "CONVOLUTION", "max": "MAXIMUM", "average": "AVERAGE", "add": "SUM"} | dict.fromkeys(
    CURVES, "TABLE"
)


def files(source: Source, network: FixedPoint, calibration: str) -> dict[str, str]:
    """The texts, by their paths in the network's folder; the same network gives the same texts.

    `calibration` describes the pictures that the ranges of activations come from. Raises UsageError, naming the layer,
    if a number does not fit the C field that holds it.
    """
    memory = planned(network)
    require_in_range(network, memory)
    values = _values(source, network, memory, calibration)
    return {
        f"{source.name}.h": rendered("network.h.j2", values),
        f"{source.name}.c": rendered("network.c.j2", values),
        f"{source.name}.ino": rendered("sketch.ino.j2", values),
        # The Arduino IDE compiles every C file beside the sketch, but none in folders of other names than src.
        "example/main.c": rendered("main.c.j2", values),
    }


def _values(source: Source, network: FixedPoint, memory: Memory, calibration: str) -> dict[str, Any]:
    """The values that the templates refer to."""
    channels, height, width = network.sizes[0]
    weights = [kernel.weights.transpose(0, 2, 3, 1).ravel() for kernel in network.stages]
    return {
        "name": source.name,
        "NAME": source.name.upper(),
        "sentence": in_c_comment(source.sentence()),
        "version": in_c_comment(source.version),
        "calibration": in_c_comment(calibration),
        "report": [in_c_comment(line) for line in report(network, memory)],
        "channels": channels,
        "height": height,
        "width": width,
        "classes": [in_c_comment(name) for name in source.classes],
        "quoted": [c_string(name) for name in source.classes],
        "digits": (source.shape, source.classes) == ((1, 28, 28), DIGITS),
        "score_bits": network.score_bits,
        "arena": memory.arena,
        "rows": memory.rows,
        "dilated": _dilated(network),
        "tables": _numbers(np.concatenate(tables)) if (tables := _tables(network)) else "",
        "sums": memory.sums,
        "streams": any(stream is not None for stream in memory.streams),
        "tallest": tallest(network, memory.streams),
        "kinds": {stage.step.kind for stage in network.stages},
        "weights": _numbers(np.concatenate(weights)),
        "biases": _numbers(np.concatenate([stage.bias for stage in network.stages])),
        "multipliers": _numbers(np.concatenate([stage.multipliers for stage in network.stages])),
        "branches": _branches(network),
        "tensors": _tensors(network, memory),
        "stages": _stages(network, memory),
    }


def _branches(network: FixedPoint) -> bool:
    """Whether some layer reads a tensor other than the previous one; only then does C's table say which."""
    return any(stage.step.kind == "add" for stage in network.stages)


def _dilated(network: FixedPoint) -> bool:
    """Whether some kernel has gaps; only then does C's table say how large they are."""
    return any(stage.step.dilation != (1, 1) for stage in network.stages)


def _tables(network: FixedPoint) -> list[Integers]:
    """The tables of the activations that are looked up, in order."""
    return [stage.table for stage in network.stages if stage.step.kind in CURVES]


_BYTE, _SHORT, _WORD = (1 << 8) - 1, (1 << 16) - 1, (1 << 32) - 1
_LAYER = (("weights", _WORD), ("scaling", _WORD), ("multipliers", _SHORT), ("groups", _SHORT), ("outputs", _SHORT),
          ("inputs", _SHORT), ("other", _SHORT), ("kind", None), ("rows", _BYTE), ("columns", _BYTE), ("down", _BYTE),
          ("right", _BYTE), ("above", _BYTE), ("left", _BYTE), ("zero", _BYTE), ("before", _BYTE),
          ("after", _BYTE), ("dilation of rows", _BYTE), ("dilation of columns", _BYTE))  # fmt: skip
_SOURCE = (("source", _SHORT),)
"""Follows `multipliers` if the network has branches."""
_TENSOR = (("place", _WORD), ("channels", _SHORT), ("height", _SHORT), ("width", _SHORT), ("ring", _SHORT))
"""The fields of C's `layer` and `tensor`, in order, with the largest number that each can hold."""
_INT = (1 << 31) - 1


def require_in_range(network: FixedPoint, memory: Memory) -> None:
    """Raise UsageError, naming the layer, unless C's fields can hold every number; a compiler would truncate them."""
    tensors = _tensors(network, memory)
    for number, (stage, layer) in enumerate(zip(network.stages, _stages(network, memory), strict=True)):
        called = f"Layer {stage.step.name}"
        made, read = tensors[number + 1], tensors[stage.step.reads(number)[0]]
        columns = (*_LAYER[:3], *_SOURCE, *_LAYER[3:]) if _branches(network) else _LAYER
        for fields, values in ((columns, layer), (_TENSOR, made), (_TENSOR, read)):
            for (name, most), value in zip(fields, values, strict=False):
                if most is not None and not 0 <= value <= most:
                    raise UsageError(
                        f"{called} has {name} {value:,}, and C's field holds 0 to {most:,}; it cannot become C."
                        " Make the layer or its input smaller."
                    )
        if max(stage.weights.size, *(side[1] * side[2] * side[3] for side in (made, read))) > _INT:
            raise UsageError(f"{called} has more numbers than an int in C can count; it cannot become C.")


def _numbers(values: Iterable[int]) -> str:
    """The numbers in lines of at most 110 characters; a single 0 if there are none, since C has no empty arrays.

    >>> _numbers([1, -2])
    '    1, -2'
    """
    text = ", ".join(str(int(value)) for value in values) or "0"
    return textwrap.fill(text, 110, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)


def _tensors(network: FixedPoint, memory: Memory) -> list[Sequence[int]]:
    """The fields of C's `tensor`, in its order, for each tensor."""
    rows = zip(memory.places, network.sizes, memory.rings, strict=True)
    return [(place, channels, height, width, ring) for place, (channels, height, width), ring in rows]


def _stages(network: FixedPoint, memory: Memory) -> list[Sequence[Any]]:
    """The fields of C's `layer`, in its order, for each stage."""
    found: list[Sequence[Any]] = []
    weights = scaling = multipliers = looked_up = 0
    for index, stage in enumerate(network.stages):
        source = stage.step.reads(index)[0]
        stream = memory.streams[index]
        if stage.step.kind in CURVES:
            stream = looked_up
            looked_up += 1
        settings = _shape(stage, network.sizes[source][0], stream)
        if _dilated(network):
            settings = (*settings, *stage.step.dilation)
        found.append((weights, scaling, multipliers, *([source] if _branches(network) else []), *settings))
        weights += stage.weights.size
        scaling += stage.bias.size
        multipliers += stage.multipliers.size
    return found


def _shape(stage: Stage, channels: int, stream: int | None) -> Sequence[Any]:
    """The fields of C's `layer` from `groups` on."""
    step = stage.step
    rows, columns = step.kernel
    top, left, *_ = step.pad
    outputs, inputs = len(stage.weights) // step.groups, channels // step.groups
    kind, other = _KINDS[step.kind], step.other
    if stream is not None:
        kind, other = kind if step.kind in CURVES else f"{kind} | BY_ROW", stream
    return (step.groups, outputs, inputs, other, kind, rows, columns, *step.stride, top, left,
            stage.pad_value, stage.before, stage.after)  # fmt: skip
