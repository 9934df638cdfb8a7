"""Which candidate is trained next, and for how long: asynchronous successive halving over a changing population.

Every candidate is first trained for a ninth of what a finished network gets. The best third of those go on to a third
of it, and the best third of these to all (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020;
each time from the start, since the learning rate's cycle is as long as the training). New candidates are mostly changed
copies of the best ones (Real et al., "Regularized Evolution for Image Classifier Architecture Search", 2019), some are
drawn at random.
"""

import math
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

from featherweight.search.fit.candidate import BLOCKS, PRESETS, Candidate
from featherweight.search.fit.cost import Cost, Limits
from featherweight.search.fit.mutation import mutate, sample_candidate, scale_width
from featherweight.search.fit.workers import TrialTask, TrialUpdate

SHARES = (1 / 9, 1 / 3, 1.0)
"""Of the epochs of a finished network, rung by rung."""
KEPT = 3
"""One candidate in so many is taken to the next rung."""
OFFSETS = (math.log(0.6), math.log(0.85), 0.0)
"""What the logarithm of the error is expected to change from each rung to the last, before any pair was seen."""
RACED = 4
"""Augmentations that are compared after a longer training."""
OTHERS = 0.25
"""How much what happened to networks of another kind of block counts."""
HOPELESS = 1.6
"""Times the error that the target allows: what a cheap candidate may at most be expected to have, to be taken on."""
FRESH = 0.2
"""The share of new candidates that are drawn at random, once there are some to be changed."""
LAST_RUNG, LATE = 0.45, 0.65
"""Shares of the search's time: before the first, nobody is trained to the end, so that the best of many are, except for
one that is likely to meet the target; after the second, no new candidate is begun while an old one can still go on."""
CLOSE = 1.08
"""Augmentations whose losses on one network differ by less than this factor are taken to do equally well so far."""
DRAWS = 300
STEEP = 6.0
"""In the score of a candidate that misses the target: how much more its error weighs than its cost, as logarithms."""


Offsets = dict[str, tuple[float, ...]]


