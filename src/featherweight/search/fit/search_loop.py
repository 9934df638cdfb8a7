"""A search from the first picture to the candidate that is to be finished, within a time that is given."""

import json
import math
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from featherweight.errors import BudgetError, FeatherweightError, TrainingError, UsageError
from featherweight.io import scratch_folder
from featherweight.parallel.messages import THIS_MACHINE, Backend
from featherweight.search.fit import prior
from featherweight.search.fit.asha import DRAWS, Aim, Population, Trial
from featherweight.search.fit.candidate import Candidate
from featherweight.search.fit.cost import cost_of, training_work
from featherweight.search.fit.journal import forget_unfinished, line_of, read_trainings, recall
from featherweight.search.fit.mutation import scale_width
from featherweight.search.fit.resized import ResizedData, save
from featherweight.search.fit.state import GUESS, LEAST_EPOCHS, STARTING, FitState, epochs_for
from featherweight.search.fit.workers import TrialPool, TrialTask, TrialUpdate

FINISH = 0.4
"""The share of the time that is kept for training what the search found."""
RACE = 0.25
"""The most of the search's time that is spent on comparing augmentations."""
CHEAPER = (0.5, 0.95)
"""Shares of the cost of a candidate that meets the target: a new one may cost at most one drawn from between them."""
MOST_FAILED = 12
"""Candidates that may fail before any has a result; after that the search ends."""
TRIALS = "trials.jsonl"
LOOK_SECONDS = 0.25


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
) -> FitState:
    """A search in this folder, with what an earlier one has noted there if that is to be `recalled`.

    Of the `seconds`, which may be infinite, `finish` are kept for training what it finds. FileError where the notes are
    no search's.
    """
    finish = FINISH * seconds if finish is None else finish
    # Where flash is short or to be small, four bits a weight buy twice the weights.
    dear = aim.limits.flash is not None or (aim.target is not None and aim.minimize == "flash")
    race, others = prior.first(coloured, small=len(views.folds) > 1, bits=4 if dear else 8)
    population = Population(
        aim=aim, seed=seed, sizes=len(views.sizes), coloured=coloured, folds=len(views.folds), race=race, prior=others
    )
    search = FitState(
        views=views, aim=aim, population=population, seconds=seconds if seconds == math.inf else seconds - finish,
        finish=finish, file=folder / TRIALS,
    )  # fmt: skip
    for number, training in read_trainings(search.file) if recalled else ():
        recall(search, number, training)
    for trial in population.trials:
        forget_unfinished(trial)
    return search


def run_search(
    search: FitState, cores: int, stopped: Callable[[], bool] = lambda: False, on: Backend = THIS_MACHINE
) -> Iterator[Snapshot]:
    """Search until the time is over or nothing else fits into it, or until `stopped`, a look a few times a second.

    Raises BudgetError if no candidate is within the limits.
    """
    begun = time.monotonic()
    search.cores = cores
    done: dict[int, float] = {}
    with scratch_folder() as folder:
        save(search.views, folder)
        pool = TrialPool(cores, folder, search.views.classes, on)
        try:
            while not stopped():
                passed = search.spent + time.monotonic() - begun
                while (member := pool.idle()) is not None:
                    work = _next_task(search, passed)
                    if work is None:
                        break
                    pool.give(member, work)
                over = passed > 1.1 * search.seconds and search.population.best() is not None
                if not pool.underway or over:
                    return
                ended = None
                for update in pool.news(LOOK_SECONDS):
                    done[update.work.trial] = update.done
                    if update.correct is not None or update.failed:
                        ended = _noted_result(search, update, search.spent + time.monotonic() - begun)
                best = search.population.best()
                if best is None and sum(bool(one.failed) for one in search.population.trials) >= MOST_FAILED:
                    raise nothing_found(search)
                yield Snapshot(
                    trials=tuple(search.population.trials),
                    underway=tuple((work, done.get(work.trial, 0.0)) for work in pool.underway),
                    best=best, meets=best is not None and search.population.meets(best),
                    left=max(0.0, search.seconds - passed), ended=ended,
                )  # fmt: skip
        finally:
            pool.close()


def nothing_found(search: FitState) -> FeatherweightError:
    """Why no candidate has a result: the first one's own words where all have failed."""
    failed = [one for one in search.population.trials if one.failed]
    if not failed:
        return UsageError("No candidate finished training in the given time; allow more minutes.")
    return TrainingError(
        f"None of the {len(failed)} candidates that were begun could be trained. The first, candidate"
        f" {failed[0].number}: {failed[0].failed}"
    )


def _next_task(search: FitState, passed: float) -> TrialTask | None:
    """The next training, None where none would end in time."""
    left = search.seconds - passed
    if not search.population.trials:
        left = math.inf  # something has to be trained
    if search.waiting:
        return search.waiting.pop(0)
    population = search.population
    if search.rates and (first := next((one for one in population.trials if one.racing), None)):
        short = max(search.work_seconds(work, first) for work in first.planned[0])
        population.bound_race(short, RACE * search.seconds * search.cores)
    for trial, rung in population.promotions(passed / search.seconds):
        if (work := plan_rung(search, trial, rung, left)) is not None:
            return work
    for _ in range(0 if left < 0.02 * search.seconds else DRAWS):
        candidate = propose(search)
        if candidate is not None and (work := plan_rung(search, candidate, 0, left)) is not None:
            population.trials.append(candidate)
            return work
        if candidate is not None and passed > 0.9 * search.seconds:
            break  # what is proposed now takes too long
    if not population.trials:
        raise nothing_fits(search)
    return None


