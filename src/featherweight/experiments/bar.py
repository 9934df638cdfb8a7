"""What a record must reach over all of its seeds together; `budget` is what each of them must. Needs no torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from featherweight.errors import UsageError
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
        return f"over seeds 0 to {self.seeds - 1}: " + "; ".join(asked for asked, _, _ in self._clauses(()))

    def shortfalls(self, records: Sequence[Record]) -> list[str]:
        """Each thing asked that these finished runs, one a seed, do not reach, with what they reach; empty if none."""
        seeds = [record.seed for record in records]
        if sorted(seeds) != list(range(self.seeds)):
            return [f"seeds {', '.join(map(str, seeds)) or 'none'}, where 0 to {self.seeds - 1} are asked for"]
        clauses = self._clauses(records)
        return [f"asked are {asked}, reached {reached}" for asked, reached, holds in clauses if not holds]

    def to_json(self) -> dict[str, Any]:
        """What it asks for; the rest is left out."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def _clauses(self, records: Sequence[Record]) -> list[tuple[str, str, bool]]:
        """What is asked, what the records reach, and whether that is enough; of no records only the first counts."""
        summary = summarise(records) if records else None
        mean, worst, passed = (summary.mean, summary.worst_of_last, summary.passed) if summary else (0.0, 0.0, 0)
        slowest = max((record.train_seconds for record in records), default=0.0)
        threads = max((int(record.environment["threads"]) for record in records), default=0)
        clauses = []
        if self.mean is not None:
            asked = f"{self.mean:.2f} % or more in the mean of the last epochs"
            # Means of hundredths of a percent: what floats add is no reason to fail.
            clauses.append((asked, f"{mean:.3f} %", mean >= self.mean - 1e-9))
        if self.worst_of_last is not None:
            asked = f"{self.worst_of_last:.2f} % or more in every judged epoch of every seed"
            clauses.append((asked, f"{worst:.2f} %", worst >= self.worst_of_last))
        if self.passed is not None:
            clauses.append((f"{self.passed} of {self.seeds} seeds within budget", f"{passed}", passed >= self.passed))
        if self.seconds is not None:
            asked = f"{self.seconds:g} s of training or less on every seed"
            clauses.append((asked, f"{slowest:.2f} s", slowest <= self.seconds))
        if self.threads is not None:
            clauses.append((f"{self.threads} threads or fewer", f"{threads}", threads <= self.threads))
        return clauses
