"""Which candidate is trained next, and for how long: asynchronous successive halving over a changing population.

Every candidate is first trained for a ninth of what a finished network gets. The best third of those go on to a third
of it, and the best third of these to all (Li et al., "A System for Massively Parallel Hyperparameter Tuning", 2020;
each time from the start, since the learning rate's cycle is as long as the training). New candidates are mostly changed
copies of the best ones (Real et al., "Regularized Evolution for Image Classifier Architecture Search", 2019), some are
drawn at random.
"""

import math
import random
from collections.abc import Collection, Iterator, Sequence
from dataclasses import replace

from featherweight.experiments.statistics import accuracy_interval
from featherweight.search.fit.candidate import PRESETS, Candidate
from featherweight.search.fit.mutation import mutate, sample_candidate, scale_width
from featherweight.search.fit.trial import LAST, SHARES, Aim, Trial, TrialTask

KEPT = 3
"""One candidate in so many is taken to the next rung."""
OFFSETS = (math.log(0.6), math.log(0.85), 0.0)
"""What the logarithm of the error is expected to change from each rung to the last, before any pair was seen."""
RACED = 4
"""Augmentations that are compared after a longer training."""
OTHERS = 0.25
"""How much what happened to networks of another kind of block counts."""
ALIKE = 4.0
"""By what factor the multiply-adds of two networks differ where the one counts for the other by 1 / e."""
HOPELESS = (1.6, 1.25)
"""Times the error that the target allows: what a cheap candidate may at most be expected to have, by each rung, to be
taken on to the next."""
FRESH = 0.2
"""The share of new candidates that are drawn at random, once there are some to be changed."""
LAST_RUNG, LATE = 0.45, 0.65
"""Shares of the search: before the first, nobody is trained to the end, so that the best of many are, except for the
anchor and for one that is likely to meet the target; after the second, no new candidate is begun while an old one can
still go on."""
ANCHORED = 0.25
"""The share of the search after which the anchor is trained to its end."""
CLOSE = 1.08
"""Augmentations whose losses on one network differ by less than this factor are taken to do equally well so far."""
DRAWS = 100
LARGE = 40
"""Pixels of the shorter side from which a network begins with a stride of 2, as those for photographs do."""
STRONGER = (("cutout", 0.35), ("stretch", 0.2))
"""What the anchor's augmentation has besides, where few pictures may be flipped: it is trained to its end, and the
short trainings of a small network, by which augmentations are compared, favour weak ones."""
FILLED = 2.0
"""How likely a candidate is to be made as wide as the limits allow: always."""


Offsets = tuple[tuple[tuple[str, float, float], ...], ...]


