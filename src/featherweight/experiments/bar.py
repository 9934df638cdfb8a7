"""What a record must reach over all its seeds together; `budget` states what each seed must reach. Needs no torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from statistics import fmean
from typing import Any

from featherweight.errors import UsageError
from featherweight.experiments.budget import Clause
from featherweight.experiments.record import Record, summarise


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What the runs of an experiment must reach together to be a record; a field of None sets no requirement.

    Without any, the seeds must have run, whatever they reach.

    >>> Bar(mean=99.58, passed=10).sentence()
    'over seeds 0 to 9: 99.58 % or more in the mean of the last epochs; 10 of 10 seeds within budget'
    >>> Bar(seeds=5).sentence()
    'over seeds 0 to 4: the figures, whatever they are'
    """

    seeds: int = 10
    """How many seeds must have run, counted from 0; 2 or more."""
    mean: float | None = None
    """Minimum mean over seeds of the accuracy at the last epoch, in percent."""
    mean_in_c: float | None = None
    """The same of the program in 8-bit C, which `prove` writes and runs on all test images for each seed."""
    worst_of_last: float | None = None
    """Minimum accuracy, in percent, of every seed in each of the epochs that the budget judges."""
    passed: int | None = None
    """Minimum number of seeds that pass the experiment's own budget."""
    seconds: float | None = None
    """Maximum training time of the slowest seed, in seconds of wall time as in `Budget`."""
    threads: int | None = None
    """Maximum number of threads a run may have used; set it where seconds count."""

    def __post_init__(self) -> None:
        if self.seeds < 2 or not 0 <= (self.passed or 0) <= self.seeds:
            raise UsageError(
                f"A bar needs two or more seeds, of which 0 to all must pass; given {self.seeds} seeds, of which"
                f" {self.passed} must pass."
            )

    def sentence(self) -> str:
        """The requirements as a sentence."""
        asked = "; ".join(clause.allowed for clause in self.clauses(()))
        return f"over seeds 0 to {self.seeds - 1}: {asked or 'the figures, whatever they are'}"

    def shortfalls(self, records: Sequence[Record]) -> list[str]:
        """Each requirement that these finished runs (one per seed) miss, with the value they reach; empty if none."""
        seeds = [record.seed for record in records]
        if sorted(seeds) != list(range(self.seeds)):
            return [f"seeds {', '.join(map(str, seeds)) or 'none'}, where 0 to {self.seeds - 1} are asked for"]
        missed = [clause for clause in self.clauses(records) if not clause.holds]
        return [f"asked are {clause.allowed}, reached {clause.measured}" for clause in missed]

    def to_json(self) -> dict[str, Any]:
        """The requirements that are set."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def clauses(self, records: Sequence[Record]) -> list[Clause]:
        """Each requirement with what the records (one per seed) reach; without records, read `allowed` alone."""
        summary = summarise(records) if records else None
        mean, worst, passed = (summary.mean, summary.worst_of_last, summary.passed) if summary else (0.0, 0.0, 0)
        slowest = max((record.train_seconds for record in records), default=0.0)
        threads = max((int(record.environment["threads"]) for record in records), default=0)
        asked: dict[str, tuple[str, str, bool]] = {}
        if self.mean is not None:
            # Accuracies are hundredths of a percent; rounding errors of their mean must not fail a run.
            enough = mean >= self.mean - 1e-9
            asked["mean"] = f"{self.mean:.2f} % or more in the mean of the last epochs", f"{mean:.3f} %", enough
        if self.mean_in_c is not None:
            in_c = [record.c_accuracy for record in records if record.c_accuracy is not None]
            whole = len(in_c) == len(records) > 0
            sentence = f"{self.mean_in_c:.2f} % or more in the mean of the programs in 8-bit C"
            reached = f"{fmean(in_c):.3f} %" if whole else "not measured on every seed"
            asked["mean in C"] = sentence, reached, whole and fmean(in_c) >= self.mean_in_c - 1e-9
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
