"""A search whose trials are trained on a cluster: this process alone asks and tells the study.

Workers know no study and no data base. They report each epoch, and are told to stop when most trials were better.
"""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from featherweight.errors import TrainingError, UsageError
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.record import Row
from featherweight.networks.architecture import build
from featherweight.parallel.messages import Backend, Finished, Message, Pool
from featherweight.parallel.pool import open_pool
from featherweight.parallel.remote import MEMORY
from featherweight.parallel.transfer import Packed, pack, unpack
from featherweight.search.crew import LOOK_SECONDS, Look, Search, StoppedSearchError, draws, look
from featherweight.search.space import Proposal
from featherweight.search.storage import under_way
from featherweight.search.study import open_study, standing, trials_of
from featherweight.search.worker import (
    BEAT_SECONDS,
    ExhaustedError,
    Worker,
    drawn,
    end,
    finish,
    judged,
    none_within,
    worker_id,
)
from featherweight.training.loop import fit
from featherweight.training.runs.prepare import prepare
from featherweight.training.runs.signals import stop_signals

if TYPE_CHECKING:
    import optuna


@dataclass(frozen=True, kw_only=True)
class Reached:
    """How far a trial is: the rows of the seed that is being trained, after an epoch or between two."""

    seed: int
    rows: tuple[Row, ...]
    epoch_done: bool
    seconds: float
    engine: str
    machine: str


@dataclass(kw_only=True)
class _Trial:
    """A trial that is under way."""

    trial: "optuna.Trial"
    epochs: int
    rows: dict[int, list[Row]] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    last: Reached | None = None
    beaten: float = 0.0
    over: bool = False
    """Whether the study has been told its end, and what is still heard of it is of no use."""


def carry_out(search: Search, on: Backend, workers: int | None = None) -> Iterator[Look]:
    """Search on a cluster until the job's number of trials has ended, yielding snapshots of the study.

    At most `workers` trials run at once. Ends and errors are as of a search on this machine.
    """
    job = search.job
    trials = trials_of(search.study)
    study = open_study(job, search.study.user_attrs["about"], draws(job, 0, len(trials)))
    known: set[int] = set()
    with ExitStack() as stack:
        stack.enter_context(under_way(job.storage))
        crew = stack.enter_context(open_pool(replace(on, memory=on.memory or MEMORY)))
        stopped = stack.enter_context(stop_signals())
        worker = Worker(
            job=job, space=search.space, data=search.data, study=study, leave=lambda: bool(stopped),
            id=worker_id(os.getpid(), time.time_ns()),
        )  # fmt: skip
        state = _Driver(worker, crew, workers)
        try:
            while True:
                yield look(study, known, crew.notes)
                now = standing(study)
                if now.ended >= job.trials or stopped or (state.exhausted and not state.running):
                    break
                state.fill(job.trials - now.ended)
                for news in crew.poll(LOOK_SECONDS):
                    state.hear(news)
        finally:
            state.give_up()
    yield look(study, known, crew.notes)
    if stopped:
        raise StoppedSearchError(stopped[0])
    if state.exhausted and standing(study).ended == 0:
        raise none_within(search.space, study)


