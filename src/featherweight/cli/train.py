"""The verbs that train: train, ladder."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from featherweight.cli.options import (
    DataDir,
    DataName,
    Device,
    ExperimentFile,
    Gpus,
    Grey,
    ImageSize,
    Json,
    OnPlace,
    app,
    engine_with,
    image_size,
    place,
)
from featherweight.cli.overrides import Changed, Epochs, changing
from featherweight.errors import UsageError

if TYPE_CHECKING:
    from featherweight.training.runs.parallel import Task


@app.command()
@changing
def train(
    experiment: Annotated[
        str | None, typer.Argument(help="An id such as f3, or the path of an experiment's file; f3 by default.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw; 0 by default.", min=0)] = None,
    seeds: Annotated[
        int | None, typer.Option(help="Train seeds 0 to N-1 side by side, except those finished in --out.", min=1)
    ] = None,
    epochs: Epochs = None,
    changed: Changed = (),
    data: DataName = "auto",
    data_dir: DataDir = None,
    size: ImageSize = None,
    grey: Grey = False,
    holdout: Annotated[
        int,
        typer.Option(help="Judge on N held-out training images, drawn with seed 0; the test set is not used.", min=0),
    ] = 0,
    device: Device = "auto",
    engine: Annotated[str, typer.Option(help="auto, native or torch.")] = "auto",
    precision: Annotated[
        str,
        typer.Option(help="float32, or bf16: products of 1x1 convolutions in bfloat16, native engine alone."),
    ] = "float32",
    threads: Annotated[
        int | None,
        typer.Option(help="Threads per run; by default one, or all cores for a single native run.", min=1),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for run folders.")] = Path("runs"),
    resume: Annotated[Path | None, typer.Option(help="Resume the run in this folder.")] = None,
    to: Annotated[
        str | None, typer.Option(help="Before training, refuse a network that cannot be exported to this form: c.")
    ] = None,
    track: Annotated[str | None, typer.Option(help="Log to a tracker as well: tensorboard, mlflow or wandb.")] = None,
    file: ExperimentFile = None,
    on: OnPlace = "local",
    gpus: Gpus = 0.0,
    as_json: Json = False,
) -> None:
    """Train an experiment under its budget and report whether it was met. Exit status 0 if it was, 1 if not."""
    engine = engine_with(precision, engine)
    if seed is not None and seeds is not None:
        raise UsageError("--seed names one seed and --seeds counts several; give only one of them.")
    where = place(on, gpus)
    as_started = (experiment, seed, seeds, epochs, data, size, grey, holdout, engine, out, changed, to)
    if resume is not None and as_started != (
        None,
        None,
        None,
        None,
        "auto",
        None,
        False,
        0,
        "auto",
        Path("runs"),
        (),
        None,
    ):
        raise UsageError(
            "--resume continues a run as it was started; only --data-dir, --device, --threads, --track,"
            " --on, --experiment and --json may be given with it."
        )
    if file is not None and resume is None:
        raise UsageError("--experiment is for runs continued with --resume; to start a new run, give only the file.")
    from featherweight.cli.console import require_trainable_for, train_one, train_several
    from featherweight.report.trackers import require_tracker
    from featherweight.training.runs.parallel import Task

    if track is not None:
        require_tracker(track)

    def task(number: int) -> "Task":
        return Task(
            experiment=str(file) if file else experiment or "f3",
            seed=number,
            out=out,
            data=data,
            data_dir=data_dir,
            size=image_size(size),
            grey=grey,
            holdout=holdout,
            epochs=epochs,
            engine=engine,
            device=device,
            threads=threads,
            resume=resume,
            settings=changed,
        )

    if resume is None:
        require_trainable_for(task(0), to)
    if seeds is None:
        raise typer.Exit(train_one(task(seed or 0), as_json, track, where))
    raise typer.Exit(train_several([task(number) for number in range(seeds)], as_json, track, where))


@app.command()
@changing
def ladder(
    letter: Annotated[
        str | None, typer.Argument(help="The ladder, such as f. Leave it out, with --write, to train nothing.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Train seeds 0 to N-1 of every rung.", min=1)] = 1,
    changed: Changed = (),
    data: DataName = "auto",
    data_dir: DataDir = None,
    out: Annotated[Path, typer.Option(help="Folder for run folders and the ladder's page.")] = Path("runs"),
    write: Annotated[
        bool,
        typer.Option("--write", help="In a source checkout: keep the records and rewrite every file that quotes one."),
    ] = False,
    on: OnPlace = "local",
    gpus: Gpus = 0.0,
) -> None:
    """Train a ladder's rungs in order, resuming stopped runs, and write its page: targets, changes, results.

    Changed settings apply to every rung; their runs and page go into a separate folder.
    """
    where = place(on, gpus)
    from featherweight.cli.console import run_ladder, write_up

    if changed and write:
        raise UsageError("--write keeps records of rungs as they are; leave out the changed settings, or --write.")
    if letter is None and not write:
        raise UsageError(
            "Name a ladder, such as f. It may be left out only with --write, to rewrite the files that quote records."
        )
    if letter is None:
        raise typer.Exit(write_up())
    raise typer.Exit(
        run_ladder(letter, seeds=seeds, data=data, data_dir=data_dir, out=out, write=write, settings=changed, on=where)
    )
