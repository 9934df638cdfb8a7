"""The verbs that search: search for small networks, find-lr for a learning rate."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from featherweight.cli.options import (
    DataDir,
    DataName,
    Device,
    EngineName,
    Gpus,
    Json,
    OnPlace,
    app,
    place,
    print_json,
    say,
)

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
    from featherweight.cli.search_output import run_and_print
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
    raise typer.Exit(run_and_print(found, workers, write_best, picture, as_json, where))


@app.command("find-lr")
def find_lr(
    experiment: Annotated[str, typer.Argument(help="An id such as f3, or the path of an experiment's file.")],
    data: DataName = "auto",
    data_dir: DataDir = None,
    seed: Annotated[
        int, typer.Option(help="Seed of the initial weights, the order of images and augmentation.", min=0)
    ] = 0,
    device: Device = "auto",
    engine: EngineName = "auto",
    steps: Annotated[int, typer.Option(help="Steps in the sweep, from a rate of 0.00001 to 10; at least 50.")] = 400,
    out: Annotated[Path | None, typer.Option(help="Draw the curve into this .svg or .png file.")] = None,
    as_json: Json = False,
) -> None:
    """Suggest a peak learning rate from one short sweep over rates. The weights trained on the way are discarded."""
    from featherweight.cli.display import busy
    from featherweight.cli.safe_output import wrap
    from featherweight.data import load
    from featherweight.experiments.experiment import find
    from featherweight.search.learning_rate import draw_sweep, rate_curve, require_picture, sweep_of, sweep_table

    if out is not None:
        require_picture(out)
    found = find(experiment)
    images = load(found.data_named(data), directory=data_dir)
    with busy(f"sweeping {steps} rates"):
        sweep, introduction = sweep_of(found, images, seed=seed, device=device, engine=engine, steps=steps)
    for line in introduction:
        to = sys.stderr if as_json else sys.stdout
        print(wrap(line, to), file=to)
    if out is not None:
        draw_sweep(rate_curve(sweep, found.recipe.lr), out)
    if as_json:
        print_json({"experiment": found.name, "seed": seed, "recipe_lr": found.recipe.lr, **sweep.to_json()})
        return
    print(f"{sweep_table(sweep)}\n")
    say(f"{sweep.sentence()} The recipe of {found.id} has {found.recipe.lr:.2g}.")
    if out is not None:
        print(f"wrote {out}")
