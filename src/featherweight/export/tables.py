"""The two tables that steer the C program, of tensors and of layers, in the narrowest types that hold their numbers.

What decides a field's type follows from the layers alone, so that the tables' size is known before training.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featherweight.errors import UsageError
from featherweight.export.fixed_point import FixedPoint, Stage
from featherweight.networks.layers.activations import CURVES

_KINDS = {"convolution": "CONVOLUTION", "max": "MAXIMUM", "average": "AVERAGE", "add": "SUM"} | dict.fromkeys(
    CURVES, "TABLE"
)
_BYTE, _SHORT, _WORD = (1 << 8) - 1, (1 << 16) - 1, (1 << 32) - 1
_INT = (1 << 31) - 1
_TYPES = ((1, _BYTE, "uint8_t"), (2, _SHORT, "uint16_t"), (4, _WORD, "uint32_t"))

# The largest number that the program can work with; None where it is written as a word of C.
_LAYER = {
    "weights": _WORD, "scaling": _WORD, "source": _SHORT, "groups": _SHORT, "outputs": _SHORT, "inputs": _SHORT,
    "other": _SHORT, "kind": None, "rows": _BYTE, "columns": _BYTE, "down": _BYTE, "right": _BYTE, "above": _BYTE,
    "left": _BYTE, "zero": _BYTE, "before": _BYTE, "after": _BYTE, "lift": _BYTE, "below": _BYTE, "beside": _BYTE,
}  # fmt: skip
_TENSOR = {"place": _WORD, "channels": _SHORT, "height": _SHORT, "width": _SHORT, "ring": _SHORT}
_SETTLED_LATER = ("zero", "before", "after", "lift")
"""Fields that only training decides: they have a byte, whatever they hold."""
_ABOUT = {
    "place": "of the ring, in `memory`",
    "weights": "the first one, [outputs][rows][columns][inputs]",
    "scaling": "the first bias and the first multiplier",
    "source": "the tensor that is read",
    "outputs": "of each group",
    "inputs": "of each group",
    "other": "the second tensor of a sum, the first of the sums kept between rows, or which table",
    "lift": "biases are in units of two to this power",
    "below": "from one row of the kernel to the next",
    "beside": "from one of its columns to the next",
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
    weights = scaling = looked_up = 0
    for index, stage in enumerate(network.stages):
        source, stream = stage.step.reads(index)[0], streams[index]
        if stage.step.kind in CURVES:
            stream = looked_up
            looked_up += 1
        row = {"weights": weights, "scaling": scaling, **_layer_settings(stage, network.sizes[source][0], stream)}
        row |= {"source": source} if _branches(network) else {}
        row |= {"lift": stage.lift} if network.bits < 8 else {}
        row |= dict(zip(("below", "beside"), stage.step.dilation, strict=True)) if dilated(network) else {}
        found.append(row)
        weights += stage.weights.size
        scaling += stage.multipliers.size
    return _struct_table(_LAYER, found)


def _branches(network: FixedPoint) -> bool:
    """Whether some layer reads a tensor other than the previous one; only then does C's table say which."""
    return any(stage.step.kind == "add" for stage in network.stages)


def dilated(network: FixedPoint) -> bool:
    """Whether some kernel has gaps; only then does C's table say how large they are."""
    return any(stage.step.dilation != (1, 1) for stage in network.stages)


def _layer_settings(stage: Stage, channels: int, stream: int | None) -> dict[str, Any]:
    step = stage.step
    kind, other = _KINDS[step.kind], step.other
    if stream is not None:
        kind, other = kind if step.kind in CURVES else f"{kind} | BY_ROW", stream
    (rows, columns), (down, right), (above, left, *_) = step.kernel, step.stride, step.pad
    return {
        "groups": step.groups, "outputs": len(stage.weights) // step.groups, "inputs": channels // step.groups,
        "other": max(other, 0), "kind": kind, "rows": rows, "columns": columns, "down": down, "right": right,
        "above": above, "left": left, "zero": stage.pad_value, "before": stage.before, "after": stage.after,
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
