"""The two tables that steer the C program, of tensors and of layers, in the narrowest types that hold their numbers;
and the parts of the program that a network needs, which decide the size of its code.

What decides a field's type follows from the layers alone, so that the tables' size is known before training.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Any

import numpy as np

from featherweight.errors import UsageError
from featherweight.export.fixed_point import FixedPoint, Integers, Stage
from featherweight.networks.layers.activations import CURVES
from featherweight.networks.steps import Operation

_KINDS = {
    "convolution": "CONVOLUTION",
    "max": "MAXIMUM",
    "average": "AVERAGE",
    "add": "ADD",
    "group norm": "NORM",
} | dict.fromkeys(CURVES, "TABLE")
_BYTE, _SHORT, _WORD = (1 << 8) - 1, (1 << 16) - 1, (1 << 32) - 1
_INT = (1 << 31) - 1
_TYPES = ((1, _BYTE, "uint8_t"), (2, _SHORT, "uint16_t"), (4, _WORD, "uint32_t"))

# The largest number that the program can work with; None where it is written as a word of C.
_LAYER = {
    "weights": _INT, "scaling": _INT, "source": _SHORT, "groups": _SHORT, "outputs": _SHORT, "inputs": _SHORT,
    "other": _SHORT, "kind": None, "kernel_rows": _BYTE, "kernel_columns": _BYTE, "stride_y": _BYTE,
    "stride_x": _BYTE, "pad_top": _BYTE, "pad_left": _BYTE, "zero_point": _BYTE, "shift_before": _BYTE,
    "shift_after": _BYTE, "bias_shift": _BYTE, "dilation_y": _BYTE, "dilation_x": _BYTE,
}  # fmt: skip
_TENSOR = {"place": _WORD, "channels": _SHORT, "height": _SHORT, "width": _SHORT, "ring": _SHORT}
_SETTLED_LATER = ("zero_point", "shift_before", "shift_after", "bias_shift")
"""Fields that only training decides: they have a byte, whatever they hold."""
_ABOUT = {
    "place": "of the ring, in `memory`",
    "weights": "the first one, [outputs][rows][columns][inputs]",
    "scaling": "the first bias and the first multiplier",
    "source": "the tensor that is read",
    "outputs": "of each group; of a norm, its multipliers",
    "inputs": "of each group",
    "other": "the second tensor of a sum, the first of the kept sums or of a norm's groups, or which table",
    "bias_shift": "biases are in units of two to this power",
}


@dataclass(frozen=True, kw_only=True)
class StructField:
    """A field of C's struct."""

    name: str
    type: str
    size: int
    """Bytes."""
    about: str


