"""The command line: verbs only. Parse, call, print.

Nothing heavy is imported until a verb needs it, so `--help` and `list` answer at once.
"""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featherweight.errors import FeatherweightError, UsageError

if TYPE_CHECKING:
    from featherweight.side_by_side import Task

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Train the smallest network that meets an accuracy target under a hard budget; prove it, explain it, ship it.",
)

Json = Annotated[
    bool, typer.Option("--json", help="Print one JSON document on standard output and nothing else there.")
]
DataName = Annotated[
    str,
    typer.Option(
        "--data",
        help="auto, mnist, fashion-mnist, kmnist, qmnist, emnist-digits, digits (embedded), or a folder of images with"
        " one sub-folder a class.",
    ),
]
DataDir = Annotated[
    Path | None,
    typer.Option("--data-dir", help="Folder that holds the data set's files, or one folder for each data set."),
]
Device = Annotated[str, typer.Option(help="auto, cpu, cuda or mps.")]


def main() -> None:
    """Run the command line; every error of the package is one sentence and its exit status."""
    try:
        app()
    except FeatherweightError as problem:
        print(f"Error: {problem}", file=sys.stderr)
        sys.exit(problem.exit_status)
    except KeyboardInterrupt:
        print("Stopped.", file=sys.stderr)
        sys.exit(130)


@app.command("list")
def list_(as_json: Json = False) -> None:
    """Every experiment: parameters, epochs, claimed and measured accuracy, verdict."""
    entries = _index()
    if as_json:
        kept = ("id", "parameters", "epochs", "claimed", "measured", "passed")
        _print_json({"experiments": [{name: entry[name] for name in kept} for entry in entries]})
        return
    from rich.console import Console
    from rich.table import Table

    console = Console()
    table = Table(box=None, header_style="bold")
    table.add_column("id", min_width=3)
    for heading in ("parameters", "epochs", "claimed", "measured", "budget", "rule"):
        table.add_column(heading, justify="right", min_width=len(heading))
    # Rich would drop figures to make room for words: the words get what the figures leave.
    table.add_column("what changed", no_wrap=True, overflow="ellipsis", max_width=max(12, console.width - 58))
    for entry in entries:
        verdicts = ({True: "yes", False: "no", None: "-"}[entry[name]] for name in ("passed", "rule"))
        accuracies = ("-" if entry[name] is None else f"{entry[name]:.2f}" for name in ("claimed", "measured"))
        cells = (entry["id"], f"{entry['parameters']:,}", str(entry["epochs"]))
        table.add_row(*cells, *accuracies, *verdicts, entry["title"])
    console.print(table)
    print(
        "claimed: a source's best epoch of one run, percent; measured: our last epoch, mean over seeds.\n"
        "budget: whether every seed kept to the experiment's own.\n"
        "rule: to fewer than 8,000 parameters, at most 15 epochs, 99.40 % in each of the last five\n"
        "(d1: to fewer than 20,000 parameters, fewer than 20 epochs). -: not run yet."
    )


def _index() -> list[dict[str, Any]]:
    # Read here, not through `experiment`, which needs torch.
    entries: list[dict[str, Any]] = json.loads(
        (Path(__file__).parent / "ladders" / "index.json").read_text(encoding="utf-8")
    )
    return entries


@app.command()
def show(
    experiment: Annotated[str, typer.Argument(help="An id such as f3, or the path of an experiment's file.")],
    as_json: Json = False,
) -> None:
    """Layer table of an experiment: output, parameters, MACs, receptive field, jump; then its budget."""
    from featherweight.anatomy import dissect
    from featherweight.experiment import find

    found = find(experiment)
    anatomy = dissect(found.build(), (1, 28, 28))
    if as_json:
        _print_json({"experiment": found.name, **anatomy.to_json(), "budget": asdict(found.budget)})
        return
    print(f"{found.id}: {found.title}\n\n{anatomy.table()}\n")
    fits = "within" if anatomy.parameters < found.budget.parameters else "over"
    print(f"budget: {found.budget.sentence()}; {anatomy.parameters:,} parameters are {fits} it")


