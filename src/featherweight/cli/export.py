"""The verbs that use a finished run: export, draw, report, predict."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featherweight.cli.options import RUN_HELP, DataDir, ExperimentFile, Json, app, print_json, say
from featherweight.errors import UsageError

if TYPE_CHECKING:
    from featherweight.export import Exported
    from featherweight.reading import Answer


@app.command()
def export(
    run: Annotated[str, typer.Argument(help=RUN_HELP)],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            help="onnx, c or page, or C as a package: arduino, platformio, zephyr, esp-idf, micropython, rust, cmake.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Folder for the files.")] = Path("exports"),
    data_dir: DataDir = None,
    unknown: Annotated[
        bool,
        typer.Option(
            "--unknown", help='Have C and pages answer "none of these" too, as `calibrate` found for the run.'
        ),
    ] = False,
    experiment: ExperimentFile = None,
    data: Annotated[
        str, typer.Option(help="Of a network's file: the pictures, a folder or a set, to quantise and judge it on.")
    ] = "",
    mean: Annotated[
        str, typer.Option(help="Of a network's file: subtracted from pixels of 0 to 1, as 0.5 or 0.4,0.5,0.6.")
    ] = "",
    std: Annotated[str, typer.Option(help="Of a network's file: what they are then divided by.")] = "",
    as_json: Json = False,
) -> None:
    """Export a network as an ONNX file, C for a microcontroller, a package, or a page to draw on, and check it.

    Instead of a run, an ONNX or a TensorFlow Lite file of any network that reads pictures may be named, with --data.
    """
    from featherweight.cli.display import busy
    from featherweight.export import export as write
    from featherweight.networks.foreign import is_network_file
    from featherweight.training.runs.trained import load_any

    with busy(f"exporting {run} and checking the export"):
        if is_network_file(run):
            done = _foreign(run, to, out, data, data_dir, mean, std)
        elif data or mean or std:
            raise UsageError("--data, --mean and --std are for a network's file, .onnx or .tflite; a run has its own.")
        else:
            done = write(load_any(run, experiment=experiment), to, out, data_dir=data_dir, unknown=unknown)
    if as_json:
        print_json(done.about)
        return
    for line in done.lines:
        say(line)
    for path in (*done.files, done.manifest):
        say(f"wrote {path}")


def _foreign(run: str, to: str, out: Path, data: str, data_dir: Path | None, mean: str, std: str) -> "Exported":
    from featherweight.export.foreign import export_network_file

    if not data:
        raise UsageError("A network's file is quantised and judged on pictures; name a folder or a set with --data.")
    numbers = (_numbers("--mean", mean), _numbers("--std", std))
    return export_network_file(Path(run), to, out, data=data, data_dir=data_dir, mean=numbers[0], std=numbers[1])


def _numbers(option: str, text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",")) if text else ()
    except ValueError:
        raise UsageError(f"{option} takes numbers, such as 0.5 or 0.4,0.5,0.6; given {text!r:.40}.") from None


@app.command()
def size(
    file: Annotated[
        Path,
        typer.Argument(
            help="A network that reads pictures: ONNX, TensorFlow Lite, or a program that PyTorch exported (.pt2)."
        ),
    ],
    as_json: Json = False,
) -> None:
    """Show what somebody else's network costs: layers, flash, RAM and milliseconds, and which layers have no C."""
    import copy

    from featherweight.api.summary import summary
    from featherweight.export.estimate import milliseconds, time_words
    from featherweight.networks.foreign import read_network

    found = read_network(file)
    described = summary(found.network, found.shape)
    try:
        times = milliseconds(copy.deepcopy(found.network), found.shape)
    except UsageError:
        times = {}  # it has no form in C
    if as_json:
        forms = {form.form: {"flash": form.flash, "ram": form.ram, "why_not": form.why_not} for form in described.forms}
        print_json({"file": str(file), **described.anatomy.to_json(), "c": forms["c"], "lacking": described.lacking,
                    "milliseconds": times})  # fmt: skip
        return
    print(repr(described))
    if times:
        say(f"a picture in C: {time_words(times)}")