class Population:
    """All candidates, and the choice of what is trained next."""

    def __init__(
        self, *, aim: Aim, seed: int, sizes: int, coloured: bool, folds: int,
        race: Sequence[Candidate], prior: Sequence[Candidate], anchor: Candidate | None = None,
        large: Collection[int] = (), few: bool = False,
    ) -> None:  # fmt: skip
        self.aim = aim
        self.anchor = anchor
        """A good network that is made as large as the limits allow and always trained to its end, so that nothing
        worse is chosen; None once it was proposed, and where something small is looked for."""
        self.trials: list[Trial] = []
        self._large, self._few = large, few
        """The sizes of `LARGE` pictures, and whether the pictures are few."""
        self._placed = 0
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
        """The least cost of those that are known to meet the target; infinite where there are none."""
        cheapest = self._cheapest()
        return math.inf if cheapest is None else self.aim.cost(cheapest.price)

    def _cheapest(self) -> Trial | None:
        """Of those that are known to meet the target, the first of the least cost."""
        known = (one for one in self.eligible() if self._known_to_meet(one))
        return min(known, key=lambda one: self.aim.cost(one.price), default=None)

    def _known_to_meet(self, trial: Trial) -> bool:
        """Whether it meets the target after its whole training, or by the lower end of its 95 % interval before, since
        the rest of the training only adds to that."""
        if self.aim.target is None:
            return False
        correct, judged = trial.counts(trial.rung)
        if trial.rung == LAST:
            return not self.aim.miss(trial.error(LAST), judged)
        return accuracy_interval(correct, judged)[0] >= self.aim.target

    def works(self, number: int, genes: Candidate, rung: int, epochs: float) -> list[TrialTask]:
        """What a rung takes of a candidate whose finished network gets so many epochs."""
        if self._folds == 1:
            wanted = epochs * SHARES[rung]
            return [TrialTask(trial=number, genes=genes, epochs=max(1, round(wanted)), share=min(1.0, wanted))]
        folds = (range(1), range(2), range(2, self._folds))[rung]
        share = SHARES[1] if rung == 0 else 1.0
        return [TrialTask(trial=number, genes=genes, epochs=max(1, round(epochs * share)), fold=fold) for fold in folds]

    def offsets(self) -> Offsets:
        """How much the logarithm of the error changed from each rung to the last, of each candidate that is known on
        both, with its kind of block and the logarithm of its multiply-adds."""
        return tuple(
            tuple(
                (one.genes.block, math.log(one.price.macs), one.error(LAST) - one.error(rung))
                for one in self.trials
                if one.rung == LAST and rung in one.updates and not one.failed
            )
            for rung in range(LAST)
        )

    def offset(self, trial: Trial, rung: int, offsets: Offsets) -> float:
        """The change to be expected of a candidate from this rung to the last: that of others, of which those of
        another kind of block and those much larger or smaller count less. Depthwise-separable networks learn more
        slowly than others, and large ones than small ones."""
        if rung == LAST:
            return 0.0
        total, found = 2.0, 2.0 * OFFSETS[rung]
        for block, macs, change in offsets[rung]:
            apart = abs(macs - math.log(trial.price.macs)) / math.log(ALIKE)
            weight = (1.0 if block == trial.genes.block else OTHERS) * math.exp(-apart)
            total, found = total + weight, found + weight * change
        return found / total

    def expected(self, trial: Trial, rung: int | None = None, offsets: Offsets | None = None) -> float:
        """The logarithm of the error that a candidate is expected to have when it is finished, by its last rung or the
        given one."""
        rung = trial.rung if rung is None else rung
        return trial.error(rung) + self.offset(trial, rung, self.offsets() if offsets is None else offsets)

    def score(self, trial: Trial, offsets: Offsets | None = None, rung: int | None = None) -> float:
        """The score of what the candidate is expected to reach when it is finished."""
        rung = trial.rung if rung is None else rung
        return self.aim.score(self.expected(trial, rung, offsets), trial.price, trial.counts(rung)[1])

    def eligible(self) -> list[Trial]:
        """Those with a result that are within the limits; what is known from other searches of the same pictures may
        not be."""
        return [one for one in self.trials if one.rung >= 0 and not one.failed and self.aim.allows(one.price)]

    def ranked(self) -> list[Trial]:
        """Those with a result, the best first."""
        offsets = self.offsets()
        return sorted(self.eligible(), key=lambda one: self.score(one, offsets), reverse=True)

    def best(self) -> Trial | None:
        """The candidate to finish: of those that were trained longest, unless a shorter one promises much more; none
        that had a ninth of the training alone, where any had more."""
        offsets, there = self.offsets(), self.eligible()
        longer = [one for one in there if one.rung > 0]
        return max(
            longer or there,
            key=lambda one: self.score(one, offsets) - (0.3 if self.aim.target else 0.1) * (LAST - one.rung),
            default=None,
        )

    def meets(self, trial: Trial) -> bool:
        """Whether held-out images put the candidate at the target or above."""
        return self.aim.target is None or trial.accuracy() >= self.aim.target

    def promotions(self, passed: float) -> Iterator[tuple[Trial, int]]:
        """Candidates to be taken to their next rung, and that rung, when this share of the search has passed; the
        highest rungs and the best come first. None that costs as much as another that is known to meet the target, and
        that one only when there has been time to look for cheaper ones."""
        offsets, late, cheapest = self.offsets(), passed > LATE, self._cheapest()
        if passed > ANCHORED and (anchor := self._anchored()) is not None:
            yield anchor, LAST
        if cheapest is None and (early := self._early(offsets)) is not None:
            yield early, LAST
        for rung in reversed(range(LAST - (passed < LAST_RUNG))):
            there = [one for one in self.eligible() if rung in one.updates and one.rung >= rung]
            ranked = sorted(there, reverse=True, key=lambda one: self.score(one, offsets, rung))
            count = max(1, len(ranked)) if late else len(ranked) // KEPT
            racing = [one for one in self._raced() if one not in ranked[:count]] if rung == 0 else []
            cheap = [one for one in self._front(ranked, offsets, rung) if one not in ranked[:count]]
            for one in [*ranked[:count], *racing, *cheap]:
                cheaper = cheapest is None or self.aim.cost(one.price) < self.aim.cost(cheapest.price)
                if rung + 1 not in one.planned and (cheaper or (one is cheapest and passed > LAST_RUNG)):
                    yield one, rung + 1

    def _anchored(self) -> Trial | None:
        """The anchor, where it is still to be trained to its end."""
        return next((one for one in self.eligible() if one.anchor and LAST not in one.planned), None)

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
        best, found = math.log(HOPELESS[rung] * (1 - self.aim.target / 100)), []
        for one in sorted(there, key=lambda one: self.aim.cost(one.price)):
            if (error := self.expected(one, rung, offsets)) < best:
                best = error
                found.append(one)
        return found

    def _early(self, offsets: Offsets) -> Trial | None:
        """The cheapest candidate on the middle rung that promises to meet the target, while none is trained to the end:
        what it costs bounds everything that is tried later."""
        middle, last = LAST - 1, LAST
        if self.aim.target is None or self.race or any(last in one.planned for one in self.trials):
            return None
        promising = (
            one
            for one in self.eligible()
            if one.rung == middle and not self.aim.miss(self.expected(one, middle, offsets), one.counts(middle)[1])
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
        if self.anchor is not None:
            anchor, self.anchor = self._in_size(self.anchor, self._sizes - 1), None
            changes = STRONGER if self._few and "flip" in anchor.moves() else ()
            return replace(anchor, changes=changes), FILLED
        if self._prior:
            self._placed += 1
            return self._in_size(self._prior.pop(0), -self._placed % self._sizes), 1.0
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

    def _in_size(self, genes: Candidate, side: int) -> Candidate:
        """What did well elsewhere, on pictures of this size and with the augmentation that suits them."""
        stride = 2 if side in self._large else genes.stem_stride
        return replace(genes, preset=self.preset(), side=side, stem_stride=stride)

    def new(self, genes: Candidate) -> bool:
        """Whether the genes were not asked about before."""
        if genes in self._seen:
            return False
        self._seen.add(genes)
        return True

    def chance(self) -> float:
        """A number from 0 to 1, drawn as everything else here is."""
        return self._draws.random()
