"""A ladder: experiments that each change one thing of their parent, trained in order and written up as one page.

The ladders of the package are found by their letter; anybody's is a folder with one file for each experiment.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from pathlib import Path
from typing import Any

from featherweight.data.dataset import Data
from featherweight.errors import UsageError
from featherweight.escape import in_docstring
from featherweight.experiments.experiment import Experiment, find, ids, letters, rungs
from featherweight.experiments.record import Record, Size, read_record
from featherweight.experiments.settings import changes, overridden
from featherweight.io import is_folder, is_there, make_folders, staged, write_text
from featherweight.parallel.pool import keep_workers
from featherweight.protocol.ledger import LEDGER, attempts_table, note_rungs, read_ledger
from featherweight.protocol.proof_runs import Trainer
from featherweight.report import figures
from featherweight.report.figures.svg import svg
from featherweight.report.ladder_page import RungView, html_page, markdown_page, rung_view
from featherweight.training.runs.events import Failed
from featherweight.training.runs.folders import changed_folder, finished_runs, unfinished_run
from featherweight.training.runs.task import Task, check_task

FIRST_LADDER = Path(__file__).with_name("first_ladder")
STEPS = ("step1.py", "step2.py", "step3.py")
ACCURACY = 95.0
"""Percent that every step is to reach; a ladder's targets are its author's."""


@dataclass(frozen=True, kw_only=True)
class Ladder:
    """A ladder: experiments in their order, each after its parent."""

    name: str
    title: str
    subject: str
    """What it is about, in a sentence."""
    rungs: tuple[Experiment, ...]
    parents: Mapping[str, Experiment]
    """The parents that rungs name, by that name; some may be no rung of this ladder."""


def find_ladder(name: str) -> Ladder:
    """The ladder in this folder, or of this letter; UsageError says what is wrong with it."""
    if name not in letters() and ("/" in name or Path(name).is_dir()):
        return folder_ladder(Path(name))
    of_it = tuple(rungs(name))
    subject = (import_module(f"featherweight.experiments.ladders.{name}").__doc__ or "").strip()
    parents = {rung.parent: find(rung.parent) for rung in of_it if rung.parent}
    return Ladder(name=name, title=f"Ladder {name.upper()}", subject=subject, rungs=of_it, parents=parents)


def folder_ladder(folder: Path) -> Ladder:
    """The ladder of the experiment files in a folder, which are executed: only for a folder that the user gave.

    UsageError if the folder or a file is no experiment, if two have one id, or if parents are missing or form a cycle.
    """
    if not folder.is_dir():
        raise UsageError(f"There is no folder {folder}; name one that holds a file for each experiment of the ladder.")
    files = sorted((path for path in folder.glob("*.py") if path.stem != "__init__"), key=_natural)
    if not files:
        raise UsageError(
            f"{folder} holds no experiment; `featherweight new --ladder {folder / 'mine'}` begins a ladder of three."
        )
    found: dict[str, Experiment] = {}
    for path in files:
        rung = find(str(path))
        if other := found.get(rung.id):
            raise UsageError(f"{path} and {other.file and other.file.name} are both called {rung.id}; rename one.")
        found[rung.id] = rung
    parents = {rung.parent: _parent(rung, found) for rung in found.values() if rung.parent}
    ordered = tuple(_in_order(found))
    name = re.sub(r"[^A-Za-z0-9._]+", "-", folder.resolve().name).strip("-.") or "ladder"
    subject = f"{len(ordered)} experiments, each changed from its parent."
    return Ladder(name=name, title=f"Ladder {folder.resolve().name}", subject=subject, rungs=ordered, parents=parents)


def _natural(path: Path) -> list[tuple[bool, int, str]]:
    """The key by which step2.py comes before step10.py."""
    return [(part.isdigit(), int(part) if part.isdigit() else 0, part) for part in re.split(r"(\d+)", path.stem)]


def _parent(rung: Experiment, found: Mapping[str, Experiment]) -> Experiment:
    assert rung.parent is not None
    if rung.parent in found:
        return found[rung.parent]
    if rung.parent in ids():
        return find(rung.parent)
    raise UsageError(
        f"The parent of {rung.id} is {rung.parent!r}, which is neither in its folder ({', '.join(found)}) nor an"
        " experiment of the package; correct `parent=` or add its file."
    )


def _in_order(found: Mapping[str, Experiment]) -> list[Experiment]:
    """The rungs with parents first, otherwise in the order given; UsageError for a cycle."""
    placed: dict[str, Experiment] = {}
    while len(placed) < len(found):
        waiting = [one for one in found.values() if one.id not in placed]
        ready = [one for one in waiting if one.parent in placed or one.parent not in found]
        if not ready:
            left = ", ".join(f"{one.id} (parent {one.parent})" for one in waiting)
            raise UsageError(f"The parents of {left} form a circle; let one of them have no parent.")
        placed[ready[0].id] = ready[0]
    return list(placed.values())


# ------------------------------------------------------------------------------------------- training


@dataclass(frozen=True, kw_only=True)
class LadderRuns:
    """What came of training a ladder."""

    ladder: Ladder
    likes: Mapping[str, Record]
    """What a run of each rung leaves before its first epoch: its network, recipe, budget and data."""
    found: Mapping[str, list[Record]]
    """The finished runs of each rung, seed by seed."""
    failed: list[Failed]
    out: Path
    changed: tuple[str, ...]
    """The settings in which all runs differ from the rungs' files."""
    ledger: Path


