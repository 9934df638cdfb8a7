"""A search: one process asks the study for proposals and reports what came of them, and a pool's workers train them."""

import os
import platform
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from featherweight.data import load
from featherweight.data.dataset import Data
from featherweight.engine import processors, require_threads
from featherweight.errors import FeatherweightError, TrainingError, UsageError
from featherweight.experiments.record import Row
from featherweight.parallel.messages import THIS_MACHINE, Backend, Finished, Message, Work
from featherweight.parallel.pool import Pool, feed, open_pool
from featherweight.parallel.remote import MEMORY
from featherweight.parallel.transfer import pack
from featherweight.search.space import Space, cost, excess, find_space, propose
from featherweight.search.storage import under_way
from featherweight.search.study import (
    ENDS,
    Heartbeats,
    Job,
    TrialCounts,
    about,
    counts_of,
    end_of,
    lose,
    open_study,
    quiet,
    trials_of,
)
from featherweight.search.trials import (
    HEARTBEAT_SECONDS,
    ExhaustedError,
    Reached,
    Session,
    end,
    finish,
    judged,
    none_within,
    sampled,
    train_trial,
    trial_experiment,
)
from featherweight.training.runs.environment import device_for
from featherweight.training.runs.prepare import prepare
from featherweight.training.runs.signals import STOPPED, stop_signals
from featherweight.training.state import draw_seed

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

SMALLEST_HOLDOUT = 1000
"""Minimum number of held-out images; with fewer, trials cannot be distinguished (at 99 %, one standard deviation of
1,000 images is already 0.3 %)."""
POLL_SECONDS = 0.5
"""Longest time between two looks at the study."""
MOST_DEATHS = 5
"""Killed workers are replaced; after this many, something must be wrong with the machine."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search ready to run."""

    job: Job
    space: Space
    data: Data
    study: "optuna.Study"


@dataclass(frozen=True, kw_only=True)
class StudySnapshot:
    """A snapshot of a running search: its counts, and the trials that have ended."""

    counts: TrialCounts
    ended: "tuple[FrozenTrial, ...]"
    """Trials that have ended since the previous snapshot, on any machine."""
    note: str = ""
    """News about the workers, if any."""


