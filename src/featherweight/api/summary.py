"""The anatomy of any network as one table, nested as its modules are, and what it can be exported to."""

import copy
from dataclasses import dataclass, field
from itertools import groupby

from torch import nn

from featherweight.errors import FeatherweightError
from featherweight.experiments.experiment import SHAPES, Experiment, find
from featherweight.export.fixed_point import outline
from featherweight.export.lowering import lower
from featherweight.export.memory import planned
from featherweight.networks.anatomy import Anatomy, LayerRow, dissect
from featherweight.networks.layers import lacking

INDENT, MOST_NAMED = 2, 6


@dataclass(frozen=True, kw_only=True)
class Form:
    """An export format, and whether a network can be exported to it."""

    form: str
    why_not: str = ""
    """The reason if it cannot; empty if it can."""
    flash: int | None = None
    """Estimated bytes on a microcontroller; for C only."""
    how: str = ""
    """How it is exported, if not by the package's own steps."""
    ram: int | None = None

    def sentence(self) -> str:
        """As people read it."""
        if self.why_not:
            return f"{self.form}: no. {self.why_not}"
        if self.flash is None or self.ram is None:
            return f"{self.form}: {self.how or 'yes'}"
        return f"{self.form}: yes, in 8 bits about {self.flash:,} bytes of flash and {self.ram:,} of RAM"


@dataclass(frozen=True, kw_only=True, repr=False)
class NetworkSummary:
    """What a network consists of and what it can be exported to; prints as a table."""

    anatomy: Anatomy
    kinds: dict[str, str]
    """Kind of each module that holds others, by its dotted name."""
    forms: tuple[Form, ...]
    lacking: dict[str, list[str]] = field(default_factory=dict)
    """The layers that lack a native kernel, or an exported form, by what they lack."""

    def __repr__(self) -> str:
        anatomy = self.anatomy
        table = [_HEADER, *self._lines("", anatomy.rows)]
        widths = [max(map(len, column)) for column in zip(*table, strict=True)]
        lines = [_pad_columns(line, widths) for line in table]
        rule = "─" * max(map(len, lines))
        totals = f"{anatomy.parameters:,} parameters, {anatomy.macs:,} MACs, {anatomy.buffers:,} numbers in buffers."
        return "\n".join(
            [lines[0], rule, *lines[1:], rule, totals, anatomy.sentence(), *(form.sentence() for form in self.forms)]
            + [self.lacking_sentence()] * bool(self.lacking)
        )

    def lacking_sentence(self) -> str:
        """In one line, which layers have no native kernel, or no exported form; empty if all have both."""
        sentences = []
        for what, layers in self.lacking.items():
            more = f" and {len(layers) - MOST_NAMED} more" * (len(layers) > MOST_NAMED)
            sentences.append(f"No {what}: {', '.join(layers[:MOST_NAMED])}{more}.")
        return " ".join(sentences)

    def _lines(self, inside: str, rows: tuple[LayerRow, ...], depth: int = 0) -> list[tuple[str, ...]]:
        """The rows, those of each container under a line of its own with their sums."""

        def child(row: LayerRow) -> str:
            rest = row.name.removeprefix(f"{inside}.") if inside else row.name
            return rest.split(".")[0].split("#")[0]

        found = []
        for name, group in groupby(rows, key=child):
            within = tuple(group)
            path = f"{inside}.{name}" if inside else name
            indent = " " * INDENT * depth
            if path not in self.kinds:
                start = len(inside) + 1 if inside else 0
                found += [_row_cells(indent + row.name[start:], row) for row in within]
                continue
            last, parameters, macs = within[-1], sum(row.parameters for row in within), sum(row.macs for row in within)
            found.append((f"{indent}{name}", self.kinds[path], "", f"{parameters:,}", f"{macs:,}", "", ""))
            assert last.name.startswith(path)
            found += self._lines(path, within, depth + 1)
        return found


