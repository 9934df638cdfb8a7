"""What a page is made of. Page, CSV, JSON and picture files are all made from these."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Cell = str | int | float | bool | None


@dataclass(frozen=True, kw_only=True)
class Column:
    """One column of a table."""

    name: str
    """In files: lower-case words joined by underscores, the unit included where it could be mistaken."""
    heading: str
    """On the page."""
    form: str = ""
    """How numbers are shown on the page, as of `format`; empty for text."""


@dataclass(frozen=True, kw_only=True)
class Table:
    """Values as they are, with what shows them."""

    name: str
    """Of its CSV file, the only one on the page."""
    caption: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    folded: bool = False
    """Whether the page shows it only when asked."""

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.columns) for row in self.rows), self.name


@dataclass(frozen=True, kw_only=True)
class Picture:
    """A figure with what is said of it."""

    name: str
    """Of its files, the only one on the page."""
    title: str
    about: str
    """The sentence under it."""
    alt: str
    """What it shows, for those who cannot see it."""
    figure: "Figure"
    data: Any = None
    """What it is drawn from, as plain values, where no table has it."""


@dataclass(frozen=True, kw_only=True)
class Tiles:
    """Small images, each with a caption of short lines."""

    name: str
    title: str
    images: NDArray[np.uint8]
    """[N C H W]."""
    captions: tuple[tuple[str, ...], ...]
    folded: bool = False
    alts: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """The first thing that is read: one word and its sentence."""

    word: str
    passed: bool | None
    """None where there is none yet."""
    sentence: str


Block = str | Verdict | Table | Picture | Tiles
"""A plain string is a paragraph; between backticks it is code."""


@dataclass(frozen=True, kw_only=True)
class Section:
    """A part of the page under one heading."""

    id: str
    title: str
    blocks: tuple[Block, ...]


def blocks_of(sections: Sequence[Section], kind: type[Any]) -> list[Any]:
    """Every block of one kind, in the page's order."""
    return [block for section in sections for block in section.blocks if isinstance(block, kind)]


def shown(value: Cell, form: str = "") -> str:
    """A table's value as the page has it; nothing to show is a dash.

    >>> shown(1234567, ",d"), shown(None), shown(True), shown(99.5, ".2f")
    ('1,234,567', '–', 'yes', '99.50')
    """
    if value is None or value == "":
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return format(value, form) if form and not isinstance(value, str) else str(value)
