"""The whole way in order: look at the pictures, search, train the chosen network on all of them, export, prove, report.

A generator tells each step; whoever shows it knows nothing of how it is done.
"""

import math
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from featherweight.data.dataset import Data
from featherweight.engine import require_threads
from featherweight.errors import UsageError, nearest
from featherweight.escape import printable
from featherweight.parallel.messages import THIS_MACHINE, Backend
from featherweight.parallel.pool import capacity
from featherweight.search.fit import card, final_training, folder, package_result, search_by_trials, search_loop
from featherweight.search.fit.asha import Aim
from featherweight.search.fit.cost import LIMITED, Limits
from featherweight.search.fit.journal import read_result
from featherweight.search.fit.resized import ResizedData, resized_data
from featherweight.search.fit.search_loop import Snapshot
from featherweight.search.fit.state import FitState
from featherweight.training.runs.events import Event

LEAST_SECONDS = 20.0
SHIPPING, SHIPPING_MOST = (18.0, 0.03), 0.2
"""What is kept for exports, proofs and the page: seconds and a share of the whole time, within another share of it."""
SEARCH_LEAST = 0.15
"""The share of the time that the search has however long the pictures took to read."""
MOST_TRIALS = 100_000
FINISHED = 0.9
"""The share of a search's time after which the same command does not go on with it."""
USUAL = Limits(flash=64 * 1024, ram=32 * 1024)
"""Where neither a target nor a limit is given."""


@dataclass(frozen=True, kw_only=True)
class FitRequest:
    """What is asked for."""

    data: "str | Data"
    accuracy: float | None = None
    """Target in percent of test images, 8-bit C; None for as much as the limits allow."""
    limits: Limits = field(default_factory=Limits)
    minimize: str = "flash"
    minutes: float = 30.0
    trials: int | None = None
    """How many candidates are begun, in place of a limit of time; the same are then tried on any machine."""
    seed: int = 0
    out: Path | None = None
    """The folder that is handed over; `fits/NAME` by default."""
    size: tuple[int, int] | None = None
    data_dir: Path | None = None
    cores: int | None = None
    on: Backend = THIS_MACHINE
    """Where candidates and the chosen network are trained."""
    command: str = ""
    """By which the same is asked for again."""

    def __post_init__(self) -> None:
        if self.accuracy is not None and 0 < self.accuracy <= 1:
            raise UsageError(
                f"An accuracy is a percentage, and {self.accuracy:g} means {self.accuracy:g} %; did you mean"
                f" {100 * self.accuracy:g}?"
            )
        if self.accuracy is not None and not 0 < self.accuracy < 100:
            raise UsageError(f"An accuracy is a percentage above 0 and below 100; given {self.accuracy}.")
        if self.minimize not in LIMITED:
            raise UsageError(f"Nothing called {self.minimize!r} can be minimised; {nearest(self.minimize, LIMITED)}")
        if self.cores is not None and self.on.local:
            require_threads(self.cores)
        if self.trials is not None and not 1 <= self.trials <= MOST_TRIALS:
            raise UsageError(f"A search tries 1 to {MOST_TRIALS:,} candidates; given {self.trials}.")
        if not 60 * self.minutes >= LEAST_SECONDS:
            raise UsageError(f"A search needs {LEAST_SECONDS:.0f} seconds or more; given {self.minutes} minutes.")

    @property
    def processes(self) -> int:
        """How many trainings there are at once."""
        return self.cores or capacity(self.on)


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A sentence about what was found or is done next."""

    text: str


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """The end of the way."""

    folder: Path
    values: dict[str, Any]
    """The figures of `fit.json`, and what they say in words."""
    name: str
    """Of the experiment file and the exports."""

    @property
    def met(self) -> bool:
        """Whether the C program meets the target and the limits."""
        return bool(self.values["met"])

    @property
    def doubtful(self) -> bool:
        """Whether a warning stands in front of the result."""
        return bool(self.values.get("warning"))

    @property
    def sentence(self) -> str:
        """The answer."""
        return str(self.values["sentence"])


News = Stage | Snapshot | Event | Outcome


def size_of(text: "str | int | None", name: str = "a size") -> int | None:
    """Bytes, or any count: a number that may end in k or M (1,024 and its square for bytes).

    >>> size_of("32k"), size_of("1.5M"), size_of(700), size_of(None)
    (32768, 1572864, 700, None)
    """
    if text is None or isinstance(text, int):
        return text
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*([kKmM]?)(?:i?[bB])?\s*", text)
    if found is None:
        raise UsageError(f"{name} is a number such as 32k, 1.5M or 700; given {text!r:.40}.")
    return round(float(found[1]) * {"": 1, "k": 1024, "m": 1024**2}[found[2].lower()])


def run_fit(asked: FitRequest, stopped: Callable[[], bool] = lambda: False) -> Iterator[News]:
    """Carry it all out. When `stopped`, the search ends and the best so far is finished within the usual time.

    Raises UsageError or DataError for what cannot be searched on, or for a folder in which another process searches;
    FileError for notes that are no search's; BudgetError if nothing is within the limits.
    """
    begun = time.monotonic()
    views = resized_data(asked.data, seed=asked.seed, size=asked.size, directory=asked.data_dir)
    out = asked.out or Path("fits") / re.sub(r"[^\w.-]+", "-", views.name)
    with folder.lock_folder(out):
        yield from _run_in_folder(asked, views, out, begun, stopped)


def _run_in_folder(
    asked: FitRequest, views: ResizedData, out: Path, begun: float, stopped: Callable[[], bool]
) -> Iterator[News]:
    """All that comes after the pictures were read, in a folder that is this process's own."""
    limits = asked.limits
    if asked.accuracy is None and limits == Limits():
        limits = USUAL
        yield Stage(text=f"No target and no limit was given: {limits.words()} are assumed.")
    aim = Aim(target=asked.accuracy, minimize=asked.minimize, limits=limits)
    folder.require_same_search(out, views, aim, asked.seed, asked.data, asked.data_dir)
    folder.install(out)
    for line in describe_data(views):
        yield Stage(text=line)
    search = _open_state(asked, views, aim, out, time.monotonic() - begun)
    if (out / package_result.RESULT).exists() and _is_finished(search, asked, values := read_result(out)):
        yield Stage(text=f"{printable(out)} is finished; more --minutes go on with its search, or more --trials.")
        yield Outcome(folder=out, values=values, name=Path(final_training.file_name(search)).stem)
        return
    begun -= search.spent
    yield from _run_search(search, asked, stopped)
    trial = search.population.best()
    if trial is None:
        raise search_loop.nothing_found(search)
    yield Stage(text=f"Chosen: candidate {trial.number}, {trial.accuracy():.2f} % of held-out images.")
    left = max(search.finish, _before_shipping(60 * asked.minutes) - (time.monotonic() - begun))
    if stopped():
        left = min(left, search.finish)
    memory = asked.data if isinstance(asked.data, Data) else None
    if memory is not None and trial.genes.grey:
        memory = final_training.grey(memory)
    staged = folder.stage(out)
    yield from final_training.train_final(
        search, trial, staged, data=memory, left=left, cores=asked.processes, directory=asked.data_dir, on=asked.on
    )
    yield Stage(text="Exporting, proving and reporting.")
    done = package_result.package(trial, staged, directory=asked.data_dir, data=memory)
    for note in done.notes:
        yield Stage(text=note)
    values = package_result.result(search, done, staged, time.monotonic() - begun, asked.command)
    card.write_page(search, done, values, staged, asked.data_dir)
    card.write_card(search, done, values, staged)
    package_result.save_result(values, staged)
    folder.install(out)
    yield Outcome(folder=out, values=values, name=Path(final_training.file_name(search)).stem)


