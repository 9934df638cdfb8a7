"""How long the training steps of any experiments take on any engines, in turns, within a time that is given."""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import product

import torch

from featherweight.engine import peak
from featherweight.errors import UsageError, nearest
from featherweight.experiments.experiment import Experiment
from featherweight.networks.anatomy import dissect
from featherweight.training import bench
from featherweight.training.bench import peers

STRETCH_SECONDS = 0.3
"""How long an engine steps before it is the next one's turn."""
LEAST_STRETCHES = 3
"""Stretches of each run that are timed even if the time is over."""
PEAK_SECONDS = 0.1


@dataclass(frozen=True, kw_only=True)
class Underway:
    """What is being timed."""

    label: str
    share: float
    """Of the time given that is over, 0 to 1."""


@dataclass(frozen=True, kw_only=True)
class Skipped:
    """A pair that cannot be timed."""

    network: str
    engine: str
    why: str


@dataclass(frozen=True, kw_only=True)
class Timed:
    """One engine on one experiment."""

    network: str
    engine: str
    threads: int
    seconds: float
    """Of an epoch's steps: 60,000 images, from the middle stretch."""
    spread: float
    """Slowest stretch over fastest."""
    stretches: int
    share: float | None
    """Of the CPU's peak: three times the multiply-adds of a forward pass, as defined. None where no peak is known."""


@dataclass(kw_only=True)
class _Run:
    network: str
    kind: str
    threads: int
    batch: int
    macs: int
    steps: Iterator[object]
    each: int = 1
    times: list[float] = field(default_factory=list)

    @property
    def label(self) -> str:
        return f"{self.network}, {self.kind}, {self.threads} thread{'s' * (self.threads > 1)}"

    def stretch(self) -> float:
        torch.set_num_threads(1 if self.kind in (bench.NATIVE, bench.BF16) else self.threads)
        started = time.perf_counter()
        for _ in range(self.each):
            next(self.steps)
        return (time.perf_counter() - started) / self.each


def kinds() -> tuple[str, ...]:
    """Every engine and peer that can be timed here."""
    return (*bench.available(), *peers.installed())


def timings(
    experiments: Sequence[Experiment], *, engines: Sequence[str], threads: Sequence[int], seconds: float
) -> Iterator[Underway | Skipped | Timed]:
    """Times every experiment on every engine; rows come at the end, what is under way before.

    All runs take turns in short stretches, so that whatever else the machine does meets them alike, until `seconds`
    (above 0) are over; each gets three stretches at least, and one that is not counted. Steps are the training loop's,
    with the experiment's own recipe, on 60,000 made images of the size of its own set's. Peers do plain stacks alone,
    and no augmentation. UsageError for an engine that is not there.
    """
    for kind in engines:
        if kind not in kinds():
            raise UsageError(f"Unknown engine {kind!r}; {nearest(kind, kinds())}")
    started = time.monotonic()

    def underway(run: _Run) -> Underway:
        return Underway(label=run.label, share=min(1.0, (time.monotonic() - started) / seconds))

    runs: list[_Run] = []
    try:
        for experiment, kind, n in product(experiments, engines, threads):
            try:
                runs.append(_run(experiment, kind, n))
            except UsageError as error:
                yield Skipped(network=experiment.id, engine=kind, why=str(error))
        for run in runs:
            yield underway(run)
            run.stretch()  # plans, compiles and captures; not counted
            run.each = max(1, round(STRETCH_SECONDS / run.stretch()))
        turns = 0
        while runs and (turns < LEAST_STRETCHES or time.monotonic() - started < seconds):
            for run in runs:
                yield underway(run)
                run.times.append(run.stretch())
            turns += 1
    finally:
        for run in runs:
            with suppress(RuntimeError):
                run.steps.close()  # type: ignore[attr-defined]
    tops = {n: max(peak(n, PEAK_SECONDS) for _ in range(5)) for n in threads}
    for run in runs:
        yield _timed(run, tops[run.threads])


def _run(experiment: Experiment, kind: str, threads: int) -> _Run:
    network, batch, shape = experiment.build(), experiment.recipe.batch, experiment.shape
    macs = dissect(network, shape).macs
    if kind in peers.installed():
        peers.layers_of(network)  # refuses what has no counterpart, before a process is started
        steps: Iterator[object] = peers.steps(kind, network, threads, batch, shape)
    else:
        recipe = replace(experiment.recipe, epochs=max(experiment.recipe.epochs, 1000))
        steps = bench.training_steps(kind, network, recipe, threads, shape=shape)
    return _Run(network=experiment.id, kind=kind, threads=threads, batch=batch, macs=macs, steps=steps)


def _timed(run: _Run, top: float) -> Timed:
    seconds = statistics.median(run.times) * bench.IMAGES / run.batch
    return Timed(
        network=run.network, engine=run.kind, threads=run.threads, seconds=seconds,
        spread=max(run.times) / min(run.times), stretches=len(run.times),
        share=3 * run.macs * bench.IMAGES / seconds / top if top else None,
    )  # fmt: skip


def lines(rows: Sequence[Timed], skipped: Sequence[Skipped] = ()) -> list[str]:
    """The table: one line a run, ratios against eager PyTorch on as many threads; then what was left out, and why."""
    eager = {(row.network, row.threads): row.seconds for row in rows if row.engine == bench.EAGER}
    wide = max([10, *(len(row.network) + 2 for row in rows)])
    found = [f"{'epoch of':{wide}}{'engine':19}{'threads':>7}{'seconds':>9}{'ratio':>7}{'of peak':>9}{'spread':>8}"]
    for row in rows:
        theirs = eager.get((row.network, row.threads))
        ratio = "" if theirs is None else f"{theirs / row.seconds:.2f}"
        share = "" if row.share is None else f"{row.share:.0%}"
        found.append(
            f"{row.network:{wide}}{row.engine:19}{row.threads:>7}{row.seconds:>9.2f}{ratio:>7}{share:>9}{row.spread:>8.2f}"
        )
    return found + sorted({f"{left.network} on {left.engine}: {left.why}" for left in skipped})