@app.command()
def train(
    experiment: Annotated[
        str | None, typer.Argument(help="An id such as f3, or the path of an experiment's file; f3 by default.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="Seed of every random draw; 0 by default.", min=0)] = None,
    seeds: Annotated[int | None, typer.Option(help="Train seeds 0 to N-1 side by side.", min=1)] = None,
    epochs: Annotated[int | None, typer.Option(help="Instead of the recipe's.", min=1)] = None,
    data: DataName = "auto",
    data_dir: DataDir = None,
    holdout: Annotated[
        int,
        typer.Option(help="Judge on N training digits held out by seed 0; the test set is not read.", min=0),
    ] = 0,
    device: Device = "auto",
    engine: Annotated[str, typer.Option(help="auto, native or torch.")] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(help="Of one run; by default one, and all cores for a single run of the native engine.", min=1),
    ] = None,
    out: Annotated[Path, typer.Option(help="Folder for run folders.")] = Path("runs"),
    resume: Annotated[Path | None, typer.Option(help="Go on with the run of this folder.")] = None,
    as_json: Json = False,
) -> None:
    """Train an experiment under its budget and say whether it held. Exit status 0 if it did, 1 if not."""
    if seed is not None and seeds is not None:
        raise UsageError("--seed names one seed and --seeds counts several; give one of them.")
    as_started = (experiment, seed, seeds, epochs, data, holdout, engine, threads, out)
    if resume is not None and as_started != (None, None, None, None, "auto", 0, "auto", None, Path("runs")):
        raise UsageError(
            "--resume goes on with a run as it was started; beside it, give --data-dir, --device or --json alone."
        )
    from featherweight.console import train_one, train_several
    from featherweight.side_by_side import Task

    def task(number: int) -> "Task":
        return Task(
            experiment=experiment or "f3",
            seed=number,
            out=out,
            data=data,
            data_dir=data_dir,
            holdout=holdout,
            epochs=epochs,
            engine=engine,
            device=device,
            threads=threads,
            resume=resume,
        )

    if seeds is None:
        raise typer.Exit(train_one(task(seed or 0), as_json))
    raise typer.Exit(train_several([task(number) for number in range(seeds)], as_json))


@app.command()
def ladder(
    letter: Annotated[
        str | None, typer.Argument(help="The ladder, such as f. None, with --write: train nothing.")
    ] = None,
    seeds: Annotated[int, typer.Option(help="Train seeds 0 to N-1 of every rung.", min=1)] = 1,
    data: DataName = "mnist",
    data_dir: DataDir = None,
    out: Annotated[Path, typer.Option(help="Folder for run folders and the ladder's page.")] = Path("runs"),
    write: Annotated[
        bool,
        typer.Option("--write", help="In a source tree: keep the records and rewrite every place that quotes one."),
    ] = False,
) -> None:
    """Run a ladder's rungs in order, going on where it was stopped, and write its page: targets, changes, results."""
    from featherweight.console import run_ladder, write_up

    if letter is None and not write:
        raise UsageError("Name a ladder, such as f; only --write does without, which rewrites what quotes records.")
    if letter is None:
        raise typer.Exit(write_up())
    raise typer.Exit(run_ladder(letter, seeds=seeds, data=data, data_dir=data_dir, out=out, write=write))


@app.command()
def evaluate(
    run: Annotated[Path, typer.Argument(help="The folder of a finished run.")],
    data: DataName = "",
    data_dir: DataDir = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Loss and accuracy of a run's weights over a whole test set: its own, or another's with --data."""
    from featherweight.trained import evaluate_run

    figures = evaluate_run(run, data=data, data_dir=data_dir, device=device)
    if as_json:
        _print_json(figures)
    else:
        held_out = ", held-out images" if figures["holdout"] else ""
        print(
            f"{figures['experiment']} on {figures['data']}{held_out}: Average loss: {figures['test_loss']:.4f},"
            f" Accuracy: {figures['correct']}/{figures['tested']} ({figures['test_accuracy']:.2f}%)"
        )


@app.command()
def bench(
    steps: Annotated[int, typer.Option(help="Steps of each engine; an epoch's seconds follow from them.", min=8)] = 96,
    scaling: Annotated[bool, typer.Option(help="Also by batch size, width and image side.")] = True,
    as_json: Json = False,
) -> None:
    """Seconds of an epoch on each engine, in turns within one run, as one table."""
    from featherweight.bench import measure, table

    found = measure(steps=steps, scaling=scaling, tell=lambda line: print(line, file=sys.stderr, flush=True))
    if as_json:
        _print_json(found)
    else:
        print(table(found))


def _print_json(document: Any) -> None:
    print(json.dumps(document, allow_nan=False))
