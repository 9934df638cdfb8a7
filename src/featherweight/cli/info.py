"""The verbs that train nothing: list, show, evaluate, bench, doctor."""

import copy
import sys
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from featherweight.cli.options import (
    RUN_HELP,
    DataDir,
    DataName,
    Device,
    ExperimentFile,
    Grey,
    ImageSize,
    Json,
    app,
    image_size,
    print_json,
    say,
)
from featherweight.data.sets import canonical
from featherweight.errors import UsageError

if TYPE_CHECKING:
    from torch import nn

    from featherweight.experiments.experiment import Experiment
    from featherweight.experiments.record import Record


@app.command("list")
def list_(
    data: Annotated[
        str, typer.Option("--data", help="The data set whose experiments are listed; mnist by default.")
    ] = "",
    ladder: Annotated[str, typer.Option(help="List a single ladder, by its letter, or `records`.")] = "",
    as_json: Json = False,
) -> None:
    """List the experiments on a data set: parameters, epochs, claimed and measured accuracy, verdict."""
    from featherweight.cli import listing

    kept = listing.chosen(listing.index_entries(), canonical(data), ladder)
    if as_json:
        names = ("id", "parameters", "epochs", "claimed", "measured", "passed")
        more = [{"confirmed": one.get("confirmed"), "preprocessing": one.get("preprocessing", [])} for one in kept]
        entries = [{name: entry[name] for name in names} | later for entry, later in zip(kept, more, strict=True)]
        print_json({"experiments": entries})
        return
    from rich.console import Console
    from rich.text import Text

    console = Console()
    for line, heading in listing.lines(kept, [] if data or ladder else listing.own(Path())):
        console.print(Text(line, style="bold" if heading else ""), soft_wrap=True)


@app.command()
def show(
    experiment: Annotated[
        str, typer.Argument(help="An id such as f3, the path of an experiment's file, or the folder of a run.")
    ],
    data: DataName = "",
    data_dir: DataDir = None,
    size: ImageSize = None,
    grey: Grey = False,
    file: ExperimentFile = None,
    as_json: Json = False,
) -> None:
    """Show the layers of an experiment or a run: output, parameters, MACs, receptive field, jump; exports, budget."""
    from featherweight.api.summary import summary
    from featherweight.export.estimate import milliseconds, time_words

    found, network, shape, note = _resolve_subject(
        experiment, file, data, directory=data_dir, size=image_size(size), grey=grey
    )
    described = summary(network, shape)
    anatomy = described.anatomy
    try:
        times = milliseconds(copy.deepcopy(network).eval().cpu(), shape, found.recipe.bits_in_c)
    except UsageError:
        times = {}  # it has no form in C
    if as_json:
        print_json(
            {"experiment": found.name, **anatomy.to_json(), "budget": found.budget.to_json(), "milliseconds": times}
        )
        return
    table, rule, sentences = repr(described).rpartition("\u2500\n")
    say(f"{found.id}: {found.title}\n")
    print(table + rule, end="")
    say(f"{sentences}\n")
    if times:
        say(f"a picture in C: {time_words(times)}")
    if note:
        say(note)
    fits = "within" if anatomy.parameters < found.budget.parameters else "over"
    line = f"budget: {found.budget.sentence()}; {anatomy.parameters:,} parameters are {fits} it"
    if found.budget.macs is not None:
        line += f", {anatomy.macs:,} MACs are {'within' if anatomy.macs < found.budget.macs else 'over'} it"
    say(line)


def _resolve_subject(
    name: str, file: Path | None, data: str, **how: Any
) -> "tuple[Experiment, nn.Module, tuple[int, int, int], str]":
    """The experiment, its network, the shape of its images (C H W), and a note on its budget, which may be
    empty. `data` is loaded, if it is given, with `how` as keyword arguments of `load`."""
    from featherweight.experiments.experiment import find
    from featherweight.experiments.record import read_record
    from featherweight.training.runs.folders import run_of
    from featherweight.training.runs.restore import experiment_of, network_of
    from featherweight.training.runs.task import adapt_budget

    if (run_of(Path(name)) / "record.json").is_file():
        if data:
            raise UsageError("A run has its own data; leave out --data, or name the experiment instead of the run.")
        record = read_record(run_of(Path(name)))
        channels, height, width = map(int, record.data["shape"])
        found = replace(experiment_of(record, file), title=f"seed {record.seed} on {record.data['name']}")
        return found, network_of(record, file), (channels, height, width), _changed(record)
    found = find(name)
    if not data:
        return found, found.build(), found.shape, ""
    from featherweight.data import load

    source = load(data, **how)
    found, note = adapt_budget(found, source)
    channels, height, width = map(int, source.train.images.shape[1:])
    return found, found.build(channels, len(source.classes)), (channels, height, width), note


def _changed(record: "Record") -> str:
    """What differs between a run of the package's experiments and the experiment; of a file, which is not run, none."""
    from featherweight.experiments.experiment import find, ids, names_file
    from featherweight.networks.difference import differences

    if names_file(record.experiment) or record.experiment not in ids():
        return ""
    changed = differences(record, find(record.experiment))
    return f"changed from {record.experiment}: {', '.join(changed)}" if changed else ""


@app.command()
def evaluate(
    run: Annotated[str, typer.Argument(help=RUN_HELP)],
    data: DataName = "",
    data_dir: DataDir = None,
    device: Device = "auto",
    experiment: ExperimentFile = None,
    as_json: Json = False,
) -> None:
    """Measure the loss and accuracy of a run on the whole test set: its own, or another one with --data."""
    from featherweight.cli.display import busy
    from featherweight.training.runs.trained import evaluate_run, load_any

    with busy(f"evaluating {run}"):
        trained = load_any(run, experiment=experiment)
        figures = evaluate_run(trained, data=data, data_dir=data_dir, device=device)
    if as_json:
        print_json(figures)
    else:
        held_out = ", held-out images" if figures["holdout"] else ""
        say(
            f"{figures['experiment']} on {figures['data']}{held_out}: Average loss: {figures['test_loss']:.4f},"
            f" Accuracy: {figures['correct']}/{figures['tested']} ({figures['test_accuracy']:.2f}%)"
        )


