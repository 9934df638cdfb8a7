"""The contents of the page as files: figures as PNG and SVG, tables as CSV, and everything as one JSON document."""

import csv
import io
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from featherweight.errors import UsageError
from featherweight.escape import csv_cell
from featherweight.io import write_bytes, write_text
from featherweight.report import figures
from featherweight.report.figures.tiles import sheet_of
from featherweight.report.page.blocks import Card, FigureBlock, Headline, Section, Table, Tiles, blocks_of
from featherweight.report.page.load_runs import Story


def folder_made(path: Path, option: str) -> Path:
    """The folder, created if it does not exist; UsageError, naming the option, if that fails."""
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise UsageError(
            f"The folder {path} of {option} cannot be created ({problem.strerror}); name another."
        ) from problem
    return path


def write_figures(sections: Sequence[Section], folder: Path) -> list[Path]:
    """Write every figure of the page as NAME.png and NAME.svg, tiles as a sheet; returns the paths of the files."""
    folder_made(folder, "--figures")
    drawn = [(one.name, one.figure) for one in blocks_of(sections, FigureBlock)]
    drawn += [(one.name, sheet_of(one.images, ["\n".join(lines) for lines in one.captions]))
              for one in blocks_of(sections, Tiles)]  # fmt: skip
    written = []
    for name, figure in drawn:
        write_bytes(folder / f"{name}.png", figures.png(figure))
        write_text(folder / f"{name}.svg", figures.svg(figure))
        written += [folder / f"{name}.png", folder / f"{name}.svg"]
    return written


def _csv(table: Table) -> str:
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow([column.name for column in table.columns])
    writer.writerows([csv_cell(cell) for cell in row] for row in table.rows)
    return out.getvalue()


def write_data(story: Story, sections: Sequence[Section], folder: Path) -> list[Path]:
    """Write each table as NAME.csv, and report.json with records, tables and the data of figures; returns the paths."""
    folder_made(folder, "--data-out")
    written = []
    for table in blocks_of(sections, Table):
        write_text(folder / f"{table.name}.csv", _csv(table))
        written.append(folder / f"{table.name}.csv")
    write_text(folder / "report.json", json.dumps(page_document(story, sections), ensure_ascii=False) + "\n")
    return [*written, folder / "report.json"]


def page_document(story: Story, sections: Sequence[Section]) -> dict[str, Any]:
    """Everything on the page, as plain values."""
    return {
        "format": 1,
        "runs": [{"name": run.name, "record": run.record.to_json()} for run in story.runs],
        "missing": story.missing,
        "headline": [
            {"label": tile.label, "value": tile.value, "detail": tile.detail}
            for one in blocks_of(sections, Headline)
            for tile in one.tiles
        ],
        "cards": {
            one.name: {"title": one.title, "command": one.command, "rows": dict(one.rows), "note": one.note}
            for one in blocks_of(sections, Card)
        },
        "tables": {
            table.name: {
                "caption": table.caption,
                "columns": [column.name for column in table.columns],
                "rows": [list(row) for row in table.rows],
            }
            for table in blocks_of(sections, Table)
        },
        "figures": {
            one.name: {"title": one.title, "about": one.about, "alt": one.alt, "data": one.data}
            for one in blocks_of(sections, FigureBlock)
        },
        "images": {
            one.name: {"title": one.title, "captions": [list(lines) for lines in one.captions], "alts": list(one.alts)}
            for one in blocks_of(sections, Tiles)
        },
    }
