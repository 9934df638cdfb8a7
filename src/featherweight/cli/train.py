"""The verbs that begin experiments and train them: new, train, ladder."""

import shlex
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from featherweight.cli.options import (
    Batch,
    DataDir,
    DataName,
    Device,
    EngineName,
    Epochs,
    ExperimentFile,
    Gpus,
    Grey,
    Held,
    ImageSize,
    Json,
    MaxParams,
    OnPlace,
    Rate,
    RunsFolder,
    Settings,
    Target,
    app,
    engine_with,
    given,
    image_size,
    options_of,
    overrides,
    place,
    say,
)
from featherweight.cli.safe_output import reader_may_go
from featherweight.errors import UsageError

Name = Annotated[
    str | None, typer.Argument(help="An id such as f3, or the path of an experiment's file; f3 by default.")
]
Seed = Annotated[int | None, typer.Option(help="Seed of every random draw; 0 by default.", min=0)]
Seeds = Annotated[
    int | None, typer.Option(help="Train seeds 0 to N-1 side by side, except those finished in --out.", min=1)
]
Holdout = Annotated[
    int,
    typer.Option(help="Judge on N held-out training images, drawn with seed 0; the test set is not used.", min=0),
]
Precision = Annotated[
    str, typer.Option(help="float32, or bf16: products of 1x1 convolutions in bfloat16, native engine alone.")
]
Threads = Annotated[
    int | None,
    typer.Option(help="Threads per run; by default one, or all cores for a single native run.", min=1),
]
Resume = Annotated[Path | None, typer.Option(help="Resume the run in this folder.")]
Form = Annotated[
    str | None, typer.Option(help="Before training, refuse a network that cannot be exported to this form: c.")
]
Tracker = Annotated[str | None, typer.Option(help="Log to a tracker as well: tensorboard, mlflow or wandb.")]

WITH_RESUME = {"resume", "data_dir", "device", "threads", "track", "on", "gpus", "file", "as_json"}
"""The parameters that may differ from when the run was started."""


@app.command()
def train(
    ctx: typer.Context,
    experiment: Name = None,
    seed: Seed = None,
    seeds: Seeds = None,
    epochs: Epochs = None,
    target: Target = None,
    held: Held = None,
    max_params: MaxParams = None,
    lr: Rate = None,
    batch: Batch = None,
    settings: Settings = None,
    data: DataName = "auto",
    data_dir: DataDir = None,
    size: ImageSize = None,
    grey: Grey = False,
    holdout: Holdout = 0,
    device: Device = "auto",
    engine: EngineName = "auto",
    precision: Precision = "float32",
    threads: Threads = None,
    out: RunsFolder = Path("runs"),
    resume: Resume = None,
    to: Form = None,
    track: Tracker = None,
    file: ExperimentFile = None,
    on: OnPlace = "local",
    gpus: Gpus = 0.0,
    as_json: Json = False,
) -> None:
    """Train an experiment under its budget and report whether it was met. Exit status 0 if it was, 1 if not."""
    engine = engine_with(precision, engine)
    _require_together(ctx)
    where = place(on, gpus)
    from featherweight.cli.console import require_trainable_for, train_one, train_several
    from featherweight.engine import require_threads
    from featherweight.training.runs.task import Task

    if threads is not None and where.local:
        require_threads(threads)
    if track is not None:
        from featherweight.report.trackers import require_tracker

        require_tracker(track)
    task = partial(
        Task, experiment=str(file) if file else experiment or "f3", out=out, data=data, data_dir=data_dir,
        size=image_size(size), grey=grey, holdout=holdout, engine=engine, device=device,
        threads=threads, resume=resume, settings=overrides(ctx),
    )  # fmt: skip
    if resume is None:
        require_trainable_for(task(seed=0), to)
    if seeds is None:
        raise typer.Exit(train_one(task(seed=seed or 0), as_json, track, where))
    with reader_may_go(out):
        raise typer.Exit(train_several([task(seed=number) for number in range(seeds)], as_json, track, where))


def _require_together(ctx: typer.Context) -> None:
    """Raise UsageError if options were given that contradict each other."""
    present = given(ctx)
    if {"seed", "seeds"} <= present:
        raise UsageError("--seed names one seed and --seeds counts several; give only one of them.")
    if "resume" in present and (fixed := present - WITH_RESUME):
        raise UsageError(
            f"--resume continues a run as it was started, so leave out {options_of(ctx, fixed)}; only --data-dir,"
            " --device, --threads, --track, --on, --experiment and --json may be given with it."
        )
    if "file" in present and "resume" not in present:
        raise UsageError("--experiment is for runs continued with --resume; to start a new run, give only the file.")


