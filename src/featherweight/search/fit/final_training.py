"""The chosen candidate trained on all training images, with the seeds and epochs that the time left allows."""

import math
import re
import shutil
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from keyword import iskeyword
from pathlib import Path

from featherweight.data.dataset import Data
from featherweight.data.folder import test_digest
from featherweight.data.pictures import size_words
from featherweight.data.split import Split, digest
from featherweight.data.transforms import without_colours
from featherweight.errors import DataError, FeatherweightError
from featherweight.escape import in_docstring, printable
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import find
from featherweight.experiments.recipe import Distil, Recipe
from featherweight.io import write_text
from featherweight.parallel.messages import THIS_MACHINE, Backend
from featherweight.parallel.scheduler import train_all
from featherweight.search.fit.candidate import candidate_layers, candidate_recipe
from featherweight.search.fit.cost import training_work
from featherweight.search.fit.resized import SPLIT_SEED
from featherweight.search.fit.state import LEAST_EPOCHS, STARTING, FitState, epochs_for
from featherweight.search.fit.trial import Trial
from featherweight.search.source import code, function
from featherweight.training.runs.events import Done, Event, Failed, Progress, Started
from featherweight.training.runs.run import new_run
from featherweight.training.runs.task import Task, run_task

RUNS = "runs"
TEMPERATURE = 2.0
"""At which the chosen network learns from a teacher, for half of its loss."""
MOST_SEEDS, UNTIMED_SEEDS = 5, 2
"""Runs of the last training at most, and where there is no limit of time."""
SLOWER = 1.1
"""How much longer the last training may take than the trials suggest."""
OVERRUN = 2.0
"""By what factor the time may be exceeded before the last training gets fewer than `LEAST_EPOCHS`."""
LONGER = 3
"""How many times as long as in the search the chosen network is trained, before time goes to further seeds."""
SHARED = 0.8
"""What each of several cores adds to one run, of what it would do in a run of its own."""
TOLD = 0.06
"""The share of the time after which the training's own rate is known well enough to plan with."""
SPARE = 0.75
"""By what share of the time that is left the runs must be foreseen to end for them to be begun again, longer."""
LATE = 1.03
"""By what factor the time that is left may be exceeded before something is given up."""


def file_name(search: FitState) -> str:
    """Of the experiment file: the data's name as Python would have a module's."""
    name = re.sub(r"\W+", "_", search.views.name, flags=re.ASCII).strip("_").lower()
    return f"{name if name.isidentifier() and not iskeyword(name) else 'pictures'}.py"


