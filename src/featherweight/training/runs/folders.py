"""Run folders: making one that nobody else has, and finding the runs that an experiment has left."""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from featherweight.data import NAMES, Data
from featherweight.data.split import HELD_OUT, IN_MEMORY
from featherweight.errors import FileError, UsageError
from featherweight.experiments.experiment import Experiment, fingerprint
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record, read_record
from featherweight.files import locked
from featherweight.training.runs.checkpoint import before


def new_folder(out: Path, name: str) -> Path:
    """A new folder of that name, with a number after it when taken; making it claims it, so many may start at once."""
    number = 1
    try:
        out.mkdir(parents=True, exist_ok=True)
        while True:
            folder = out / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
            else:
                return folder
    except OSError as problem:
        raise UsageError(
            f"No run folder can be made in {out} ({problem.strerror}); name another with --out."
        ) from problem


def folder_name(id: str, data: Data, seed: int) -> str:
    """What a run's folder is called: experiment and seed, with the data between them where they are the user's own.

    >>> from featherweight.data import load
    >>> folder_name("f3", load("digits"), 7)
    'f3-seed7'
    """
    own = data.source == IN_MEMORY or data.source not in (*NAMES, data.name)
    plain = re.sub(r"[^A-Za-z0-9._]+", "_", data.name).strip("._")[:40]
    return f"{id}-{plain}-seed{seed}" if own and plain else f"{id}-seed{seed}"


@contextmanager
def exclusive(folder: Path) -> Iterator[None]:
    """A run's folder for this process alone; UsageError when another has it, FileError when nothing can be written."""
    with ExitStack() as stack:
        try:
            stack.enter_context(locked(folder / ".lock", wait=False))
        except BlockingIOError as problem:
            raise UsageError(
                f"The run of {folder} is being trained by another process; wait for it to end."
            ) from problem
        except OSError as problem:
            raise FileError(
                f"The run of {folder} cannot go on: nothing can be written there ({problem.strerror})."
            ) from problem
        yield


def states(folder: Path) -> tuple[int, ...]:
    """When the states in a run's folder were written, in nanoseconds; () where there is none."""
    path = folder / "state.safetensors"
    return tuple(one.stat().st_mtime_ns for one in (path, before(path)) if one.exists())


def find_runs(folders: Iterable[Path], *patterns: str) -> Iterator[tuple[Path, Record]]:
    """Each run whose record matches a pattern in one of the folders, by name, and the record.

    A run is its folder, where the record is called record.json, else the record's file. Raises FileError for a record
    that is damaged.
    """
    for path in (path for folder in folders for pattern in patterns for path in sorted(folder.glob(pattern))):
        yield (path.parent if path.name == "record.json" else path), read_record(path)


def _patterns(id: str, seed: int) -> tuple[str, str]:
    """Of the records in an experiment's run folders, whatever data they are of."""
    return f"{id}-seed{seed}*/record.json", f"{id}-*-seed{seed}*/record.json"


def finished_runs(
    experiment: Experiment,
    folders: Sequence[Path],
    seeds: Iterable[int],
    source: str,
    holdout: int = 0,
    wanted: Callable[[Record], bool] = lambda record: True,
) -> list[Record]:
    """Records of finished runs of the experiment as it is now, one a seed, found in or under the folders.

    A folder holds run folders, or committed records as `results/ID/seedN.json`. `source` names the data set that
    they must be of, `holdout` how many of its images they must have held out; `wanted` may ask for more.
    """
    found = []
    for seed in seeds:
        runs = find_runs(folders, *_patterns(experiment.id, seed), f"{experiment.id}/seed{seed}.json")
        fitting = (
            record
            for _, record in runs
            if record.finished and _is_of(record, experiment, seed, source, holdout) and wanted(record)
        )
        found += [record for record in [next(fitting, None)] if record]
    return found


def unfinished_run(experiment: Experiment, folder: Path, seed: int, source: str, holdout: int = 0) -> Path | None:
    """The run folder of a run that `finished_runs` would count, had it not been stopped; None where there is none."""
    for path, record in find_runs([folder], *_patterns(experiment.id, seed)):
        if not record.finished and _is_of(record, experiment, seed, source, holdout):
            return path
    return None


def run_like(like: Record, folder: Path, seed: int, *, finished: bool) -> tuple[Path, Record] | None:
    """A run of that seed in the folder, and its record, that is otherwise of the same experiment, data and engine."""

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