@app.command()
def ladder(
    ctx: typer.Context,
    names: Annotated[
        list[str],
        typer.Argument(
            metavar="LADDER...",
            help="A ladder of the package, such as f, or a folder of experiments; several are hand-ins.",
        ),
    ],
    retrain: Annotated[
        bool, typer.Option("--retrain", help="Of hand-ins: train each run again, and say whether it gives the same.")
    ] = False,
    seeds: Annotated[int, typer.Option(help="Train seeds 0 to N-1 of every rung.", min=1)] = 1,
    target: Target = None,
    held: Held = None,
    max_params: MaxParams = None,
    epochs: Epochs = None,
    lr: Rate = None,
    batch: Batch = None,
    settings: Settings = None,
    data: DataName = "auto",
    data_dir: DataDir = None,
    size: ImageSize = None,
    grey: Grey = False,
    out: Annotated[Path, typer.Option(help="Folder for run folders and the ladder's page.")] = Path("runs"),
    write: Annotated[bool, typer.Option("--write", hidden=True)] = False,
    on: OnPlace = "local",
    gpus: Gpus = 0.0,
) -> None:
    """Train a ladder's rungs in order, resuming stopped runs, and write its page: targets, changes, results.

    A ladder is a folder with one experiment file a rung, of which each names its parent; see `new --ladder`. What has
    been trained with this network, recipe and data is not trained again. Changed settings apply to every rung; their
    runs and page go into a separate folder.

    Several folders, or --retrain, are hand-ins: their runs are judged in one table, and only their records are read.
    """
    if write:
        raise UsageError("--write is now `python -m docs.build [LADDER]`, in the root of a checkout.")
    if retrain or len(names) > 1:
        if others := options_of(ctx, given(ctx) - {"names", "retrain", "data_dir"}):
            raise UsageError(f"Hand-ins are judged as they are, so leave out {others}; a ladder is named alone.")
        raise typer.Exit(_print_hand_ins([Path(name) for name in names], retrain=retrain, data_dir=data_dir))
    where, changed = place(on, gpus), overrides(ctx)
    from featherweight.cli.console import run_ladder

    with reader_may_go(out):
        status = run_ladder(
            names[0], seeds=seeds, data=data, data_dir=data_dir, size=image_size(size), grey=grey, out=out,
            settings=changed, on=where,
        )  # fmt: skip
    raise typer.Exit(status)


def _print_hand_ins(folders: Sequence[Path], *, retrain: bool, data_dir: Path | None) -> int:
    """Print a row for each run, and what is wrong with any; returns 0 if all passed and came out the same, else 1."""
    from rich.table import Table
    from rich.text import Text

    from featherweight.cli.display import print_table
    from featherweight.protocol.hand_ins import hand_ins

    rows = list(hand_ins(folders, retrain=retrain, data_dir=data_dir, tell=say))
    table = Table(box=None, header_style="bold")
    for heading in ("hand-in", "experiment", "seed", "parameters", "last five epochs, %", "passed"):
        table.add_column(heading, justify="left" if heading in ("hand-in", "experiment") else "right")
    for row in rows:
        cells = (
            row.folder, row.experiment or "-", "-" if row.seed is None else str(row.seed),
            "-" if row.parameters is None else f"{row.parameters:,}",
            " ".join(f"{value:.2f}" for value in row.last) or "-", "yes" if row.passed else "NO",
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    print_table(table)
    for row in rows:
        name = f"{row.folder}/{row.run}" if row.run else row.folder
        say(f"{name}: {row.verdict}{f'; budget: {row.budget}' if row.budget else ''}")
        if row.again:
            say(f"  trained again: {row.again}")
    same = all(row.again in ("", "the same in every epoch") for row in rows)
    return 0 if same and all(row.passed for row in rows) else 1


@app.command()
def new(
    file: Annotated[
        Path | None, typer.Argument(metavar="FILE.py", help="The experiment's file, which must not exist yet.")
    ] = None,
    base: Annotated[
        str | None, typer.Option("--from", help="The experiment to start from: its id or file; f3 by default.")
    ] = None,
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
    if ladder is not None and base is not None:
        raise UsageError("--from is for a file; a ladder of --ladder begins with networks of its own.")
    from featherweight.data import load
    from featherweight.experiments.experiment import find
    from featherweight.search.source import write_start

    asked = load(data, directory=data_dir, size=image_size(size), grey=grey) if data else None
    on = (f" --data {shlex.quote(data)}" if data else "") + (f" --size {size}" if size else "") + " --grey" * grey
    if ladder is not None:
        from featherweight.protocol.ladder import write_first_ladder

        for path in write_first_ladder(ladder, asked, on):
            say(f"wrote {path}")
        say(f"Next: featherweight ladder {shlex.quote(str(ladder))}{on} --seeds 3")
        return
    assert file is not None
    write_start(file, find(base or "f3"), asked)
    say(f"wrote {file}")
    named = shlex.quote(str(file))
    say(f"Next: featherweight show {named}{on}, then featherweight train {named}{on}")