def plan(
    search: FitState,
    trial: Trial,
    left: float,
    cores: int,
    rate: float | None = None,
    threads: Sequence[int] = (1,),
) -> tuple[int, int, int]:
    """Epochs of each run, how many seeds and on how many cores each, so that all of them end within `left` seconds.

    A seed is trained up to `LONGER` times as long as a candidate, and time goes to further seeds only then. Each gets
    as many cores as the first of `threads` with which it is trained at least as long as a candidate, else the last of
    them. It is never fewer epochs than the seconds that were kept for this allow, and, within `OVERRUN` times these,
    never fewer than `LEAST_EPOCHS`: the time may be exceeded a little, the network may not be half trained.

    `rate` is in units of `training_work` a second and core; without it, the candidate's rate in the search is expected.
    """
    usual = epochs_for(len(search.views.labels))
    if search.finish == math.inf:
        return usual, UNTIMED_SEEDS, 1
    left -= STARTING
    rate = rate or search.rate_of(trial)
    each = SLOWER * search.epoch_seconds(trial.price, trial.shape, len(search.views.labels), rate)
    together = next((n for n in threads if left >= usual * each / _speed_up(n)), threads[-1])
    each /= _speed_up(together)
    kept = max(int(search.finish / each), min(LEAST_EPOCHS, int(OVERRUN * search.finish / each)))
    epochs = max(1, min(LONGER * usual, max(int(left / each), kept)))
    rounds = max(1, int(left / (epochs * each)))
    return epochs, min(MOST_SEEDS, rounds * cores // together), together


def _speed_up(cores: int) -> float:
    """How much faster so many cores are than one, on one run."""
    return max(1.0, SHARED * cores)


def write_candidate(path: Path, search: FitState, trial: Trial, epochs: int) -> Recipe:
    """Write the candidate as an experiment file; its recipe."""
    views, layers, seen = search.views, candidate_layers(trial.genes), options(search, trial)
    recipe = candidate_recipe(trial.genes, epochs, len(views.labels), trial.shape)
    if search.teacher is not None:
        plain = replace(recipe.augment, mixup=0.0)
        recipe = replace(recipe, augment=plain, distil=Distil(teacher=str(search.teacher), temperature=TEMPERATURE))
    target = search.aim.target
    budget = Budget(
        parameters=trial.price.parameters + 1, epochs=epochs, accuracy=0.0 if target is None else target, held=1
    )
    fields = {"recipe": recipe, "budget": budget}
    body = "".join(f"    {name}={code(value, 4, len(name) + 2)},\n" for name, value in fields.items())
    title = f"found by fit on {in_docstring(views.name)}"
    write_text(
        path,
        f'"""Found by `featherweight fit`: candidate {trial.number} of {len(search.population.trials)}.\n\n'
        f"Target: {in_docstring(aim_words(search))}.\n\n"
        f"Held-out pictures: {trial.accuracy():.2f} % of {trial.counts(trial.rung)[1]:,}; chosen for that, so expect\n"
        f"a little less. The test set was not read.\n"
        + (f"\nTo train it on the same pictures as the search did, give `featherweight train`{seen}.\n" if seen else "")
        + f'"""\n\nfrom torch import nn\n\nimport featherweight as fw\n\n\n'
        f"{function(layers, trial.shape, search.classes)}\n\n"
        f'experiment = fw.Experiment(\n    title="{title}",\n    network=network,\n{body})\n',
    )
    return recipe


def options(search: FitState, trial: Trial) -> str:
    """What `featherweight train` needs to train the candidate on the pictures as it was searched on."""
    size = search.views.sizes[trial.genes.side].size
    return (f" --size {size_words(size)}" if size else "") + " --grey" * trial.genes.grey


def aim_words(search: FitState) -> str:
    """What was asked for, in words."""
    aim, limits = search.aim, search.aim.limits.words()
    if aim.target is None:
        return f"the highest accuracy with {limits}"
    return f"{aim.target:g} % with the least {aim.minimize}" + ("" if limits == "no limit" else f", {limits}")


@dataclass(kw_only=True)
class _Watch:
    """Whether the runs will end in time, by how far they have come."""

    left: float
    """Seconds for all."""
    began: float = field(default_factory=lambda: time.monotonic())
    started: dict[str, float] = field(default_factory=dict)
    updates: dict[str, tuple[float, float]] = field(default_factory=dict)
    """By label of the runs that go on: seconds since their start, and the share of them that was done then."""

    def hear(self, event: Event) -> None:
        """Take note of what has happened."""
        match event:
            case Started():
                self.started[event.label] = time.monotonic()
            case Progress():
                step = 1.0 if event.row else event.step / event.steps
                seconds = time.monotonic() - self.started[event.label]
                self.updates[event.label] = seconds, (event.epoch - 1 + step) / event.epochs
            case Done() | Failed():
                self.updates.pop(event.label, None)

    def passed(self) -> float:
        """Seconds since the beginning."""
        return time.monotonic() - self.began

    def last(self) -> tuple[float, float]:
        """After how many seconds since the beginning the last run will end, and what share of it is done a second; 0
        and 0 before any has gone on for long enough to tell."""
        return max(
            (
                (self.started[label] - self.began + seconds / share, share / seconds)
                for label, (seconds, share) in self.updates.items()
                if share > 0 and seconds > STARTING
            ),
            default=(0.0, 0.0),
        )


def train_final(
    search: FitState,
    trial: Trial,
    out: Path,
    *,
    data: Data | None,
    left: float,
    cores: int,
    directory: Path | None,
    on: Backend = THIS_MACHINE,
) -> Iterator[Event]:
    """Train the candidate on all training images with several seeds, yielding what happens; finished runs are kept.

    If it turns out to be slower or much faster than the trials were, it is begun again, once, with as many epochs as
    fit; and seeds that would not end in time are given up once one has ended. `data` is given where it cannot be loaded
    again. Raises the first failure once all have ended.
    """
    runs, file = out / RUNS, out / file_name(search)
    view = search.views.sizes[trial.genes.side]
    memory = data is not None and on.local
    threads = (cores,) if memory else (1, cores) if on.local else (1,)
    rate: float | None = None
    for again in (False, True):
        epochs, seeds, together = plan(search, trial, left, cores, rate, threads)
        if runs.exists():  # of the first attempt, which proved too slow
            shutil.rmtree(runs)
        recipe = write_candidate(file, search, trial, epochs)
        tasks = [
            Task(
                experiment=str(file), seed=seed, out=runs, data=search.views.source, data_dir=directory, size=view.size,
                grey=trial.genes.grey, threads=together,
            )
            for seed in range(seeds)
        ]  # fmt: skip
        most = search.finish if epochs > LEAST_EPOCHS else OVERRUN * search.finish
        watch = _Watch(left=max(left, most + STARTING))
        if data is None:
            events = train_all(tasks, on)
        else:
            events = _in_this_process(tasks, data) if on.local else train_all(tasks, on, (find(str(file)), data))
        most_epochs = LONGER * epochs_for(len(search.views.labels))
        rate = yield from _watched(
            _of_these_pictures(events, search, trial), watch, runs, 0.0 if again else _run_work(search, trial, recipe),
            longer=epochs < most_epochs and seeds * together <= cores,
        )  # fmt: skip
        if not rate:
            return
        rate /= _speed_up(together)
        left = max(0.0, left - watch.passed())


def _of_these_pictures(
    events: Generator[Event, None, None], search: FitState, trial: Trial
) -> Generator[Event, None, None]:
    """Pass the events on; DataError where a run has begun on other pictures than were searched on."""
    view, views = search.views.sizes[trial.genes.side], search.views
    wanted = digest(
        Split(images=without_colours(view.images) if trial.genes.grey else view.images, labels=views.labels)
    )
    folder = Path(views.source) if view.size else None
    with closing(events):
        for event in events:
            if isinstance(event, Started) and view.size and event.record is not None:
                same = event.record.data["digests"].get("train") == wanted
                if not same or (folder and test_digest(folder, seed=SPLIT_SEED) != views.digests["test"]):
                    which = "test pictures" if same else "training pictures"
                    raise DataError(
                        f"The {which} in {printable(views.source)} have changed since the search began; what was found"
                        " is about the former ones. Put them back, or search in a new folder with --out."
                    )
            yield event


def _run_work(search: FitState, trial: Trial, recipe: Recipe) -> float:
    """Of one run in units of `training_work`."""
    return recipe.epochs * len(search.views.labels) * training_work(trial.price.macs, trial.shape)


def _watched(
    events: Generator[Event, None, None], watch: _Watch, runs: Path, work: float, longer: bool = False
) -> Generator[Event, None, float]:
    """Pass the events on. If the runs prove too slow for the time, or so fast that they could be `longer`, stop them
    and give the rate they really have, in units of `work` a second, each run being so much; 0 once they have ended.
    With a `work` of 0 they are not stopped before one has ended."""
    failed: Failed | None = None
    kept: set[Path] = set()
    with closing(events):
        for event in events:
            watch.hear(event)
            failed = failed or (event if isinstance(event, Failed) else None)
            kept |= {event.folder} if isinstance(event, Done) else set()
            yield event
            end, speed = watch.last()
            known = work and not failed and watch.passed() > TOLD * watch.left
            if known and longer and not kept and 0 < end < SPARE * watch.left - STARTING:
                return work * speed
            if end <= LATE * watch.left or failed:
                continue
            if kept:
                break
            # Beginning again takes a while itself.
            if known and end > LATE * watch.left + STARTING:
                return work * speed
    if failed is not None:
        problem = FeatherweightError(f"{failed.label}: {failed.sentence}")
        problem.exit_status = failed.exit_status
        raise problem
    for folder in set(runs.iterdir()) - kept:
        shutil.rmtree(folder)
    return 0.0


def _in_this_process(tasks: Sequence[Task], data: Data) -> Generator[Event, None, None]:
    for task in tasks:
        run = new_run(find(task.experiment), data, seed=task.seed, out=task.out, threads=task.threads)
        with closing(run_task(task, run)) as events:
            yield from events


def grey(data: Data) -> Data:
    """The data without their colours."""
    from featherweight.data.split import mean_and_std

    train_final = data.train.in_grey()
    mean, std = mean_and_std(train_final.images)
    return replace(data, train=train_final, test=data.test.in_grey(), mean=mean, std=std)
