"""The whole way in order: look at the pictures, search, train the chosen network on all of them, export, prove, report.

A generator tells each step; whoever shows it knows nothing of how it is done.
"""

import math
import re
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from featherweight.data.dataset import Data
from featherweight.errors import FileError, UsageError
from featherweight.escape import printable
from featherweight.experiments.record import read_record
from featherweight.io import require_utf8
from featherweight.networks.foreign import read_network
from featherweight.search.fit import (
    card,
    final_training,
    folder,
    front,
    package_result,
    planning,
    search_loop,
    search_page,
)
from featherweight.search.fit.cost import Limits, format_cost
from featherweight.search.fit.mislabelled import Suspect, rank_labels, write_labels
from featherweight.search.fit.notes import read_result
from featherweight.search.fit.promise import promise
from featherweight.search.fit.request import LEAST_SECONDS, FitRequest, News, Outcome, Stage
from featherweight.search.fit.resized import ResizedData, resized_data
from featherweight.search.fit.state import STARTING, FitState
from featherweight.search.fit.trial import Aim, Trial

SHIPPING, SHIPPING_MOST = (18.0, 0.03), 0.2
"""What is kept for exports, proofs and the page: seconds and a share of the whole time, within another share of it."""
SEARCH_LEAST = 0.15
"""The share of the time that the search has however long the pictures took to read."""
FIRST, FIRST_FROM, FIRST_TRAINING = 0.2, 300.0, 0.08
"""The share of the search after which a first network is handed over, in searches of so many seconds or more; and the
share of the time that its training may take."""
CHECKING = 0.06
"""The share of the time that is spent on looking for wrong labels."""
FINISHED = 0.9
"""The share of a search's time after which the same command does not go on with it."""
USUAL = Limits(flash=64 * 1024, ram=32 * 1024)
"""Where neither a target nor a limit is given."""


def run_fit(asked: FitRequest, stopped: Callable[[], bool] = lambda: False) -> Iterator[News]:
    """Carry it all out. When `stopped`, the search ends and the best so far is finished within the usual time.

    Raises UsageError or DataError for what cannot be searched on, or for a folder in which another process searches;
    FileError for notes that are no search's; BudgetError if nothing is within the limits.
    """
    begun = time.monotonic()
    views = _views(asked)
    out = _folder_of(asked, views)
    if asked.point is not None:
        _require_search(out)
    with folder.lock_folder(out):
        yield from _run_in_folder(asked, views, out, begun, stopped)


def _views(asked: FitRequest) -> ResizedData:
    if not isinstance(asked.data, Data):
        require_utf8(Path(asked.data).resolve(), "The folder of pictures")
    return resized_data(asked.data, seed=asked.seed, size=asked.size, directory=asked.data_dir, group=asked.group)


def _folder_of(asked: FitRequest, views: ResizedData) -> Path:
    return asked.out or Path("fits") / re.sub(r"[^\w.-]+", "-", views.name)


def _run_in_folder(
    asked: FitRequest, views: ResizedData, out: Path, begun: float, stopped: Callable[[], bool]
) -> Iterator[News]:
    """All that comes after the pictures were read, in a folder that is this process's own."""
    if asked.point is not None:
        search = _known(asked, views, out)
        trial = front.point_trial(search, asked.point)
        yield Stage(text=f"Point {asked.point} of the front, candidate {trial.number}, is trained to the end.")
        yield from _deliver(asked, search, trial, out, begun, max(search.finish, LEAST_SECONDS))
        return
    limits = asked.limits
    if asked.accuracy is None and limits == Limits():
        limits = USUAL
        yield Stage(text=f"No target and no limit was given: {limits.words()} are assumed.")
    aim = Aim(target=asked.accuracy, minimize=asked.minimize, limits=limits, balanced=asked.balanced)
    begun_at = folder.require_same_search(out, views, aim, asked.seed, asked.data, asked.data_dir)
    folder.install(out)
    for line in describe_data(views, asked.balanced):
        yield Stage(text=line)
    search = _open_state(asked, views, aim, out, time.monotonic() - begun, begun_at)
    if (out / package_result.RESULT).exists() and _is_finished(search, asked, values := read_result(out)):
        yield from _compared(out, values)
        yield Stage(text=f"{printable(out)} is finished; more --minutes go on with its search, or more --trials.")
        yield Outcome(folder=out, values=values, name=Path(final_training.file_name(search)).stem)
        return
    begun -= search.spent
    seconds = 60 * asked.minutes
    if not asked.trials:
        yield Stage(text=planning.outlook(search, asked.processes))
        if search.population.trials:
            yield Stage(text=known_already(search))
    if not asked.trials and seconds >= FIRST_FROM and not (out / package_result.RESULT).exists():
        yield from _first_result(search, asked, stopped, out, begun)
    yield from _run_search(search, asked, stopped)
    best = search.population.best()
    if best is None:
        raise search_loop.nothing_found(search)
    trial = best
    yield Stage(text=f"Chosen: candidate {trial.number}, {promise(search, trial).words()}.")
    suspects: list[Suspect] = []
    if not stopped() and (allowed := _for_labels(seconds)):
        for found in rank_labels(search, trial, allowed, asked.processes, stopped, asked.on):
            suspects = found if isinstance(found, list) else suspects
    left = max(search.finish, _before_shipping(seconds) - (time.monotonic() - begun)) if not asked.trials else math.inf
    if stopped():
        left = min(left, search.finish)
    yield from _deliver(asked, search, trial, out, begun, left, suspects)


