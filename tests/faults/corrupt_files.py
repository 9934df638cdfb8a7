"""Flipped bits and cut ends of state and weights files: none may be loaded, and the state before is used."""

import random
from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

from featherweight.errors import FileError
from featherweight.training.runs import run as runs
from featherweight.training.runs.checkpoint import load_state, previous, save_state
from featherweight.training.runs.trained import load_trained
from featherweight.training.state import State, initial_state

from .harness import FAST, warmed
from .mutations import flipped


def trial(flips: int, truncations: int) -> list[dict[str, Any]]:
    """For each kind of file: how many damaged ones were refused, and how many were loaded as if nothing were."""
    experiment, data = warmed()
    with TemporaryDirectory(prefix="damaged-", dir=FAST) as name:
        run = runs.new_run(experiment, data, out=Path(name), engine="torch", threads=1)
        path = run.folder / "state.safetensors"
        for state in runs.train(run):
            save_state(state, {}, run.folder / "kept.safetensors")
        (run.folder / "kept.safetensors").rename(path)
        fresh = initial_state(experiment.build(), experiment.recipe, torch.device("cpu"), len(data.train))
        cases = {
            "state": (path, partial(load_state, fresh, {}, path)),
            "weights": (run.folder / "weights.safetensors", partial(load_trained, run.folder)),
        }
        (run.folder / "kept.before.safetensors").unlink()
        rows = [_refused(kind, *case, flips, truncations) for kind, case in cases.items()]
        return [*rows, _fallen_back(fresh, path, truncations)]


def _damaged(content: bytes, flips: int, truncations: int) -> list[bytes]:
    draws = random.Random(0)
    cut = [content[: draws.randrange(len(content))] for _ in range(truncations)]
    return [flipped(content, draws) for _ in range(flips)] + cut


def _refused(kind: str, path: Path, load: Callable[[], Any], flips: int, truncations: int) -> dict[str, Any]:
    content = path.read_bytes()
    load()  # whole, it is loaded
    found: Counter[str] = Counter(refused=0, loaded=0)
    for damaged in _damaged(content, flips, truncations):
        path.write_bytes(damaged)
        try:
            load()
        except FileError as problem:
            found["refused"] += str(path) in str(problem)
        else:
            found["loaded"] += 1
    path.write_bytes(content)
    return {"file": kind, "flips": flips, "truncations": truncations, **found}


def _fallen_back(fresh: State, path: Path, count: int) -> dict[str, Any]:
    """With a whole state before it, a damaged one is named and the one before it used."""
    content = path.read_bytes()
    previous(path).write_bytes(content)
    used = 0
    for damaged in _damaged(content, count, count):
        path.write_bytes(damaged)
        with torch.no_grad():
            fresh.parameters.decayed.fill_(0.5)
        said = load_state(fresh, {}, path)
        used += path.name in said and bool((fresh.parameters.decayed != 0.5).any())
    return {"file": "state, with the one before it", "flips": count, "truncations": count, "one before used": used}
