"""Trainings on disks that are too small: the last good state must load, and lead to the same end."""

import os
import resource
import shutil
import subprocess
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from featherweight.errors import FeatherweightError, FileError, UsageError
from featherweight.training.runs import run as runs

from .harness import LEFT, apart, go_on, outcome, train, warmed

PAGE = 4096
"""Bytes; a disk in memory has so many or a multiple."""


def trial(levels: int) -> dict[str, Any]:
    """How many of so many sizes of disk stop the run with a sentence, leave a state that loads, and end identical."""
    warmed()
    found: Counter[str] = Counter({"levels": levels, "stopped with a sentence": 0, "last good state loads": 0,
                                   "no state was written yet": 0, "identical in the end": 0})  # fmt: skip
    with TemporaryDirectory(prefix="full-") as name:
        room = Path(name) / "room"
        room.mkdir()
        apart(lambda: train(room, "native"))
        whole = outcome(room / "tiny-seed0")
        needed = apart(lambda: _most_at_once(room / "again"))
        for level in range(1, levels + 1):
            with _small(Path(name) / "small", level * needed // (levels + 1)) as disk:
                found.update(apart(lambda disk=disk: _stopped(disk.folder, disk.limit)))  # type: ignore[misc]
                disk.enlarge()
                found["identical in the end"] += apart(lambda disk=disk: _ended(disk.folder)) == whole  # type: ignore[misc]
    return {"disk": "in memory" if os.geteuid() == 0 else "a limit on the size of files", **found}


def _most_at_once(out: Path) -> int:
    """Bytes that a run takes when it takes most."""
    experiment, data = warmed()
    runs.SAVE_SECONDS = 0.0
    run = runs.new_run(experiment, data, out=out, engine="native", threads=1)
    most = 0
    for _ in runs.train(run):
        sizes = [path.stat().st_size for path in run.folder.iterdir()]
        taken = sum(-(-size // PAGE) * PAGE for size in [*sizes, max(sizes)])  # one is written beside itself
        most = max(most, taken)
    return most if os.geteuid() == 0 else max(path.stat().st_size for path in run.folder.iterdir())


class _Disk:
    """A folder with so much room, until it is enlarged."""

    def __init__(self, folder: Path, size: int) -> None:
        self.folder, self.mounted = folder, os.geteuid() == 0
        self.limit = None if self.mounted else size
        folder.mkdir()
        if self.mounted:
            size = max(PAGE, size // PAGE * PAGE)
            subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", str(folder)], check=True)

    def enlarge(self) -> None:
        if self.mounted:
            subprocess.run(["mount", "-o", "remount,size=64m", str(self.folder)], check=True)


@contextmanager
def _small(folder: Path, size: int) -> Iterator[_Disk]:
    disk = _Disk(folder, size)
    try:
        yield disk
    finally:
        if disk.mounted:
            subprocess.run(["umount", str(folder)], check=True)
        shutil.rmtree(folder)


def _stopped(out: Path, limit: int | None) -> dict[str, int]:
    """Train until there is no room; whether a sentence said so, and whether what was saved last can be loaded."""
    if limit is not None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))
    found = {}
    try:
        train(out, "native")
        found["had room"] = 1
    except (FileError, UsageError) as problem:
        found["stopped with a sentence"] = int("written" in str(problem) or "can be created" in str(problem))
    folder = out / "tiny-seed0"
    if any(folder.glob("state*.safetensors")):
        runs.resume(folder)
        found["last good state loads"] = 1
    else:
        found["no state was written yet"] = 1
    return found


def _ended(out: Path) -> Any:
    """What the run leaves that is resumed with room, or begun again where there was none for its record."""
    folder = out / "tiny-seed0"
    if not (folder / "record.json").exists():
        shutil.rmtree(folder, ignore_errors=True)
        train(out, "native")
    else:
        try:
            go_on(folder)
        except FeatherweightError as problem:
            if "is finished" not in str(problem):
                raise
    files = sorted(path.name for path in folder.iterdir())
    return outcome(folder) if files == LEFT else files
