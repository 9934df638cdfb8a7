"""Run folders: creating one for exclusive use, and finding the runs of an experiment."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from glob import escape
from itertools import count
from pathlib import Path
from typing import Any

from featherweight.data import NAMES
from featherweight.data.dataset import IN_MEMORY, Data
from featherweight.data.split import HELD_OUT
from featherweight.errors import FileError, UsageError
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record, read_record
from featherweight.io import REPLACED, flush_names, is_there, locked, make_folders
from featherweight.networks.checks import fingerprint
from featherweight.training.runs.checkpoint import previous

SOURCE = "experiment.py"
"""In a run's folder: the experiment's file as it was, for people to read. Nothing here runs it."""
RESULT, STAGE = "fit.json", "next"
"""What the folder of a finished search holds, and where within it the next result is made."""


def run_of(folder: Path) -> Path:
    """The folder of a run: the same, or, of a finished search, that of the run that was exported, its lowest seed.

    A search that was killed while its result took its place has its runs either in that place or in the stage.
    """
    if is_there(folder / "record.json"):
        return folder
    whole = is_there(folder / STAGE / RESULT)
    if not (whole or is_there(folder / RESULT)):
        return folder
    runs = folder / STAGE / "runs"
    if not whole or not runs.exists() or (runs / REPLACED).exists():
        runs = folder / "runs"
    return next(iter(by_seed(runs)), folder)


def by_seed(runs: Path) -> list[Path]:
    """The run folders in a folder, the lowest seed first; what is not called as a run is passed over."""
    seeds = {path: path.name.rpartition("-seed")[2] for path in runs.glob("*-seed*")}
    return sorted((path for path, seed in seeds.items() if seed.isdecimal()), key=lambda path: int(seeds[path]))


@contextmanager
def new_folder(out: Path, name: str) -> Iterator[Path]:
    """A new run folder with this name, numbered if the name is taken, in which the block writes the record.

    One process at a time begins a run in `out`, so a folder without a record was left by one that was killed as it
    began, and is taken; one that holds anything else is not.
    """
    with ExitStack() as stack:
        try:
            make_folders(out)
            stack.enter_context(locked(out / ".begin.lock"))
            names = (name if number == 1 else f"{name}-{number}" for number in count(1))
            folder = next(out / name for name in names if not is_there(out / name) or _never_began(out / name))
            folder.mkdir(exist_ok=True)
            flush_names(out)
        except OSError as problem:
            raise UsageError(
                f"No run folder can be created in {out} ({problem.strerror}); choose another place with --out."
            ) from problem
        yield folder


def _never_began(folder: Path) -> bool:
    return folder.is_dir() and all(path.name == SOURCE or path.name.startswith(".") for path in folder.iterdir())


def folder_name(id: str, data: Data, seed: int) -> str:
    """What a run's folder is called: experiment and seed, with the data between them where they are the user's own.

    >>> from featherweight.data import load
    >>> folder_name("f3", load("digits"), 7)
    'f3-seed7'
    """
    own = data.source == IN_MEMORY or data.source not in (*NAMES, data.name)
    plain = re.sub(r"[^A-Za-z0-9._]+", "_", data.name).strip("._")[:40]
    return f"{id}-{plain}-seed{seed}" if own and plain else f"{id}-seed{seed}"


def changed_folder(out: Path, name: str, changes: Sequence[str]) -> Path:
    """Where runs of an experiment (or ladder) with changed settings go: none is ever taken for one of its own, and the
    same changes find their runs again.

    >>> changed_folder(Path("runs"), "f3", ["`lr` 0.1 → 0.2"]).name
    'f3-changed-ac987089'
    """
    digest = hashlib.sha256("\n".join(changes).encode()).hexdigest()[:8]
    return out / f"{name}-changed-{digest}"


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """Lock a run's folder for this process; UsageError if another process holds it, FileError if it is not writable."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / ".lock", wait=False))
        except BlockingIOError as problem:
            raise UsageError(
                f"The run of {folder} is being trained by another process; wait for it to end."
            ) from problem
        except OSError as problem:
            raise FileError(
                f"The run of {folder} cannot continue: nothing can be written there ({problem.strerror})."
            ) from problem
        yield


