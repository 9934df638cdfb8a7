"""What is read first of a run: five figures in large letters, how to repeat it, and how to put it on a chip."""

import json
import shlex
from dataclasses import MISSING, asdict, fields
from pathlib import Path
from statistics import fmean
from typing import Any

from featherweight.data import NAMES
from featherweight.data.dataset import IN_MEMORY
from featherweight.data.pictures import size_words
from featherweight.experiments.augmentation import preprocessing_words
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import find, ids
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record, size_of_facts
from featherweight.experiments.settings import flatten
from featherweight.experiments.statistics import mean_interval
from featherweight.experiments.verdicts import summarise
from featherweight.report.page.blocks import Card, Headline, Tile, paragraph
from featherweight.report.page.load_runs import Group, LoadedRun, short_name
from featherweight.training.runs.folders import SOURCE

PACKAGE = Path(__file__).parents[2]
CLOCK = 64_000_000
"""Hertz of a common Cortex-M4, for an idea of the time that its cycles take."""


# ------------------------------------------------------------------------------------------- the five figures


def headline(group: Group) -> Headline:
    """The five figures at the top of a page: accuracy, verdict, parameters, flash and RAM, seconds of training."""
    records = [record for record in group.records if record.rows]
    done = [record for record in records if record.finished]
    of_network = _parameters(group.records[0]), _memory_figures(group)
    return Headline(tiles=(_accuracy(records), _verdict_figure(group, done), *of_network, _training_time(done)))


def _accuracy(records: list[Record]) -> Tile:
    """Of the last epoch, which is the result; of several runs the mean."""
    label = "Accuracy"
    if not records:
        return Tile(label=label, value="–", detail="no epoch is finished yet")
    holdout = records[0].data["holdout"]
    images = f"{records[0].data['test']:,} {'held-out' if holdout else 'test'} images"
    last = [record.rows[-1].test_accuracy for record in records]
    if len(records) == 1:
        interval = records[0].verdict.interval
        sure = "95 % interval {:.2f} to {:.2f}, ".format(*interval) if interval else ""
        early = "" if records[0].finished else f"after epoch {len(records[0].rows)}; "
        return Tile(label=label, value=f"{last[0]:.2f} %", detail=f"{early}{sure}{images}")
    low, high = mean_interval(last)
    sure = f"95 % interval {low:.2f} to {min(high, 100):.2f}"
    detail = f"mean of {len(last)} runs, {sure}, worst {min(last):.2f}; {images}"
    return Tile(label=label, value=f"{fmean(last):.2f} %", detail=detail)


def _verdict_figure(group: Group, done: list[Record]) -> Tile:
    """Passed, failed, undecided or unfinished, and by which figure."""
    target = Budget(**group.records[0].budget)
    span = "the last epoch" if target.held == 1 else f"each of the last {target.held} epochs"
    asked = f"asked: {target.accuracy:.2f} % in {span}"
    if len(done) < len(group.records):
        epochs = sum(len(record.rows) for record in group.records)
        planned = sum(int(record.recipe["epochs"]) for record in group.records)
        return Tile(label="Verdict", value="Unfinished", detail=f"{epochs} of {planned} epochs are done; {asked}")
    worst = f"worst judged epoch {summarise(done).worst_of_last:.2f} %"
    passed = sum(record.verdict.passed for record in done)
    if len(done) > 1:
        state = "passed" if passed == len(done) else "failed"
        return Tile(label="Verdict", value=f"{passed} of {len(done)} passed", detail=f"{worst}; {asked}", state=state)
    verdict = done[0].verdict
    if not verdict.decided:
        needed = f"; it takes {verdict.images_needed:,} test images" if verdict.images_needed else ""
        return Tile(label="Verdict", value="Undecided", detail=f"{worst}; {asked}{needed}")
    state = "passed" if verdict.passed else "failed"
    return Tile(label="Verdict", value=state.capitalize(), detail=f"{worst}; {asked}", state=state)


def _parameters(record: Record) -> Tile:
    limit = Budget(**record.budget).parameters
    detail = "; ".join([f"budget: fewer than {limit:,}", *preprocessing_words(record.architecture)])
    return Tile(label="Parameters", value=f"{record.parameters:,}", detail=detail)


def _memory_figures(group: Group) -> Tile:
    """Flash and RAM of the 8-bit C program."""
    label = "Flash and RAM"
    if group.chip is None:
        return Tile(label=label, value="–", detail="the network is not available")
    if isinstance(group.chip, str):
        return Tile(label=label, value="–", detail="this network has no C program; see below")
    smallest, _ = group.chip
    value = f"{kilobytes(smallest.flash)} + {kilobytes(smallest.ram)}"
    return Tile(label=label, value=value, detail="estimated, as 8-bit C on a Cortex-M0+")


def _training_time(done: list[Record]) -> Tile:
    """Of training, on the machine that the record names; of several runs the mean."""
    label = "Training"
    if not done:
        return Tile(label=label, value="–", detail="not finished")
    threads = sorted({int(record.environment["threads"]) for record in done})
    where = f"{' or '.join(map(str, threads))} thread{'s' * (threads != [1])}"
    machines = sorted({str(record.environment.get("processor") or "") for record in done} - {""})
    epochs = int(done[0].recipe["epochs"])
    first = ["mean of the runs"] if len(done) > 1 else []
    detail = ", ".join([*first, f"{epochs} epoch{'s' * (epochs > 1)}", where, *machines])
    return Tile(label=label, value=spent(fmean(record.train_seconds for record in done)), detail=detail)


def spent(seconds: float) -> str:
    """Seconds of training, rounded for people.

    >>> spent(0.42), spent(73.2), spent(7300)
    ('0.4 s', '73 s', '122 min')
    """
    if seconds < 10:
        return f"{seconds:.1f} s" if seconds >= 0.1 else "< 0.1 s"
    return f"{seconds:,.0f} s" if seconds < 600 else f"{seconds / 60:,.0f} min"


# ------------------------------------------------------------------------------------------- repeating, exporting


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
    if size := size_of_facts(about):
        words += ["--size", size_words(size)]
    words += ["--grey"] if about.get("grey") else []
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
    """The card from which a run can be repeated: its command, what its recipe sets, data, commit and machine."""
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
        notes.append(paragraph("own_file_kept", source=SOURCE) if kept else paragraph("own_file_missing"))
    if about["source"] == IN_MEMORY:
        notes.append(paragraph("in_memory"))
    elif about["source"] not in NAMES:
        notes.append(paragraph("own_folder"))
    return Card(name="recipe", title="Repeat this run", command=command(record), rows=tuple(rows), note=" ".join(notes))


def kilobytes(count: float) -> str:
    """Bytes in kB of 1,000.

    >>> kilobytes(20_480), kilobytes(731)
    ('20.5 kB', '0.7 kB')
    """
    return f"{count / 1000:,.1f} kB"


def deploy_card(group: Group, run: LoadedRun) -> Card | None:
    """The card of what a network needs on a microcontroller, with the command of its export; None without a network."""
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
    drawn = list(data["shape"]) == [1, 28, 28] and list(data["classes"]) == [str(digit) for digit in range(10)]
    note = paragraph("deploy", bits=bits, weights=has_weights, drawn=drawn)
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
