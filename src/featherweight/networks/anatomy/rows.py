"""The anatomy of a network as data: rows and totals, which print as a table."""

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import groupby
from typing import Any

from featherweight.networks.layers.fields import pair

Extent = int | tuple[int, int]
"""Pixels: one number if height and width are equal, else both."""


@dataclass(frozen=True, kw_only=True)
class LayerRow:
    """One layer, or one call of a function; the rules of counting are in `featherweight.networks.anatomy`."""

    name: str
    """The layer's path, such as `3.0`, or `2.add` for a function called in layer 2; a second use ends in `#2`."""
    kind: str
    """The kind of layer, such as `Conv2d 3x3`, `BatchNorm2d` or `add`."""
    output: tuple[int, ...]
    """Shape of its output without the batch dimension: C H W, or features."""
    parameters: int
    """Number of parameters that it is the first to use."""
    macs: int
    """Multiply-adds per image."""
    field: Extent
    """Receptive field in input pixels."""
    jump: Extent
    """Distance between neighbouring units in input pixels."""
    window: tuple[tuple[int, int], tuple[int, int]]
    """First and last row, then column, of the pixels that the middle unit sees; those beyond the image are padding."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Anatomy:
    """The anatomy of a network; it prints as a table."""

    rows: tuple[LayerRow, ...]
    parameters: int
    """Number of all parameters in `network.parameters()`, trained or frozen, each counted once."""
    macs: int
    """Multiply-adds per image."""
    buffers: int
    """Number of values that no gradient changes: running statistics of batch norms and their counters, and constants
    such as those of a fixed filter, whether they are declared as a buffer or not."""
    image: tuple[int, int]
    """Height and width of the input in pixels."""
    field: Extent
    """Receptive field of the network's output."""

    @property
    def unused(self) -> int:
        """Number of parameters that no row uses; the total includes them."""
        return self.parameters - sum(row.parameters for row in self.rows)

    @property
    def exceeds_image(self) -> bool:
        """Whether the field is larger than the image in height or width."""
        return any(field > side for field, side in zip(pair(self.field), self.image, strict=True))

    def sentence(self) -> str:
        """Sentences: the field compared with the image, and which norms make it that of the whole map."""
        field, image = _extent_cell(self.field), _extent_cell(extent(self.image))
        norms = [row for row in self.rows if row.kind in ("GroupNorm", "LayerNorm", "group_norm", "layer_norm")]
        norm = ""
        if norms:
            norm = f" From {norms[0].name} ({norms[0].kind}) on, it is the whole map's, as its statistics are."
        if self.exceeds_image:
            return (
                f"The receptive field of {field} px exceeds the image's {image} px:"
                f" what lies beyond the image is padding.{norm}"
            )
        return f"The receptive field of {field} px is within the image's {image} px.{norm}"

    def largest(self, n: int = 3) -> list[tuple[str, int]]:
        """Names and parameters of the n layers with the most parameters, largest first."""
        ranked = sorted(self.rows, key=lambda row: -row.parameters)
        return [(row.name, row.parameters) for row in ranked[:n] if row.parameters]

    def costliest(self, n: int = 3) -> list[tuple[str, int]]:
        """Names and multiply-adds of the n rows with the most multiply-adds, costliest first."""
        ranked = sorted(self.rows, key=lambda row: -row.macs)
        return [(row.name, row.macs) for row in ranked[:n] if row.macs]

    def blocks(self) -> tuple[LayerRow, ...]:
        """One row for each top-level child and each function called between them, with sums and the final output."""
        grouped = groupby(self.rows, key=lambda row: row.name.split(".")[0])
        return tuple(_block(name, tuple(rows)) for name, rows in grouped)

    def table(self) -> str:
        """The rows as aligned text, followed by totals and a comparison of the field with the image."""
        lines = list(_aligned([_HEADER, *(_layer_cells(row) for row in self.rows)]))
        lines.insert(1, "─" * max(map(len, lines)))
        lines += [
            lines[1],
            f"{self.parameters:,} parameters, {self.macs:,} MACs, {self.buffers:,} numbers in buffers.",
        ]
        if self.unused:
            lines.append(f"{self.unused:,} of the parameters are used by no row.")
        return "\n".join([*lines, self.sentence()])

    def __repr__(self) -> str:
        return self.table()

    def to_json(self) -> dict[str, Any]:
        """Parameters, MACs and layers as plain values; a field that is not square is a list."""
        return {
            "parameters": self.parameters,
            "macs": self.macs,
            "layers": [
                {
                    "name": row.name,
                    "output": list(row.output),
                    "parameters": row.parameters,
                    "macs": row.macs,
                    "field": row.field if isinstance(row.field, int) else list(row.field),
                    "jump": row.jump if isinstance(row.jump, int) else list(row.jump),
                }
                for row in self.rows
            ],
        }


_HEADER = ("layer", "kind", "output", "parameters", "MACs", "field", "jump")
_WIDEST_TEXT = 22  # of the first two columns, so that a line stays within 100 characters


def extent(sides: tuple[int, int]) -> Extent:
    """Height and width as one number if they are equal.

    >>> extent((5, 5)), extent((5, 3))
    (5, (5, 3))
    """
    return sides[0] if sides[0] == sides[1] else sides


def _extent_cell(extent: Extent) -> str:
    return str(extent) if isinstance(extent, int) else f"{extent[0]}x{extent[1]}"


def _block(name: str, rows: tuple[LayerRow, ...]) -> LayerRow:
    return LayerRow(
        name=name,
        kind=" + ".join(row.kind for row in rows),
        output=rows[-1].output,
        parameters=sum(row.parameters for row in rows),
        macs=sum(row.macs for row in rows),
        field=rows[-1].field,
        jump=rows[-1].jump,
        window=rows[-1].window,
    )


def _layer_cells(row: LayerRow) -> tuple[str, ...]:
    name = row.name if len(row.name) <= _WIDEST_TEXT else "…" + row.name[1 - _WIDEST_TEXT :]
    kind = row.kind if len(row.kind) <= _WIDEST_TEXT else row.kind[: _WIDEST_TEXT - 1] + "…"
    output = "x".join(map(str, row.output))
    return (
        name,
        kind,
        output,
        f"{row.parameters:,}",
        f"{row.macs:,}",
        _extent_cell(row.field),
        _extent_cell(row.jump),
    )


def _aligned(cells: list[tuple[str, ...]]) -> Iterable[str]:
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = [
            cell.ljust(width) if index < 3 else cell.rjust(width)
            for index, (cell, width) in enumerate(zip(row, widths, strict=True))
        ]
        yield "  ".join(padded).rstrip()