def _pad_columns(line: tuple[str, ...], widths: list[int]) -> str:
    """Words to the left, figures to the right."""
    cells = [cell.ljust(wide) for cell, wide in zip(line[:3], widths, strict=False)]
    return "  ".join([*cells, *(cell.rjust(wide) for cell, wide in zip(line[3:], widths[3:], strict=True))]).rstrip()


_HEADER = ("layer", "kind", "output", "parameters", "MACs", "field", "jump")


def _row_cells(name: str, row: LayerRow) -> tuple[str, ...]:
    sides = [str(side) if isinstance(side, int) else "x".join(map(str, side)) for side in (row.field, row.jump)]
    return name, row.kind, "x".join(map(str, row.output)), f"{row.parameters:,}", f"{row.macs:,}", *sides


def summary(network: "nn.Module | Experiment | str", shape: tuple[int, int, int] | None = None) -> NetworkSummary:
    """The summary of a network, an experiment or the experiment of that name, on images of `shape` (C H W).

    Without a shape, they are those of the experiment's own set; for a network, 1 x 28 x 28.

    The network is left as it was. Flash and RAM are those of the C program in 8 bits, planned without pictures: their
    sizes follow from the layers alone, except for what the rounding of a range may change. Raises UsageError for a
    network that cannot be measured.

    >>> from featherweight.networks.layers.blocks import conv_norm_relu
    >>> print(summary(nn.Sequential(conv_norm_relu(1, 3), nn.AdaptiveAvgPool2d(1), nn.Flatten()), (1, 9, 11)))
    layer  kind               output  parameters   MACs  field  jump
    ────────────────────────────────────────────────────────────────
    0      Sequential                         33  1,701
      0    Conv2d 3x3         3x7x9           27  1,701      3     1
      1    BatchNorm2d        3x7x9            6      0      3     1
      2    ReLU               3x7x9            0      0      3     1
    1      AdaptiveAvgPool2d  3x1x1            0      0   9x11   7x9
    2      Flatten            3                0      0   9x11   7x9
    ────────────────────────────────────────────────────────────────
    33 parameters, 1,701 MACs, 7 numbers in buffers.
    The receptive field of 9x11 px is within the image's 9x11 px.
    onnx: yes
    c: yes, in 8 bits about 1,516 bytes of flash and 363 of RAM
    page: no. A page needs images of 1 x 28 x 28 and the digits 0 to 9 as classes.
    """
    if isinstance(network, str):
        network = find(network)
    if isinstance(network, Experiment):
        shape = shape or network.shape
        network = network.build(channels=shape[0])
    shape = shape or SHAPES["mnist"]
    anatomy = dissect(network, shape)
    kinds = {name: type(module).__name__ for name, module in network.named_modules() if name and any(module.children())}
    plain = copy.deepcopy(network).eval().cpu()
    return NetworkSummary(
        anatomy=anatomy, kinds=kinds, forms=tuple(_forms(plain, shape)), lacking=lacking(plain, shape)
    )


def _forms(network: nn.Module, shape: tuple[int, int, int]) -> list[Form]:
    try:
        lowered = lower(network, shape)
    except FeatherweightError as problem:
        traced = Form(form="onnx", how="by PyTorch's exporter, if it can")
        return [traced, *(Form(form=form, why_not=str(problem)) for form in ("c", "page"))]
    found = [Form(form="onnx")]
    try:
        memory = planned(outline(lowered))
        found.append(Form(form="c", flash=memory.flash, ram=memory.ram))
    except FeatherweightError as problem:
        found.append(Form(form="c", why_not=str(problem)))
    fits = shape == (1, 28, 28) and lowered.classes == 10
    found.append(
        Form(form="page", how="yes, where its ten classes are the digits 0 to 9")
        if fits
        else Form(form="page", why_not="A page needs images of 1 x 28 x 28 and the digits 0 to 9 as classes.")
    )
    return found
