"""What a record must reach over all of its seeds together; `budget` is what each of them must. Needs no torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from featherweight.errors import UsageError
from featherweight.experiments.budget import Clause
from featherweight.experiments.record import Record, summarise


@dataclass(frozen=True, kw_only=True)
class Bar:
    """The height that the runs of an experiment must clear together to be a record; None asks for nothing.

    >>> Bar(mean=99.58, passed=10).sentence()
    'over seeds 0 to 9: 99.58 % or more in the mean of the last epochs; 10 of 10 seeds within budget'
    """

    seeds: int = 10
    """How many must have run: 0 to one less than this."""
    mean: float | None = None
    """Percent, of the last epochs; at least this much."""
    worst_of_last: float | None = None
    """Percent, in each of the epochs that the budget judges, on every seed; at least this much."""
    passed: int | None = None
    """Seeds that keep to the experiment's own budget; at least so many."""
    seconds: float | None = None
    """Wall time of training of the slowest seed, as in `Budget`; at most this much."""
    threads: int | None = None
    """That a run may have used, where its seconds count; at most so many."""

    def __post_init__(self) -> None:
        if self.seeds < 2 or not 0 <= (self.passed or 0) <= self.seeds:
            raise UsageError(
                f"A bar asks for two seeds or more, and for no more of them to pass; given {self.seeds}, {self.passed}."
            )

    def sentence(self) -> str:
        """What is asked, as people read it."""
        return f"over seeds 0 to {self.seeds - 1}: " + "; ".join(clause.allowed for clause in self.clauses(()))

    def shortfalls(self, records: Sequence[Record]) -> list[str]:
        """Each thing asked that these finished runs, one a seed, do not reach, with what they reach; empty if none."""
        seeds = [record.seed for record in records]
        if sorted(seeds) != list(range(self.seeds)):
            return [f"seeds {', '.join(map(str, seeds)) or 'none'}, where 0 to {self.seeds - 1} are asked for"]
        missed = [clause for clause in self.clauses(records) if not clause.holds]
        return [f"asked are {clause.allowed}, reached {clause.measured}" for clause in missed]

    def to_json(self) -> dict[str, Any]:
        """What it asks for; the rest is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def clauses(self, records: Sequence[Record]) -> list[Clause]:
        """What is asked and what the records reach, one of each seed; without records only what is asked counts."""
        summary = summarise(records) if records else None
        mean, worst, passed = (summary.mean, summary.worst_of_last, summary.passed) if summary else (0.0, 0.0, 0)
        slowest = max((record.train_seconds for record in records), default=0.0)
        threads = max((int(record.environment["threads"]) for record in records), default=0)
        asked: dict[str, tuple[str, str, bool]] = {}
        if self.mean is not None:
            # Means of hundredths of a percent: what floats add is no reason to fail.
            enough = mean >= self.mean - 1e-9
            asked["mean"] = f"{self.mean:.2f} % or more in the mean of the last epochs", f"{mean:.3f} %", enough
        if self.worst_of_last is not None:
            sentence = f"{self.worst_of_last:.2f} % or more in every judged epoch of every seed"
            asked["worst judged epoch"] = sentence, f"{worst:.2f} %", worst >= self.worst_of_last
        if self.passed is not None:
            sentence = f"{self.passed} of {self.seeds} seeds within budget"
            asked["seeds within budget"] = sentence, f"{passed}", passed >= self.passed
        if self.seconds is not None:
            sentence = f"{self.seconds:g} s of training or less on every seed"
            asked["training"] = sentence, f"{slowest:.2f} s", slowest <= self.seconds
        if self.threads is not None:
            asked["threads"] = f"{self.threads} threads or fewer", f"{threads}", threads <= self.threads
        return [
            Clause(name=name, allowed=allowed, measured=measured, holds=holds)
            for name, (allowed, measured, holds) in asked.items()
        ]
