"""The cards beside the curves: how to repeat a run, and how to put its network on a chip."""

import json
import shlex
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from typing import Any

from featherweight.data import NAMES
from featherweight.data.dataset import IN_MEMORY
from featherweight.experiments.experiment import find, ids
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.experiments.settings import flatten
from featherweight.report.page.blocks import Card, Column, Table
from featherweight.report.page.load_runs import Group, LoadedRun, short_name
from featherweight.training.runs.restore import SOURCE

PACKAGE = Path(__file__).parents[2]
CLOCK = 64_000_000
"""Hertz of a common Cortex-M4, for an idea of the time that its cycles take."""


def _recipe_settings(recipe: Recipe, budget: dict[str, Any]) -> dict[str, Any]:
    """Every setting by the dotted name that `--set` takes."""
    whole = recipe.to_json() | {"augment": asdict(recipe.augment)}
    return flatten({"recipe": whole, "budget": budget})


def changed_settings(record: Record) -> dict[str, Any]:
    """The settings in which the run differs from its experiment in the package, by dotted name; empty for others.

    A setting that the run does not have, such as another schedule's, is left out.
    """
    if record.experiment not in ids():
        return {}
    experiment = find(record.experiment)
    ours = _recipe_settings(Recipe.from_json(record.recipe), record.budget)
    its = _recipe_settings(experiment.recipe, experiment.budget.to_json())
    found = {name: value for name, value in ours.items() if name not in its or its[name] != value}
    gone = {".".join(name.split(".")[:2]) for name in its if name not in ours and name.startswith("recipe.")}
    kept = {".".join(name.split(".")[:2]) for name in ours}
    switched_off = dict.fromkeys(sorted(gone - kept))
    kinds = {name.replace(".kind", ""): value for name, value in found.items() if name.endswith(".kind")}
    return kinds | {name: value for name, value in found.items() if not name.endswith(".kind")} | switched_off


def command(record: Record) -> str:
    """The command that trains the same run again, quoted for a shell."""
    about, known = record.data, record.experiment in ids()
    words = ["featherweight", "train", record.experiment if known else f"{short_name(record.experiment)}.py"]
    words += ["--seed", str(record.seed)]
    changed = changed_settings(record)
    if not known or "recipe.epochs" in changed:
        words += ["--epochs", str(record.recipe["epochs"])]
        changed.pop("recipe.epochs", None)
    if about["source"] != IN_MEMORY:
        words += ["--data", str(about["source"])]
    size = about.get("size")
    if size:
        words += ["--size", size if isinstance(size, str) else "x".join(map(str, size))]
    if about["holdout"]:
        words += ["--holdout", str(about["holdout"])]
    words += ["--engine", record.engine]
    if not record.engine.startswith("native"):
        words += ["--threads", str(record.environment["threads"])]
    for name, value in changed.items():
        words += ["--set", f"{name}={value if isinstance(value, str) else json.dumps(value)}"]
    return shlex.join(words)


def own_settings(record: Record) -> dict[str, Any]:
    """The recipe's fields that differ from the defaults, by name, in the recipe's order."""
    recipe = Recipe.from_json(record.recipe)
    ours, usual = _recipe_settings(recipe, {}), _recipe_settings(Recipe(), {})
    schedule = type(recipe.schedule)
    assumed = {field.name: field.default for field in fields(schedule) if field.default is not MISSING}
    usual |= {f"recipe.schedule.{name}": value for name, value in assumed.items()}
    found = {name: value for name, value in ours.items() if name not in usual or usual[name] != value}
    return {name.removeprefix("recipe."): value for name, value in found.items()}


