"""What the tests of searches share: a space that is tried out in a blink, and data whose test set is poison."""

from pathlib import Path
from typing import Any

from data_files import idx_bytes
from featherweight.data import load
from featherweight.search import study as studies
from featherweight.search import worker as workers
from featherweight.search.space import find_space
from featherweight.search.study import Job, about, open_study
from featherweight.search.worker import Worker
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


def worker(job: Job, id: str = "one", sampler_seed: int = 1) -> Worker:
    """A worker in this process."""
    space, data = find_space(job.space), load(job.data, holdout=job.holdout)
    study = open_study(job, about(space, data, job), sampler_seed)
    return Worker(job=job, space=space, data=data, study=study, id=id, leave=lambda: False)


def worked(job: Job, **given: Any) -> Worker:
    """A worker in this process that has done all the work."""
    done = worker(job, **given)
    workers.work(done)
    return done


def ends(done: Worker) -> list[str]:
    return [studies.end_of(trial) for trial in studies.trials_of(done.study)]