def nothing_fits(search: FitState) -> BudgetError:
    """That no candidate could be begun, and what to allow more of."""
    within = f"No network of this family is within the limits ({search.aim.limits.words()})"
    if search.finish == math.inf:
        return BudgetError(f"{within}; allow more.")
    return BudgetError(
        f"{within} and can be trained for {LEAST_EPOCHS} epochs in {search.finish:.0f} seconds; allow more of either."
    )


def outlook(search: FitState, cores: int) -> str:
    """What the time allows, in a sentence; UsageError where no network could be trained in it to its end."""
    images = len(search.views.labels)
    least = min(search.views.sizes, key=lambda view: math.prod(view.shape))
    seconds = STARTING + LEAST_EPOCHS * images * training_work(0, least.shape) / GUESS
    if seconds > search.finish:
        raise UsageError(
            f"{images:,} images of {' x '.join(map(str, least.shape))} cannot be trained on for {LEAST_EPOCHS} epochs"
            f" in the {search.finish:.0f} seconds that are kept for it; {_ask_for(seconds)}."
        )
    genes = prior.networks()[0]
    shape = search.shape(genes)
    fitting = shallow_enough(genes, shape, search.classes)
    cost = None if fitting is None else cost_of(fitting, shape, search.classes)
    if cost is None:
        return f"{images:,} training images"
    whole = epochs_for(images) * search.epoch_seconds(cost, shape, images, GUESS)
    count = max(1, int(search.seconds * cores / whole))
    text = f"in this time, the search can carry out about {count:,} training{'s' * (count > 1)} at full length"
    needed = STARTING + LEAST_EPOCHS * search.epoch_seconds(cost, shape, images, GUESS)
    return text if needed <= search.finish else f"{text}; for {LEAST_EPOCHS} epochs at the end {_ask_for(needed)}"


def _ask_for(finish: float) -> str:
    """What to type for so many seconds of the last training."""
    return f"ask for --minutes {math.ceil(finish / FINISH / 30) / 2:g} or more"


def plan_rung(search: FitState, trial: Trial, rung: int, left: float) -> TrialTask | None:
    """The first training of a rung, the others put in the queue; None where they would not end in time."""
    epochs = search.epochs(trial.price, trial.shape)
    works = search.population.works(trial.number, trial.genes, rung, epochs)
    if max(search.work_seconds(work, trial) for work in works) * math.ceil(len(works) / 2) > max(left, 0.0):
        return None
    trial.planned[rung] = works
    first, *others = works
    search.waiting += others
    return first


def propose(search: FitState) -> Trial | None:
    """A candidate within the limits that was not tried before."""
    population, racing = search.population, search.population.race
    genes = _narrowed(search, *population.proposal())
    if genes is None or not population.new(genes):
        return None
    shape = search.shape(genes)
    cost = cost_of(genes, shape, search.classes)
    assert cost is not None
    return Trial(number=len(population.trials), genes=genes, price=cost, shape=shape, racing=racing)


def shallow_enough(genes: Candidate, shape: tuple[int, int, int], classes: int) -> Candidate | None:
    """The genes with fewer convolutions without a border, and fewer stages, if images of this shape (C H W) are too
    small for them; None if nothing helps."""
    while cost_of(genes, shape, classes) is None:
        if genes.shrink:
            genes = replace(genes, shrink=genes.shrink - 1)
        elif len(genes.widths) > 1:
            genes = replace(genes, widths=genes.widths[:-1], depths=genes.depths[:-1])
        else:
            return None
    return genes


def _narrowed(search: FitState, genes: Candidate, wide: float) -> Candidate | None:
    """The genes, made narrower until they are within the limits and the time, and cheaper than what is known to meet
    the target; without a target, with the chance `wide`, made wider up to these. None where even the narrowest are
    not."""
    shape, aim, most = search.shape(genes), search.aim, search.population.proven()
    if most < math.inf:
        least, greatest = CHEAPER
        most *= least * (greatest / least) ** search.population.chance()
    found = shallow_enough(genes, shape, search.classes)
    if found is None:
        return None
    genes = found

    def fits(factor: float) -> bool:
        cost = cost_of(scale_width(genes, factor), shape, search.classes)
        return (
            cost is not None
            and not aim.limits.excess(cost)
            and aim.cost(cost) <= most
            and search.epochs(cost, shape) >= LEAST_EPOCHS
        )  # fmt: skip

    fill = aim.target is None and search.population.chance() < wide
    if fits(1.0) and not fill:
        return genes
    low, high = (1.0, 8.0) if fits(1.0) else (0.05, 1.0)
    if low < 1 and not fits(low):
        return None
    for _ in range(6):
        middle = math.sqrt(low * high)
        low, high = (middle, high) if fits(middle) else (low, middle)
    return genes if low == 1.0 else scale_width(genes, low)


def _noted_result(search: FitState, update: TrialUpdate, passed: float) -> Trial | None:
    """Note what a training came to; the candidate, if it has finished a rung by that."""
    trial = search.population.trials[update.work.trial]
    rung = add_result(search, trial, update)
    if not update.failed:
        search.rates.append(search.work_done(update, trial) / max(update.seconds, 1e-3))
    note(search, trial, rung, update, passed)
    return trial if trial.rung == rung or trial.failed else None


def note(search: FitState, trial: Trial, rung: int, update: TrialUpdate, passed: float) -> None:
    """Add a training to the notes."""
    with search.file.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line_of(trial, rung, update, passed)) + "\n")


def add_result(search: FitState, trial: Trial, update: TrialUpdate) -> int:
    """Add a result to the rung that it belongs to; the rung. A candidate that fails is not trained any further."""
    rung = next(rung for rung, works in trial.planned.items() if update.work in works)
    trial.updates.setdefault(rung, []).append(update)
    if update.failed and not trial.failed:
        trial.failed = update.failed
        search.waiting = [work for work in search.waiting if work.trial != trial.number]
    return rung
