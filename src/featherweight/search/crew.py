"""The workers of one machine, each a process, and what is watched over them: who has died, and when all is done."""

import multiprocessing
import os
import time
import traceback
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, NoReturn

from featherweight.data import Data, load
from featherweight.errors import FeatherweightError, TrainingError, UsageError
from featherweight.search.space import Space, cost, excess, find_space, propose
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
    under_way,
)
from featherweight.search.worker import ExhaustedError, Worker, experiment_of, none_within, work, worker_id
from featherweight.training.loop import draw_seed
from featherweight.training.runs.environment import cores, device_for
from featherweight.training.runs.run import prepare
from featherweight.training.runs.signals import safe_path, stop_signals

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

SMALLEST_HOLDOUT = 1000
"""Held-out images below which trials cannot be told apart: at 99 %, one standard deviation is 0.3 % then."""
LOOK_SECONDS = 0.5
"""The study is looked at this often."""
SILENT_SECONDS = 120.0
"""A trial whose worker has not said for this long that it is alive is lost, and its place is given to another."""
MOST_DEATHS = 5
"""Workers that were ended from outside are replaced; after so many, something is wrong with the machine."""


@dataclass(frozen=True, kw_only=True)
class Search:
    """A search ready to be carried out."""

    job: Job
    space: Space
    data: Data
    study: "optuna.Study"


@dataclass(frozen=True, kw_only=True)
class Look:
    """What was seen when the study was last looked at."""

    standing: Standing
    ended: "tuple[FrozenTrial, ...]"
    """Trials that have come to an end since the look before, whoever trained them."""
    note: str = ""
    """Something that happened to the workers."""


class StoppedSearchError(FeatherweightError):
    """A search was asked to stop; what has finished is kept."""

    def __init__(self, signal_number: int) -> None:
        super().__init__("Stopped; the same command goes on with the study.")
        self.exit_status = 128 + signal_number


def open_search(job: Job) -> Search:
    """Everything that can be wrong with a search is raised here, before processes are started."""
    if job.holdout < SMALLEST_HOLDOUT:
        raise UsageError(
            f"A search is judged on {SMALLEST_HOLDOUT:,} held-out training images or more, and never on the test set;"
            f" given --holdout {job.holdout:,}."
        )
    device_for(job.device)
    space = find_space(job.space)
    data = load(job.data, directory=job.data_dir, holdout=job.holdout)
    _try_out(job, space, data)
    return Search(job=job, space=space, data=data, study=open_study(job, about(space, data, job)))


def _try_out(job: Job, space: Space, data: Data) -> None:
    """Raise what a space, an engine or the data's size makes impossible: propose on the side, prepare the first."""
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
    """Search until as many trials have ended as the job says, yielding looks at the study.

    Each worker is a process with one thread; by default one a core, or one on a GPU. Other machines may work on the
    same study. Ctrl-C and SIGTERM end the trials under way as lost, and raise StoppedSearchError; so does a space of
    which nothing is within budget, as BudgetError.
    """
    job, study = search.job, search.study
    many = workers or (cores() if device_for(job.device).type == "cpu" else 1)
    crew = _Crew(search=search, context=multiprocessing.get_context("spawn"))
    known: set[int] = set()
    silent = _Silence()
    try:
        with stop_signals() as stopped, under_way(job.storage):
            while True:
                yield _look(study, known, crew.notes)
                now = standing(study)
                if now.ended >= job.trials or stopped or (crew.exhausted and not crew.running):
                    break
                crew.fill(min(many, job.trials - now.ended))
                time.sleep(LOOK_SECONDS)
                crew.reap()
                for number in silent.of(study):
                    _lose(study, number)
    finally:
        crew.dismiss()
    yield _look(study, known, crew.notes)
    if stopped:
        raise StoppedSearchError(stopped[0])
    if crew.exhausted and standing(study).ended == 0:
        raise none_within(search.space, study)


def _look(study: "optuna.Study", known: set[int], notes: list[str]) -> Look:
    ended = [one for one in trials_of(study) if one.number not in known and end_of(one) in ENDS[:-1]]
    known |= {one.number for one in ended}
    said, notes[:] = " ".join(notes), []
    return Look(standing=standing(study), ended=tuple(ended), note=said)


def _lose(study: "optuna.Study", number: int) -> None:
    """Take a trial from the worker that had it."""
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    with suppress(UpdateFinishedTrialError, ValueError):
        study.tell(number, state=TrialState.FAIL)


class _Silence:
    """When each running trial's worker was last heard of, by this machine's clock alone."""

    def __init__(self) -> None:
        self._heard: dict[int, tuple[Any, float]] = {}

    def of(self, study: "optuna.Study") -> list[int]:
        """Numbers of the running trials that have been silent for too long."""
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
        """Start processes until so many run, unless there is nothing new to propose."""
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
        """Take out processes that have ended; their trials are lost. Raises what a worker could not go on from."""
        for name, (process, ours) in list(self.running.items()):
            if process.exitcode is None:
                continue
            del self.running[name]
            said = None
            with suppress(EOFError):
                said = ours.recv() if ours.poll() else None
            lost = [one for one in trials_of(self._search.study) if one.user_attrs.get("worker") == name]
            for trial in lost:
                _lose(self._search.study, trial.number)
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
                f"{self._deaths} workers have ended from outside, the last with status {status}; where that is for"
                " want of memory, give fewer --workers."
            )

    def dismiss(self) -> None:
        """Ask all to stop, and wait until they have."""
        for process, _ in self.running.values():
            process.terminate()
        for process, _ in self.running.values():
            process.join()


def _work(job: Job, begun: int, place: int, news: Any) -> NoReturn:
    """In a worker's process: work, and send one word, or the error that ended it."""
    parent = multiprocessing.parent_process()
    said: Any = "done"
    with stop_signals() as stopped:

        def leave() -> bool:
            return bool(stopped) or (parent is not None and not parent.is_alive())

        try:
            space = find_space(job.space)
            data = load(job.data, directory=job.data_dir, holdout=job.holdout)
            study = open_study(job, about(space, data, job))
            study = open_study(job, about(space, data, job), _draws(job, place, len(trials_of(study))))
            name = worker_id(os.getpid(), begun)
            with under_way(job.storage):
                work(Worker(job=job, space=space, data=data, study=study, id=name, leave=leave))
        except ExhaustedError:
            said = "exhausted"
        except FeatherweightError as problem:
            said = problem
        except KeyboardInterrupt:
            pass
        except Exception as problem:  # a defect: its traceback goes to standard error
            traceback.print_exc()
            said = FeatherweightError(f"A worker failed with {type(problem).__name__}: {problem}")
        with suppress(BrokenPipeError):  # whoever started this process is gone
            news.send(said)
    os._exit(0)  # all has been told, and taking PyTorch down would keep whoever stops waiting


def _draws(job: Job, place: int, trials: int) -> int:
    """The sampler's seed: another for each worker, and for each time that a study is taken up."""
    return draw_seed(job.seed, f"search worker {place}", epoch=trials) % 2**32
