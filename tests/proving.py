"""What tests of the protocol share: a tiny experiment with a bar, a source tree, and trainers."""

import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from featherweight.data.dataset import Data
from featherweight.data.split import Split
from featherweight.experiments.experiment import find
from featherweight.experiments.record import Record, write_record
from featherweight.protocol import proof_plan, prove
from featherweight.training.runs.events import Done, Failed
from featherweight.training.runs.task import Task, open_run, run_task
from made import MNIST, record

ROOT = Path(__file__).parents[1]
OWN = '''"""Mine."""
from torch import nn
from featherweight.experiments.bar import Bar
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.recipe import Recipe

def network():
    return nn.Sequential(nn.MaxPool2d(4), nn.Flatten(), nn.Linear(49, 10))

experiment = Experiment(id='own', title='own', network=network, recipe=Recipe(epochs=1, lr=0.05),
                        budget=Budget(parameters=600, epochs=20, accuracy=30, held=1), bar=Bar(seeds=2, mean=30))
'''


def trained_in_process(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    """From now on, `prove` trains runs one after another in this process; gives the tasks as they come."""
    tasks: list[Task] = []

    def train(some: Sequence[Task], as_json: bool, *_: object, on: object = None) -> tuple[list[Done], list[Failed]]:
        done: list[Done] = []
        for task in some:
            tasks.append(task)
            *_, last = run_task(task, open_run(replace(task, threads=task.threads or 1)))
            assert isinstance(last, Done)
            done.append(last)
        return done, []

    monkeypatch.setattr("featherweight.cli.console.train_shown", train)
    return tasks


def keep_run(folder: Path, one: Record) -> None:
    """A run folder with this record alone."""
    folder.mkdir(parents=True)
    write_record(one, folder / "record.json")


def bare_tree(root: Path) -> Path:
    """`root`, made a source tree with the rungs' files, the README, the pages of exports and boards, and no records."""
    shutil.copytree(ROOT / "src/featherweight/experiments", root / "src/featherweight/experiments")
    (root / "docs").mkdir()
    for name in ("README.md", "docs/export.md", "docs/boards.md"):
        shutil.copy(ROOT / name, root / name)
    return root


def without_test_set(monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on, the protocol finds an MNIST that holds one digit and must not be asked for its test set."""
    import torch

    split = Split(images=torch.zeros(59_999, 1, 1, 1, dtype=torch.uint8), labels=torch.zeros(59_999).long())

    def load(name: str, *, directory: Path | None, holdout: int = 0) -> Data:
        assert holdout > 0, "the test set was read"
        return Data(name="mnist", source="mnist", classes=tuple("0123456789"), train=split, test=split, holdout=holdout,
                    mean=(0.1,), std=(0.3,), digests={})  # fmt: skip

    monkeypatch.setattr(proof_plan, "load", load)
    monkeypatch.setattr(prove, "load", load)


class Trainer:
    """Stands in for training: every task ends in a record of these last epochs, unless it is told to stop."""

    def __init__(self, tree: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.tree, self.tasks, self.stop_at, self.engine = tree, [], -1, "native"
        self.last: Callable[[int], float] = lambda seed: 99.45 + 0.01 * seed
        self.batches: list[int] = []
        monkeypatch.setattr(proof_plan, "check_task", lambda task: self.like(task))
        monkeypatch.setattr(prove, "seconds_of_run", lambda run: 60.0)

    tasks: list[Task]

    def record(self, task: Task, **changed: Any) -> Record:
        data = MNIST | {"train": 60_000 - task.holdout, "test": task.holdout or 10_000, "holdout": task.holdout}
        data |= {"held_out": "together"} if task.holdout else {}
        tests = [self.last(task.seed)] * find(task.experiment).recipe.epochs
        place = {"torch": "2.13.0", "threads": task.threads or 1, "device_type": "cpu", "commit": "abc",
                 "processor": "p"}  # fmt: skip
        values = {"data": data, "engine": self.engine, "environment": place, "train_seconds": 7.0} | changed
        return record(task.experiment, tests, task.seed, macs=10, **values)

    def like(self, task: Task) -> Any:
        assert task.holdout == 5000
        return replace_run(self.record(task))

    def train(self, tasks: Sequence[Task]) -> tuple[list[Done], list[Failed]]:
        done, failed = [], []
        self.batches.append(len(tasks))
        for task in tasks:
            assert (self.tree / "results/test_evaluations.jsonl").exists() is (task.holdout == 0)
            self.tasks.append(task)
            if task.seed == self.stop_at and not task.holdout:
                failed.append(Failed(label=task.label, sentence="Stopped.", exit_status=130))
                continue
            one = self.record(task)
            folder = task.out / f"{task.experiment}-seed{task.seed}"
            keep_run(folder, one)
            done.append(Done(label=task.label, folder=folder, record=one))
        return done, failed


def replace_run(one: Record) -> Any:
    class Like:
        record = one

    return Like
