"""A search from the first picture to the candidate to be finished, within a time or with a number of candidates.

What is trained next is decided as if so many processes, all equally fast, were at work, whose clock counts
multiply-adds: a decision knows the results that would have come by then, whenever they really came. So however busy the
machine is, a search tries the same candidates in the same order, only fewer of them in its time; and one with a number
of candidates, which reads what was trained before from its notes as it is asked for, ends with the same network whether
it was killed or not.
"""

import heapq
import json
import math
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from featherweight.errors import FeatherweightError, TrainingError, UsageError
from featherweight.io import scratch_folder
from featherweight.parallel.messages import THIS_MACHINE, Backend, Finished, Message, Work
from featherweight.parallel.pool import MOST_LOSSES, Pool, feed, open_pool
from featherweight.parallel.transfer import files_of
from featherweight.search.fit import prior
from featherweight.search.fit.asha import LARGE, Population
from featherweight.search.fit.folder import TRIALS
from featherweight.search.fit.journal import line_of, read_trainings, recall_all, require_fitting, update_of
from featherweight.search.fit.planning import FINISH, next_of, next_task
from featherweight.search.fit.resized import ResizedData, save
from featherweight.search.fit.state import RATE, FitState
from featherweight.search.fit.trial import Aim, Trial, TrialTask, TrialUpdate
from featherweight.search.fit.workers import serve

MOST_FAILED = 12
"""Candidates that may fail before any has a result; after that the search ends."""
LOOK_SECONDS = 0.25
ENDING = 0.85
"""The share of the time after which only what would end in time is begun."""
TOGETHER = 4
"""Equally fast processes as which a search with a number of candidates decides, however many there are."""
FEW = 10_000
"""Training images up to which networks that are trained to the end know them by heart."""


@dataclass(frozen=True, kw_only=True)
class Snapshot:
    """How a search stands."""

    trials: tuple[Trial, ...]
    """All, in the order in which they were begun."""
    underway: tuple[tuple[TrialTask, float], ...]
    """What is being trained, and how far it is, 0 to 1."""
    best: Trial | None
    meets: bool
    left: float
    """Seconds of the search."""
    ended: Trial | None = None
    """The candidate that has just finished a rung."""


def open_search(
    views: ResizedData,
    aim: Aim,
    folder: Path,
    *,
    seed: int,
    seconds: float,
    coloured: bool,
    finish: float | None = None,
    recalled: bool = True,
    begun_at: float = 0.0,
) -> FitState:
    """A search in this folder, with what earlier ones have noted there if that is to be `recalled`; what they noted
    until `begun_at` was not for what is looked for now.

    Of the `seconds`, which may be infinite, `finish` are kept for training what it finds. FileError where the notes are
    no search's.
    """
    finish = FINISH * seconds if finish is None else finish
    # Where flash is short or to be small, four bits a weight buy twice the weights.
    dear = aim.limits.flash is not None or (aim.target is not None and aim.minimize == "flash")
    race, others = prior.first(coloured, small=len(views.folds) > 1, bits=4 if dear else 8)
    population = Population(
        aim=aim, seed=seed, sizes=len(views.sizes), coloured=coloured, folds=len(views.folds), race=race, prior=others,
        anchor=prior.anchor(others) if aim.target is None else None,
        large=[at for at, view in enumerate(views.sizes) if at and min(view.shape[1:]) >= LARGE],
        few=len(views.labels) <= FEW,
    )  # fmt: skip
    search = FitState(
        views=views, aim=aim, population=population, seconds=seconds if seconds == math.inf else seconds - finish,
        finish=finish, file=folder / TRIALS,
    )  # fmt: skip
    if recalled:
        recall_all(search, begun_at)
    return search


