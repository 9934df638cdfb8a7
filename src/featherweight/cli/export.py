"""The verbs that export a network: export, draw."""

from pathlib import Path
from typing import Annotated

import typer

from featherweight.cli.options import RUN_HELP, DataDir, ExperimentFile, Json, app, print_json, say


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
    from featherweight.training.runs.trained import load_any

    text = page_of(load_any(run, experiment=experiment))
    path = out or Path(tempfile.mkdtemp(prefix="featherweight-")) / "draw.html"
    path.parent.mkdir(parents=True, exist_ok=True)
    write_text(path, text)
    say(f"wrote {path}")
    if show and not webbrowser.open(path.resolve().as_uri()):
        print("No browser could be opened; open that file in one.")