@dataclass(frozen=True, kw_only=True)
class StructTable:
    """An array of structs in C."""

    fields: tuple[StructField, ...]
    """The widest first, so that nothing is lost to alignment but at the end."""
    rows: tuple[tuple[Any, ...], ...]
    """A value for each field."""

    @property
    def bytes(self) -> int:
        """The size of the array.

        >>> StructTable(fields=(StructField(name="a", type="uint16_t", size=2, about=""),
        ...               StructField(name="b", type="uint8_t", size=1, about="")), rows=((1, 2), (3, 4))).bytes
        8
        """
        widest = max(field.size for field in self.fields)
        return len(self.rows) * -(-sum(field.size for field in self.fields) // widest) * widest


def tensors_of(network: FixedPoint, places: Sequence[int], rings: Sequence[int]) -> StructTable:
    """The table of tensors; `places` and `rings` are as in `Memory`."""
    rows = zip(places, network.sizes, rings, strict=True)
    return _struct_table(
        _TENSOR,
        [
            {"place": place, "channels": channels, "height": height, "width": width, "ring": ring}
            for place, (channels, height, width), ring in rows
        ],
    )


def layer_table(network: FixedPoint, streams: Sequence[int | None]) -> StructTable:
    """The table of layers; `streams` is as in `Memory`."""
    found = []
    weights = scaling = looked_up = groups = 0
    others = any(stage.step.kind in ("add", "group norm", *CURVES) for stage in network.stages) or any(
        stream is not None and stage.step.kind != "max" for stage, stream in zip(network.stages, streams, strict=True)
    )
    for index, stage in enumerate(network.stages):
        source, stream = stage.step.reads(index)[0], streams[index]
        if stage.step.kind in CURVES:
            stream = looked_up
            looked_up += 1
        if stage.step.kind == "group norm":
            stream = groups
            groups += stage.step.groups
        row = {"weights": weights, "scaling": scaling, **_layer_settings(stage, network.sizes[source][0], stream)}
        row |= {"source": source} if _branches(network) else {}
        row |= {"other": max(stage.step.other if stream is None else stream, 0)} if others else {}
        row |= {"bias_shift": stage.lift} if network.bits < 8 else {}
        row |= dict(zip(("dilation_y", "dilation_x"), stage.step.dilation, strict=True)) if dilated(network) else {}
        found.append(row)
        weights += stored_weights(stage, network.bits).size
        scaling += stage.multipliers.size
    return _struct_table(_LAYER, found)


def stored_weights(stage: Stage, bits: int) -> Integers:
    """The weights of a stage in the order of C, [outputs][rows][columns][inputs]: of 4 bits, those of an output that
    takes all channels begin with a byte of their own."""
    rows = stage.weights.transpose(0, 2, 3, 1).reshape(len(stage.weights), math.prod(stage.weights.shape[1:]))
    odd = bits == 4 and stage.step.groups == 1 and rows.shape[1] % 2
    found: Integers = np.pad(rows, ((0, 0), (0, odd))).ravel() if odd else rows.ravel()
    return np.pad(found, (0, -len(found) % 2)) if bits == 4 else found


def _branches(network: FixedPoint) -> bool:
    """Whether some layer reads a tensor other than the previous one; only then does C's table say which."""
    return any(stage.step.kind == "add" for stage in network.stages)


def dilated(network: FixedPoint) -> bool:
    """Whether some kernel has gaps; only then does C's table say how large they are."""
    return any(stage.step.dilation != (1, 1) for stage in network.stages)


def _layer_settings(stage: Stage, channels: int, stream: int | None) -> dict[str, Any]:
    step = stage.step
    kind = _KINDS[step.kind]
    outputs = len(stage.weights) if step.kind != "group norm" else len(stage.bias)
    if stream is not None and step.kind not in ("group norm", *CURVES):
        kind = f"{kind} | BY_ROW"
    (rows, columns), (down, right), (above, left, *_) = step.kernel, step.stride, step.pad
    return {
        "groups": step.groups, "outputs": outputs // step.groups, "inputs": channels // step.groups,
        "kind": kind, "kernel_rows": rows, "kernel_columns": columns, "stride_y": down,
        "stride_x": right, "pad_top": above, "pad_left": left, "zero_point": stage.pad_value,
        "shift_before": stage.before, "shift_after": stage.after,
    }  # fmt: skip


def _struct_table(known: Mapping[str, int | None], rows: Sequence[dict[str, Any]]) -> StructTable:
    fields = []
    for name in (name for name in known if name in rows[0]):
        most = 0 if known[name] is None or name in _SETTLED_LATER else max(row[name] for row in rows)
        size, _, type_ = next((one for one in _TYPES if most <= one[1]), _TYPES[-1])
        fields.append(StructField(name=name, type=type_, size=size, about=_ABOUT.get(name, "")))
    fields.sort(key=lambda field: -field.size)
    return StructTable(fields=tuple(fields), rows=tuple(tuple(row[field.name] for field in fields) for row in rows))


def require_in_range(network: FixedPoint, tensors: StructTable, layers: StructTable) -> None:
    """Raise UsageError, naming the layer, unless the C program can work with every number."""

    def values(table: StructTable, row: int) -> dict[str, Any]:
        return {field.name: value for field, value in zip(table.fields, table.rows[row], strict=True)}

    for number, stage in enumerate(network.stages):
        called = f"Layer {stage.step.name}"
        made, read = (values(tensors, place) for place in (number + 1, stage.step.reads(number)[0]))
        for known, row in ((_LAYER, values(layers, number)), (_TENSOR, made), (_TENSOR, read)):
            for name, value in row.items():
                most = known[name]
                if most is not None and not 0 <= value <= most:
                    raise UsageError(
                        f"{called} has {name} {value:,}, and C's field holds 0 to {most:,}; it cannot be exported to C."
                        " Make the layer or its input smaller."
                    )
        sizes = (side["channels"] * side["width"] * side["ring"] for side in (made, read))
        if max(stage.weights.size, *sizes) > _INT:
            raise UsageError(f"{called} has more numbers than an int in C can count; it cannot be exported to C.")


OPTIONAL_KINDS = ("max", "average", "add")
"""Kinds of step other than convolutions, which every network has."""

Variant = tuple[str, ...]
"""The kinds of step that occur, as in `OPTIONAL_KINDS`; then "rows" if a layer takes its input row by row, and
"sums" if it keeps sums between rows; "table" if activations are looked up; "dilated" if kernels have gaps; "packed" if
a byte holds several weights."""


def variant_of(steps: Sequence[Operation[Any]], streams: Sequence[int | None], bits: int = 8) -> Variant:
    """The variant of a network with these steps and weights of so many bits; `streams` is as in `Memory`."""
    present = {step.kind for step in steps}
    by_row = [step.kind for step, stream in zip(steps, streams, strict=True) if stream is not None]
    found: list[str] = [kind for kind in OPTIONAL_KINDS if kind in present]
    found += ["rows"] if by_row else []
    found += ["sums"] if any(kind != "max" for kind in by_row) else []
    found += ["table"] if present & set(CURVES) else []
    found += ["dilated"] if any(step.dilation != (1, 1) for step in steps) else []
    return (*found, *(["packed"] if bits < 8 else []))


def name_of(variant: Variant) -> str:
    """The name under which the measured figures are stored.

    >>> name_of(()), name_of(("max", "rows"))
    ('plain', 'max+rows')
    """
    return "+".join(variant) or "plain"


def progress_bytes(variant: Variant) -> int:
    """The bytes that the C program keeps per tensor on its stack: two numbers of 16 bits, or three.

    >>> progress_bytes(()), progress_bytes(("max", "rows"))
    (4, 6)
    """
    return 6 if "rows" in variant else 4


def all_variants() -> list[Variant]:
    """Every possible variant.

    >>> len(all_variants())
    160
    """
    found: list[Variant] = []
    for count in range(len(OPTIONAL_KINDS) + 1):
        for kinds in combinations(OPTIONAL_KINDS, count):
            found += [kinds, (*kinds, "rows", "sums")]
            found += [(*kinds, "rows")] if "max" in kinds else []
    found = [(*variant, *more) for more in _LAST for variant in found]
    return found + [(*variant, "packed") for variant in found]


_LAST = ((), ("table",), ("dilated",), ("table", "dilated"))
