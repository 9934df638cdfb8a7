"""The worker processes of one machine and their supervision: which have died, and when the search is done."""

import multiprocessing
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from featherweight.data import load
from featherweight.data.dataset import Data
from featherweight.engine import processors, require_threads
from featherweight.errors import FeatherweightError, TrainingError, UsageError
from featherweight.search.space import Space, cost, excess, find_space, propose
from featherweight.search.storage import under_way
from featherweight.search.study import (
    ENDS,
    Job,
    Standing,
    about,
    end_of,
    open_study,
    quiet,
    standing,
    trials_of,
)
from featherweight.search.worker import ExhaustedError, Worker, experiment_of, none_within, work, worker_id
from featherweight.training.runs.environment import device_for
from featherweight.training.runs.prepare import prepare
from featherweight.training.runs.signals import safe_path, stop_signals
from featherweight.training.state import draw_seed

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

SMALLEST_HOLDOUT = 1000
"""Minimum number of held-out images; with fewer, trials cannot be told apart (at 99 %, one standard deviation of 1,000
images is already 0.3 %)."""
LOOK_SECONDS = 0.5
"""Time between looks at the study."""
SILENT_SECONDS = 120.0
"""A trial whose worker has sent no heartbeat for this long is declared lost, and another takes its place."""
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
class Look:
    """A snapshot of the study."""

    standing: Standing
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
            experiment = experiment_of(space, proposal, space.name)
            prepare(experiment, data, engine=job.engine, device=job.device, threads=1)
            return


def carry_out(search: Search, workers: int | None = None) -> Iterator[Look]:
    """Search until the job's number of trials has ended, yielding snapshots of the study.

    Each worker is a process with one thread; by default there is one per core, or one on a GPU. Other machines may work
    on the same study. On Ctrl-C or SIGTERM, running trials end as lost and StoppedSearchError is raised. Raises
    BudgetError if the space has no proposal within budget.
    """
    job, study = search.job, search.study
    on_cpu = device_for(job.device).type == "cpu"
    if workers is not None and on_cpu:
        require_threads(workers)
    many = workers or (processors() if on_cpu else 1)
    crew = _Crew(search=search, context=multiprocessing.get_context("spawn"))
    known: set[int] = set()
    silent = _Silence()
    try:
        with stop_signals() as stopped, under_way(job.storage):
            while True:
                yield look(study, known, crew.notes)
                now = standing(study)
                if now.ended >= job.trials or stopped or (crew.exhausted and not crew.running):
                    break
                crew.fill(min(many, job.trials - now.ended))
                time.sleep(LOOK_SECONDS)
                crew.reap()
                for number in silent.of(study):
                    lose(study, number)
    finally:
        crew.dismiss()
    yield look(study, known, crew.notes)
    if stopped:
        raise StoppedSearchError(stopped[0])
    if crew.exhausted and standing(study).ended == 0:
        raise none_within(search.space, study)


def look(study: "optuna.Study", known: set[int], notes: list[str]) -> Look:
    """A snapshot of the study; `known` takes the numbers of trials that have ended, `notes` are emptied."""
    ended = [one for one in trials_of(study) if one.number not in known and end_of(one) in ENDS[:-1]]
    known |= {one.number for one in ended}
    said, notes[:] = " ".join(notes), []
    return Look(standing=standing(study), ended=tuple(ended), note=said)


def lose(study: "optuna.Study", number: int) -> None:
    """Declare a running trial lost, which takes it from its worker."""
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    with suppress(UpdateFinishedTrialError, ValueError):
        study.tell(number, state=TrialState.FAIL)