@dataclass(kw_only=True)
class Trial:
    """A candidate and what was found of it."""

    number: int
    genes: Candidate
    price: Cost
    shape: tuple[int, int, int]
    planned: dict[int, list[TrialTask]] = field(default_factory=dict)
    """By rung, what it takes."""
    updates: dict[int, list[TrialUpdate]] = field(default_factory=dict)
    """By rung, what has been carried out."""
    failed: str = ""
    racing: bool = False
    """Whether it is there to compare augmentations on one network: such are all trained for a third of the epochs; a
    ninth is too short for strong ones to pay."""

    @property
    def rung(self) -> int:
        """The last rung that is finished; -1 before the first."""
        return max((rung for rung, works in self.planned.items() if len(self.updates.get(rung, ())) == len(works)),
                   default=-1)  # fmt: skip

    def counts(self, rung: int) -> tuple[int, int]:
        """Held-out images that were right, and all, on this rung; on the last one of a small set, with those of the
        rung before, which was trained as long."""
        updates = list(self.updates.get(rung, ()))
        if rung == len(SHARES) - 1 and len(self.planned[rung]) > 1:
            updates += self.updates.get(rung - 1, ())
        return sum(one.correct or 0 for one in updates), sum(one.judged for one in updates)

    def error(self, rung: int) -> float:
        """The logarithm of the share of held-out images that were wrong, half an image added so that it is finite."""
        correct, judged = self.counts(rung)
        return math.log((judged - correct + 0.5) / (judged + 1))

    def loss(self, rung: int) -> float:
        """Mean loss of the held-out images on this rung."""
        updates = self.updates[rung]
        return sum(one.loss * one.judged for one in updates) / max(1, sum(one.judged for one in updates))

    def accuracy(self) -> float:
        """In percent of the held-out images, on the last finished rung."""
        correct, judged = self.counts(self.rung)
        return 100 * correct / judged


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What is looked for."""

    target: float | None = None
    """Accuracy in percent; None for the highest within the limits."""
    minimize: str = "flash"
    """The field of `Price` that is to be small, where there is a target."""
    limits: Limits = field(default_factory=Limits)

    def score(self, error: float, price: Cost, judged: int) -> float:
        """How good a candidate with this logarithm of its error is, higher being better.

        The target is held with a margin of half a standard error of as many held-out images, or a quarter of the
        allowed error where that is less: the cheapest of many candidates that reach it has often been lucky, but the
        chosen one will be trained on the held-out images too.
        """
        if self.target is None:
            return -error
        return -math.log(self.cost(price)) - STEEP * self.miss(error, judged)

    def cost(self, price: Cost) -> int:
        """What is to be small where there is a target."""
        return int(getattr(price, self.minimize))

    def miss(self, error: float, judged: int) -> float:
        """How far this logarithm of an error on so many held-out images is above what the target allows; 0 if not."""
        assert self.target is not None
        allowed = max(1 - self.target / 100, 0.25 / max(1, judged))
        margin = min(math.sqrt(allowed * (1 - allowed) / max(1, judged)) / 2, allowed / 4)
        return max(0.0, error - math.log(allowed - margin))


class Population:
    """All candidates, and the choice of what is trained next."""

    def __init__(
        self, *, aim: Aim, seed: int, sizes: int, coloured: bool, folds: int,
        race: Sequence[Candidate], prior: Sequence[Candidate],
    ) -> None:  # fmt: skip
        self.aim = aim
        self.trials: list[Trial] = []
        self._draws = random.Random(seed)
        self._sizes, self._coloured, self._folds = sizes, coloured, folds
        self._race, self._prior = list(race), list(prior)
        self._seen: set[Candidate] = set()
        self.longer_race = True
        """Whether there is time to compare augmentations after a longer training too."""

    def preset(self) -> str:
        """The augmentation with which one network, of those trained longest, has the least loss, or the strongest of
        those that are close; "shifts" before any was.

        The loss tells more than the few images that one augmentation gets right and another does not, and a longer
        training needs more augmentation than the short ones here.
        """
        there = [one for one in self.trials if one.racing and one.rung >= 0 and not one.failed]
        rung = max((min(one.rung, 1) for one in there), default=0)
        there = [one for one in there if one.rung >= rung]
        least = min((one.loss(rung) for one in there), default=0.0)
        close = [one for one in there if one.loss(rung) <= CLOSE * least]
        strongest = max(close, key=lambda one: (len(one.genes.moves()), -one.loss(rung)), default=None)
        return strongest.genes.preset if strongest else "shifts"

    def proven(self) -> float:
        """The least cost of those that were trained to the end and meet the target; infinite where there are none."""
        last = len(SHARES) - 1
        if self.aim.target is None:
            return math.inf
        return min(
            (
                self.aim.cost(one.price)
                for one in self.trials
                if one.rung == last and not one.failed and not self.aim.miss(one.error(last), one.counts(last)[1])
            ),
            default=math.inf,
        )

    def works(self, number: int, genes: Candidate, rung: int, epochs: float) -> list[TrialTask]:
        """What a rung takes of a candidate whose finished network gets so many epochs."""
        if self._folds == 1:
            wanted = epochs * SHARES[rung]
            return [TrialTask(trial=number, genes=genes, epochs=max(1, round(wanted)), share=min(1.0, wanted))]
        folds = (range(1), range(2), range(2, self._folds))[rung]
        share = SHARES[1] if rung == 0 else 1.0
        return [TrialTask(trial=number, genes=genes, epochs=max(1, round(epochs * share)), fold=fold) for fold in folds]

    def offsets(self) -> dict[str, tuple[float, ...]]:
        """How much the logarithm of the error changes from each rung to the last, by kind of block: from those that are
        known on both, of which other kinds count less. Depthwise-separable networks learn more slowly than others."""
        last = len(SHARES) - 1
        pairs = [
            [
                (one.genes.block, one.error(last) - one.error(rung))
                for one in self.trials
                if one.rung == last and rung in one.updates and not one.failed
            ]
            for rung in range(last)
        ]
        found: dict[str, tuple[float, ...]] = {}
        for block in BLOCKS:
            means = []
            for usual, known in zip(OFFSETS, pairs, strict=False):
                weighed = [(1.0 if kind == block else OTHERS, change) for kind, change in known]
                total = 2.0 + sum(weight for weight, _ in weighed)
                means.append((2.0 * usual + sum(weight * change for weight, change in weighed)) / total)
            found[block] = (*means, 0.0)
        return found

    def expected(self, trial: Trial, rung: int | None = None, offsets: Offsets | None = None) -> float:
        """The logarithm of the error that a candidate is expected to have when it is finished, by its last rung or the
        given one."""
        rung = trial.rung if rung is None else rung
        return trial.error(rung) + (offsets or self.offsets())[trial.genes.block][rung]

    def score(self, trial: Trial, offsets: Offsets | None = None, rung: int | None = None) -> float:
        """The score of what the candidate is expected to reach when it is finished."""
        rung = trial.rung if rung is None else rung
        return self.aim.score(self.expected(trial, rung, offsets), trial.price, trial.counts(rung)[1])

    def ranked(self) -> list[Trial]:
        """Those with a result, the best first."""
        offsets = self.offsets()
        return sorted(
            (one for one in self.trials if one.rung >= 0 and not one.failed),
            key=lambda one: self.score(one, offsets), reverse=True,
        )  # fmt: skip

    def best(self) -> Trial | None:
        """The candidate to finish: of those that were trained longest, unless a shorter one promises much more."""
        offsets = self.offsets()
        return max(
            (one for one in self.trials if one.rung >= 0 and not one.failed),
            key=lambda one: self.score(one, offsets) - (0.3 if self.aim.target else 0.1) * (len(SHARES) - 1 - one.rung),
            default=None,
        )

    def meets(self, trial: Trial) -> bool:
        """Whether held-out images put the candidate at the target or above."""
        return self.aim.target is None or trial.accuracy() >= self.aim.target

    def promotions(self, passed: float) -> Iterator[tuple[Trial, int]]:
        """Candidates to be taken to their next rung, and that rung, when this share of the time has passed; the highest
        rungs and the best come first. None that costs as much as one that is known to meet the target."""
        offsets, late, proven = self.offsets(), passed > LATE, self.proven()
        if proven == math.inf and (early := self._early(offsets)) is not None:
            yield early, len(SHARES) - 1
        for rung in reversed(range(len(SHARES) - 1 - (passed < LAST_RUNG))):
            there = [one for one in self.trials if rung in one.updates and one.rung >= rung and not one.failed]
            ranked = sorted(there, reverse=True, key=lambda one: self.score(one, offsets, rung))
            count = max(1, len(ranked)) if late else len(ranked) // KEPT
            racing = [one for one in self._raced() if one not in ranked[:count]] if rung == 0 else []
            cheap = [one for one in self._front(ranked, offsets, rung) if one not in ranked[:count]]
            for one in [*ranked[:count], *racing, *cheap]:
                if rung + 1 not in one.planned and (proven == math.inf or self.aim.cost(one.price) < proven):
                    yield one, rung + 1

    def _raced(self) -> list[Trial]:
        """Once every augmentation was tried briefly: those with the least loss, which are compared after a longer
        training, since a short one favours weak augmentation."""
        there = [one for one in self.trials if one.racing and not one.failed]
        if self.race or not self.longer_race or any(one.rung < 0 for one in there):
            return []
        return sorted(there, key=lambda one: one.loss(0))[:RACED]

    def _front(self, there: Sequence[Trial], offsets: Offsets, rung: int) -> list[Trial]:
        """With a target: those that no cheaper one on this rung equals, as far as they are not hopeless."""
        if self.aim.target is None:
            return []
        best, found = math.log(HOPELESS * (1 - self.aim.target / 100)), []
        for one in sorted(there, key=lambda one: self.aim.cost(one.price)):
            if (error := self.expected(one, rung, offsets)) < best:
                best = error
                found.append(one)
        return found

    def _early(self, offsets: Offsets) -> Trial | None:
        """The cheapest candidate on the middle rung that promises to meet the target, while none is trained to the end:
        what it costs bounds everything that is tried later."""
        middle, last = len(SHARES) - 2, len(SHARES) - 1
        if self.aim.target is None or self.race or any(last in one.planned for one in self.trials):
            return None
        promising = (
            one
            for one in self.trials
            if one.rung == middle
            and not one.failed
            and not self.aim.miss(self.expected(one, middle, offsets), one.counts(middle)[1])
        )
        return min(promising, key=lambda one: self.aim.cost(one.price), default=None)

    @property
    def race(self) -> bool:
        """Whether the next proposal is one of those that compare augmentations."""
        return bool(self._race)

    def bound_race(self, seconds: float, allowed: float) -> None:
        """Keep the comparison of augmentations within `allowed` seconds, where a short training takes `seconds`; three
        are always compared."""
        begun = sum(one.racing for one in self.trials)
        self._race = self._race[: max(0, max(3, int(allowed / seconds)) - begun)]
        longer = SHARES[1] / SHARES[0] * min(RACED, begun)
        self.longer_race = (begun + len(self._race) + longer) * seconds <= allowed

    def proposal(self) -> tuple[Candidate, float]:
        """Genes that were not tried yet, and how likely they are to be made as wide as the limits allow: first the same
        network with each augmentation, then what did well elsewhere, then changed and new ones."""
        if self._race:
            return self._race.pop(0), 0.0
        if self._prior:
            genes = replace(self._prior.pop(0), preset=self.preset(), side=self._draws.randrange(self._sizes))
            return genes, 1.0
        ranked = self.ranked()
        base = ranked[0].genes if ranked else Candidate()
        if not ranked or self._draws.random() < FRESH:
            return sample_candidate(self._draws, self._sizes, self._coloured, base), 0.8
        top = ranked[: max(4, len(ranked) // 5)]
        parent = min(self._draws.sample(range(len(top)), min(2, len(top))))  # the better of two
        genes = mutate(self._draws, top[parent].genes, self._sizes, self._coloured, list(PRESETS))
        if self.aim.target is not None and self._draws.random() < 0.4:
            reached = self.score(top[parent]) > -math.log(getattr(top[parent].price, self.aim.minimize)) - 1e-9
            genes = scale_width(genes, self._draws.choice((0.8, 0.9)) if reached else self._draws.choice((1.1, 1.25)))
        return genes, 0.4

    def new(self, genes: Candidate) -> bool:
        """Whether the genes were not asked about before."""
        if genes in self._seen:
            return False
        self._seen.add(genes)
        return True

    def chance(self) -> float:
        """A number from 0 to 1, drawn as everything else here is."""
        return self._draws.random()
