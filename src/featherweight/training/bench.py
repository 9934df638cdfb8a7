"""How long the training steps of any experiments take on any engine, in turns, within a time that is given.

An epoch is that of the training loop: 60,000 images of the set's size, forward and backward pass, optimiser and moving
average; with augmentation on the native engine, and without on PyTorch, so that only its own work counts against it.
PyTorch is timed as it is, in its faster memory layout, in that with bfloat16, and compiled. Only the pixels are random,
since their values do not affect the time.
"""

import statistics
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import product
from typing import cast

import torch
from torch import Tensor, nn

from featherweight import engine as engines
from featherweight.data.dataset import Data
from featherweight.data.split import Split
from featherweight.errors import UsageError, nearest
from featherweight.experiments.augmentation import Augment
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.recipe import Recipe
from featherweight.networks.anatomy import dissect
from featherweight.training.loop import fit
from featherweight.training.state import initial_state

IMAGES, SHAPE = 60_000, (1, 28, 28)
NATIVE, EAGER, COMPILED, BF16 = "native", "eager PyTorch", "torch.compile", "native_bf16"
LAST, LAST_BF16, COMPILED_BF16 = "channels_last", "channels_last bf16", "torch.compile bf16"
KINDS = (NATIVE, EAGER, LAST, LAST_BF16, COMPILED, COMPILED_BF16, BF16)
NATIVES, FLOATS = (NATIVE, BF16), (EAGER, LAST, COMPILED)
"""The project's own; and PyTorch's that compute in float32."""
CPU = torch.device("cpu")
STRETCH_SECONDS = 0.3
"""How long an engine steps before it is the next one's turn."""
LEAST_STRETCHES = 3
"""Stretches of each run that are timed even if the time is over."""
MORE_STRETCHES = 10
"""Into how many stretches so many steps are divided at least, where a number of them is asked for."""
WARM_UP = 3
"""Steps by which a stretch is measured out; a compiler may still be at work in the first of them."""
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
        torch.set_num_threads(1 if self.kind in NATIVES else self.threads)
        started = time.perf_counter()
        for _ in range(self.each):
            next(self.steps)
        return (time.perf_counter() - started) / self.each


def available() -> tuple[str, ...]:
    """Those of KINDS that run here: the native ones need kernels that were built, and the last a CPU with bfloat16."""
    here = {NATIVE: engines.peak(1, 0.01) > 0, BF16: engines.multiplies_bf16()}
    return tuple(kind for kind in KINDS if here.get(kind, True))


class _ChannelsLast(nn.Module):
    """A network whose convolutions get images and weights with the channels of a pixel side by side."""

    def __init__(self, network: nn.Module, bf16: bool) -> None:
        super().__init__()
        # PyTorch declares the format for tensors alone.
        self.network = network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.bf16 = bf16

    def forward(self, images: Tensor) -> Tensor:
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=self.bf16):
            scores: Tensor = self.network(images.contiguous(memory_format=torch.channels_last))
        return scores.float()


def engine_of(
    kind: str,
    network: nn.Module,
    recipe: Recipe,
    batch: int,
    shape: tuple[int, int, int],
    threads: int,
    device: torch.device,
) -> engines.Engine:
    """The engine of one of KINDS for steps of `batch` images of `shape`."""
    if kind not in (*NATIVES, EAGER, "cuda"):
        network = _ChannelsLast(network, bf16=kind in (LAST_BF16, COMPILED_BF16))
    if kind in (COMPILED, COMPILED_BF16):
        network = cast(nn.Module, torch.compile(network))
    return engines.build_engine(
        kind if kind in NATIVES else "torch", network, recipe, shape=shape, device=device,
        threads=threads, batch=batch,
    )  # fmt: skip


def _pixels(images: int, shape: tuple[int, int, int]) -> Data:
    """A data set of this many random images of `shape`, C H W."""
    draws = torch.Generator().manual_seed(0)
    pixels = torch.randint(0, 256, (images, *shape), generator=draws, dtype=torch.uint8)
    split = Split(images=pixels, labels=torch.randint(0, 10, (images,), generator=draws))
    classes = tuple("0123456789")
    return Data(
        name="noise", classes=classes, train=split, test=split.take(torch.arange(10)), holdout=0,
        mean=(0.5,) * shape[0], std=(0.29,) * shape[0], digests={},
    )  # fmt: skip


def training_steps(
    kind: str,
    network: nn.Module,
    recipe: Recipe,
    threads: int,
    device: torch.device = CPU,
    shape: tuple[int, int, int] = SHAPE,
) -> Iterator[object]:
    """The training loop with one of KINDS, on made images of `shape`; each `next` runs one complete step."""
    if kind not in NATIVES:
        recipe = replace(recipe, augment=Augment(), augment_then=None)
    state = initial_state(network, recipe, device, IMAGES)
    bound = engine_of(kind, state.network, recipe, recipe.batch, shape, threads, device)
    evaluator = bound
    if state.averaged is not None:
        evaluator = engine_of(kind, state.ema_network, recipe, recipe.batch, shape, threads, device)
    data = _pixels(IMAGES, shape)
    if device.type != "cpu":
        data = data.to(device)
    return fit(state, data, recipe, 0, bound, evaluator)