@app.command()
def calibrate(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run or search.")],
    by: Annotated[
        Path | None,
        typer.Option(help="A run of the same experiment that was trained with --holdout, if this one was not."),
    ] = None,
    strangers: Annotated[
        list[str] | None,
        typer.Option(help="A folder of pictures, or a data set, that shows none of the classes; to be measured."),
    ] = None,
    refuse: Annotated[float, typer.Option(help="Percent of pictures of known classes refused at most.")] = 5.0,
    cover: Annotated[float, typer.Option(help='Percent of sets such as "3 or 8" that hold the right class.')] = 95.0,
    data_dir: DataDir = None,
    experiment: ExperimentFile = None,
    as_json: Json = False,
) -> None:
    """Fit, on held-out pictures, when a network says "none of these" and how sure it is; kept in the run's folder."""
    from dataclasses import asdict

    from featherweight.cli.display import busy
    from featherweight.training.runs.calibrated import calibrate as fit_calibration
    from featherweight.training.runs.folders import run_of

    with busy(f"calibrating {run}"):
        found = fit_calibration(
            run_of(run), by=None if by is None else run_of(by), data_dir=data_dir, strangers=strangers or (),
            refuse=refuse, cover=cover, experiment=experiment,
        )  # fmt: skip
    if as_json:
        print_json(asdict(found))
        return
    for line in found.lines():
        say(line)


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


@app.command()
def predict(
    pictures: Annotated[
        list[str],
        typer.Argument(
            help="Pictures (PNG, JPEG, BMP, GIF, WEBP, TIFF, PPM), folders of them, or patterns such as 'scans/*.png'."
        ),
    ],
    run: Annotated[
        str | None,
        typer.Option(help="The folder of a finished run, or the name of a network of the package; reader by default."),
    ] = None,
    show: Annotated[
        Path | None, typer.Option(help="Folder in which to save what the network saw of each picture.")
    ] = None,
    experiment: ExperimentFile = None,
    as_json: Json = False,
) -> None:
    """Say what pictures show: digits in photos of paper, scans and drawings, or the classes that a run was trained on.

    A network for handwritten digits reads a single digit, or a line of them such as a postcode; any other takes each
    picture as one image.
    """
    from featherweight.reading import predict_each
    from featherweight.reading.answers import save_seen

    answers = []
    for answer, picture in predict_each(pictures, run, experiment=experiment):
        answers.append(answer)
        if show is not None and picture is not None:
            path = save_seen(answer, picture, show)
            print(f"saved {path}", file=sys.stderr)
    if as_json:
        print_json({"pictures": [answer.to_json() for answer in answers]})
    else:
        _print_answers(answers)
    if wrong := [answer.status for answer in answers if answer.error]:
        sys.exit(max(wrong))


def _print_answers(answers: "list[Answer]") -> None:
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    from featherweight.escape import printable

    table = Table(box=None, header_style="bold")
    table.add_column("picture", overflow="fold")
    table.add_column("reads", justify="right", overflow="fold")
    table.add_column("confidence", justify="right", min_width=10)
    table.add_column("next likeliest", min_width=14)
    for answer in answers:
        if not answer.error:
            table.add_row(escape(printable(answer.file)), *(escape(cell) for cell in _answer_cells(answer)))
    if table.row_count:
        Console().print(table)
    for answer in answers:
        if answer.error:
            print(f"Error: {answer.error}", file=sys.stderr)


def _answer_cells(answer: "Answer") -> tuple[str, str, str]:
    """The digits read, their confidence (of several digits, the lowest), and the next likeliest answer."""
    if not answer.digits:
        return "-", "", "no digit found"
    if answer.unknown:
        return "none of these", _share(min(digit.confidence for digit in answer.digits)), _nearest(answer)
    if answer.unlike:
        lowest = min(digit.confidence for digit in answer.digits)
        return "".join(digit.name for digit in answer.digits), _share(lowest), "no digit here?"
    if len(answer.digits) > 1:
        least = min(answer.digits, key=lambda digit: digit.confidence)
        return "".join(digit.name for digit in answer.digits), _share(least.confidence), "of the least certain"
    [digit] = answer.digits
    if len(digit.choices) > 1:
        return digit.name, _share(digit.confidence), f"{', '.join(digit.choices[:-1])} or {digit.choices[-1]}"
    second = sorted(digit.probabilities)[-2] if len(digit.probabilities) > 1 else 0.0
    others: list[Any] = [place for place, share in enumerate(digit.probabilities) if share == second]
    name = digit.classes[others[-1]] if digit.classes else str(others[-1])
    return digit.name, _share(digit.confidence), f"{name}: {_share(second)}"


def _nearest(answer: "Answer") -> str:
    """What a picture of none of the classes resembles most."""
    return f"nearest: {''.join(digit.name for digit in answer.digits)}"


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"
