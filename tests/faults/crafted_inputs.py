"""Inputs made by hand to be misread, at every door, each in a process of its own that is watched from outside.

What counts is not what the reader says, but what was seen: whether a file appeared that only foreign code would write,
how much memory the process took and for how long it worked, whether it ended by itself and in the project's own errors.
"""

import json
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from featherweight.errors import FeatherweightError

from . import decompression_bombs, input_fuzz, output_escaping
from .harness import FAST, warmed

MEMORY_MB = 400
SECONDS = 5.0
"""Processor time that one input may take; a picture has to be read in that."""
HANG_S = 240.0
"""Wall time after which a process is taken to hang; the machine may be busy with other work."""

Attack = Callable[[Path], Any]
"""What reads an input; the folder is its own, and a file `executed` in it says that code ran."""


def trial() -> list[dict[str, Any]]:
    """For each door: inputs tried, and how many were executed, over the bounds, hung or ended in a traceback."""
    warmed()
    return [_door(name, list(cases())) for name, cases in DOORS.items()]


def _pictures() -> Iterator[tuple[str, Attack]]:
    for name, make in decompression_bombs.BOMBS.items():
        yield name, lambda folder, make=make: input_fuzz.read_picture(_file(folder / "picture.png", make()))  # type: ignore[misc]
    yield "png: ancillary chunk of 1.5 GB", lambda folder: input_fuzz.read_picture(_sparse(folder / "picture.png"))


def _file(path: Path, content: bytes) -> Path:
    path.write_bytes(content)
    return path


def _sparse(path: Path) -> Path:
    decompression_bombs.sparse(path)
    return path


def _exits() -> Iterator[tuple[str, Attack]]:
    for exit_name, leaves in output_escaping.EXITS.items():
        for text in output_escaping.NASTY:
            yield f"{exit_name}: {text[:30]!r}", lambda folder, leaves=leaves, text=text: _got_out(leaves(text), folder)  # type: ignore[misc]
    yield "C: strings", lambda folder: _got_out(output_escaping.c_names(list(output_escaping.NASTY)), folder)


def _got_out(what: str, folder: Path) -> None:
    if what:
        (folder / "executed").write_text(what)
        raise AssertionError(what)


DOORS: dict[str, Callable[[], Iterator[tuple[str, Attack]]]] = {
    "pictures: bombs in each format": _pictures,
    "texts of records, names and studies at every exit": _exits,
    "records: every field with every kind of wrong value": input_fuzz.records,
    "states and weights, signed, with what no run says": input_fuzz.states,
    "run folders that name a Python file, with each verb": input_fuzz.foreign_runs,
    "pipes, devices, folders and links in place of files": input_fuzz.odd_files,
    "studies with proposals that are none": input_fuzz.studies,
    "mirrors that mislead, drip or stop": input_fuzz.mirrors,
    "networks that C's fields cannot hold": input_fuzz.networks,
    "modules in the current folder": input_fuzz.current_folder,
}


def _door(name: str, cases: list[tuple[str, Attack]]) -> dict[str, Any]:
    found: Counter[str] = Counter(
        {"refused": 0, "read": 0, "executed": 0, "over bounds": 0, "hangs": 0, "tracebacks": 0}
    )
    most, longest = 0.0, 0.0
    for called, attack in cases:
        with TemporaryDirectory(prefix="attack-", dir=FAST) as folder:
            seen = watched(attack, Path(folder))
        found[seen["end"]] += 1
        found["executed"] += seen["executed"]
        found["over bounds"] += seen["mb"] > MEMORY_MB or seen["seconds"] > SECONDS
        if seen["end"] in ("hangs", "tracebacks") or seen["executed"]:
            print(f"{name}: {called}: {seen}", file=sys.stderr, flush=True)
        most, longest = max(most, seen["mb"]), max(longest, seen["seconds"])
    return {"door": name, "tried": len(cases), **found, "most_mb": round(most), "longest_s": round(longest, 1)}


def watched(attack: Attack, folder: Path) -> dict[str, Any]:
    """What was seen of one attack: its end, whether code ran, MB that the process grew by, and processor seconds."""
    reading, writing = os.pipe()
    process = os.fork()
    if not process:
        os.close(reading)
        os.setsid()
        os._exit(_carried_out(attack, folder, writing))
    os.close(writing)
    end = time.monotonic() + HANG_S
    status = None
    while status is None and time.monotonic() < end:
        ended, code = os.waitpid(process, os.WNOHANG)
        status = code if ended else None
        time.sleep(0.002)
    if status is None:
        os.killpg(process, signal.SIGKILL)
        os.waitpid(process, 0)
    with os.fdopen(reading, "rb") as pipe:
        told = pipe.read()
    seen: dict[str, Any] = {"end": "hangs" if status is None else "tracebacks", "mb": 0.0, "seconds": 0.0, "said": ""}
    if told and status is not None:
        seen |= json.loads(told)
    return seen | {"executed": (folder / "executed").exists()}


def _carried_out(attack: Attack, folder: Path, writing: int) -> int:
    """In a process of its own: attack, and tell how it ended; its exit status."""
    before = _memory("VmRSS")
    said, end = "", "read"
    sys.stdout = sys.stderr = open(os.devnull, "w")  # noqa: PTH123, SIM115 -- for as long as the process lives
    try:
        attack(folder)
    except FeatherweightError as problem:
        said, end = str(problem), "refused"
    except BaseException as problem:
        said, end = f"{type(problem).__name__}: {problem}", "tracebacks"
    used = resource.getrusage(resource.RUSAGE_SELF)
    seconds = used.ru_utime + used.ru_stime
    seen = {"end": end, "said": said[:300], "mb": _memory("VmHWM") - before, "seconds": seconds}
    os.write(writing, json.dumps(seen).encode())
    return 0


def _memory(what: str) -> float:
    """MB that this process has (VmRSS), or had when it had most (VmHWM)."""
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith(what))