def timings(
    experiments: Sequence[Experiment], *, kinds: Sequence[str], threads: Sequence[int], seconds: float, steps: int = 0
) -> Iterator[Underway | Skipped | Timed]:
    """Times every experiment on every engine; rows come at the end, what is under way before.

    All runs take turns in short stretches, so that whatever else the machine does meets them alike, until `seconds`
    (above 0) are over, and each has taken as many `steps`; each gets three stretches at least, and one that is not
    counted. Steps are the training loop's, with the experiment's own recipe, on 60,000 made images of the size of its
    own set's. UsageError for an engine that is not there.
    """
    for kind in kinds:
        if kind not in available():
            raise UsageError(f"Unknown engine {kind!r}; {nearest(kind, available())}")
    started = time.monotonic()

    def underway(run: _Run) -> Underway:
        return Underway(label=run.label, share=min(1.0, (time.monotonic() - started) / seconds))

    runs: list[_Run] = []
    try:
        for experiment, kind, n in product(experiments, kinds, threads):
            try:
                runs.append(_open_run(experiment, kind, n))
            except UsageError as error:
                yield Skipped(network=experiment.id, engine=kind, why=str(error))
        for run in runs:
            yield underway(run)
            run.stretch()  # plans, compiles and captures; not counted
            run.each = max(1, round(STRETCH_SECONDS / min(run.stretch() for _ in range(WARM_UP))))
            run.each = min(run.each, -(-steps // MORE_STRETCHES)) if steps else run.each
        turns = 0
        least = max([LEAST_STRETCHES, *(-(-steps // run.each) for run in runs)])
        while runs and (turns < least or time.monotonic() - started < seconds):
            over = turns >= LEAST_STRETCHES and time.monotonic() - started >= seconds
            for run in runs:
                if over and len(run.times) * run.each >= steps:
                    continue
                yield underway(run)
                run.times.append(run.stretch())
            turns += 1
    finally:
        for run in runs:
            with suppress(RuntimeError):
                run.steps.close()  # type: ignore[attr-defined]
    tops = {n: max(engines.peak(n, PEAK_SECONDS) for _ in range(5)) for n in threads}
    for run in runs:
        yield _timed(run, tops[run.threads])


def _open_run(experiment: Experiment, kind: str, threads: int) -> _Run:
    network, batch, shape = experiment.build(), experiment.recipe.batch, experiment.shape
    macs = dissect(network, shape).macs
    recipe = replace(experiment.recipe, epochs=max(experiment.recipe.epochs, 1000))
    steps = training_steps(kind, network, recipe, threads, shape=shape)
    return _Run(network=experiment.id, kind=kind, threads=threads, batch=batch, macs=macs, steps=steps)


def _timed(run: _Run, top: float) -> Timed:
    seconds = statistics.median(run.times) * IMAGES / run.batch
    return Timed(
        network=run.network, engine=run.kind, threads=run.threads, seconds=seconds,
        spread=max(run.times) / min(run.times), stretches=len(run.times),
        share=3 * run.macs * IMAGES / seconds / top if top else None,
    )  # fmt: skip


def timing_lines(rows: Sequence[Timed], skipped: Sequence[Skipped] = ()) -> list[str]:
    """The table: one line a run, with ratios against eager PyTorch and against the fastest PyTorch that was timed on as
    many threads; then what was left out, and why."""
    wide = max([10, *(len(row.network) + 2 for row in rows)])
    heads = f"{'ratio':>7}{'of best':>9}{'of peak':>9}{'spread':>8}"
    found = [f"{'epoch of':{wide}}{'engine':19}{'threads':>7}{'seconds':>9}{heads}"]
    for row in rows:
        plain, best = (fastest(rows, row.network, row.threads, kinds) for kinds in ((EAGER,), KINDS))
        ratios = [f"{other / row.seconds:.2f}" if other else "" for other in (plain, best)]
        share = "" if row.share is None else f"{row.share:.0%}"
        found.append(
            f"{row.network:{wide}}{row.engine:19}{row.threads:>7}{row.seconds:>9.2f}{ratios[0]:>7}{ratios[1]:>9}{share:>9}"
            f"{row.spread:>8.2f}"
        )
    return found + sorted({f"{left.network} on {left.engine}: {left.why}" for left in skipped})


def fastest(rows: Sequence[Timed], network: str, threads: int, kinds: Sequence[str]) -> float | None:
    """The seconds of the fastest of these ways of PyTorch on this network; None if none was timed."""
    found = [row.seconds for row in rows if (row.network, row.threads) == (network, threads)
             and row.engine in kinds and row.engine not in NATIVES]  # fmt: skip
    return min(found, default=None)