def states(folder: Path) -> tuple[int, ...]:
    """The modification times of the checkpoints in a run folder, in nanoseconds; () if there are none."""
    path = folder / "state.safetensors"
    return tuple(one.stat().st_mtime_ns for one in (path, previous(path)) if one.exists())


def find_runs(folders: Iterable[Path], *patterns: str) -> Iterator[tuple[Path, Record]]:
    """Yield each run whose record matches a pattern in one of the folders, sorted by name, with its record.

    A run is given by its folder if the record is called record.json, else by the record's file. Raises FileError for a
    damaged record.
    """
    for path in (path for folder in folders for pattern in patterns for path in sorted(folder.glob(pattern))):
        yield (path.parent if path.name == "record.json" else path), read_record(path)


def _record_patterns(id: str, seed: int) -> tuple[str, str]:
    """Of the records in an experiment's run folders, whatever data they are of."""
    id = escape(id)
    return f"{id}-seed{seed}*/record.json", f"{id}-*-seed{seed}*/record.json"


def finished_runs(
    experiment: Experiment,
    folders: Sequence[Path],
    seeds: Iterable[int],
    source: str,
    holdout: int = 0,
    wanted: Callable[[Record], bool] = lambda record: True,
) -> list[Record]:
    """Records of finished runs of the experiment in its current form, one per seed, found in the folders.

    A folder holds run folders, or committed records such as `results/ID/seedN.json`. `source` is the data set that the
    runs must use, `holdout` the number of images they must hold out; `wanted` may set further conditions.
    """
    found = []
    for seed in seeds:
        runs = find_runs(folders, *_record_patterns(experiment.id, seed), f"{escape(experiment.id)}/seed{seed}.json")
        fitting = (
            record
            for _, record in runs
            if record.finished and _is_of(record, experiment, seed, source, holdout) and wanted(record)
        )
        found += [record for record in [next(fitting, None)] if record]
    return found


def unfinished_run(
    experiment: Experiment,
    folder: Path,
    seed: int,
    source: str,
    holdout: int = 0,
    wanted: Callable[[Record], bool] = lambda record: True,
) -> Path | None:
    """The folder of an interrupted run that `finished_runs` would count once it is finished; None if there is none."""
    for path, record in find_runs([folder], *_record_patterns(experiment.id, seed)):
        if not record.finished and _is_of(record, experiment, seed, source, holdout) and wanted(record):
            return path
    return None


def run_like(like: Record, folder: Path, seed: int, *, finished: bool) -> tuple[Path, Record] | None:
    """A run with this seed in the folder and its record, where experiment, data and engine equal those of `like`."""

    def settings(record: Record) -> Any:
        parts = (record.experiment, record.network, record.recipe, record.budget, record.data, record.engine)
        return json.loads(json.dumps(parts))

    for path, record in find_runs([folder], f"*-seed{seed}*/record.json"):
        if (record.seed, record.finished) == (seed, finished) and settings(record) == settings(like):
            return path, record
    return None


def _is_of(record: Record, experiment: Experiment, seed: int, source: str, holdout: int) -> bool:
    recipe = Recipe.from_json(record.recipe)
    if (record.experiment, record.seed, recipe) != (experiment.name, seed, experiment.recipe):
        return False
    network = experiment.build(channels=record.data["shape"][0], classes=len(record.data["classes"]))
    held = (holdout, HELD_OUT if holdout else None)
    of_data = (record.data["source"], record.data["holdout"], record.data.get("held_out")) == (source, *held)
    return record.network == fingerprint(network) and of_data
