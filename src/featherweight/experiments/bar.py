"""What a record must reach over all its seeds together; `budget` states what each seed must reach. Needs no torch."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Annotated, Any

from msgspec import Meta

from featherweight.experiments.budget import Clause
from featherweight.experiments.record import Record
from featherweight.experiments.schema import (
    Count,
    CountOrZero,
    Percent,
    Positive,
    check_fields,
    documented,
    require,
    to_plain,
)
from featherweight.experiments.statistics import mean_interval
from featherweight.experiments.verdicts import summarise

Seeds = Annotated[int, Meta(ge=2, le=10_000)]

Requirement = tuple[str, str, bool]
"""What a clause allows, what was measured, and whether it holds."""


@documented
@dataclass(frozen=True, kw_only=True)
class Bar:
    """What the runs of an experiment must reach together to be a record; a field of None sets no requirement.

    Without any requirement, it is enough that the seeds have run. A bar may be cleared by luck; the seeds after those,
    which are run once, show whether it was (`unconfirmed`).

    >>> Bar(mean=99.58, passed=10).sentence()
    'over seeds 0 to 9: 99.58 % or more in the mean of the last epochs; 10 of 10 seeds within budget'
    >>> Bar(seeds=5).sentence()
    'over seeds 0 to 4: the figures, whatever they are'
    """

    seeds: Seeds = 10
    """How many seeds must have run, counted from 0."""
    confirming: Seeds = 20
    """How many seeds after those are run once the bar is cleared, to confirm it."""
    mean: Percent | None = None
    """Minimum mean over seeds of the accuracy at the last epoch, in percent."""
    mean_in_c: Percent | None = None
    """The same of the program in 8-bit C, which `prove` writes and runs on all test images for each seed."""
    worst_of_last: Percent | None = None
    """Minimum accuracy, in percent, of every seed in each of the epochs that the budget judges."""
    passed: CountOrZero | None = None
    """Minimum number of seeds that pass the experiment's own budget."""
    seconds: Positive | None = None
    """Maximum training time of the slowest seed, in seconds of wall time as in `Budget`."""
    threads: Count | None = None
    """Maximum number of threads a run may have used; set it where seconds count."""

    def __post_init__(self) -> None:
        check_fields(self)
        passed, most = self.passed or 0, f"0 to its {self.seeds} seeds"
        require(passed <= self.seeds, f"Bar.passed must be from {most}, or None; given {passed}.")

    @property
    def fresh(self) -> range:
        """The seeds that confirm the bar once it is cleared.

        >>> Bar(mean=99.58).fresh
        range(10, 30)
        """
        return range(self.seeds, self.seeds + self.confirming)

    def sentence(self) -> str:
        """The requirements as a sentence."""
        asked = "; ".join(clause.allowed for clause in self.clauses(()))
        return f"over seeds 0 to {self.seeds - 1}: {asked or 'the figures, whatever they are'}"

    def shortfalls(self, records: Sequence[Record]) -> list[str]:
        """Each requirement that these finished runs (one per seed) miss, with the value they reach; empty if none."""
        return _missed(range(self.seeds), records, self.clauses)

    def unconfirmed(self, records: Sequence[Record]) -> list[str]:
        """Each requirement that finished runs of the `fresh` seeds do not confirm, with the value they reach.

        A mean is confirmed if the lower end of its 95 % interval over these seeds reaches the required mean: luck alone
        does that for one in forty networks whose true mean is at the bar. The same share of the seeds, rounded up, must
        be within budget; every other requirement is unchanged.
        """
        return _missed(self.fresh, records, lambda runs: self.clauses(runs, confirming=True))

    def to_json(self) -> dict[str, Any]:
        """The requirements that are set."""
        return to_plain(self)

    def clauses(self, records: Sequence[Record], *, confirming: bool = False) -> list[Clause]:
        """Each requirement with what the records (one per seed) reach; without records, read `allowed` alone.

        With `confirming`, the requirements are those for the confirming seeds.
        """
        summary = summarise(records) if records else None
        worst, passed = (summary.worst_of_last, summary.passed) if summary else (0.0, 0)
        slowest = max((record.train_seconds for record in records), default=0.0)
        threads = max((int(record.environment["threads"]) for record in records), default=0)
        asked: dict[str, Requirement] = {}
        if self.mean is not None:
            last = [record.verdict.last for record in records]
            asked["mean"] = _mean(self.mean, last, "the mean of the last epochs", confirming)
        if self.mean_in_c is not None:
            in_c = [record.c_accuracy for record in records if record.c_accuracy is not None]
            what = "the mean of the programs in 8-bit C"
            allowed, reached, enough = _mean(self.mean_in_c, in_c, what, confirming)
            whole = len(in_c) == len(records) > 0
            asked["mean in C"] = allowed, reached if whole else "not measured on every seed", whole and enough
        if self.worst_of_last is not None:
            sentence = f"{self.worst_of_last:.2f} % or more in every judged epoch of every seed"
            asked["worst judged epoch"] = sentence, f"{worst:.2f} %", worst >= self.worst_of_last
        if self.passed is not None:
            runs = self.confirming if confirming else self.seeds
            enough_seeds = -(-self.passed * runs // self.seeds)
            sentence = f"{enough_seeds} of {runs} seeds within budget"
            asked["seeds within budget"] = sentence, f"{passed}", passed >= enough_seeds
        if self.seconds is not None:
            sentence = f"{self.seconds:g} s of training or less on every seed"
            asked["training"] = sentence, f"{slowest:.2f} s", slowest <= self.seconds
        if self.threads is not None:
            asked["threads"] = f"{self.threads} threads or fewer", f"{threads}", threads <= self.threads
        return [
            Clause(name=name, allowed=allowed, measured=measured, holds=holds)
            for name, (allowed, measured, holds) in asked.items()
        ]


def _missed(
    asked: range, records: Sequence[Record], clauses: Callable[[Sequence[Record]], Sequence[Clause]]
) -> list[str]:
    seeds = [record.seed for record in records]
    if sorted(seeds) != list(asked):
        return [f"seeds {', '.join(map(str, seeds)) or 'none'}, where {asked[0]} to {asked[-1]} are asked for"]
    missed = [clause for clause in clauses(records) if not clause.holds]
    return [f"asked are {clause.allowed}, reached {clause.measured}" for clause in missed]


def _mean(asked: float, reached: Sequence[float], what: str, confirming: bool) -> Requirement:
    """The clause on a mean, or on the lower end of its interval."""
    mean = fmean(reached) if reached else 0.0
    # Accuracies are hundredths of a percent; rounding errors of their mean must not fail a run.
    if not confirming:
        return f"{asked:.2f} % or more in {what}", f"{mean:.3f} %", mean >= asked - 1e-9
    low = mean_interval(reached)[0] if len(reached) > 1 else mean
    allowed = f"{asked:.2f} % or more at the lower end of the 95 % interval of {what}"
    return allowed, f"{low:.3f} % (mean {mean:.3f} %)", low >= asked - 1e-9
