"""The verb search: small networks, looked for."""

from pathlib import Path
from typing import Annotated

import typer

from featherweight.cli.options import DataDir, DataName, Device, Json, app


@app.command()
def search(
    space: Annotated[
        str,
        typer.Argument(help="smallest, leanest, fastest, accurate, or the path of a .py file that defines `space`."),
    ],
    trials: Annotated[int, typer.Option(help="Trained in total; a study that has some goes on to that.", min=0)] = 50,
    workers: Annotated[
        int | None, typer.Option(help="Processes of one thread each; by default one a core, or one on a GPU.", min=1)
    ] = None,
    holdout: Annotated[
        int, typer.Option(help="Judge on N training images held out, 1,000 or more; the test set is not read.")
    ] = 5000,
    seeds: Annotated[int, typer.Option(help="Train what is not stopped early with seeds 0 to N-1.", min=1)] = 1,
    seed: Annotated[int, typer.Option(help="Of what is proposed.", min=0)] = 0,
    data: DataName = "auto",
    data_dir: DataDir = None,
    device: Device = "auto",
    engine: Annotated[str, typer.Option(help="auto, native or torch.")] = "auto",
    out: Annotated[Path, typer.Option(help="Folder for the study: search/NAME.journal in it.")] = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Of the study; the space's by default.")] = None,
    storage: Annotated[
        str | None,
        typer.Option(metavar="FILE|URL", help="Where the study is kept instead, for several machines to share."),
    ] = None,
    write_best: Annotated[
        Path | None, typer.Option(metavar="FILE.py", help="Write the best trial as an experiment file.")
    ] = None,
    picture: Annotated[
        Path | None,
        typer.Option(metavar="FILE.svg", help="Draw accuracy against parameters, MACs and seconds; .png works too."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Look for small networks: every proposal is held against a hard budget before it may be trained."""
    from featherweight.search import require_optuna

    require_optuna()
    from featherweight.cli.live_search import run
    from featherweight.search.crew import open_search
    from featherweight.search.study import Job

    called = name or Path(space).stem
    found = open_search(
        Job(
            space=space,
            storage=storage or str(out / "search" / f"{called}.journal"),
            name=called,
            trials=trials,
            data=data,
            data_dir=data_dir,
            holdout=holdout,
            seeds=seeds,
            seed=seed,
            engine=engine,
            device=device,
        )
    )
    raise typer.Exit(run(found, workers, write_best, picture, as_json))