class _Silence:
    """When the worker of each running trial was last heard from, by this machine's clock alone."""

    def __init__(self) -> None:
        self._heard: dict[int, tuple[Any, float]] = {}

    def of(self, study: "optuna.Study") -> list[int]:
        """The numbers of running trials whose workers have been silent for too long."""
        now, silent = time.monotonic(), []
        for trial in trials_of(study):
            if trial.state.is_finished():
                self._heard.pop(trial.number, None)
                continue
            sign = (trial.user_attrs.get("beat"), len(trial.intermediate_values))
            before, since = self._heard.get(trial.number, (None, now))
            self._heard[trial.number] = (sign, since if sign == before else now)
            if sign == before and now - since > SILENT_SECONDS:
                silent.append(trial.number)
        return silent


class _Crew:
    """This machine's worker processes."""

    def __init__(self, *, search: Search, context: Any) -> None:
        self._search = search
        self._context = context
        self.running: dict[str, tuple[Any, Any]] = {}
        self.exhausted = False
        self.notes: list[str] = []
        self._begun = self._deaths = 0

    def fill(self, many: int) -> None:
        """Start processes until this many run, unless there is nothing new to propose."""
        while len(self.running) < many and not self.exhausted:
            begun = time.time_ns()
            ours, theirs = self._context.Pipe(duplex=False)
            job = replace(self._search.job, space=str(self._search.space.file))
            process = self._context.Process(target=_work, args=(job, begun, self._begun, theirs))
            with safe_path():
                process.start()
            theirs.close()
            self.running[worker_id(process.pid, begun)] = (process, ours)
            self._begun += 1

    def reap(self) -> None:
        """Remove processes that have ended and declare their running trials lost. Raises a worker's fatal error."""
        for name, (process, ours) in list(self.running.items()):
            if process.exitcode is None:
                continue
            del self.running[name]
            said = None
            with suppress(EOFError):
                said = ours.recv() if ours.poll() else None
            lost = [one for one in trials_of(self._search.study) if one.user_attrs.get("worker") == name]
            for trial in lost:
                lose(self._search.study, trial.number)
            if said == "exhausted":
                self.exhausted = True
            elif isinstance(said, FeatherweightError):
                raise said
            elif said != "done":
                self._died(process.exitcode)

    def _died(self, status: int) -> None:
        self._deaths += 1
        self.notes.append(f"A worker ended with status {status}; its trial is lost, and another takes its place.")
        if self._deaths >= MOST_DEATHS:
            raise TrainingError(
                f"{self._deaths} workers have been killed, the last with status {status}; if the machine is short of"
                " memory, use fewer --workers."
            )

    def dismiss(self) -> None:
        """Ask all workers to stop, and wait until they have."""
        for process, _ in self.running.values():
            process.terminate()
        for process, _ in self.running.values():
            process.join()


def _work(job: Job, begun: int, place: int, news: Any) -> NoReturn:
    """The main function of a worker's process: work, then send how it ended, as one word or an error."""
    parent = multiprocessing.parent_process()
    said: Any = "done"
    with stop_signals() as stopped:

        def leave() -> bool:
            return bool(stopped) or (parent is not None and not parent.is_alive())

        try:
            space = find_space(job.space)
            data = load(job.data, directory=job.data_dir, holdout=job.holdout)
            study = open_study(job, about(space, data, job))
            study = open_study(job, about(space, data, job), draws(job, place, len(trials_of(study))))
            name = worker_id(os.getpid(), begun)
            with under_way(job.storage):
                work(Worker(job=job, space=space, data=data, study=study, id=name, leave=leave))
        except ExhaustedError:
            said = "exhausted"
        except FeatherweightError as problem:
            said = problem
        except KeyboardInterrupt:
            pass
        except Exception as problem:  # a bug: its traceback goes to standard error
            traceback.print_exc()
            said = FeatherweightError(f"A worker failed with {type(problem).__name__}: {problem}")
        with suppress(BrokenPipeError):  # whoever started this process is gone
            news.send(said)
    os._exit(0)  # the result is sent; shutting PyTorch down would only delay whoever is waiting for the process


def draws(job: Job, place: int, trials: int) -> int:
    """The sampler's seed, different for each worker and each time that a study is resumed."""
    return draw_seed(job.seed, f"search worker {place}", epoch=trials) % 2**32