def run_search(
    search: FitState,
    cores: int,
    stopped: Callable[[], bool] = lambda: False,
    on: Backend = THIS_MACHINE,
    *,
    count: int | None = None,
    until: float = 1.0,
) -> Iterator[Snapshot]:
    """Search until `until` of the time is over or nothing else fits into it, or until `count` candidates were begun and
    the best of them trained to the end, or until `stopped`; a look a few times a second.

    Raises BudgetError if no candidate is within the limits.
    """
    search.cores = cores
    with ExitStack() as stack:
        folder = stack.enter_context(scratch_folder())
        save(search.views, folder)
        pool = stack.enter_context(open_pool(on, cores))
        views: Any = folder if on.local else pool.put(files_of(folder, [path.name for path in folder.iterdir()]))
        source = _Trials(search, count, until, stopped, (views, search.views.classes))
        yield from feed(pool, source, source.over, LOOK_SECONDS)
        yield from source.last()
    search.spent += source.passed
    if count is not None and not stopped():
        search.complete = count


class _Trials:
    """The search's trainings as works of a pool: begun in the order in which they are decided, and counted in the order
    in which equally fast processes would have ended them."""

    def __init__(
        self, search: FitState, count: int | None, until: float, stopped: Callable[[], bool], given: tuple[Any, ...]
    ) -> None:
        self._search, self._count, self._until, self._stopped, self._given = search, count, until, stopped, given
        self._begun = time.monotonic()
        as_if, cores = (TOGETHER, 1) if count is not None else (search.cores + 1, search.cores)
        self._as_if, self._speed = as_if, RATE * cores / as_if
        self._clock = 0.0
        """Seconds that have passed for processes of the usual rate."""
        self._ahead: list[tuple[float, int, TrialTask]] = []
        """What has been decided and not been counted yet, by when it ends on that clock."""
        self._decided = self._submitted = 0
        self._in_vain = False
        """Whether there was nothing to begin, and nothing has been counted since."""
        self._results = _known(search) if count is not None else {}
        self._queue: list[TrialTask] = []
        self._busy: dict[int, TrialTask] = {}
        self._done: dict[int, float] = {}
        self._losses: Counter[int] = Counter()
        self._ended: list[Trial] = []
        self.over: list[int] = []
        self._go_on()

    @property
    def passed(self) -> float:
        """Seconds since it began."""
        return time.monotonic() - self._begun

    def waiting(self) -> int:
        return len(self._queue)

    def next(self) -> tuple[int, Work, tuple[Any, ...]] | None:
        self._submitted += 1
        self._busy[self._submitted] = work = self._queue.pop(0)
        return self._submitted, serve, (work, *self._given)

    def on_message(self, message: Message) -> Iterator[Snapshot]:
        update: TrialUpdate = replace(message.value, losses=(), answers=())
        self._done[update.work.trial] = update.done
        if update.ended:
            self._take(update)
            yield from self._looks()

    def on_finished(self, finished: Finished) -> Iterator[Snapshot]:
        work = self._busy.pop(finished.number)
        if work.key in self._results or self.over:
            return
        self._losses[work.trial] += finished.lost
        if finished.lost and not isinstance(self._given[0], Path) and self._losses[work.trial] <= MOST_LOSSES:
            self._queue.insert(0, work)  # in a cluster, work lost with its machine is done again
            return
        words = finished.sentence or "it ended without a result."
        self._take(TrialUpdate(work=work, done=1.0, seconds=0.0, failed=words))
        yield from self._looks()

    def on_poll(self, pool: Pool) -> Iterator[Snapshot]:
        search, best = self._search, self._search.population.best()
        if best is None and sum(bool(one.failed) for one in search.population.trials) >= MOST_FAILED:
            raise nothing_found(search)
        late = self._count is None and search.spent + self.passed > self._until * search.seconds
        if not self.over and (self._stopped() or (late and best is not None)):
            self.over.append(0)
        yield self._look(None)

    def last(self) -> Iterator[Snapshot]:
        """Count what has come and was waiting for something that has not; that is trained first if the search goes
        on."""
        begun = []
        for _, _, work in sorted(self._ahead):
            if work.key in self._results:
                self._count_result(work)
            elif not self._search.population.trials[work.trial].failed:
                begun.append(work)
        self._search.waiting = begun + self._search.waiting
        yield from self._looks()

    def _take(self, update: TrialUpdate) -> None:
        """Note a result, count what can be counted now, and decide what is next by that."""
        self._results[update.work.key] = update
        trial = self._search.population.trials[update.work.trial]
        rung = next(rung for rung, planned in trial.planned.items() if update.work in planned)
        note(self._search, trial, rung, update, self._search.spent + self.passed)
        self._go_on()

    def _go_on(self) -> None:
        while True:
            while len(self._ahead) < self._as_if and not self._in_vain:
                if (work := self._decide()) is None:
                    # Asked again before anything else is known, it would draw other candidates on a slower machine.
                    self._in_vain = bool(self._ahead)
                    break
                self._decided += 1
                trial = self._search.population.trials[work.trial]
                ends = self._clock + self._search.work(work, trial) / self._speed
                heapq.heappush(self._ahead, (ends, self._decided, work))
                if work.key not in self._results:
                    self._queue.append(work)
            if not self._ahead or self._ahead[0][2].key not in self._results:
                return
            self._clock, _, work = heapq.heappop(self._ahead)
            self._in_vain = False
            self._count_result(work)

    def _decide(self) -> TrialTask | None:
        if self.over:
            return None
        if self._count is not None:
            return next_of(self._search, self._count)
        passed = self._search.spent + self.passed
        share = max(passed, self._search.spent + self._clock) / self._search.seconds
        left = self._search.seconds - passed if passed > ENDING * self._search.seconds else math.inf
        return next_task(self._search, min(share, 1.0), left)

    def _count_result(self, work: TrialTask) -> None:
        trial = self._search.population.trials[work.trial]
        if trial.failed:
            return
        rung = add_result(self._search, trial, self._search.counted(self._results[work.key]))
        if trial.failed or trial.rung == rung:
            self._ended.append(trial)

    def _looks(self) -> Iterator[Snapshot]:
        ended, self._ended = self._ended, []
        for trial in ended:
            yield self._look(trial)

    def _look(self, ended: Trial | None) -> Snapshot:
        search, best = self._search, self._search.population.best()
        return Snapshot(
            trials=tuple(search.population.trials),
            underway=tuple((work, self._done.get(work.trial, 0.0)) for work in self._busy.values()),
            best=best, meets=best is not None and search.population.meets(best),
            left=max(0.0, search.seconds - search.spent - self.passed), ended=ended,
        )  # fmt: skip


