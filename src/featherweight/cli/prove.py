"""The verbs that decide between results: prove, compare."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from featherweight.cli.options import (
    Batch,
    DataDir,
    DataName,
    Epochs,
    Gpus,
    Held,
    Json,
    MaxParams,
    OnPlace,
    Rate,
    RunsFolder,
    Settings,
    Target,
    app,
    given,
    options_of,
    overrides,
    place,
    print_json,
    say,
)
from featherweight.cli.safe_output import wrap
from featherweight.errors import UsageError
from featherweight.escape import printable

Mixed = Annotated[
    bool, typer.Option("--mixed", help="On a cluster, allow results from different processors to be combined.")
]


@app.command()
def prove(
    ctx: typer.Context,
    experiment: Annotated[
        str, typer.Argument(help="A record such as smallest, or the file of an experiment that sets a bar.")
    ],
    seeds: Annotated[
        int | None, typer.Option(help="Number of seeds; must be the number that the bar requires.", min=1)
    ] = None,
    confirm: Annotated[
        bool, typer.Option("--confirm", help="Once the bar is cleared, run its fresh seeds, once only, to confirm it.")
    ] = False,
    target: Target = None,
    held: Held = None,
    max_params: MaxParams = None,
    epochs: Epochs = None,
    lr: Rate = None,
    batch: Batch = None,
    settings: Settings = None,
    data: DataName = "auto",
    data_dir: DataDir = None,
    out: RunsFolder = Path("runs"),
    on: OnPlace = "local",
    gpus: Gpus = 0.0,
    mixed: Mixed = False,
    as_json: Json = False,
) -> None:
    """Test a record by the rules: held-out evidence, an entry in the ledger, every seed. Exit status 0 if it holds.

    Once its bar is cleared, --confirm runs the next seeds (10 to 29 after 0 to 9), and the record then quotes their
    figures. Each of these seeds is trained only once: the same command resumes stopped runs, and repeats none.

    With changed settings it is a different experiment: its runs and its ledger go into a separate folder, and none of
    it is kept as a record.
    """
    where = place(on, gpus, alike=not mixed)
    from featherweight.cli.console import seeds_table, train_shown
    from featherweight.cli.display import print_table
    from featherweight.protocol.prove import prove as run_protocol

    proof = run_protocol(
        experiment,
        seeds=seeds,
        confirm=confirm,
        data=data,
        data_dir=data_dir,
        out=out,
        trainer=lambda tasks: train_shown(tasks, as_json, on=where),
        tell=lambda line: tell_line(line, as_json),
        settings=overrides(ctx),
        alike=not where.local and not mixed,
        estimate=where.local,
    )
    if as_json:
        print_json(proof.to_json())
    else:
        print_table(seeds_table([*proof.runs, *proof.fresh]))
        for line in proof.lines():
            say(line)
    raise typer.Exit(0 if proof.holds else 1)


def tell_line(line: str, to_error: bool) -> None:
    """Print a line about what is being done: beside a JSON document on standard error."""
    to = sys.stderr if to_error else sys.stdout
    print(wrap(printable(line, lines=True), to), file=to, flush=True)


@app.command()
def compare(
    ctx: typer.Context,
    first: Annotated[str, typer.Argument(help="A folder of runs or of records, or an experiment's id or file.")],
    second: Annotated[str, typer.Argument(help="What to compare it with, in the same forms.")],
    out: Annotated[Path, typer.Option(help="Folder with the runs that were trained here.")] = Path("runs"),
    train: Annotated[bool, typer.Option("--train", help="Train the seeds that are missing first.")] = False,
    seeds: Annotated[int, typer.Option(help="With --train: seeds 0 to N-1 of both.", min=2)] = 3,
    data: DataName = "auto",
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Test whether one network beats another: a paired test of the last epochs over the seeds that both have run.

    Of an experiment, runs of its network and recipe as they are now count: those trained here and, of the package's
    own, the records that come with it.
    """
    from featherweight.protocol.comparable_runs import comparable, side_of, train_missing
    from featherweight.protocol.compare import compare as paired_test

    if not train and (unused := options_of(ctx, given(ctx) & {"seeds", "data", "data_dir"})):
        raise UsageError(f"{unused} goes with --train, which trains the seeds that are missing; nothing else uses it.")
    if train:
        from featherweight.cli.console import train_announced

        status = train_missing(
            [first, second],
            seeds=seeds,
            data=data,
            data_dir=data_dir,
            out=out,
            trainer=lambda tasks: train_announced(tasks, as_json),
            tell=lambda line: tell_line(line, as_json),
        )
        if status:
            raise typer.Exit(status)
    sides = side_of(first, out), side_of(second, out)
    ours, theirs = comparable(*sides)
    comparison = paired_test(ours.records, theirs.records, (first, second))
    left_out = [line for side in sides for line in side.left_out]
    if as_json:
        print_json(comparison.to_json() | {"runs": [ours.where, theirs.where], "left_out": left_out})
        return
    say(comparison.sentence())
    without = [one.where for one in (ours, theirs) if not all(record.digest for record in one.records)]
    if own := [where for where in dict.fromkeys(without) if where != "the package"]:
        say(f"Not checked: records in {' and '.join(own)} have no digest that would tell of a change.")
    if left_out:
        tell_line(f"Not counted, being of another network or recipe than now: {'; '.join(left_out)}.", True)
