"""What a search trains next, and what it could not: candidates made narrow enough for the limits, trainings of a rung,
and the sentences that say what the time allows."""

import math
from dataclasses import replace

from featherweight.errors import BudgetError, UsageError
from featherweight.search.fit import prior
from featherweight.search.fit.asha import DRAWS, LATE
from featherweight.search.fit.candidate import Candidate
from featherweight.search.fit.cost import cost_of, training_work
from featherweight.search.fit.mutation import scale_width
from featherweight.search.fit.state import LEAST_EPOCHS, RATE, STARTING, FitState, epochs_for
from featherweight.search.fit.trial import LAST, Trial, TrialTask

RACE = 0.25
"""The most of the search that is spent on comparing augmentations."""
RACED_TRIALS = 3
"""Of a search with a number of candidates: one in so many is there to compare augmentations."""
CHEAPER = (0.5, 0.95)
"""Shares of the cost of a candidate that meets the target: a new one may cost at most one drawn from between them."""
FINISH = 0.4
"""The share of the time that is kept for training what the search found."""


def next_task(search: FitState, passed: float, left: float) -> TrialTask | None:
    """The next training of a search of which a share has `passed`; None where none would end within `left` seconds."""
    if search.waiting:
        return search.waiting.pop(0)
    population = search.population
    left = left if population.trials else math.inf  # something has to be trained
    first = next((one for one in population.trials if one.racing and 0 in one.planned), None)
    if first is not None:
        short = max(search.work(work, first) for work in first.planned[0]) / RATE
        population.bound_race(short, RACE * search.seconds * search.cores)
    if (work := _promoted(search, passed, left)) is not None:
        return work
    for _ in range(DRAWS if left > 0.02 * search.seconds else 0):
        candidate = propose(search)
        if candidate is not None and (work := plan_rung(search, candidate, 0, left)) is not None:
            population.trials.append(candidate)
            return work
        if candidate is not None and passed > 0.9:
            break  # what is proposed now takes too long
    if not population.trials:
        raise nothing_fits(search)
    return _promoted(search, 1.0, left)  # nothing new can be tried


def _promoted(search: FitState, passed: float, left: float) -> TrialTask | None:
    """The first training of the first candidate that is to go on and would end in time."""
    for trial, rung in search.population.promotions(passed):
        if (work := plan_rung(search, trial, rung, left)) is not None:
            return work
    return None


def next_of(search: FitState, count: int) -> TrialTask | None:
    """The next training of a search that begins `count` candidates and trains the best of them to its end."""
    if search.waiting:
        return search.waiting.pop(0)
    population = search.population
    begun = len(population.trials)
    population.bound_race(1.0, count / RACED_TRIALS)
    for trial, rung in population.promotions(LATE * min(1.0, begun / count)):
        return plan_rung(search, trial, rung, math.inf)
    for _ in range(DRAWS if begun < count else 0):
        candidate = propose(search)
        if candidate is not None:
            population.trials.append(candidate)
            return plan_rung(search, candidate, 0, math.inf)
    if not begun:
        raise nothing_fits(search)
    if any(one.pending for one in population.trials if not one.failed):
        return None  # what is under way may change who is the best
    best = population.best()
    return None if best is None or best.rung == LAST else plan_rung(search, best, best.rung + 1, math.inf)


def plan_rung(search: FitState, trial: Trial, rung: int, left: float) -> TrialTask | None:
    """The first training of a rung, the others put in the queue; None where they would not end in `left` seconds."""
    epochs = search.epochs(trial.price, trial.shape)
    works = search.population.works(trial.number, trial.genes, rung, epochs)
    if left < math.inf:
        seconds = max(search.work(work, trial) for work in works) / search.rate_of(trial)
        if seconds * math.ceil(len(works) / 2) > max(left, 0.0):
            return None
    trial.planned[rung] = works
    first, *others = works
    search.waiting += others
    return first


def propose(search: FitState) -> Trial | None:
    """A candidate within the limits that was not tried before."""
    population, racing, anchored = search.population, search.population.race, search.population.anchor
    genes = _narrowed(search, *population.proposal())
    if genes is None or not population.new(genes):
        return None
    shape = search.shape(genes)
    cost = cost_of(genes, shape, search.classes)
    assert cost is not None
    return Trial(
        number=len(population.trials), genes=genes, price=cost, shape=shape, racing=racing,
        anchor=anchored is not population.anchor,
    )  # fmt: skip


def shallow_enough(genes: Candidate, shape: tuple[int, int, int], classes: int) -> Candidate | None:
    """The genes with fewer convolutions without a border, fewer stages, and a stem that keeps the size, if images of
    this shape (C H W) are too small for them; None if nothing helps."""
    while cost_of(genes, shape, classes) is None:
        if genes.shrink:
            genes = replace(genes, shrink=genes.shrink - 1)
        elif len(genes.widths) > 1:
            genes = replace(genes, widths=genes.widths[:-1], depths=genes.depths[:-1])
        elif genes.stem_pool or genes.stem_stride > 1 or genes.kernel > 3:
            genes = replace(genes, stem_pool=False, stem_stride=1, kernel=min(genes.kernel, 3))
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
            and aim.allows(cost)
            and aim.cost(cost) <= most
            and search.epochs(cost, shape) >= search.least_epochs(shape)
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
    seconds = STARTING + LEAST_EPOCHS * images * training_work(0, least.shape) / RATE
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
    whole = epochs_for(images) * search.epoch_seconds(cost, shape, images)
    count = max(1, int(search.seconds * cores / whole))
    text = f"in this time, the search can carry out about {count:,} training{'s' * (count > 1)} at full length"
    needed = STARTING + LEAST_EPOCHS * search.epoch_seconds(cost, shape, images)
    return text if needed <= search.finish else f"{text}; for {LEAST_EPOCHS} epochs at the end {_ask_for(needed)}"


def _ask_for(finish: float) -> str:
    """What to type for so many seconds of the last training."""
    return f"ask for --minutes {math.ceil(finish / FINISH / 30) / 2:g} or more"