def _compared(out: Path, values: dict[str, Any]) -> Iterator[News]:
    """Compare a result's figures with those of its runs; FileError where they differ, a line where runs are gone."""
    for run in values["runs"]:
        if not (out / run["folder"] / "record.json").exists():
            yield Stage(text=f"Not checked: {printable(run['folder'])}, from which these figures come, is not there.")
        elif (found := read_record(out / run["folder"]).rows[-1].test_accuracy) != run["test_accuracy"]:
            raise FileError(
                f"{printable(out / package_result.RESULT)} says that {printable(run['folder'])} reaches"
                f" {run['test_accuracy']:.2f} %, and its record says {found:.2f} %; search again in a new folder."
            )


def _first_result(
    search: FitState, asked: FitRequest, stopped: Callable[[], bool], out: Path, begun: float
) -> Iterator[News]:
    """Search for a fifth of the time and hand over the best until then, so that there is something from then on."""
    yield from _run_search(search, asked, stopped, until=FIRST)
    trial = search.population.best()
    if trial is None or stopped():
        return
    yield Stage(text=f"A first network, candidate {trial.number}, {promise(search, trial).words()}, is handed over.")
    brief = replace(search, finish=FIRST_TRAINING * 60 * asked.minutes)
    paused = time.monotonic()
    for news in _deliver(asked, brief, trial, out, begun, brief.finish):
        if isinstance(news, Outcome):
            yield Stage(text=f"{printable(out)} holds it: {news.sentence}. The search goes on.")
        else:
            yield news
    search.spent += time.monotonic() - paused


def _deliver(
    asked: FitRequest, search: FitState, trial: Trial, out: Path, begun: float, left: float,
    suspects: Sequence[Suspect] = (),
) -> Iterator[News]:  # fmt: skip
    """Train the trial's network on everything in the seconds `left`, export it, prove it, report on it, and put all of
    it in its place."""
    memory = asked.data if isinstance(asked.data, Data) else None
    if memory is not None and trial.genes.grey:
        memory = final_training.grey(memory)
    staged = folder.stage(out)
    yield from final_training.train_final(
        search, trial, staged, data=memory, left=left, cores=asked.processes, directory=asked.data_dir, on=asked.on
    )
    yield Stage(text="Exporting, proving and reporting.")
    folder.name_experiment(staged, out, final_training.file_name(search))
    done = package_result.package(trial, staged, directory=asked.data_dir, data=memory)
    shown = write_labels(list(suspects), search.views, staged)
    done = replace(done, suspects=shown)
    for note in done.notes:
        yield Stage(text=note)
    values = package_result.result(search, done, staged, time.monotonic() - begun, asked.command)
    search_page.write_page(search, done, values, staged, asked.data_dir)
    card.write_card(search, done, values, staged)
    package_result.save_result(values, staged)
    folder.install(out)
    yield Outcome(folder=out, values=values, name=Path(final_training.file_name(search)).stem)


def _for_labels(seconds: float) -> float:
    """Of so many seconds, those for looking for wrong labels; 0 where they would pass before the first step."""
    return CHECKING * seconds if CHECKING * seconds > 2 * STARTING else 0.0


def _before_shipping(seconds: float) -> float:
    """Of so many seconds, those before exports, proofs and the page."""
    return seconds - min(SHIPPING[0] + SHIPPING[1] * seconds, SHIPPING_MOST * seconds)


def _open_state(asked: FitRequest, views: ResizedData, aim: Aim, out: Path, passed: float, begun_at: float) -> FitState:
    """The search in its folder, when so many seconds have passed."""
    coloured, seconds = views.sizes[0].shape[0] == 3, 60 * asked.minutes
    if asked.teacher is not None:
        _require_teacher(asked.teacher, views)
    if asked.trials:
        search = search_loop.open_search(
            views, aim, out, seed=asked.seed, seconds=math.inf, finish=math.inf, coloured=coloured,
            recalled=False,
        )  # fmt: skip
        return replace(search, teacher=asked.teacher and asked.teacher.resolve())
    last = planning.FINISH * seconds
    training = max(SEARCH_LEAST * seconds + last, _before_shipping(seconds) - passed) - _for_labels(seconds)
    search = search_loop.open_search(
        views, aim, out, seed=asked.seed, seconds=training, finish=last, coloured=coloured, begun_at=begun_at
    )
    return replace(search, teacher=asked.teacher and asked.teacher.resolve())