class StoppedSearchError(FeatherweightError):
    """A search was interrupted; its finished trials are kept."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("Stopped; the same command continues the study.")
        self.exit_status = 128 + signal_number


def open_search(job: Job) -> Search:
    """A search ready to run; raises everything that can be wrong with it before any process is started."""
    if job.holdout < SMALLEST_HOLDOUT:
        raise UsageError(
            f"A search is judged on {SMALLEST_HOLDOUT:,} or more held-out training images, never on the test set;"
            f" given --holdout {job.holdout:,}."
        )
    device_for(job.device)
    space = find_space(job.space)
    data = load(job.data, directory=job.data_dir, holdout=job.holdout)
    _try_out(job, space, data)
    return Search(job=job, space=space, data=data, study=open_study(job, about(space, data, job)))


def _try_out(job: Job, space: Space, data: Data) -> None:
    """Raise whatever error the space, the engine or the size of the data would cause, by preparing one proposal."""
    import optuna

    quiet()
    aside = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    _, channels, height, width = data.train.images.shape
    for _ in range(20):
        proposal = propose(space, aside.ask())
        try:
            over = excess(space, cost(proposal, (channels, height, width), len(data.classes)), (height, width))
        except UsageError:  # this one shrinks the images to nothing; others may not
            continue
        if not over:
            experiment = trial_experiment(proposal, space.budget, space.name)
            prepare(experiment, data, engine=job.engine, device=job.device, threads=1)
            return


def run_search(search: Search, on: Backend = THIS_MACHINE, workers: int | None = None) -> Iterator[StudySnapshot]:
    """Search until the job's number of trials has ended, yielding snapshots of the study.

    At most `workers` trials run at once, with one thread each; by default one per core, or one on a GPU, or as many as
    a cluster has room for. Other machines may work on the same study. On Ctrl-C or SIGTERM, running trials end as lost
    and StoppedSearchError is raised. Raises BudgetError if the space has no proposal within budget.
    """
    job, count = search.job, workers
    if on.local and device_for(job.device).type == "cpu":
        if workers is not None:
            require_threads(workers)
        count = workers or processors()
    elif on.local:
        count = workers or 1
    seed = draw_seed(job.seed, "search worker 0", epoch=len(trials_of(search.study))) % 2**32
    study = open_study(job, search.study.user_attrs["about"], seed)
    name = f"{platform.node()}:{os.getpid()}:{time.time_ns()}"
    session = Session(job=job, space=search.space, data=search.data, study=study, id=name)
    with ExitStack() as stack:
        stack.enter_context(under_way(job.storage))
        pool = stack.enter_context(open_pool(on if on.local else replace(on, memory=on.memory or MEMORY), count))
        stopped = stack.enter_context(stop_signals())
        driver = Driver(session, pool, stopped, most=count, deaths=MOST_DEATHS if on.local else None)
        try:
            yield driver.snapshot()
            yield from feed(pool, driver, stopped, POLL_SECONDS)
        finally:
            driver.give_up()
        yield driver.snapshot()
    if stopped:
        raise StoppedSearchError(stopped[0])
    if driver.exhausted and counts_of(study).ended == 0:
        raise none_within(search.space, study)


@dataclass(kw_only=True)
class _Trial:
    """A trial that the driver has under way."""

    trial: "optuna.Trial"
    epochs: int
    rows: dict[int, list[Row]] = field(default_factory=dict)
    seconds: dict[int, float] = field(default_factory=dict)
    last: Reached | None = None
    heartbeat: float = 0.0
    over: bool = False
    """Whether its end has been reported, and what still comes from it is of no use."""


class Driver:
    """The driver of a search, which asks the study for trials and reports to it; a source of works for a pool."""

    def __init__(
        self, session: Session, pool: Pool, stopped: list[int], *, most: int | None, deaths: int | None
    ) -> None:
        self._session, self._pool, self._stopped = session, pool, stopped
        self._most, self._deaths_left = most or session.job.trials, deaths
        self._data = pool.put(pack(session.data))
        self._running: dict[int, _Trial] = {}
        self._known: set[int] = set()
        self._notes: list[str] = []
        self._heartbeats = Heartbeats()
        self._left = self._elsewhere = 0
        self.exhausted = False

    def _active(self) -> int:
        return sum(not one.over for one in self._running.values())

    def waiting(self) -> int:
        """How many trials could begin here if those that run elsewhere are lost."""
        return 0 if self.exhausted else max(0, min(self._left, self._most) - self._active())

    def next(self) -> tuple[int, Work, tuple[Any, ...]] | None:
        """A new trial, where there is a place for it."""
        if self._active() >= min(self._left - self._elsewhere, self._most):
            return None
        try:
            found = sampled(self._session)
        except ExhaustedError:
            self.exhausted = True
            return None
        if found is None:
            return None
        trial, proposal = found
        self._running[trial.number] = _Trial(trial=trial, epochs=proposal.recipe.epochs)
        job, budget = self._session.job, self._session.space.budget
        return trial.number, train_trial, (proposal, budget, job.seeds, job.engine, job.device, self._data)

    def on_message(self, message: Message) -> Iterator[StudySnapshot]:
        """Take a report into the study, and stop a trial that most were better than."""
        one = self._running[message.number]
        if not one.over and message.value == "diverged":
            self._end(one, "diverged")
        elif not one.over and self._beaten(one, message.value):
            self._end(one, "early")
            self._pool.stop(message.number)
        yield from ()

    def _end(self, one: _Trial, how: str) -> None:
        one.over = True
        end(self._session, one.trial, how)

    def _beaten(self, one: _Trial, reached: Reached) -> bool:
        """Note what was reached; whether most trials were better at that point.

        If more seeds follow, this is also checked after the last epoch of the first.
        """
        from optuna.exceptions import UpdateFinishedTrialError

        one.last, one.rows[reached.seed] = reached, list(reached.rows)
        one.seconds[reached.seed] = reached.seconds
        try:
            if time.monotonic() - one.heartbeat > HEARTBEAT_SECONDS:
                one.heartbeat = time.monotonic()
                one.trial.set_user_attr("heartbeat", one.heartbeat)
            if reached.seed or not reached.epoch_done:
                return False
            # In percent of the run, so that recipes of different lengths are compared at equivalent points.
            epoch, session = len(reached.rows), self._session
            value = judged(list(reached.rows), session.space.budget.held, len(session.data.test))
            one.trial.report(value, 100 * epoch // one.epochs)
            return (epoch < one.epochs or session.job.seeds > 1) and one.trial.should_prune()
        except (UpdateFinishedTrialError, ValueError):  # declared lost, for example after a machine was suspended
            one.over = True
            self._pool.stop(one.trial.number)
            return False

    def on_finished(self, finished: Finished) -> Iterator[StudySnapshot]:
        """Report a trial's end. Raises the error of one that failed by itself."""
        one, sentence = self._running.pop(finished.number), finished.sentence.rstrip(".")
        rows = [one.rows[seed] for seed in sorted(one.rows)]
        whole = len(rows) == self._session.job.seeds and all(len(each) == one.epochs for each in rows)
        if not one.over and whole and one.last is not None and not sentence:
            finish(self._session, one.trial, rows, seconds=sum(one.seconds.values()), engine=one.last.engine,
                   machine=one.last.machine)  # fmt: skip
        elif not one.over:
            self._end(one, "lost")
            if sentence and not finished.lost and not self._stopped and finished.status not in STOPPED:
                kind = UsageError if finished.status == UsageError.exit_status else TrainingError
                raise kind(f"A trial failed: {sentence}.")
        if finished.lost and self._deaths_left is not None:
            self._notes.append(f"Trial {finished.number}: {sentence}; it is lost, and another takes its place.")
            self._deaths_left -= 1
            if self._deaths_left == 0:
                raise TrainingError(f"{MOST_DEATHS} workers have been killed; of the last: {sentence}.")
        yield from ()

    def on_poll(self, pool: Pool) -> Iterator[StudySnapshot]:
        """How the study stands; trials whose driver has been silent for too long are declared lost."""
        for number in self._heartbeats.silent(self._session.study):
            lose(self._session.study, number)
        yield self.snapshot()

    def snapshot(self) -> StudySnapshot:
        """How the study stands, with what has ended since the last time, on any machine."""
        study = self._session.study
        ended = [one for one in trials_of(study) if one.number not in self._known and end_of(one) in ENDS[:-1]]
        self._known |= {one.number for one in ended}
        notes, counts = [*self._notes, *self._pool.notes], counts_of(study)
        self._notes.clear()
        self._pool.notes.clear()
        self._left = max(0, self._session.job.trials - counts.ended)
        self._elsewhere = max(0, counts.running - self._active())
        return StudySnapshot(counts=counts, ended=tuple(ended), note=" ".join(notes))

    def give_up(self) -> None:
        """Declare what is still under way lost."""
        for one in self._running.values():
            if not one.over:
                self._end(one, "lost")
