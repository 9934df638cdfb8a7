"""Run folders: making one that nobody else has, and finding the runs that an experiment has left."""

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from featherweight.data.split import HELD_OUT
from featherweight.errors import FileError, UsageError
from featherweight.experiments.experiment import Experiment, fingerprint
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record, read_record
from featherweight.files import flush_names, locked, make_folders
from featherweight.training.runs.checkpoint import before


def new_folder(out: Path, name: str) -> Path:
    """A new folder of that name, with a number after it when taken; making it claims it, so many may start at once."""
    number = 1
    try:
        make_folders(out)
        while True:
            folder = out / (name if number == 1 else f"{name}-{number}")
            try:
                folder.mkdir()
            except FileExistsError:
                number += 1
            else:
                flush_names(out)
                return folder
    except OSError as problem:
        raise UsageError(
            f"No run folder can be made in {out} ({problem.strerror}); name another with --out."
        ) from problem


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
        patterns = (f"{experiment.id}-seed{seed}*", f"{experiment.id}/seed{seed}.json")
        for path in (path for folder in folders for pattern in patterns for path in sorted(folder.glob(pattern))):
            record = read_record(path)
            if record.finished and _is_of(record, experiment, seed, source, holdout) and wanted(record):
                found.append(record)
                break
    return found


def unfinished_run(experiment: Experiment, folder: Path, seed: int, source: str, holdout: int = 0) -> Path | None:
    """The run folder of a run that `finished_runs` would count, had it not been stopped; None where there is none."""
    for path in sorted(folder.glob(f"{experiment.id}-seed{seed}*")):
        if not (path / "record.json").exists():  # somebody is just making it
            continue
        record = read_record(path)
        if not record.finished and _is_of(record, experiment, seed, source, holdout):
            return path
    return None


def run_like(like: Record, folder: Path, seed: int, *, finished: bool) -> tuple[Path, Record] | None:
    """A run of that seed in the folder, and its record, that is otherwise of the same experiment, data and engine."""

    def settings(record: Record) -> Any:
        parts = (record.experiment, record.network, record.recipe, record.budget, record.data, record.engine)
        return json.loads(json.dumps(parts))

    for path in sorted(folder.glob(f"*-seed{seed}*/record.json")):
        record = read_record(path)
        if (record.seed, record.finished) == (seed, finished) and settings(record) == settings(like):
            return path.parent, record
    return None


def _is_of(record: Record, experiment: Experiment, seed: int, source: str, holdout: int) -> bool:
    recipe = Recipe.from_json(record.recipe)
    if (record.experiment, record.seed, recipe) != (experiment.name, seed, experiment.recipe):
        return False
    network = experiment.build(channels=record.data["shape"][0], classes=len(record.data["classes"]))
    held = (holdout, HELD_OUT if holdout else None)
    of_data = (record.data["source"], record.data["holdout"], record.data.get("held_out")) == (source, *held)
    return record.network == fingerprint(network) and of_data
