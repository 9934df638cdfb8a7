"""Readers fuzzed by coverage: inputs that reach new lines are kept and mutated further.

`python -m tests.faults.coverage_fuzz [READER] [--seconds N]` goes on for as long as one likes. It needs no fuzzing
engine: lines are traced by Python's own hook, of the readers' modules alone.
"""

import argparse
import json
import math
import random
import sys
import time
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from types import FrameType
from typing import Any

import torch

from featherweight.data import containers, formats
from featherweight.errors import FeatherweightError
from featherweight.experiments import record
from featherweight.training.runs import tensors

from . import input_fuzz
from .harness import FAST
from .mutated_files import idx_files, picture_files
from .mutations import mutated, signed

TENSORS = {"weight": torch.arange(6.0).reshape(2, 3), "count": torch.tensor(5)}


def _read_tensors(path: Path) -> None:
    try:
        tensors.read_tensors(tensors.open_packed(path, "note"), TENSORS)
    except ValueError as problem:  # what its callers turn into a FileError
        raise FeatherweightError(str(problem)) from problem


def _read_picture(path: Path) -> None:
    input_fuzz.read_picture(path)


READERS: dict[str, tuple[Callable[[Path], Any], Callable[[], list[bytes]], Any]] = {
    "IDX": (lambda path: formats.read_idx(path, shape=(None, 5, 7)), idx_files, formats),
    "tensors": (_read_tensors, lambda: [tensors.pack_tensors(TENSORS, {"note": "fuzzed"})], tensors),
    "records": (record.read_record, lambda: [_record()], record),
    "pictures": (_read_picture, lambda: list(picture_files().values()), containers),
}
"""Each reader with the files that it begins with and the module whose lines are counted."""


def _record() -> bytes:
    committed = sorted((Path(__file__).parents[2] / "results" / "f3").glob("seed*.json"))
    return committed[0].read_bytes()


def trial(name: str, *, seconds: float = math.inf, inputs: float = math.inf, seed: int = 0) -> dict[str, Any]:
    """How many inputs were tried, kept since they reached new lines, and ended in an error not the project's.

    Ends after so many seconds or inputs; one of them is given.
    """
    read, seeds, module = READERS[name]
    draws, corpus = random.Random(seed), seeds()
    reached: set[int] = set()
    tried = other = kept = 0
    file = str(module.__file__)
    with TemporaryDirectory(dir=FAST) as folder_name:
        path = Path(folder_name) / "input.png"
        begun = time.monotonic()
        while time.monotonic() < begun + seconds and tried < inputs:
            content = corpus[tried] if tried < len(seeds()) else mutated(draws.choice(corpus), draws)
            content = signed(content) if name == "tensors" and draws.random() < 0.8 else content
            path.write_bytes(content)
            lines, failed = _traced(lambda: read(path), file)
            tried += 1
            other += failed
            if lines - reached and tried > len(seeds()):
                corpus.append(content)
                kept += 1
            reached |= lines
    return {"reader": name, "seconds": round(time.monotonic() - begun), "inputs": tried, "kept": kept,
            "lines": len(reached), "other errors": other}  # fmt: skip


def _traced(read: Callable[[], Any], file: str) -> tuple[set[int], bool]:
    """The lines of `file` that a call runs through, and whether it ends in an error that is not the project's."""
    lines: set[int] = set()

    def line(frame: FrameType, event: str, _: Any) -> Any:
        lines.add(frame.f_lineno)
        return line

    def call(frame: FrameType, event: str, _: Any) -> Any:
        return line if frame.f_code.co_filename == file else None

    sys.settrace(call)
    try:
        read()
    except FeatherweightError:
        return lines, False
    except Exception as problem:
        sys.settrace(None)
        print(f"{type(problem).__name__}: {problem}", file=sys.stderr)
        return lines, True
    finally:
        sys.settrace(None)
    return lines, False


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("reader", nargs="*", help=f"of {', '.join(READERS)}; all by default")
    parser.add_argument("--seconds", type=float, default=60, help="for each reader")
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    for name in given.reader or READERS:
        print(json.dumps(trial(name, seconds=given.seconds, seed=given.seed)), flush=True)


if __name__ == "__main__":
    main()
