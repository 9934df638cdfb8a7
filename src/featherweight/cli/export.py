"""The verbs that make files of a run: export, draw, report."""

from pathlib import Path
from typing import Annotated

import typer

from featherweight.cli.options import RUN_HELP, DataDir, ExperimentFile, Json, app, print_json, say
from featherweight.errors import UsageError


@app.command()
def export(
    run: Annotated[str, typer.Argument(help=RUN_HELP)],
    to: Annotated[str, typer.Option("--to", help="onnx, c or page.")],
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("exports"),
    data_dir: DataDir = None,
    experiment: ExperimentFile = None,
    as_json: Json = False,
) -> None:
    """Export a network as an ONNX file, C for a microcontroller, or a page to draw on, and check that it agrees."""
    from featherweight.cli.display import busy
    from featherweight.export import export as write
    from featherweight.training.runs.trained import load_any

    with busy(f"exporting {run} and checking the export"):
        done = write(load_any(run, experiment=experiment), to, out, data_dir=data_dir)
    if as_json:
        print_json(done.about)
        return
    for line in done.lines:
        say(line)
    for path in (*done.files, done.manifest):
        say(f"wrote {path}")


@app.command()
def draw(
    run: Annotated[str, typer.Option("--run", help=RUN_HELP)] = "reader",
    out: Annotated[Path | None, typer.Option(help="File for the page; a temporary one by default.")] = None,
    show: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
    experiment: ExperimentFile = None,
) -> None:
    """Write the page that reads digits as you draw them, and open it in a browser."""
    import tempfile
    import webbrowser

    from featherweight.export import page_of
    from featherweight.io import write_text
    from featherweight.report.page.render import folder_made
    from featherweight.training.runs.trained import load_any

    if out is not None:
        require_page(out)
    text = page_of(load_any(run, experiment=experiment))
    path = out or Path(tempfile.mkdtemp(prefix="featherweight-")) / "draw.html"
    folder_made(path.absolute().parent, "--out")
    write_text(path, text)
    say(f"wrote {path}")
    if show and not webbrowser.open(path.resolve().as_uri()):
        print("No browser could be opened; open that file in one.")


def require_page(path: Path) -> None:
    """Raise UsageError if the file of a page is to take the place of a folder."""
    if path.is_dir():
        raise UsageError(f"--out names a file to write, and {path} is a folder; give it a name such as page.html.")


@app.command()
def report(
    runs: Annotated[
        list[str],
        typer.Argument(metavar="RUN...", help="Run folders, files of records, or names of networks in the package."),
    ],
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.html",
            help="File for the page; by default report.html in the run's folder, or, for several, in the current one.",
        ),
    ] = None,
    figures: Annotated[
        Path | None, typer.Option(help="Also write every figure to this folder, as PNG and SVG.")
    ] = None,
    data_out: Annotated[
        Path | None, typer.Option(help="Also write all data shown to this folder, as CSV and JSON.")
    ] = None,
    data_dir: DataDir = None,
    experiment: ExperimentFile = None,
    as_json: Json = False,
) -> None:
    """Write a page on one run or several: verdict, curves, network, classes, every mistake. Nothing is trained."""
    from featherweight.training.runs.trained import folder_of

    alone = len(runs) == 1 and Path(runs[0]).is_dir()
    page_path = out or (folder_of(runs[0]) / "report.html" if alone else Path("report.html"))
    require_page(page_path)
    from featherweight.cli.display import busy
    from featherweight.io import write_text
    from featherweight.report.page import page, read_story, sections, write_data, write_figures
    from featherweight.report.page.render import folder_made

    with busy("analysing and drawing"):
        story = read_story([folder_of(run) for run in runs], data_dir=data_dir, experiment=experiment)
        folder_made(page_path.absolute().parent, "--out")
        parts = sections(story)
        html = page(story, parts)
    write_text(page_path, html)
    written = write_figures(parts, figures) if figures else []
    written += write_data(story, parts, data_out) if data_out else []
    if as_json:
        size = len(html.encode())
        files = [str(path) for path in written]
        print_json({"page": str(page_path), "bytes": size, "runs": len(story.runs), "missing": story.missing,
                    "files": files})  # fmt: skip
        return
    for sentence in story.missing:
        say(sentence)
    many = f" and {len(written)} files" if written else ""
    say(f"Wrote {page_path}{many}.")
