"""What the tests of searches share: a space that is tried out in a blink, and data whose test set is poison."""

from pathlib import Path
from typing import Any

from data_files import idx_bytes
from featherweight.data import load
from featherweight.parallel.messages import Counts, Finished, Message
from featherweight.parallel.pool import feed
from featherweight.search import study as studies
from featherweight.search.driver import Driver
from featherweight.search.space import find_space
from featherweight.search.study import Job, about, open_study
from featherweight.search.trials import Session
from toy import bars

TRAIN, HOLDOUT = 1103, 1000

SPACE = '''"""Two narrow convolutions on bars."""
from featherweight.experiments.budget import Budget
from featherweight.experiments.recipe import Recipe
from featherweight.search.space import Proposal, Space, stack


def propose(trial):
    widths = [trial.suggest_int(f"width {number}", 2, 14) for number in (1, 2)]
    recipe = Recipe(epochs=3, batch=32, lr=trial.suggest_float("lr", 0.01, 0.3, log=True))
    return Proposal(network=stack(widths, pool_after=[1]), recipe=recipe)


space = Space(name="bars", propose=propose, budget=Budget(parameters=500, epochs=5, held=2))
'''


def space_file(folder: Path, *changes: tuple[str, str], name: str = "bars.py") -> Path:
    """The space's file, with some of its text replaced."""
    text = SPACE
    for old, new in changes:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    path = folder / name
    path.write_text(text)
    return path


def data_folder(folder: Path) -> Path:
    """Bars of 11 x 13 pixels as IDX files; whoever opens the test set's finds that they are none."""
    path = folder / "poisoned"
    path.mkdir(exist_ok=True)
    train = bars(TRAIN, 7)
    (path / "train-images-idx3-ubyte").write_bytes(idx_bytes(train.images[:, 0]))
    (path / "train-labels-idx1-ubyte").write_bytes(idx_bytes(train.labels.byte()))
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (path / name).write_bytes(b"poison")
    return path


def job(folder: Path, space: Path | None = None, **given: Any) -> Job:
    settings = {"trials": 5, "holdout": HOLDOUT, "data": str(data_folder(folder)), "engine": "torch", "name": "bars"}
    storage = str(folder / "study.journal")
    return Job(**{"space": str(space or space_file(folder)), "storage": storage, **settings, **given})


class InlinePool:
    """A pool of this process: works go on in turn, a step each time that it is asked."""

    def __init__(self, count: int) -> None:
        self.count, self.notes = count, list[str]()
        self._works: dict[int, Any] = {}
        self.asked_to_stop: set[int] = set()

    def scale(self, works: int) -> None: ...

    def free(self) -> int:
        return self.count - len(self._works)

    def submit(self, number: int, work: Any, *given: Any) -> None:
        assert self.free()
        self._works[number] = work(*given, stopped=lambda: number in self.asked_to_stop)

    def poll(self, seconds: float) -> list[Message | Finished]:
        found: list[Message | Finished] = []
        for number, work in list(self._works.items()):
            try:
                found.append(Message(number=number, value=next(work)))
            except StopIteration:
                del self._works[number]
                found.append(Finished(number=number))
        return found

    def put(self, value: Any) -> Any:
        return value

    def stop(self, number: int | None = None) -> None:
        self.asked_to_stop |= set(self._works) if number is None else {number}

    def counts(self) -> Counts:
        return Counts()

    def close(self) -> None: ...


def session(job: Job, id: str = "one", sampler_seed: int = 1) -> Session:
    """What asks a study in this process."""
    space, data = find_space(job.space), load(job.data, holdout=job.holdout)
    study = open_study(job, about(space, data, job), sampler_seed)
    return Session(job=job, space=space, data=data, study=study, id=id)


def driven(job: Job, workers: int = 1, **given: Any) -> tuple[Session, Driver]:
    """A search in this process that has come to its end, and what drove it."""
    asking, pool = session(job, **given), InlinePool(workers)
    driver = Driver(asking, pool, [], most=workers, deaths=None)
    driver.snapshot()
    for _ in feed(pool, driver, (), 0.0):
        pass
    return asking, driver


def worked(job: Job, **given: Any) -> Session:
    """What asked a study, once its search has come to its end."""
    return driven(job, **given)[0]


def ends(done: Session) -> list[str]:
    return [studies.end_of(trial) for trial in studies.trials_of(done.study)]
