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
            help="A folder of pictures with one sub-folder a class, or a data set by name (mnist, cifar10)."
        ),
    ],
    accuracy: Annotated[
        float | None,
        typer.Option(
            "--accuracy", "--target", help="Percent to be reached at the least cost; without it, as much as possible."
        ),
    ] = None,
    flash: Annotated[str | None, typer.Option(metavar="BYTES", help="Most flash in all: 32k, 1M, 20000.")] = None,
    ram: Annotated[str | None, typer.Option(metavar="BYTES", help="Most RAM, without the picture: 8k.")] = None,
    macs: Annotated[int | None, typer.Option(help="Most multiply-adds for one picture.", min=1)] = None,
    parameters: Annotated[
        int | None, typer.Option("--max-params", "--parameters", help="Most trainable parameters.", min=1)
    ] = None,
    cycles: Annotated[int | None, typer.Option(help="Most cycles of a Cortex-M4 for one picture.", min=1)] = None,
    minimize: Annotated[
        str, typer.Option("--minimise", "--minimize", help="flash, ram, macs, parameters or cycles.")
    ] = "flash",
    minutes: Annotated[float, typer.Option(help="For everything, from reading to the report.")] = 30.0,
    seed: Annotated[int, typer.Option(help="Of what is proposed and held out.", min=0)] = 0,
    out: Annotated[Path | None, typer.Option(help="The folder to hand over; fits/NAME by default.")] = None,
    size: ImageSize = None,
    data_dir: DataDir = None,
    on: OnPlace = "local",
    gpus: Gpus = 0.0,
    as_json: Json = False,
) -> None:
    """Find, train, prove and export the smallest network for your pictures and your chip."""
    where = place(on, gpus)
    from featherweight.cli.live_fit import run
    from featherweight.errors import UsageError
    from featherweight.search.fit import Asked, Limits, size_of

    given = image_size(size)
    if given == "own":
        raise UsageError("--size takes HEIGHTxWIDTH here; without it, pictures keep the size that they all have.")
    limits = Limits(
        flash=size_of(flash, "--flash"), ram=size_of(ram, "--ram"), macs=macs, parameters=parameters, cycles=cycles
    )
    words = shlex.join(["featherweight", *sys.argv[1:]]) if Path(sys.argv[0]).name != "pytest" else ""
    asked = Asked(
        data=data, accuracy=accuracy, limits=limits, minimize=minimize, minutes=minutes, seed=seed, out=out, size=given,
        data_dir=data_dir, command=words, on=where,
    )  # fmt: skip
    raise typer.Exit(run(asked, as_json))
