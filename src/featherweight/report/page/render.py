"""The page as one self-contained HTML file, and its contents as files: figures as PNG and SVG, tables as CSV, JSON."""

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featherweight._version import __version__
from featherweight.errors import UsageError
from featherweight.escape import csv_cell
from featherweight.io import staged, write_bytes, write_text
from featherweight.report import figures
from featherweight.report.figures.images import sheet_of
from featherweight.report.figures.svg import pictured
from featherweight.report.page.blocks import Card, FigureBlock, Headline, Section, Table, Tiles, blocks_of, format_cell
from featherweight.report.page.load_runs import Story
from featherweight.report.templating import environment

if TYPE_CHECKING:
    from markupsafe import Markup


def title_of(story: Story) -> str:
    """The title of a report's page, which names a single run, and counts several."""
    names = ", ".join(dict.fromkeys(group.name for group in story.groups))
    return story.runs[0].name if len(story.runs) == 1 else f"{names}, {len(story.runs)} runs"


def page(story: Story, sections: Sequence[Section]) -> str:
    """A report's page as one HTML file; all text from records is escaped."""
    made = environment(autoescape=True)
    made.filters |= {"drawing": _drawing, "pictured": pictured, "cell": format_cell}
    made.filters["kind"] = lambda block: type(block).__name__
    html = made.get_template("page.html.j2").render(
        title=title_of(story), sections=sections, contents=_contents(story, sections), version=__version__
    )
    return re.sub(r"\n\s*\n+", "\n", html)


def _drawing(picture: FigureBlock) -> "Markup":
    from markupsafe import Markup, escape

    # matplotlib escapes what it draws
    return Markup(figures.page_svg(picture.figure, picture.name, str(escape(picture.alt))))


def _contents(story: Story, sections: Sequence[Section]) -> list[tuple[str, str]]:
    """Id and words of each link at the top; of several experiments, each has one link, to its first section."""
    if len(story.groups) == 1:
        return [(section.id, section.title) for section in sections]
    names = {group.key: group.name for group in story.groups}
    found = []
    for section in sections:
        key = section.id.partition("-")[2]
        if key not in names or section.id.startswith("made-with"):
            found.append((section.id, section.title))
        elif names[key]:
            found.append((section.id, names.pop(key)))
            names[key] = ""
    return found


# ------------------------------------------------------------------------------------------- files


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
    with staged(folder, "figures") as stage:
        for name, figure in drawn:
            write_bytes(stage / f"{name}.png", figures.png(figure))
            write_text(stage / f"{name}.svg", figures.svg(figure))
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
    with staged(folder, "report") as stage:
        for table in blocks_of(sections, Table):
            write_text(stage / f"{table.name}.csv", _csv(table))
            written.append(folder / f"{table.name}.csv")
        write_text(stage / "report.json", json.dumps(page_document(story, sections), ensure_ascii=False) + "\n")
    return [*written, folder / "report.json"]


def page_document(story: Story, sections: Sequence[Section]) -> dict[str, Any]:
    """What report.json holds: everything on the page, as plain values."""
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
