"""The result of a proof: its runs, and whether the bar is cleared and confirmed."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from featherweight.experiments.bar import Bar
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.record import Record
from featherweight.experiments.statistics import mean_interval
from featherweight.experiments.verdicts import run_json, summarise
from featherweight.protocol.records import NOT_CONFIRMED


@dataclass(frozen=True, kw_only=True)
class Proof:
    """The result of a proof: its runs, and whether they clear and confirm the bar."""

    experiment: Experiment
    held_out: tuple[Record, ...]
    runs: tuple[Record, ...]
    """Of the seeds on which the bar is to be cleared."""
    fresh: tuple[Record, ...] = ()
    """Of the seeds that confirm it; empty until they have run."""
    test_evaluations: int
    root: Path | None
    """The source tree that it was committed to, if any."""
    changed: tuple[str, ...] = ()
    """Settings that differ from the experiment of this name, as one phrase each."""

    @property
    def bar(self) -> Bar:
        """What is asked for."""
        assert self.experiment.bar is not None
        return self.experiment.bar

    @property
    def shortfalls(self) -> list[str]:
        """The requirements of the bar that the runs do not meet, as phrases."""
        return self.bar.shortfalls(self.runs)

    @property
    def unconfirmed(self) -> list[str]:
        """The requirements that the fresh seeds do not confirm, as phrases; empty until they have run."""
        return self.bar.unconfirmed(self.fresh) if self.fresh else []

    @property
    def holds(self) -> bool:
        """Whether the bar is cleared, and nothing speaks against it on fresh seeds."""
        return not self.shortfalls and not self.unconfirmed

    def lines(self) -> list[str]:
        """The figures and the verdict as lines of text."""
        held, what = summarise(self.held_out), self.experiment.id
        if self.changed:
            what += f" with {', '.join(self.changed)}"
        waiting = not self.fresh and not self.shortfalls
        seeds = f"seeds {self.bar.fresh[0]} to {self.bar.fresh[-1]}"
        lines = [
            f"held out: mean {held.mean:.3f} % over {held.runs} seeds, worst judged epoch {held.worst_of_last:.2f} %",
            *_figure_lines("test set", self.runs, f"; test-set evaluations: {self.test_evaluations}"),
            *(f"falls short: {clause}" for clause in self.shortfalls),
            *[f"{NOT_CONFIRMED}: --confirm runs {seeds}, once"] * waiting,
            f"{'NOT PROVED' if self.shortfalls else 'PROVED'}: {what}, {self.bar.sentence()}",
        ]
        if self.fresh:
            lines += _figure_lines(f"fresh seeds, {self.bar.fresh[0]} to {self.bar.fresh[-1]}", self.fresh)
            lines += [f"not confirmed: {clause}" for clause in self.unconfirmed]
            lines += [f"{'CONFIRMED' if self.holds else 'NOT CONFIRMED'}: {what}, on {seeds}"]
        return lines

    def to_json(self) -> dict[str, Any]:
        """The proof as plain values for JSON."""
        return {
            "experiment": self.experiment.name,
            "changed": list(self.changed),
            "proved": not self.shortfalls,
            "bar": self.bar.to_json(),
            "shortfalls": self.shortfalls,
            **_summary(self.runs),
            "touches": self.test_evaluations,
            "held_out": {"seeds": len(self.held_out), "mean": summarise(self.held_out).mean},
            "runs": [_run_json(record) for record in self.runs],
            "confirmed": self.holds if self.fresh else None,
            "confirming": self._fresh_json() if self.fresh else None,
        }

    def _fresh_json(self) -> dict[str, Any]:
        runs = [_run_json(record) for record in self.fresh]
        return {"shortfalls": self.unconfirmed, **_summary(self.fresh), "runs": runs}


def _figure_lines(where: str, runs: Sequence[Record], more: str = "") -> list[str]:
    full = summarise(runs)
    interval = "{:.3f} to {:.3f}".format(*mean_interval(list(full.per_seed.values()))) if full.runs > 1 else "none"
    return [
        f"{where}: mean {full.mean:.3f} %, standard deviation {full.standard_deviation:.3f}, 95 % interval"
        f" {interval}, worst {full.worst:.2f} %, worst judged epoch {full.worst_of_last:.2f} %",
        f"{full.passed} of {full.runs} seeds within budget{more}",
    ]


def _summary(runs: Sequence[Record]) -> dict[str, Any]:
    full = summarise(runs)
    last = list(full.per_seed.values())
    return {
        "mean": full.mean,
        "standard_deviation": full.standard_deviation,
        "interval": list(mean_interval(last)) if len(last) > 1 else None,
        "worst": full.worst,
        "worst_of_last": full.worst_of_last,
        "passed": full.passed,
    }


def _run_json(record: Record) -> dict[str, Any]:
    """A run as in `train --json`, but with the seconds of training instead of the folder."""
    document = run_json(record, Path()) | {"seconds": record.train_seconds}
    del document["run"]
    return document
