"""The verb that writes an experiment file to start from."""

from pathlib import Path
from typing import Annotated

import typer

from featherweight.cli.options import DataDir, DataName, Grey, ImageSize, app, image_size


@app.command()
def new(
    file: Annotated[Path, typer.Argument(metavar="FILE.py", help="The experiment's file, which must not exist yet.")],
    base: Annotated[str, typer.Option("--from", help="The experiment to start from: its id or file.")] = "f3",
    data: DataName = "",
    data_dir: DataDir = None,
    size: ImageSize = None,
    grey: Grey = False,
) -> None:
    """Write an experiment file of your own: a network, a recipe and a budget to change, fitted to the data."""
    from featherweight.data import load
    from featherweight.experiments.experiment import find
    from featherweight.search.starting import write_start

    asked = load(data, directory=data_dir, size=image_size(size), grey=grey) if data else None
    write_start(file, find(base), asked)
    print(f"wrote {file}")
    on = (f" --data {data}" if data else "") + (f" --size {size}" if size else "") + " --grey" * grey
    print(f"Next: featherweight show {file}{on}, then featherweight train {file}{on}")
