"""Pictures drawn from records; each contains a digest of its figures, so that an outdated one can be recognised."""

import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from docs.build import rung_curves

from featherweight.experiments.record import Record
from featherweight.io import write_text
from featherweight.report import figures
from featherweight.report.figures.svg import svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """A picture that is drawn from figures.

    Its bytes depend on the release of matplotlib; its contents depend only on the figures, whose digest it holds.
    """

    path: Path
    about: str
    """The digest of its figures."""
    draw: Callable[[], "Figure"]

    def is_current(self) -> bool:
        """Whether the picture is there and of these figures."""
        return self.path.exists() and self.about in self.path.read_text(encoding="utf-8")

    def write(self) -> None:
        """Draw it, with its digest."""
        write_text(self.path, svg(self.draw()).replace("</svg>", f"<!-- {self.about} -->\n</svg>"))


def rung_drawing(path: Path, records: Sequence[Record]) -> Drawing:
    """The curves of one rung."""
    return Drawing(path=path, about=rung_curves.digest(records), draw=lambda: rung_curves.rung_curves(records))


def ladder_drawing(path: Path, records: Sequence[Record]) -> Drawing:
    """The curves of an experiment or a ladder."""
    alone = len({record.experiment for record in records}) == 1
    return Drawing(
        path=path, about=digest(records), draw=lambda: (figures.accuracy if alone else figures.ladder)(*records)
    )


def digest(records: Sequence[Record]) -> str:
    """The digest of the figures that a picture is drawn from."""
    rows = [[(row.epoch, row.test_accuracy, row.train_accuracy) for row in record.rows] for record in records]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()