def _require_teacher(teacher: Path, views: ResizedData) -> None:
    """Raise UsageError or FileError for a teacher that cannot teach these classes, before anything is trained."""
    found = read_network(teacher)
    if found.classes != len(views.classes):
        raise UsageError(f"The teacher tells {found.classes} classes apart, and {views.name} has {len(views.classes)}.")


def _is_finished(search: FitState, asked: FitRequest, values: dict[str, Any]) -> bool:
    """Whether the result is for the same limits, and that of all the time, or of all the candidates, asked for."""
    before, aim = values["asked"], search.aim
    limits = {name: value for name, value in asdict(aim.limits).items() if value is not None}
    if before.get("teacher") != package_result.teacher_digest(search.teacher):
        return False
    same = (before["accuracy"], before["minimize"], before["limits"], before.get("balanced", False))
    if same != (aim.target, aim.minimize, limits, aim.balanced):
        return False
    if asked.trials:
        return bool(values["asked"].get("trials") == asked.trials)
    return search.spent >= FINISHED * search.seconds


def show_front(asked: FitRequest) -> tuple[list[dict[str, Any]], list[str]]:
    """The front of what the folder's searches know, as plain values and as lines; nothing is trained.

    UsageError where the folder knows nothing of these pictures.
    """
    views = _views(asked)
    out = _folder_of(asked, views)
    _require_search(out)
    with folder.lock_folder(out):
        search = _known(asked, views, out)
    if not search.population.eligible():
        raise UsageError(f"{printable(out)} knows no network within these limits yet; leave --front out to search.")
    return front.front_points(search), front.front_lines(search)


def _require_search(out: Path) -> None:
    """Raise UsageError for a folder without a search."""
    if not (out / folder.ASKED).exists():
        raise UsageError(f"{printable(out)} holds no search; leave --front and --point out to begin one.")


def _known(asked: FitRequest, views: ResizedData, out: Path) -> FitState:
    """What the folder's searches know of the pictures, for these limits."""
    folder.require_same_pictures(out, views, asked.seed)
    aim = Aim(target=asked.accuracy, minimize=asked.minimize, limits=asked.limits, balanced=asked.balanced)
    return _open_state(replace(asked, trials=None), views, aim, out, 0.0, 0.0)


def _run_search(search: FitState, asked: FitRequest, stopped: Callable[[], bool], until: float = 1.0) -> Iterator[News]:
    """Search within the time, or with so many candidates."""
    if asked.trials:
        yield from search_loop.run_search(search, asked.processes, stopped, asked.on, count=asked.trials)
        return
    if search.spent < until * search.seconds:
        yield from search_loop.run_search(search, asked.processes, stopped, asked.on, until=until)


def known_already(search: FitState) -> str:
    """What earlier searches on the same pictures tell for this one."""
    population, aim = search.population, search.aim
    best = population.best()
    count = len(population.trials)
    text = f"{count} candidate{'s are' if count > 1 else ' is'} known from before"
    if best is None:
        return f"{text}, none of them within the limits; the search goes on."
    looking = "more accurate ones" if aim.target is None or not population.meets(best) else "cheaper ones"
    cost = format_cost(aim.minimize, aim.cost(best.price))
    return f"{text}; the best for this: {best.accuracy():.1f} % of held-out images with {cost}. Looking for {looking}."


def describe_data(views: ResizedData, balanced: bool = False) -> list[str]:
    """What the pictures are, a line each: how many, of what, in which sizes, how balanced, what is held out."""
    shapes = ", ".join(" x ".join(map(str, view.shape)) for view in views.sizes)
    lines = [
        f"{views.name}: {len(views.labels):,} training images, {len(views.classes)} classes, as {shapes}",
    ]
    lines += views.checks.lines(balanced)
    if views.groups is not None:
        lines.append(
            f"{views.groups.count:,} groups of images by {views.groups.by}; none is both trained on and judged on"
        )
    if len(views.folds) == 1:
        lines.append(
            f"choices are made on {views.judged:,} of them held out; the test images are not read before the end"
        )
    else:
        lines.append(
            "choices are made by cross-validation, in five parts, twice; the test images are not read before the end"
        )
    return [*([views.note] if views.note else []), *lines]
