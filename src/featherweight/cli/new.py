"""The verb that writes an experiment file to start from."""

import shlex
from pathlib import Path
from typing import Annotated

import typer

from featherweight.cli.options import DataDir, DataName, Grey, ImageSize, app, image_size, say
from featherweight.errors import UsageError


@app.command()
def new(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.py", help="The experiment's file, which must not exist yet.")
    ] = None,
    base: Annotated[str, typer.Option("--from", help="The experiment to start from: its id or file.")] = "f3",
    ladder: Annotated[
        Path | None,
        typer.Option("--ladder", metavar="DIR", help="Begin a ladder of three experiments in this folder."),
    ] = None,
    data: DataName = "",
    data_dir: DataDir = None,
    size: ImageSize = None,
    grey: Grey = False,
) -> None:
    """Write an experiment file of your own: a network, a recipe and a budget to change, fitted to the data.

    With --ladder, three of them, each changed from the one before, which `featherweight ladder DIR` trains.
    """
    if (file is None) == (ladder is None):
        raise UsageError("Name a file, such as my.py, or a folder with --ladder; one of the two.")
    from featherweight.data import load
    from featherweight.experiments.experiment import find
    from featherweight.search.source import write_start

    asked = load(data, directory=data_dir, size=image_size(size), grey=grey) if data else None
    on = (f" --data {shlex.quote(data)}" if data else "") + (f" --size {size}" if size else "") + " --grey" * grey
    if ladder is not None:
        from featherweight.protocol.first_ladder import write_first_ladder

        for path in write_first_ladder(ladder, asked, on):
            say(f"wrote {path}")
        say(f"Next: featherweight ladder {shlex.quote(str(ladder))}{on} --seeds 3")
        return
    assert file is not None
    write_start(file, find(base), asked)
    say(f"wrote {file}")
    say(f"Next: featherweight show {file}{on}, then featherweight train {file}{on}")
