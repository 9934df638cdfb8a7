"""The C program of a network in integers: a header, a source, an example program and an Arduino sketch."""

import textwrap
from collections.abc import Iterable
from typing import Any

import numpy as np

from featherweight.escape import c_string, in_c_comment
from featherweight.export.fast_path import edge, pairs, window
from featherweight.export.fixed_point import FixedPoint, Integers, Stage, bias_bits
from featherweight.export.memory import Memory, memory_report, planned, tallest
from featherweight.export.page import DIGITS
from featherweight.export.preprocessing import FLATTEST_BITS
from featherweight.export.source import Source
from featherweight.export.tables import dilated, layer_table, require_in_range, tensors_of
from featherweight.export.templates import rendered
from featherweight.networks.layers.activations import CURVES


def source_files(source: Source, network: FixedPoint, calibration: str) -> dict[str, str]:
    """The texts, by their paths in the network's folder; the same network gives the same texts.

    `calibration` describes the pictures that the ranges of activations come from. Raises UsageError, naming the layer,
    if a number does not fit the C field that holds it.
    """
    memory = planned(network)
    tensors, layers = tensors_of(network, memory.places, memory.rings), layer_table(network, memory.streams)
    require_in_range(network, tensors, layers)
    values = _template_values(source, network, memory, calibration) | {"tensors": tensors, "layers": layers}
    return {
        f"{source.name}.h": rendered("network.h.j2", values),
        f"{source.name}.c": rendered("network.c.j2", values),
        f"{source.name}.ino": rendered("sketch.ino.j2", values),
        # The Arduino IDE compiles every C file beside the sketch, but none in folders of other names than src.
        "example/main.c": rendered("main.c.j2", values),
    }


def _template_values(source: Source, network: FixedPoint, memory: Memory, calibration: str) -> dict[str, Any]:
    """The values that the templates refer to."""
    channels, height, width = source.shape
    weights = [kernel.weights.transpose(0, 2, 3, 1).ravel() for kernel in network.stages]
    return {
        "name": source.name,
        "NAME": source.name.upper(),
        "sentence": in_c_comment(source.sentence()),
        "version": in_c_comment(source.version),
        "calibration": in_c_comment(calibration),
        "report": [in_c_comment(line) for line in memory_report(network, memory)],
        "channels": channels,
        "height": height,
        "crop": 0 if network.preprocessing.deskew else network.preprocessing.crop,
        "deskew": _deskewing(source, network),
        "heights": [high for _, high, _ in network.sizes],
        "width": width,
        "classes": [in_c_comment(name) for name in source.classes],
        "quoted": [c_string(name) for name in source.classes],
        "digits": (source.shape, source.classes) == ((1, 28, 28), DIGITS),
        "score_bits": network.score_bits,
        "arena": memory.arena,
        "rows": memory.rows,
        "dilated": dilated(network),
        "tables": _number_lines(np.concatenate(tables)) if (tables := _tables(network)) else "",
        "sums": memory.sums,
        "streams": any(stream is not None for stream in memory.streams),
        "window": window(network, memory.streams),
        "pairs": pairs(network, memory.streams),
        "edge": edge(network),
        "tallest": tallest(network, memory.streams),
        "kinds": {stage.step.kind for stage in network.stages},
        "weights": _number_lines(packed(np.concatenate(weights), network.bits)),
        "bits": network.bits,
        "biases": _number_lines(np.concatenate([_biases(stage) for stage in network.stages])),
        "bias_bits": bias_bits(network.bits),
        "multipliers": _number_lines(np.concatenate([stage.multipliers for stage in network.stages])),
        "branches": any(stage.step.kind == "add" for stage in network.stages),
    }


def _deskewing(source: Source, network: FixedPoint) -> str:
    """The functions of C that deskew a picture, and crop it as well; none if pictures are not deskewed."""
    if not network.preprocessing.deskew:
        return ""
    (_, height, width), (_, rows, columns) = source.shape, network.sizes[0]
    values = {"height": height, "width": width, "rows": rows, "columns": columns, "flattest": FLATTEST_BITS,
              "crop": network.preprocessing.crop, "margin": height}  # fmt: skip
    return rendered("deskew.c.j2", values)


def _biases(stage: Stage) -> Integers:
    """As many as multipliers, so that one number says where both begin: a sum's second one is never read."""
    return np.pad(stage.bias >> stage.lift, (0, len(stage.multipliers) - len(stage.bias)))


def _tables(network: FixedPoint) -> list[Integers]:
    """The tables of the activations that are looked up, in order."""
    return [stage.table for stage in network.stages if stage.step.kind in CURVES]


def _number_lines(values: Iterable[int]) -> str:
    """The numbers in lines of at most 110 characters; a single 0 if there are none, since C has no empty arrays.

    >>> _number_lines([1, -2])
    '    1, -2'
    """
    text = ", ".join(str(int(value)) for value in values) or "0"
    return textwrap.fill(text, 110, initial_indent="    ", subsequent_indent="    ", break_on_hyphens=False)


def packed(weights: Integers, bits: int) -> Integers:
    """The weights as C holds them: one a byte in 8 bits, otherwise several, in two's complement, the first one lowest.

    >>> packed(np.array([-7, 7, 1]), 4).tolist(), packed(np.array([-1, 1, 0, 0, 1]), 2).tolist()
    ([121, 1], [7, 1])
    """
    if bits == 8:
        return weights
    each = 8 // bits
    whole = np.pad(weights & (1 << bits) - 1, (0, -len(weights) % each)).reshape(-1, each)
    found: Integers = (whole << bits * np.arange(each)).sum(axis=1)
    return found
