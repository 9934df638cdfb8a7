"""Processes that train candidates, one each on one core, and tell how it goes; whoever stops them loses nothing."""

import multiprocessing
import os
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from multiprocessing.connection import wait
from pathlib import Path
from typing import Any, NoReturn

import torch

from featherweight.errors import TrainingError
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.networks.architecture import build
from featherweight.search.fit.genes import Genes, layers_of, recipe_of
from featherweight.search.fit.views import part
from featherweight.training.evaluation import evaluate
from featherweight.training.loop import fit
from featherweight.training.runs.prepare import prepare
from featherweight.training.runs.signals import safe_path

TELL_SECONDS = 0.5
NO_LIMIT = Budget(parameters=1 << 26, epochs=100_000, accuracy=0, held=1)


@dataclass(frozen=True, kw_only=True)
class Work:
    """One training: a candidate, on one fold, for so many epochs."""

    trial: int
    genes: Genes
    epochs: int
    fold: int = 0
    seed: int = 0
    share: float = 1.0
    """Of the fold's training images that are taken, above 0 to 1; only where one epoch would take too long."""


@dataclass(frozen=True, kw_only=True)
class Told:
    """What a process has to say of its work."""

    work: Work
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


class Crew:
    """So many processes, each with a pipe; those that are idle take work."""

    def __init__(self, count: int, folder: Path, classes: tuple[str, ...]) -> None:
        context: Any = multiprocessing.get_context("spawn")
        self._members: list[tuple[Any, Any]] = []
        self._busy: dict[int, Work] = {}
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=_serve, args=(theirs, folder, classes), daemon=True)
            with safe_path():
                process.start()
            theirs.close()
            self._members.append((process, ours))

    @property
    def underway(self) -> list[Work]:
        """The works that are being carried out."""
        return list(self._busy.values())

    def idle(self) -> int | None:
        """A member without work, or None."""
        return next((member for member in range(len(self._members)) if member not in self._busy), None)

    def give(self, member: int, work: Work) -> None:
        """Hand work to an idle member."""
        self._busy[member] = work
        self._members[member][1].send(work)

    def news(self, seconds: float) -> Iterator[Told]:
        """What the busy members say within so many seconds; one that has died tells that it failed."""
        pipes = {self._members[member][1]: member for member in self._busy}
        ready: Any = wait(list(pipes), timeout=seconds) if pipes else ()
        for pipe in ready:
            member = pipes[pipe]
            try:
                told: Told = pipe.recv()
            except (EOFError, OSError):
                work = self._busy[member]
                raise TrainingError(
                    f"A process that trained candidate {work.trial} has ended by itself; was there enough memory? The"
                    " same command goes on."
                ) from None
            if told.correct is not None or told.failed:
                del self._busy[member]
            yield told

    def close(self) -> None:
        """Stop all members; what they were at is lost."""
        for process, pipe in self._members:
            with suppress(OSError):
                pipe.close()
            process.terminate()
        for process, _ in self._members:
            process.join()


def _serve(pipe: Any, folder: Path, classes: tuple[str, ...]) -> NoReturn:
    """In a process of its own: carry out what comes through the pipe, until nobody is there any more."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # whoever started this process decides what Ctrl-C ends
    torch.set_num_threads(1)
    try:
        while True:
            for told in carry_out(pipe.recv(), folder, classes):
                pipe.send(told)
    except (EOFError, OSError, KeyboardInterrupt):
        os._exit(0)


def carry_out(work: Work, folder: Path, classes: tuple[str, ...]) -> Iterator[Told]:
    """Train the candidate on its fold, telling how far it is, and at the end how many held-out images it gets right."""
    data = part(folder, work.genes.side, work.genes.grey, work.fold, classes)
    if work.share < 1:
        draws = torch.Generator().manual_seed(work.seed)
        taken = torch.randperm(len(data.train), generator=draws)[: max(1, round(work.share * len(data.train)))]
        data = replace(data, train=data.train.take(taken))
    _, channels, height, width = data.train.images.shape
    recipe = recipe_of(work.genes, work.epochs, len(data.train), (channels, height, width))
    layers = layers_of(work.genes)
    experiment = Experiment(
        id=f"trial{work.trial}", title="", network=lambda channels=1, classes=10: build(layers, channels, classes),
        recipe=recipe, budget=NO_LIMIT,
    )  # fmt: skip
    started = told = time.monotonic()
    tell = partial(Told, work=work)
    unseen = replace(data, test=data.test.take(torch.arange(1)))  # what each epoch is judged on decides nothing here
    try:
        run = prepare(experiment, unseen, seed=work.seed, threads=1)
        started = time.monotonic()
        steps = recipe.epochs * -(-len(data.train) // recipe.batch)
        each = steps // recipe.epochs
        for state in fit(run.state, run.data, recipe, run.seed, run.engine, run.evaluator):
            if time.monotonic() - told > TELL_SECONDS:
                told = time.monotonic()
                yield tell(done=(state.epoch * each + state.step) / steps, seconds=told - started)
    except TrainingError as problem:
        yield tell(done=1.0, seconds=time.monotonic() - started, failed=str(problem))
        return
    except MemoryError as problem:
        yield tell(done=1.0, seconds=time.monotonic() - started, failed=f"not enough memory: {problem}")
        return
    loss, correct = evaluate(run.evaluator, data.test, run.data.mean, run.data.std)
    yield tell(done=1.0, seconds=time.monotonic() - started, correct=correct, judged=len(data.test), loss=loss)
