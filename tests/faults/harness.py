"""What every trial shares: the tiny run, processes forked from one that has imported all, and runs compared."""

import hashlib
import json
import os
import resource
import sys
import traceback
from collections.abc import Callable
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import torch

import featherweight
from featherweight.data import digits, load
from featherweight.data.dataset import Data
from featherweight.experiments.experiment import Experiment, find
from featherweight.experiments.record import read_record
from featherweight.training.runs import checkpoint, environment
from featherweight.training.runs import run as runs

ROOT = Path(__file__).parents[2]
PACKAGES = Path(featherweight.__file__).parents[1]
"""Where the package under test lies: a checkout's `src`, or where it was installed."""
TINY = Path(__file__).with_name("tiny.py")
FAST = next((place for place in ("/dev/shm",) if Path(place).is_dir()), None)
"""A disk in memory, where there is one. What a killed process had written stays there as on any other, and what a disk
takes to flush would make most of a trial's time."""
LEFT = ["experiment.py", "metrics.csv", "record.json", "weights.safetensors"]
"""The files of a finished run."""


@cache
def warmed() -> tuple[Experiment, Data]:
    """The tiny experiment and its data, loaded once; forked processes find both in memory."""
    torch.set_num_threads(1)
    digits.load = cache(digits.load)
    experiment, data = find(str(TINY)), load("digits")
    with TemporaryDirectory(dir=FAST) as name:
        for engine in ("native", "torch"):  # what PyTorch imports when it first trains takes longer than a trial
            for _ in runs.train(runs.new_run(experiment, data, out=Path(name), engine=engine, threads=1)):
                break
            for _ in runs.train(runs.resume(sorted(Path(name).iterdir())[-1])):
                pass
    return experiment, data


def forked(work: Callable[[], Any]) -> tuple[int, int]:
    """Start `work` in a process of its own; its id and a pipe that its JSON can be read from."""
    reading, writing = os.pipe()
    sys.stdout.flush()
    process = os.fork()
    if process:
        os.close(writing)
        return process, reading
    os.close(reading)
    status = 1
    try:
        answer = json.dumps(work()).encode()
        with os.fdopen(writing, "wb") as pipe:
            pipe.write(answer)
        status = 0
    except BaseException:
        traceback.print_exc()
    os._exit(status)


def told(process: int, reading: int) -> Any:
    """What a forked process had to say, once it has ended; None where it was killed or failed."""
    with os.fdopen(reading, "rb") as pipe:
        answer = pipe.read()
    _, status = os.waitpid(process, 0)
    return json.loads(answer) if status == 0 else None


def apart(work: Callable[[], Any]) -> Any:
    """The answer of `work`, done in a process of its own; RuntimeError where it has none."""
    answer = told(*forked(work))
    if answer is None:
        raise RuntimeError("a trial's process failed; its traceback is above")
    return answer


def train(out: Path, engine: str) -> str:
    """Train the tiny run to its end, saving after every step; the digest of all of its last state."""
    experiment, data = warmed()
    return _carried(runs.new_run(experiment, data, out=out, engine=engine, threads=1))


def go_on(folder: Path) -> str:
    """Take a run up and train it to its end; the digest of its last state."""
    return _carried(runs.resume(folder))


def _carried(run: runs.Run) -> str:
    runs.SAVE_SECONDS = 0.0  # so that a random instant often lies inside saving
    for _ in runs.train(run):
        pass
    state = hashlib.sha256()
    for name, tensor in sorted((checkpoint._state_tensors(run.state) | checkpoint._slots(run.state.optimizer)).items()):
        state.update(name.encode() + tensor.detach().contiguous().numpy().tobytes())
    return state.hexdigest()


def outcome(folder: Path) -> dict[str, Any]:
    """All that a finished run left, without what no two runs share: seconds."""
    record = read_record(folder).to_json()
    record.pop("train_seconds")
    record["environment"].pop("commit")  # somebody may commit while a trial goes on
    for row in record["epochs"]:
        row.pop("seconds")
    table = [line.rsplit(",", 1)[0] for line in (folder / "metrics.csv").read_text().splitlines()]
    weights = hashlib.sha256((folder / "weights.safetensors").read_bytes()).hexdigest()
    left: dict[str, Any] = json.loads(json.dumps({"record": record, "table": table, "weights": weights}))
    return left


def memory_mb() -> float:
    """The most memory that this process has taken so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def machine() -> dict[str, str]:
    """Where the trials were run."""
    about = environment.describe_environment(torch.device("cpu"), 1)
    return {name: about[name] for name in ("system", "instructions", "python", "torch")}
