"""A search whose limit is a number of candidates and not a time: killed and continued, it ends with the same network.

What is trained next depends on what is known, and on nothing else: it is decided for several trainings at once, however
many processes there are, and only when all of these have ended. Earlier trainings are read from the notes as they are
asked for, so a search that goes on takes the same decisions as one that was never stopped.
"""

import math
from collections.abc import Callable, Iterator

from featherweight.io import scratch_folder
from featherweight.parallel.messages import THIS_MACHINE, Backend
from featherweight.search.fit.asha import DRAWS, LATE, SHARES, Trial
from featherweight.search.fit.journal import read_trainings, require_fitting, update_of
from featherweight.search.fit.resized import save
from featherweight.search.fit.search_loop import (
    LOOK_SECONDS,
    MOST_FAILED,
    Snapshot,
    add_result,
    note,
    nothing_fits,
    nothing_found,
    plan_rung,
    propose,
)
from featherweight.search.fit.state import FitState
from featherweight.search.fit.workers import TrialPool, TrialTask, TrialUpdate

TOGETHER = 4
"""Decisions that are taken before any of their trainings has a result."""
RACE = 3
"""One candidate in so many is there to compare augmentations."""

Known = dict[tuple[object, ...], TrialUpdate]


def run_by_trials(
    search: FitState, count: int, cores: int, stopped: Callable[[], bool] = lambda: False, on: Backend = THIS_MACHINE
) -> Iterator[Snapshot]:
    """Search until so many candidates were begun and the best of them trained to the end, or until `stopped`.

    Raises BudgetError if no candidate is within the limits.
    """
    known = _finished_tasks(search)
    search.population.bound_race(1.0, count / RACE)
    with scratch_folder() as folder:
        save(search.views, folder)
        pool = TrialPool(cores, folder, search.views.classes, on)
        try:
            while works := _decided(search, count):
                results: dict[int, TrialUpdate] = {
                    at: known[key] for at, work in enumerate(works) if (key := _key(work)) in known
                }
                for look in _train_batch(search, pool, works, results):
                    yield look
                    if stopped():
                        return
                for at, work in enumerate(works):
                    trial = search.population.trials[work.trial]
                    if not trial.failed:
                        rung = add_result(search, trial, results[at])
                        yield _snapshot(search, [], {}, trial if trial.failed or trial.rung == rung else None)
                if search.population.best() is None and len(search.population.trials) >= min(count, MOST_FAILED):
                    raise nothing_found(search)
            search.complete = count
        finally:
            pool.close()


def _finished_tasks(search: FitState) -> Known:
    """What the notes tell, by what was trained."""
    found = {}
    for number, training in read_trainings(search.file):
        require_fitting(search, f"Line {number} of {search.file}", training)
        update = update_of(training.trial, training)
        found[_key(update.work)] = update
    return found


def _key(work: TrialTask) -> tuple[object, ...]:
    return work.genes, work.epochs, work.fold, work.seed, work.share


def _decided(search: FitState, count: int) -> list[TrialTask]:
    """The next trainings, by what is known now."""
    found: list[TrialTask] = []
    for _ in range(TOGETHER):
        work = _next_by_count(search, count)
        if work is None:
            break
        found += [work, *search.waiting]
        search.waiting = []
    if not search.population.trials:
        raise nothing_fits(search)
    return found


def _next_by_count(search: FitState, count: int) -> TrialTask | None:
    population = search.population
    begun = len(population.trials)
    for trial, rung in population.promotions(LATE * min(1.0, begun / count)):
        return plan_rung(search, trial, rung, math.inf)
    for _ in range(DRAWS if begun < count else 0):
        candidate = propose(search)
        if candidate is not None:
            population.trials.append(candidate)
            return plan_rung(search, candidate, 0, math.inf)
    if any(rung not in one.updates for one in population.trials if not one.failed for rung in one.planned):
        return None  # what is under way may change who is the best
    best = population.best()
    if best is None or best.rung == len(SHARES) - 1:
        return None
    return plan_rung(search, best, best.rung + 1, math.inf)


def _train_batch(
    search: FitState, pool: TrialPool, works: list[TrialTask], results: dict[int, TrialUpdate]
) -> Iterator[Snapshot]:
    """Carry out the works that have no result yet, and note each as it ends; a look a few times a second."""
    waiting = [at for at in range(len(works)) if at not in results]
    done: dict[int, float] = {}
    while len(results) < len(works):
        while waiting and (member := pool.idle()) is not None:
            pool.give(member, works[waiting.pop(0)])
        for update in pool.news(LOOK_SECONDS):
            done[update.work.trial] = update.done
            if update.correct is None and not update.failed:
                continue
            at = next(at for at, work in enumerate(works) if work == update.work)
            results[at] = update
            trial = search.population.trials[update.work.trial]
            rung = next(rung for rung, planned in trial.planned.items() if update.work in planned)
            note(search, trial, rung, update, search.spent)
        yield _snapshot(search, pool.underway, done)


def _snapshot(
    search: FitState, underway: list[TrialTask], done: dict[int, float], ended: Trial | None = None
) -> Snapshot:
    best = search.population.best()
    return Snapshot(
        trials=tuple(search.population.trials),
        underway=tuple((work, done.get(work.trial, 0.0)) for work in underway),
        best=best, meets=best is not None and search.population.meets(best), left=math.inf, ended=ended,
    )  # fmt: skip
