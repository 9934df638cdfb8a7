"""A trial: a candidate, its trainings, rung by rung, and what each of them reached; what makes one trial better."""

import math
from dataclasses import dataclass, field

from featherweight.search.fit.candidate import Candidate
from featherweight.search.fit.cost import Cost, Limits

SHARES = (1 / 9, 1 / 3, 1.0)
"""Of the epochs of a finished network, rung by rung."""
LAST = len(SHARES) - 1
STEEP = 6.0
"""In the score of a candidate that misses the target: how much more its error weighs than its cost, as logarithms."""


@dataclass(frozen=True, kw_only=True)
class TrialTask:
    """One training: a candidate, on one fold, for so many epochs."""

    trial: int
    genes: Candidate
    epochs: int
    fold: int = 0
    seed: int = 0
    share: float = 1.0
    """Of the fold's training images that are taken, above 0 to 1; only where one epoch would take too long."""

    @property
    def key(self) -> tuple[object, ...]:
        """What was trained, whichever trial it belongs to: the same key has the same result."""
        return self.genes, self.epochs, self.fold, self.seed, self.share


@dataclass(frozen=True, kw_only=True)
class TrialUpdate:
    """What a process has to say of its work."""

    work: TrialTask
    done: float
    """Of the training, 0 to 1."""
    seconds: float
    """Since its first step."""
    correct: int | None = None
    """Held-out images that the network at the end of training got right; None while it trains."""
    judged: int = 0
    """Held-out images of the fold."""
    loss: float = 0.0
    images: bytes = b""
    """For each held-out image of the fold, in order: 2 * `loss_level` of its loss, plus 1 where it was right."""
    losses: tuple[float, ...] = ()
    """Of each held-out image; not noted, as its level in `images` is."""
    answers: tuple[int, ...] = ()
    """The class of each held-out image by the network; not noted either."""
    failed: str = ""
    """Why it ended without a result; empty where it did not."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.correct is not None or bool(self.failed)


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
    anchor: bool = False
    """Whether it is the network that is always trained to its end."""

    @property
    def rung(self) -> int:
        """The last rung that is finished; -1 before the first."""
        return max((rung for rung, works in self.planned.items() if len(self.updates.get(rung, ())) == len(works)),
                   default=-1)  # fmt: skip

    @property
    def pending(self) -> bool:
        """Whether trainings are planned of which nothing is known yet."""
        return any(len(self.updates.get(rung, ())) < len(works) for rung, works in self.planned.items())

    def judging(self, rung: int) -> list[TrialUpdate]:
        """The trainings by which it is judged on this rung; on the last one of a small set, with those of the rung
        before, which were as long."""
        updates = list(self.updates.get(rung, ()))
        if rung == LAST and len(self.planned[rung]) > 1:
            updates += self.updates.get(rung - 1, ())
        return updates

    def counts(self, rung: int) -> tuple[int, int]:
        """Held-out images that were right, and all, on this rung."""
        updates = self.judging(rung)
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
    """The field of `Cost` that is to be small, where there is a target."""
    limits: Limits = field(default_factory=Limits)
    balanced: bool = False
    """Whether an accuracy is the mean of the classes' recalls."""

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

    def allows(self, price: Cost) -> bool:
        """Whether a network of this cost is within the limits."""
        return not self.limits.excess(price)


LOSS_LEVELS, LARGEST_LOSS = 127, 20.0


def loss_level(loss: float) -> int:
    """A loss of one image in 7 bits, for notes: the logarithm of 1 + 100 times it, of 20 at most, in steps of 6 %.

    >>> [loss_level(loss) for loss in (0.0, 0.01, 1.0, 20.0, 99.0)]
    [0, 12, 77, 127, 127]
    """
    share = math.log1p(100 * min(max(loss, 0.0), LARGEST_LOSS)) / math.log1p(100 * LARGEST_LOSS)
    return round(LOSS_LEVELS * share)