@app.command()
def bench(
    names: Annotated[
        list[str] | None,
        typer.Argument(metavar="[EXPERIMENT]...", help="The experiments to time; f3 and c3 by default."),
    ] = None,
    engine: Annotated[
        list[str] | None,
        typer.Option(help="An engine; may be given several times. All but torch.compile by default."),
    ] = None,
    threads: Annotated[
        int | None,
        typer.Option(help="Time with 1 and with this many threads; 2 by default, if there are 2 cores.", min=1),
    ] = None,
    seconds: Annotated[float, typer.Option(help="Time limit for everything except compiling.", min=1)] = 110,
    steps: Annotated[int, typer.Option(help="Steps that each takes at least, whatever the limit.", min=0)] = 0,
    as_json: Json = False,
) -> None:
    """Time an epoch of any experiment on each engine, taking turns in one session, as one table."""
    from dataclasses import asdict

    from featherweight.cli.display import waiting
    from featherweight.engine import processors, require_threads
    from featherweight.experiments.experiment import find
    from featherweight.training import bench as timing
    from featherweight.training.runs.environment import describe_environment

    if threads is not None:
        require_threads(threads)
    experiments = [find(name) for name in names or ("f3", "c3")]
    counts = sorted({1, threads or min(2, processors())})
    kinds = engine or [kind for kind in timing.available() if not kind.startswith(timing.COMPILED)]
    rows: list[timing.Timed] = []
    skipped: list[timing.Skipped] = []
    with waiting(sys.stderr) as show:
        for event in timing.timings(experiments, kinds=kinds, threads=counts, seconds=seconds, steps=steps):
            if isinstance(event, timing.Underway):
                show(event.label, event.share)
            elif isinstance(event, timing.Skipped):
                skipped.append(event)
            else:
                rows.append(event)
    environment = describe_environment(timing.CPU, max(counts)) | {"peers": {}}
    if as_json:
        print_json(
            {
                "environment": environment,
                "epochs": [asdict(row) for row in rows],
                "skipped": [asdict(s) for s in skipped],
            }
        )
        return
    say(f"{environment['processor']}; torch {environment['torch']}")
    print("\n".join(timing.timing_lines(rows, skipped)))


EXTRAS = {
    "onnx": ("onnx", "onnxscript", "onnxruntime"),
    "search": ("optuna",),
    "hdf5": ("h5py",),
    "cluster": ("ray",),
    "track": ("tensorboard", "mlflow", "wandb"),
}
"""The modules that each extra of the package installs."""


@app.command()
def doctor(data_dir: DataDir = None, as_json: Json = False) -> None:
    """Show version, engine, processor, data sets and extras, and what to type for whatever is missing."""
    found = examine(data_dir)
    if as_json:
        print_json(found)
        return
    from rich.console import Console
    from rich.table import Table

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column(overflow="fold")
    for name, value in _table_rows(found):
        table.add_row(name, value)
    Console().print(table, markup=False)
    for missing in found["missing"]:
        say(f"{missing['what']}: {missing['type']}")


def examine(data_dir: Path | None = None) -> dict[str, Any]:
    """What is here, as plain values: versions, processor, engine, data sets, extras, and what is missing."""
    import torch

    from featherweight.data import store
    from featherweight.data.sets import SETS
    from featherweight.engine import instructions, processors
    from featherweight.training.runs.environment import describe_environment

    about = describe_environment(torch.device("cpu"), processors())
    kernels = instructions()
    sets = {name: store.is_available(known, data_dir) for name, known in SETS.items()}
    extras = {name: [one for one in modules if not find_spec(one)] for name, modules in EXTRAS.items()}
    missing = [
        {"what": f"{name} lacks {', '.join(lacking)}", "type": f"pip install {' '.join(lacking)}"}
        for name, lacking in extras.items()
        if lacking
    ]
    if not kernels:
        missing.insert(0, {
            "what": "the native engine is not built, so PyTorch trains, about 7 times slower",
            "type": "install g++ or another C++ compiler and then featherweight again, or its wheel",
        })  # fmt: skip
    missing += [
        {
            "what": f"data set {name} is not here",
            "type": f"python -c \"import featherweight as fw; fw.load_data('{name}')\"",
        }
        for name, here in sets.items()
        if not here
    ]
    return {
        **{name: about[name] for name in ("featherweight", "python", "torch", "system", "processor", "threads")},
        "engine": "native" if kernels else "torch",
        "instructions": kernels or about["instructions"],
        "data_folders": [str(folder) for folder in store.places(data_dir)],
        "data": sets,
        "extras": {name: not lacking for name, lacking in extras.items()},
        "missing": missing,
    }


def _table_rows(found: dict[str, Any]) -> list[tuple[str, str]]:
    """The table for people."""
    return [
        ("featherweight", f"{found['featherweight']}, Python {found['python']}, PyTorch {found['torch']}"),
        ("processor", f"{found['processor']}, {found['threads']} threads"),
        ("engine", f"{found['engine']}, {found['instructions']}"),
        ("data folders", ", ".join(found["data_folders"]) or "none"),
        ("data sets", ", ".join(name for name, here in found["data"].items() if here) or "none"),
        ("extras", ", ".join(name for name, here in found["extras"].items() if here) or "none"),
    ]