def recipe_card(run: LoadedRun) -> Card:
    """From which the run can be repeated: its command, what its recipe sets, data, commit and machine."""
    record, about = run.record, run.record.data
    settings = ", ".join(
        f"{name} {value if isinstance(value, str) else json.dumps(value)}"
        for name, value in own_settings(record).items()
    )
    images = f"{about['name']}: {about['train']:,} training and {about['test']:,} "
    images += "held-out images" if about["holdout"] else "test images"
    where = record.environment
    made = [str(where[name]) for name in ("processor", "instructions") if where.get(name)]
    threads = where["threads"]
    made.append(f"{threads} thread{'s' * (threads != 1)}")
    rows = [
        ("experiment", short_name(record.experiment)),
        ("seed", str(record.seed)),
        ("recipe, where it differs from the defaults", settings or "nothing"),
        ("data", images),
        ("version", f"featherweight {where.get('featherweight', '?')}, commit {where.get('commit', 'unknown')},"
                    f" torch {where['torch']}"),
        ("machine", ", ".join(made)),
    ]  # fmt: skip
    notes = []
    if record.experiment not in ids():
        kept = (run.path / SOURCE).is_file()
        notes.append(
            f"The experiment's file is kept as `{SOURCE}` in the run's folder."
            if kept
            else "The run's folder holds no copy of the experiment's file, which the command needs."
        )
    if about["source"] == IN_MEMORY:
        notes.append("The data were handed over in Python, so the command needs `--data` with a copy of them.")
    elif about["source"] not in NAMES:
        notes.append("The data are a folder on the machine that trained it.")
    return Card(name="recipe", title="Repeat this run", command=command(record), rows=tuple(rows), note=" ".join(notes))


def digests_table(record: Record) -> Table | None:
    """The data's digests, by which a copy is known to be the same; None if the record has none."""
    found = record.data.get("digests") or {}
    columns = (Column(name="file", heading="file"), Column(name="sha256", heading="SHA-256"))
    rows = tuple((str(name), str(value)) for name, value in found.items())
    caption = "Digests of the data that the run was trained and judged on"
    return Table(name="digests", caption=caption, columns=columns, rows=rows, folded=True) if rows else None


def kilobytes(count: float) -> str:
    """Bytes in kB of 1,000.

    >>> kilobytes(20_480), kilobytes(731)
    ('20.5 kB', '0.7 kB')
    """
    return f"{count / 1000:,.1f} kB"


def deploy_card(group: Group, run: LoadedRun) -> Card | None:
    """What the network needs on a microcontroller, and the command that exports it; None if it is not available."""
    if group.chip is None:
        return None
    has_weights = run.trained is not None
    export = f"featherweight export {shlex.quote(_run_name(run))} --to c" if has_weights else ""
    if isinstance(group.chip, str):
        return Card(name="deploy", title="Put it on a chip", command="", rows=(), note=group.chip)
    smallest, faster = group.chip
    rows = (
        ("flash", f"{kilobytes(smallest.flash)}: code, weights and tables"),
        ("RAM", f"{kilobytes(smallest.ram)}, and {kilobytes(smallest.picture)} for the picture"),
        ("multiplications", f"{smallest.macs:,} a picture"),
        ("time", f"{faster.cycles / 1e6:,.1f} million cycles of a Cortex-M4, {_duration(faster.cycles / CLOCK)} at"
                 f" {CLOCK // 1_000_000} MHz"),
    )  # fmt: skip
    bits, data = Recipe.from_json(run.record.recipe).bits_in_c, run.record.data
    program = "the 8-bit C program" if bits == 8 else f"the C program with {bits}-bit weights"
    drawn = list(data["shape"]) == [1, 28, 28] and list(data["classes"]) == [str(digit) for digit in range(10)]
    others = "`--to onnx` and `--to page` work as well." if drawn else "`--to onnx` works as well."
    others = others if has_weights else "An export needs the run's weights."
    note = f"Estimated for {program}, flash and RAM on a Cortex-M0+. {others}"
    return Card(name="deploy", title="Put it on a chip", command=export, rows=rows, note=note)


def _duration(value: float) -> str:
    return f"{value:,.1f} s" if value >= 1 else f"{1000 * value:,.0f} ms"


def _run_name(run: LoadedRun) -> str:
    """What names the run to another command: its experiment if it comes with the package, else its folder.

    Of a folder given by its whole path, only the last two parts are given.
    """
    if PACKAGE in run.path.resolve().parents:
        return run.record.experiment
    return str(run.path) if not run.path.is_absolute() else "/".join(run.path.parts[-2:])
