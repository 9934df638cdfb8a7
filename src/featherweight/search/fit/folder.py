"""A search's folder: which pictures it is about, one writer at a time, a result that stays until the next is whole."""

import json
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import msgspec

from featherweight.data import load
from featherweight.data.dataset import IN_MEMORY, Data
from featherweight.errors import FeatherweightError, UsageError
from featherweight.escape import printable
from featherweight.experiments.record import read_record, size_of_facts, write_record
from featherweight.io import (
    flush_names,
    locked,
    make_folders,
    not_a_place,
    remove_any,
    remove_parts,
    require_utf8,
    take_places,
    write_text,
)
from featherweight.search.fit.journal import read_trainings
from featherweight.search.fit.notes import Question, read_question, read_result
from featherweight.search.fit.resized import SPLIT_SEED, ResizedData
from featherweight.search.fit.trial import Aim
from featherweight.training.runs.folders import RESULT, STAGE, by_seed
from featherweight.training.runs.trained import load_trained, save_weights

ASKED, TRIALS, LOCK = "asked.json", "trials.jsonl", ".lock"
REPLACED = "replaced"
"""Where the result before is put while the one that was made in the `STAGE` takes its place."""
ELSEWHERE = "name another folder with --out"


@contextmanager
def lock_folder(out: Path) -> Iterator[None]:
    """Make the folder and hold it for this process; UsageError where another one searches in it."""
    require_utf8(out.resolve(), "The folder")
    with ExitStack() as stack:
        try:
            make_folders(out)
            stack.enter_context(locked(out / LOCK, wait=False))
            remove_parts(out)
        except BlockingIOError as problem:
            raise UsageError(
                f"Another process is searching in {printable(out)}; wait for it to end, or {ELSEWHERE}."
            ) from problem
        except OSError as problem:
            raise not_a_place(Path(printable(out)), problem, ELSEWHERE) from problem
        yield


def require_same_search(
    out: Path, views: ResizedData, aim: Aim, seed: int, data: "str | Data", directory: Path | None
) -> float:
    """Note in the folder what is asked for, or compare it with what was asked for there before; the seconds that
    searches for something else on the same pictures took.

    Raises UsageError where the folder's search is on other pictures, or where it holds other files.
    """
    wanted = _question(views, aim, seed)
    path, begun_at = out / ASKED, 0.0
    if path.exists() or path.is_symlink():
        known = read_question(path)
        if found := request_differences(known, wanted):
            raise UsageError(f"{printable(out)} holds another search: {found}; {ELSEWHERE}.")
        if known.pictures is None:
            _require_verified(out, data, directory)
        begun_at = known.begun_at
        if msgspec.to_builtins(known.aim) != wanted["aim"]:
            begun_at = max((training.at for _, training in read_trainings(out / TRIALS)), default=0.0)
        elif known.pictures is not None:
            return begun_at
    elif any(child.name != LOCK for child in out.iterdir()):
        raise UsageError(f"{printable(out)} holds other files; {ELSEWHERE}.")
    write_text(path, json.dumps(wanted | {"begun_at": begun_at}, indent=1) + "\n")
    return begun_at


def require_same_pictures(out: Path, views: ResizedData, seed: int) -> None:
    """Raise UsageError unless the search in the folder is on these pictures."""
    known = read_question(out / ASKED)
    wanted = _question(views, Aim(), seed)
    if found := request_differences(known, wanted):
        raise UsageError(f"{printable(out)} holds another search: {found}; {ELSEWHERE}.")


def _question(views: ResizedData, aim: Aim, seed: int) -> dict[str, Any]:
    """What is asked for, as plain values."""
    values: dict[str, Any] = json.loads(json.dumps({
        "source": views.source if views.source != IN_MEMORY else views.name, "images": len(views.labels),
        "classes": views.classes, "sizes": [view.shape for view in views.sizes], "aim": asdict(aim),
        "seed": seed, "pictures": dict(views.digests), "groups": views.pattern,
    }))  # fmt: skip
    return values


def request_differences(known: Question, wanted: dict[str, Any]) -> str:
    """How the pictures that are known differ from those that are wanted, in words; "" where they do not.

    Another target and other limits are no difference: what was found on the same pictures holds for them too.
    """
    found = []
    if list(known.classes) != wanted["classes"]:
        found.append(f"its classes are {printable(', '.join(known.classes)):.200}")
    elif known.images != wanted["images"]:
        found.append(f"it has {known.images:,} training images, and here are {wanted['images']:,}")
    elif known.pictures is not None and known.pictures != wanted["pictures"]:
        which = [name for name in ("train", "test") if known.pictures.get(name) != wanted["pictures"][name]]
        words = {"train": "training images or labels", "test": "test images or labels"}
        found.append(f"it was begun with other {' and other '.join(words[name] for name in which)}")
    if [list(size) for size in known.sizes] != wanted["sizes"]:
        sizes = ", ".join(" x ".join(map(str, size)) for size in known.sizes)
        found.append(f"its pictures are brought to {sizes}")
    if known.seed != wanted["seed"]:
        found.append(f"its --seed is {known.seed}")
    if known.groups != wanted["groups"]:
        found.append(f"its --group is {known.groups!r:.100}" if known.groups else "it was begun without --group")
    return ", ".join(found)


def _require_verified(out: Path, data: "str | Data", directory: Path | None) -> None:
    """Raise UsageError unless the runs of a finished search without digests were trained on these very images."""
    sentence = f"{printable(out)} does not say on which pictures it was searched"
    ends = f"; {ELSEWHERE}. `predict`, `evaluate` and `export` still take its runs."
    if not (out / RESULT).exists():
        raise UsageError(f"{sentence}, so that its search cannot go on{ends}")
    try:
        trained = read_record(out / read_result(out)["runs"][0]["folder"]).data
        if isinstance(data, Data):
            digests = data.digests
        else:
            size = size_of_facts(trained)
            loaded = load(data, directory=directory, size=size, seed=SPLIT_SEED, grey=bool(trained.get("grey", False)))
            digests = loaded.digests
    except FeatherweightError as problem:
        raise UsageError(f"{sentence}, and its runs do not either ({problem}){ends}") from problem
    if not digests or dict(digests) != dict(trained["digests"]):
        raise UsageError(f"{sentence}, and its runs were trained on others{ends}")


def stage(out: Path) -> Path:
    """An empty folder for the next result; the present one stays as it is until `install`."""
    install(out)  # of a process that was killed meanwhile
    make_folders(out / STAGE)
    return out / STAGE


def name_experiment(staged: Path, out: Path, name: str) -> None:
    """Have the runs name the experiment's file where it will lie, and not in the stage."""
    for run in by_seed(staged / "runs"):
        trained = load_trained(run)
        record = replace(trained.record, experiment=str((out / name).resolve()))
        save_weights(trained.network, record, run / "weights.safetensors")
        write_record(record, run / "record.json")


def install(out: Path) -> None:
    """Put the result that is whole in its place; what an earlier process left half made is removed.

    A result is whole once its last file, that with the figures, is there. Whoever is killed on the way leaves the rest
    to the next call.
    """
    if (out / STAGE / RESULT).exists():
        take_places(out / STAGE, out, out / REPLACED, last=RESULT)
        flush_names(out)
    remove_any(out / STAGE, out / REPLACED)