@keep_workers()
def train_ladder(
    ladder: Ladder,
    *,
    seeds: int,
    data: str = "auto",
    data_dir: Path | None = None,
    size: Size = None,
    grey: bool = False,
    out: Path = Path("runs"),
    settings: tuple[tuple[str, Any], ...] = (),
    kept: Path | None = None,
    trainer: Trainer,
    tell: Callable[[str], None],
) -> LadderRuns:
    """Train every rung and seed that has no finished run of its network, recipe and pictures; stopped ones go on.

    Each is entered in a ledger of test-set evaluations first: in `out`, or in `kept`, a folder of committed records
    among which finished runs are looked for as well. With `settings` that change every rung, all of it goes into a
    folder within `out` instead. Raises whatever error a run would cause before any is started.
    """
    plain = ladder.rungs
    changing = dict(settings)
    ladder = replace(
        ladder,
        rungs=tuple(overridden(rung, changing) for rung in plain),
        parents={id: overridden(parent, changing) for id, parent in ladder.parents.items()},
    )
    changed = tuple(dict.fromkeys(one for pair in zip(ladder.rungs, plain, strict=True) for one in changes(*pair)))
    if changed:
        out = changed_folder(out, f"ladder-{ladder.name}", changed)
        tell(f"changed: {', '.join(changed)}; runs and page go to {out}")
    data = _one_set(ladder) if data == "auto" else data
    task = Task(experiment="", out=out, data=data, data_dir=data_dir, size=size, grey=grey, settings=settings)
    blank = {rung.id: replace(task, experiment=rung.name) for rung in ladder.rungs}
    likes = {rung.id: check_task(blank[rung.id]).record for rung in ladder.rungs}
    folders = [out, *([kept] if kept else [])]
    found = {rung.id: _finished(rung, folders, range(seeds), likes[rung.id]) for rung in ladder.rungs}
    tasks = [
        replace(blank[rung.id], seed=seed, resume=_stopped(rung, out, seed, likes[rung.id]))
        for rung in ladder.rungs
        for seed in range(seeds)
        if seed not in {record.seed for record in found[rung.id]}
    ]
    ledger = (kept or out) / LEDGER
    if tasks:
        make_folders(ledger.parent)
        missing = {rung.id: [task.seed for task in tasks if task.experiment == rung.name] for rung in ladder.rungs}
        begun = {rung.id for rung in ladder.rungs for task in tasks if task.resume and task.experiment == rung.name}
        note_rungs(ledger, missing, ladder.rungs, likes, begun)
    trained, failed = trainer(tasks) if tasks else ([], [])
    for one in trained:
        rung = next(rung for rung in ladder.rungs if rung.name == one.record.experiment)
        found[rung.id].append(read_record(one.folder))  # with its digest
    for records in found.values():
        records.sort(key=lambda record: record.seed)
    return LadderRuns(ladder=ladder, likes=likes, found=found, failed=failed, out=out, changed=changed, ledger=ledger)


def _one_set(ladder: Ladder) -> str:
    sets = dict.fromkeys(rung.data for rung in ladder.rungs)
    if len(sets) > 1:
        raise UsageError(f"The rungs of {ladder.name} are made for {' and '.join(sets)}; name one set with --data.")
    return next(iter(sets))


