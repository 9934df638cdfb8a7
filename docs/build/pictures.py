"""Pictures drawn from records; each contains a digest of its figures, so that an outdated one can be recognised."""

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from docs.build import rung_curves

from featherweight.experiments.record import Record
from featherweight.io import write_text
from featherweight.report import figures
from featherweight.report.figures.style import svg

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def draw_rung(path: Path, records: Sequence[Record]) -> bool:
    """Draw the curves of one rung, unless the picture at `path` is up to date; returns whether it was drawn."""
    return drawn_anew(path, rung_curves.digest(records), lambda: rung_curves.rung_curves(records))


def draw(path: Path, records: Sequence[Record]) -> bool:
    """Draw the curves of an experiment or a ladder unless the picture is up to date; returns whether it was drawn.

    The bytes of a picture depend on the release of matplotlib; its contents depend only on the records.
    """
    alone = len({record.experiment for record in records}) == 1
    return drawn_anew(path, digest(records), lambda: (figures.accuracy if alone else figures.ladder)(*records))


def digest(records: Sequence[Record]) -> str:
    """The digest of the figures that a picture is drawn from."""
    rows = [[(row.epoch, row.test_accuracy, row.train_accuracy) for row in record.rows] for record in records]
    return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def drawn_anew(path: Path, about: str, draw: Callable[[], "Figure"]) -> bool:
    """Draw the picture and add `about` to it, unless the existing one has it; returns whether it was drawn."""
    if path.exists() and about in path.read_text(encoding="utf-8"):
        return False
    write_text(path, svg(draw()).replace("</svg>", f"<!-- {about} -->\n</svg>"))
    return True
