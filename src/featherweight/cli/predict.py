"""The verb that reads pictures."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featherweight.cli.options import ExperimentFile, Json, app, print_json

if TYPE_CHECKING:
    from featherweight.reading import Answer


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
    if len(answer.digits) > 1:
        least = min(answer.digits, key=lambda digit: digit.confidence)
        return "".join(digit.name for digit in answer.digits), _share(least.confidence), "of the least certain"
    [digit] = answer.digits
    second = sorted(digit.probabilities)[-2] if len(digit.probabilities) > 1 else 0.0
    others: list[Any] = [place for place, share in enumerate(digit.probabilities) if share == second]
    name = digit.classes[others[-1]] if digit.classes else str(others[-1])
    return digit.name, _share(digit.confidence), f"{name}: {_share(second)}"


def _share(share: float) -> str:
    return f"{100 * share:.1f} %"
