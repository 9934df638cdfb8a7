"""Processes that train candidates, one each on one core, and tell how it goes; whoever stops them loses nothing."""

import atexit
import math
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch

from featherweight.errors import FeatherweightError
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.io import scratch_folder
from featherweight.networks.architecture import build_layers
from featherweight.parallel.messages import THIS_MACHINE, Backend, Message
from featherweight.parallel.pool import MOST_LOSSES, POLL_SECONDS, open_pool
from featherweight.parallel.transfer import Files, files_of, put
from featherweight.search.fit.candidate import Candidate, candidate_layers, candidate_recipe
from featherweight.search.fit.resized import part
from featherweight.training.evaluation import evaluate
from featherweight.training.loop import fit
from featherweight.training.runs.prepare import prepare

TELL_SECONDS = 0.5
LONGEST = 500
"""Characters of the words in which a candidate's failure is noted."""
NO_LIMIT = Budget(parameters=1 << 26, epochs=100_000, accuracy=0, held=1)


@dataclass(frozen=True, kw_only=True)
class TrialTask:
    """One training: a candidate, on one fold, for so many epochs."""

    trial: int
    genes: Candidate
    epochs: int
    fold: int = 0
    seed: int = 0
    share: float = 1.0
    """Of the fold's training images that are taken, above 0 to 1; only where one epoch would take too long."""


@dataclass(frozen=True, kw_only=True)
class TrialUpdate:
    """What a process has to say of its work."""

    work: TrialTask
    done: float
    """Of the training, 0 to 1."""
    seconds: float
    """Since its first step."""
    correct: int | None = None
    """Held-out images that the network at the end of training got right; None while it trains."""
    judged: int = 0
    """Held-out images of the fold."""
    loss: float = 0.0
    failed: str = ""
    """Why it ended without a result; empty where it did not."""


class TrialPool:
    """Those who train candidates: so many processes of this machine, or the workers of a Ray cluster."""

    def __init__(self, count: int, folder: Path, classes: tuple[str, ...], on: Backend = THIS_MACHINE) -> None:
        self._stack = ExitStack()
        self._pool = self._stack.enter_context(open_pool(on, count))
        self._pool.scale(count)
        self._count, self._given = count, 0
        names = [path.name for path in folder.iterdir()]
        self._views: Any = folder if on.local else self._pool.put(files_of(folder, names))
        self._classes = classes
        self._busy: dict[int, TrialTask] = {}
        self._lost: list[TrialTask] = []
        self._losses: Counter[int] = Counter()

    @property
    def underway(self) -> list[TrialTask]:
        """The works that are being carried out, or wait because their machine was lost."""
        return [*self._busy.values(), *self._lost]

    def idle(self) -> int | None:
        """A number for the next work, or None where nobody is free; waits for the first member to be there."""
        self._pool.scale(self._count)
        while not self._pool.free() and not self._busy:
            self._pool.poll(POLL_SECONDS)
            self._pool.scale(self._count)
        while self._lost and self._pool.free():
            self.give(self._number(), self._lost.pop())
        return self._number() if self._pool.free() else None

    def _number(self) -> int:
        self._given += 1
        return self._given

    def give(self, member: int, work: TrialTask) -> None:
        """Hand work to an idle member."""
        self._busy[member] = work
        self._pool.submit(member, serve, work, self._views, self._classes)

    def news(self, seconds: float) -> Iterator[TrialUpdate]:
        """What the busy members say within so many seconds; work whose process has ended is work that failed.

        In a cluster, work lost with its machine is done again, a few times.
        """
        for news in self._pool.poll(seconds):
            if isinstance(news, Message):
                if news.value.correct is not None or news.value.failed:
                    self._busy.pop(news.number, None)
                yield news.value
            elif news.number in self._busy:
                work = self._busy.pop(news.number)
                self._losses[work.trial] += news.lost
                if news.lost and not isinstance(self._views, Path) and self._losses[work.trial] <= MOST_LOSSES:
                    self._lost.append(work)
                else:
                    yield TrialUpdate(
                        work=work, done=1.0, seconds=0.0, failed=news.sentence or "it ended without a result."
                    )

    def close(self) -> None:
        """Stop all members; what they were at is lost."""
        self._stack.close()


_unpacked: dict[tuple[tuple[str, str], ...], Path] = {}
_folders = ExitStack()
atexit.register(_folders.close)


def serve(work: TrialTask, views: "Path | Files", classes: tuple[str, ...], *, stopped: Any) -> Iterator[TrialUpdate]:
    """Carry out a work, with the views in a folder, or as files that a node keeps for its process's life."""
    torch.set_num_threads(1)
    if isinstance(views, Files):
        key = tuple(sorted(views.digests.items()))
        if key not in _unpacked:
            _unpacked[key] = _folders.enter_context(scratch_folder())
            put(views, _unpacked[key])
        views = _unpacked[key]
    for update in train_candidate(work, views, classes):
        yield update
        if stopped():
            return


def train_candidate(work: TrialTask, folder: Path, classes: tuple[str, ...]) -> Iterator[TrialUpdate]:
    """Train the candidate on its fold, telling how far it is, and at the end how many held-out images it gets right."""
    data = part(folder, work.genes.side, work.genes.grey, work.fold, classes)
    if work.share < 1:
        draws = torch.Generator().manual_seed(work.seed)
        taken = torch.randperm(len(data.train), generator=draws)[: max(1, round(work.share * len(data.train)))]
        data = replace(data, train=data.train.take(taken))
    _, channels, height, width = data.train.images.shape
    recipe = candidate_recipe(work.genes, work.epochs, len(data.train), (channels, height, width))
    layers = candidate_layers(work.genes)
    experiment = Experiment(
        id=f"trial{work.trial}", title="", recipe=recipe, budget=NO_LIMIT,
        network=lambda channels=1, classes=10: build_layers(layers, channels, classes),
    )  # fmt: skip
    started = last = time.monotonic()
    tell = partial(TrialUpdate, work=work)
    unseen = replace(data, test=data.test.take(torch.arange(1)))  # what is measured after each epoch is not used here
    try:
        run = prepare(experiment, unseen, seed=work.seed, threads=1)
        started = time.monotonic()
        steps = recipe.epochs * -(-len(data.train) // recipe.batch)
        each = steps // recipe.epochs
        for state in fit(run.state, run.data, recipe, run.seed, run.engine, run.evaluator):
            if time.monotonic() - last > TELL_SECONDS:
                last = time.monotonic()
                yield tell(done=(state.epoch * each + state.step) / steps, seconds=last - started)
        loss, correct = evaluate(run.evaluator, data.test, run.data.mean, run.data.std)
    except Exception as problem:  # whatever it is, the other candidates go on
        yield tell(done=1.0, seconds=time.monotonic() - started, failed=_words(problem))
        return
    if math.isfinite(loss):
        yield tell(done=1.0, seconds=time.monotonic() - started, correct=correct, judged=len(data.test), loss=loss)
    else:
        yield tell(done=1.0, seconds=time.monotonic() - started, failed="its loss on held-out images is not a number.")


def _words(problem: Exception) -> str:
    """Why a candidate failed, in a line."""
    if isinstance(problem, MemoryError):
        return f"not enough memory: {problem}"
    line = next(iter(str(problem).splitlines()), "")
    return line[:LONGEST] if isinstance(problem, FeatherweightError) else f"{type(problem).__name__}: {line}"[:LONGEST]
