"""The parts of a page, from which the page, CSV, JSON and picture files are all made."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from featherweight.report.templating import filled, texts

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table on a report's page."""

    name: str
    """The name in files: lower-case words joined by underscores, with the unit if it could be mistaken."""
    heading: str
    """The heading on the page."""
    form: str = ""
    """The format of numbers on the page, as for `format`; empty for text."""
    of: float | None = None
    """The whole, if the page draws a bar for each value's share of it; above 0."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """A table on a report's page: plain values, and how to show them."""

    name: str
    """The name of its CSV file, unique on the page."""
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False
    """Whether the page shows it only on request."""
    stacked: bool = False
    """Whether a narrow page shows each row as a list instead of cutting off columns that do not fit."""
    most: int = 400
    """At most so many rows are on the page; files have all."""

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows), self.name


@dataclass(frozen=True, kw_only=True)
class FigureBlock:
    """A figure on a report's page, with its title, text and description."""

    name: str
    """The name of its files, unique on the page."""
    title: str
    about: str
    """The sentence under it."""
    alt: str
    """A description for people who cannot see it."""
    figure: "Figure"
    data: Any = None
    """The data that it is drawn from, as plain values, unless a table has them."""


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Small images on a report's page, each with a caption of short lines."""

    name: str
    title: str
    images: NDArray[np.uint8]
    """[N C H W]."""
    captions: tuple[tuple[str, ...], ...]
    folded: bool = False
    alts: tuple[str, ...]
    zoom: bool = False
    """Whether each image can be enlarged."""


@dataclass(frozen=True, kw_only=True)
class VerdictBlock:
    """The verdict at the top of a report's page: one word and its sentence."""

    word: str
    passed: bool | None
    """None if there is no verdict yet."""
    sentence: str


@dataclass(frozen=True, kw_only=True)
class Tile:
    """One figure in large letters at the top of a report's page."""

    label: str
    value: str
    detail: str
    """What it is measured against, or how surely it is known."""
    state: str = ""
    """`passed` or `failed` if it says that; else empty."""


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The row of large figures at the top of a report's page."""

    tiles: tuple[Tile, ...]


@dataclass(frozen=True, kw_only=True)
class Card:
    """A card on a report's page: a command and the facts that belong to it."""

    name: str
    title: str
    command: str
    """One line for a shell; empty if there is none."""
    rows: tuple[tuple[str, str], ...]
    """Pairs of what it is and its value."""
    note: str = ""


Block = str | VerdictBlock | Headline | Card | Table | FigureBlock | Tiles
"""A plain string is a paragraph; text between backticks is code."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A section of a report's page, under one heading."""

    id: str
    title: str
    blocks: tuple[Block, ...]


def table(
    name: str,
    rows: Iterable[Sequence[Cell]],
    key: str = "",
    /,
    *,
    more: Sequence[Column] = (),
    wholes: Mapping[str, float | None] | None = None,
    **facts: Any,
) -> Table:
    """The table of this name in `texts.toml`, and of the experiment with this key.

    `more` are columns after those named there; `wholes` has that of each column whose shares are drawn as bars.
    """
    about = texts()["tables"][name]
    columns = []
    for column, given in about["columns"].items():
        heading, form = (given, "") if isinstance(given, str) else given
        columns.append(Column(name=column, heading=heading, form=form, of=(wholes or {}).get(column)))
    how = {part: about[part] for part in ("folded", "stacked", "most") if part in about}
    return Table(name=_keyed(name, key), caption=filled(about["caption"], **facts), columns=(*columns, *more),
                 rows=tuple(map(tuple, rows)), **how)  # fmt: skip


def figure(name: str, drawn: "Figure", key: str = "", /, *, data: Any = None, **facts: Any) -> FigureBlock:
    """A drawn figure with the texts that `texts.toml` has for this name, of the experiment with this key."""
    words = {part: filled(text, **facts) for part, text in texts()["figures"][name].items()}
    return FigureBlock(name=_keyed(name, key), figure=drawn, data=data, **words)


def paragraph(name: str, /, **facts: Any) -> str:
    """The paragraph of this name in `texts.toml`."""
    return filled(texts()["paragraphs"][name], **facts)


def _keyed(name: str, key: str) -> str:
    return f"{name}-{key}" if key else name


def blocks_of(sections: Sequence[Section], kind: type[Any]) -> list[Any]:
    """Every block of one kind on a report's page, in its order."""
    return [block for section in sections for block in section.blocks if isinstance(block, kind)]


def format_cell(value: Cell, form: str = "") -> str:
    """A cell of a table as text for a report's page; None is shown as a dash.

    >>> format_cell(1234567, ",d"), format_cell(None), format_cell(True), format_cell(99.5, ".2f")
    ('1,234,567', '–', 'yes', '99.50')
    """
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format(value, form) if form and not isinstance(value, str) else str(value)