def _before_shipping(seconds: float) -> float:
    """Of so many seconds, those before exports, proofs and the page."""
    return seconds - min(SHIPPING[0] + SHIPPING[1] * seconds, SHIPPING_MOST * seconds)


def _open_state(asked: FitRequest, views: ResizedData, aim: Aim, out: Path, passed: float) -> FitState:
    """The search in its folder, when so many seconds have passed."""
    coloured, seconds = views.sizes[0].shape[0] == 3, 60 * asked.minutes
    if asked.trials:
        return search_loop.open_search(
            views, aim, out, seed=asked.seed, seconds=math.inf, finish=math.inf, coloured=coloured, recalled=False
        )
    last = search_loop.FINISH * seconds
    training = max(SEARCH_LEAST * seconds + last, _before_shipping(seconds) - passed)
    return search_loop.open_search(views, aim, out, seed=asked.seed, seconds=training, finish=last, coloured=coloured)


def _is_finished(search: FitState, asked: FitRequest, values: dict[str, Any]) -> bool:
    """Whether the result is that of all the time, or of all the candidates, that are asked for."""
    if asked.trials:
        return bool(values["asked"].get("trials") == asked.trials)
    return search.spent >= FINISHED * search.seconds


def _run_search(search: FitState, asked: FitRequest, stopped: Callable[[], bool]) -> Iterator[News]:
    """Search within the time, or with so many candidates."""
    if asked.trials:
        yield from search_by_trials.run_by_trials(search, asked.trials, asked.processes, stopped, asked.on)
        return
    yield Stage(text=search_loop.outlook(search, asked.processes))
    if search.population.trials:
        yield Stage(text=f"{len(search.population.trials)} candidates are known from before; the search goes on.")
    if search.spent < search.seconds:
        yield from search_loop.run_search(search, asked.processes, stopped, asked.on)


def describe_data(views: ResizedData) -> list[str]:
    """What the pictures are, a line each: how many, of what, in which sizes, how balanced, what is held out."""
    counts = Counter(views.labels.tolist())
    shapes = ", ".join(" x ".join(map(str, view.shape)) for view in views.sizes)
    lines = [
        f"{views.name}: {len(views.labels):,} training images, {len(views.classes)} classes, as {shapes}",
    ]
    least, most = min(counts, key=lambda label: counts[label]), max(counts, key=lambda label: counts[label])
    if counts[most] > 1.5 * counts[least]:
        lines.append(
            f"not balanced: {counts[least]:,} of {views.classes[least]}, {counts[most]:,} of {views.classes[most]}"
        )
    if views.twins:
        lines.append(f"{views.twins:,} images occur twice or more; none is both trained on and judged on")
    if len(views.folds) == 1:
        lines.append(
            f"choices are made on {views.judged:,} of them held out; the test images are not read before the end"
        )
    else:
        lines.append(
            "choices are made by cross-validation, in five parts, twice; the test images are not read before the end"
        )
    return [*([views.note] if views.note else []), *lines]
