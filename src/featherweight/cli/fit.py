"""The verb fit: from a folder of pictures to a chip."""

import shlex
import sys
from pathlib import Path
from typing import Annotated

import typer

from featherweight.cli.options import DataDir, Gpus, ImageSize, Json, OnPlace, app, image_size, place


@app.command()
def fit(
    data: Annotated[
        str,
        typer.Argument(
            help="A folder of pictures with one subfolder per class, or the name of a data set (mnist, cifar10)."
        ),
    ],
    accuracy: Annotated[
        float | None,
        typer.Option(
            "--accuracy", "--target", help="Accuracy in percent to reach at the least cost; without it, the highest."
        ),
    ] = None,
    flash: Annotated[str | None, typer.Option(metavar="BYTES", help="Limit on total flash: 32k, 1M, 20000.")] = None,
    ram: Annotated[str | None, typer.Option(metavar="BYTES", help="Limit on RAM, without the picture: 8k.")] = None,
    macs: Annotated[int | None, typer.Option(help="Limit on multiply-adds per picture.", min=1)] = None,
    parameters: Annotated[
        int | None, typer.Option("--max-params", "--parameters", help="Limit on trainable parameters.", min=1)
    ] = None,
    cycles: Annotated[int | None, typer.Option(help="Limit on Cortex-M4 cycles per picture.", min=1)] = None,
    minimize: Annotated[
        str, typer.Option("--minimise", "--minimize", help="What to minimise: flash, ram, macs, parameters or cycles.")
    ] = "flash",
    minutes: Annotated[float, typer.Option(help="Time limit for everything, including the report.")] = 30.0,
    trials: Annotated[
        int | None,
        typer.Option(help="How many candidates to try, in place of a time limit: the same ones on any machine.", min=1),
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the proposals and of the held-out images.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help="The folder for the results; fits/NAME by default.")] = None,
    size: ImageSize = None,
    group: Annotated[
        str | None,
        typer.Option(
            metavar="REGEX",
            help="What names a picture's group in its path, such as a person: groups are held out whole.",
        ),
    ] = None,
    teacher: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="A larger network (.onnx, .pt2, .tflite), which teaches the chosen one."),
    ] = None,
    balanced: Annotated[bool, typer.Option("--balanced", help="Have every class count alike in accuracies.")] = False,
    front: Annotated[
        bool, typer.Option("--front", help="Show the best known networks of every size; search no more.")
    ] = False,
    point: Annotated[int | None, typer.Option(help="Train and hand over this point of --front.", min=1)] = None,
    data_dir: DataDir = None,
    on: OnPlace = "local",
    gpus: Gpus = 0.0,
    as_json: Json = False,
) -> None:
    """Find, train, prove and export the smallest network for your pictures and your chip."""
    where = place(on, gpus)
    from featherweight.cli.fit_output import run, show
    from featherweight.errors import UsageError
    from featherweight.search.fit import FitRequest, Limits, size_of

    given = image_size(size)
    if given == "own":
        raise UsageError("--size takes HEIGHTxWIDTH here; leave it out to have the search try several sizes.")
    limits = Limits(
        flash=size_of(flash, "--flash"), ram=size_of(ram, "--ram"), macs=macs, parameters=parameters, cycles=cycles
    )
    words = shlex.join(["featherweight", *sys.argv[1:]]) if Path(sys.argv[0]).name != "pytest" else ""
    asked = FitRequest(
        data=data, accuracy=accuracy, limits=limits, minimize=minimize, minutes=minutes, trials=trials, seed=seed,
        out=out, size=given, group=group, teacher=teacher, balanced=balanced, point=point, data_dir=data_dir,
        command=words, on=where,
    )  # fmt: skip
    raise typer.Exit(show(asked, as_json) if front else run(asked, as_json))