def same_data(record: Record, like: Record) -> bool:
    """Whether two runs saw the same pictures: as many, of one shape and classes, and of one digest if both have it."""
    ours, theirs = record.data, like.data
    digests = [dict(about["digests"]) for about in (ours, theirs) if about.get("digests")]
    same = all(list(ours.get(part) or ()) == list(theirs.get(part) or ()) for part in ("shape", "classes"))
    return same and record.data_set == like.data_set and (len(digests) < 2 or digests[0] == digests[1])


def _finished(rung: Experiment, folders: Sequence[Path], seeds: range, like: Record) -> list[Record]:
    """The finished runs of a rung as it is, judged by its budget as it is."""
    runs = finished_runs(rung, folders, seeds, like.data["source"], wanted=lambda one: same_data(one, like))
    return [one if one.budget == like.budget else replace(one, budget=like.budget, macs=like.macs) for one in runs]


def _stopped(rung: Experiment, out: Path, seed: int, like: Record) -> Path | None:
    return unfinished_run(rung, out, seed, like.data["source"], wanted=lambda one: same_data(one, like))


# ------------------------------------------------------------------------------------------- the page


def write_ladder(runs: LadderRuns) -> list[Path]:
    """Write the ladder's page, as Markdown with its curves beside it and as HTML; returns these two paths."""
    ladder, found, out = runs.ladder, runs.found, runs.out
    numbers: dict[str, int] = {}
    views = [_view(rung, runs, numbers) for rung in ladder.rungs]
    curves = {f"{ladder.name}-{rung.id}.svg": found[rung.id] for rung in ladder.rungs if found[rung.id]}
    every = [record for rung in ladder.rungs for record in found[rung.id]]
    about = (ladder.title, ladder.subject, views, numbers)
    page, html = f"{ladder.name}.md", f"{ladder.name}.html"
    with staged(out, f"{ladder.name}-page") as stage:
        for name, records in curves.items():
            write_text(stage / name, svg(figures.accuracy(*records)))
        if every:
            write_text(stage / f"{ladder.name}.svg", svg(figures.ladder(*every)))
        write_text(stage / page, markdown_page(*about, name=ladder.name, changed=runs.changed))
        write_text(stage / html, html_page(*about, changed=runs.changed))
    return [out / page, out / html]


def _view(rung: Experiment, runs: LadderRuns, numbers: dict[str, int]) -> RungView:
    about = runs.likes[rung.id].data
    channels, height, width = about["shape"]
    attempts = read_ledger(runs.ledger)
    return rung_view(
        rung,
        runs.found,
        runs.ladder.parents[rung.parent] if rung.parent else None,
        numbers,
        shape=(channels, height, width),
        classes=len(about["classes"]),
        attempts=attempts_table(rung.name, attempts, runs.found),
    )


# ------------------------------------------------------------------------------------------- one to begin with


BEGUN = "ladder"
"""How this stage is called, whose files a killed process leaves."""


def _is_free(folder: Path) -> bool:
    """Whether there is nothing in a folder but what a process left that was killed while it began a ladder there."""
    names = {path.name for path in folder.iterdir()}
    return f".{BEGUN}.ready" in names or all(name.startswith(f".{BEGUN}.") for name in names)


def write_first_ladder(folder: Path, data: Data | None, on: str = "") -> list[Path]:
    """Write three experiments, a ladder to begin with; returns their paths. UsageError if the folder holds anything.

    The networks take the pictures and classes of `data`, and others; `on` are the options that name it.
    """
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    if is_there(folder) and not (is_folder(folder) and _is_free(folder)):
        raise UsageError(f"{folder} exists and is not an empty folder; name a new one for the ladder.")
    channels, classes = (1, 10) if data is None else (int(data.train.images.shape[1]), len(data.classes))
    made = Environment(loader=FileSystemLoader(FIRST_LADDER), undefined=StrictUndefined, keep_trailing_newline=True)
    words = {
        "about": "MNIST" if data is None else in_docstring(data.name),
        "folder": in_docstring(str(folder)),
        "on": in_docstring(on),
        "channels": channels,
        "classes": classes,
        "accuracy": f"{ACCURACY:g}",
        "target": f"{ACCURACY:g} %",
        "parameters": 5000 + 25 * classes,
    }
    make_folders(folder)
    with staged(folder, BEGUN) as stage:
        for name in STEPS:
            write_text(stage / name, made.get_template(f"{name}.j2").render(words))
    return [folder / name for name in STEPS]
