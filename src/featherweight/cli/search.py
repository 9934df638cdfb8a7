"""The verb search: looks for small networks."""

from pathlib import Path
from typing import Annotated

import typer

from featherweight.cli.options import DataDir, DataName, Device, EngineName, Gpus, Json, OnPlace, app, place

SpaceName = Annotated[
    str, typer.Argument(help="smallest, leanest, fastest, accurate, or the path of a .py file that defines `space`.")
]
Trials = Annotated[
    int, typer.Option(help="Trials in total; a study that already has some continues up to this number.", min=0)
]
Workers = Annotated[
    int | None, typer.Option(help="Processes of one thread each; by default one per core, or one on a GPU.", min=1)
]
Holdout = Annotated[
    int, typer.Option(help="Judge on N held-out training images, at least 1,000; the test set is not used.")
]
SeedsPerTrial = Annotated[
    int, typer.Option(help="Train each trial with seeds 0 to N-1 unless it is stopped early.", min=1)
]
StudyFolder = Annotated[Path, typer.Option(help="Folder for the study, which is kept in search/NAME.journal there.")]
Storage = Annotated[
    str | None,
    typer.Option(metavar="FILE|URL", help="Keep the study here instead, so that several machines can share it."),
]
BestFile = Annotated[Path | None, typer.Option(metavar="FILE.py", help="Write the best trial as an experiment file.")]
PictureFile = Annotated[
    Path | None,
    typer.Option(metavar="FILE.svg", help="Plot accuracy against parameters, MACs and seconds; .png works too."),
]


@app.command()
def search(
    space: SpaceName,
    trials: Trials = 50,
    workers: Workers = None,
    holdout: Holdout = 5000,
    seeds: SeedsPerTrial = 1,
    seed: Annotated[int, typer.Option(help="Seed of the proposals.", min=0)] = 0,
    data: DataName = "auto",
    data_dir: DataDir = None,
    device: Device = "auto",
    engine: EngineName = "auto",
    out: StudyFolder = Path("runs"),
    name: Annotated[str | None, typer.Option(help="Name of the study; the space's by default.")] = None,
    storage: Storage = None,
    write_best: BestFile = None,
    picture: PictureFile = None,
    on: OnPlace = "local",
    gpus: Gpus = 0.0,
    as_json: Json = False,
) -> None:
    """Search for small networks: proposals over the hard budget are refused before they are trained."""
    from featherweight.search import require_optuna

    require_optuna()
    where = place(on, gpus)
    from featherweight.cli.search_output import run
    from featherweight.search.driver import open_search
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
    raise typer.Exit(run(found, workers, write_best, picture, as_json, where))