class _Driver:
    """The one who asks and tells."""

    def __init__(self, worker: Worker, crew: Pool, most: int | None) -> None:
        self._worker, self._crew, self._most = worker, crew, most
        self._data = crew.put(pack(worker.data))
        self.running: dict[int, _Trial] = {}
        self.exhausted = False

    def fill(self, left: int) -> None:
        """Begin trials while somebody is free, as many as are left to train."""
        many = min(left, self._most or left)
        self._crew.scale(many)
        underway = sum(not one.over for one in self.running.values())
        while self._crew.free() and underway < many and not self.exhausted:
            try:
                found = drawn(self._worker)
            except ExhaustedError:
                self.exhausted = True
                return
            if found is None:
                return
            trial, proposal = found
            self.running[trial.number] = _Trial(trial=trial, epochs=proposal.recipe.epochs)
            underway += 1
            job = self._worker.job
            given = (proposal, self._worker.space.budget, job.seeds, job.engine, job.device)
            self._crew.submit(trial.number, try_out, *given, self._data)

    def hear(self, news: Message | Finished) -> None:
        """Take a report into the study, and stop what most trials were better than."""
        one = self.running[news.number]
        if isinstance(news, Finished):
            del self.running[news.number]
            if not one.over:
                self._ended(one, news)
        elif not one.over and self._told(one, news.value):
            one.over = True
            end(self._worker, one.trial, "early")
            self._crew.stop(news.number)

    def _told(self, one: _Trial, reached: Reached | str) -> bool:
        """Note what was reached; whether to stop there."""
        from optuna.exceptions import UpdateFinishedTrialError

        if isinstance(reached, str):  # it diverged
            one.over = True
            end(self._worker, one.trial, reached)
            return False
        one.last, one.rows[reached.seed] = reached, list(reached.rows)
        one.seconds[reached.seed] = reached.seconds
        try:
            if time.monotonic() - one.beaten > BEAT_SECONDS:
                one.beaten = time.monotonic()
                one.trial.set_user_attr("beat", one.beaten)
            if reached.seed or not reached.epoch_done:
                return False
            held, epoch = self._worker.space.budget.held, len(reached.rows)
            value = judged(list(reached.rows), held, len(self._worker.data.test))
            one.trial.report(value, 100 * epoch // one.epochs)
            last = self._worker.job.seeds == 1
            return (epoch < one.epochs or not last) and one.trial.should_prune()
        except (UpdateFinishedTrialError, ValueError):  # another driver has declared it lost
            one.over = True
            self._crew.stop(one.trial.number)
            return False

    def _ended(self, one: _Trial, news: Finished) -> None:
        whole = len(one.rows) == self._worker.job.seeds and all(len(rows) == one.epochs for rows in one.rows.values())
        if news.sentence or not whole or one.last is None:
            end(self._worker, one.trial, "lost")
            if news.sentence and not news.lost:
                raise (
                    UsageError(news.sentence) if news.status == 2 else TrainingError(f"A trial failed: {news.sentence}")
                )
            return
        rows = [one.rows[seed] for seed in sorted(one.rows)]
        finish(
            self._worker, one.trial, rows, seconds=sum(one.seconds.values()), engine=one.last.engine,
            machine=one.last.machine,
        )  # fmt: skip

    def give_up(self) -> None:
        """Declare what is still under way lost."""
        for one in self.running.values():
            if not one.over:
                end(self._worker, one.trial, "lost")


def try_out(
    proposal: Proposal, budget: Budget, seeds: int, engine: str, device: str, packed: Packed, *, stopped: Any
) -> Iterator[Reached | str]:
    """On a node: train a proposal with each seed, yielding how far it is after each epoch and every few seconds."""
    data = unpack(packed)
    experiment = Experiment(
        id="trial", title="", network=lambda channels=1, classes=10: build(proposal.network, channels, classes),
        recipe=proposal.recipe, budget=budget,
    )  # fmt: skip
    for seed in range(seeds):
        run = prepare(experiment, data, seed=seed, engine=engine, device=device, threads=1)
        told = time.monotonic()
        try:
            for state in fit(run.state, run.data, run.experiment.recipe, seed, run.engine, run.evaluator, run.teacher):
                if stopped():
                    return
                if state.step == 0 or time.monotonic() - told > BEAT_SECONDS:
                    told = time.monotonic()
                    yield Reached(
                        seed=seed, rows=tuple(state.rows), epoch_done=state.step == 0, seconds=state.train_seconds,
                        engine=run.engine.name, machine=platform.node(),
                    )  # fmt: skip
        except TrainingError:
            yield "diverged"
            return
