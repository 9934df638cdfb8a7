"""A search's folder: which pictures it is about, one writer at a time, a result that stays until the next is whole."""

import json
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from featherweight.data import load
from featherweight.data.dataset import IN_MEMORY, Data
from featherweight.errors import FeatherweightError, UsageError
from featherweight.escape import printable
from featherweight.experiments.record import read_record
from featherweight.io import flush_names, locked, make_folders, not_a_place, write_text
from featherweight.search.fit.asha import Aim
from featherweight.search.fit.journal import Question, read_question, read_result
from featherweight.search.fit.resized import SPLIT_SEED, ResizedData
from featherweight.training.runs.folders import RESULT, STAGE

ASKED, LOCK = "asked.json", ".lock"
REPLACED = "replaced"
"""Where the result before is put while the one that was made in the `STAGE` takes its place."""
ELSEWHERE = "name another folder with --out"


@contextmanager
def lock_folder(out: Path) -> Iterator[None]:
    """Make the folder and hold it for this process; UsageError where another one searches in it."""
    with ExitStack() as stack:
        try:
            make_folders(out)
            stack.enter_context(locked(out / LOCK, wait=False))
        except BlockingIOError as problem:
            raise UsageError(
                f"Another process is searching in {printable(out)}; wait for it to end, or {ELSEWHERE}."
            ) from problem
        except OSError as problem:
            raise not_a_place(Path(printable(out)), problem, ELSEWHERE) from problem
        yield


def require_same_search(
    out: Path, views: ResizedData, aim: Aim, seed: int, data: "str | Data", directory: Path | None
) -> None:
    """Note in the folder what is asked for, or compare it with what was asked for there before.

    Raises UsageError where something else was, on other pictures for example, or where the folder holds other files.
    """
    wanted = json.loads(json.dumps({
        "source": views.source if views.source != IN_MEMORY else views.name, "images": len(views.labels),
        "classes": views.classes, "sizes": [view.shape for view in views.sizes], "aim": asdict(aim),
        "seed": seed, "pictures": dict(views.digests),
    }))  # fmt: skip
    path = out / ASKED
    if path.exists() or path.is_symlink():
        known = read_question(path)
        if found := request_differences(known, wanted):
            raise UsageError(f"{printable(out)} holds another search: {found}; {ELSEWHERE}.")
        if known.pictures is not None:
            return
        _require_verified(out, data, directory)
    elif any(child.name != LOCK for child in out.iterdir()):
        raise UsageError(f"{printable(out)} holds other files; {ELSEWHERE}.")
    write_text(path, json.dumps(wanted, indent=1) + "\n")


def request_differences(known: Question, wanted: dict[str, Any]) -> str:
    """How the question that is known differs from the one that is wanted, in words; "" where it does not."""
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
    aim = wanted["aim"]
    if known.aim.target != aim["target"]:
        before = "no --accuracy was asked for" if known.aim.target is None else f"--accuracy was {known.aim.target:g}"
        found.append(f"{before} there")
    if known.aim.minimize != aim["minimize"]:
        found.append(f"--minimise was {known.aim.minimize} there")
    for name, option in (("flash", "flash"), ("ram", "ram"), ("macs", "macs"), ("parameters", "max-params"),
                         ("cycles", "cycles")):  # fmt: skip
        before = getattr(known.aim.limits, name)
        if before != aim["limits"][name]:
            found.append(f"--{option} was {before:,} there" if before is not None else f"it has no limit of {name}")
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
            size = trained.get("size")
            given = (size[0], size[1]) if isinstance(size, list) else None
            loaded = load(data, directory=directory, size=given, seed=SPLIT_SEED, grey=bool(trained.get("grey", False)))
            digests = loaded.digests
    except FeatherweightError as problem:
        raise UsageError(f"{sentence}, and its runs do not either ({problem}){ends}") from problem
    if not digests or dict(digests) != dict(trained["digests"]):
        raise UsageError(f"{sentence}, and its runs were trained on others{ends}")


def stage(out: Path) -> Path:
    """An empty folder for the next result; the present one stays as it is until `install`."""
    _remove_leftovers(out)
    make_folders(out / STAGE)
    return out / STAGE


def install(out: Path) -> None:
    """Put the result that is whole in its place; what an earlier process left half made is removed.

    A result is whole once its last file, that with the figures, is there. Whoever is killed on the way leaves the rest
    to the next call: every part lies either in the stage or in its place.
    """
    staged = out / STAGE
    if (staged / RESULT).exists():
        (out / REPLACED).mkdir(exist_ok=True)
        for part in sorted(staged.iterdir(), key=lambda part: part.name == RESULT):
            place = out / part.name
            if place.is_dir():
                place.rename(out / REPLACED / part.name)
            part.replace(place)
        flush_names(out)
    _remove_leftovers(out)


def _remove_leftovers(out: Path) -> None:
    """Remove what is not the result itself."""
    for place in (out / STAGE, out / REPLACED):
        if place.is_symlink() or place.is_file():
            place.unlink()
        elif place.exists():
            shutil.rmtree(place)