def _known(search: FitState) -> dict[tuple[object, ...], TrialUpdate]:
    """What the notes tell, by what was trained."""
    found = {}
    for number, training in read_trainings(search.file):
        require_fitting(search, f"Line {number} of {search.file}", training)
        update = update_of(training.trial, training)
        found[update.work.key] = update
    return found


def nothing_found(search: FitState) -> FeatherweightError:
    """Why no candidate has a result: the first one's own words where all have failed."""
    failed = [one for one in search.population.trials if one.failed]
    if not failed:
        return UsageError("No candidate finished training in the given time; allow more minutes.")
    return TrainingError(
        f"None of the {len(failed)} candidates that were begun could be trained. The first, candidate"
        f" {failed[0].number}: {failed[0].failed}"
    )


def note(search: FitState, trial: Trial, rung: int, update: TrialUpdate, passed: float) -> None:
    """Add a training to the notes."""
    with search.file.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line_of(trial, rung, update, passed)) + "\n")


def add_result(search: FitState, trial: Trial, update: TrialUpdate) -> int:
    """Add a result to the rung that it belongs to; the rung. A candidate that fails is not trained any further."""
    rung = next(rung for rung, works in trial.planned.items() if update.work.key in {work.key for work in works})
    trial.updates.setdefault(rung, []).append(update)
    if update.failed and not trial.failed:
        trial.failed = update.failed
        search.waiting = [work for work in search.waiting if work.trial != trial.number]
    return rung
