"""Folders of few pictures, whatever their size: every candidate is trained, and what cannot be is said beforehand."""

import math
import re
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from featherweight.data.dataset import Data
from featherweight.errors import TrainingError, UsageError
from featherweight.parallel.messages import Finished, Message
from featherweight.search.fit import pipeline, planning, prior, result_words, search_loop, workers
from featherweight.search.fit.candidate import Candidate, batch_for, candidate_recipe
from featherweight.search.fit.resized import resized_data, save
from featherweight.search.fit.search_loop import MOST_FAILED
from featherweight.search.fit.trial import Aim, TrialTask, TrialUpdate

MODES = ("L", "RGB", "RGBA", "P", "1", "LA")


def write(root: Path, classes: int, each: int, side: int, mode: str) -> Path:
    """A folder of striped pictures, turned by class."""
    draws = np.random.default_rng(side)
    y, x = np.mgrid[:side, :side]
    for label in range(classes):
        (root / f"class{label}").mkdir(parents=True)
        angle = np.pi * label / classes
        for number in range(each):
            waves = np.sin((x * np.cos(angle) + y * np.sin(angle)) * 1.2 + draws.uniform(0, 6))
            pixels = np.clip(127 + 100 * waves + draws.normal(0, 15, (side, side)), 0, 255).astype(np.uint8)
            Image.fromarray(pixels).convert(mode).save(root / f"class{label}" / f"{number:03}.png")
    return root


def trained(place: Path, found: Any, genes: Candidate, fold: int) -> TrialUpdate:
    save(found, place)
    shape = found.sizes[0].shape
    fitting = planning.shallow_enough(genes, (1 if genes.grey else shape[0], *shape[1:]), len(found.classes))
    *_, update = workers.train_candidate(TrialTask(trial=0, genes=fitting, epochs=1, fold=fold), place, found.classes)
    return update


@pytest.mark.parametrize(
    ("classes", "each", "side"),
    [(3, 8, 12), (3, 9, 13), (2, 13, 14), (3, 19, 15), (3, 16, 16), (5, 6, 17), (10, 5, 20), (3, 21, 24), (2, 12, 4),
     (2, 12, 5), (30, 2, 8), (2, 4, 1), (3, 4, 1), (2, 5, 2), (4, 3, 3), (500, 2, 6)],
)  # fmt: skip
def test_candidates_are_trained_on_every_fold_of_a_small_folder(tmp_path: Path, classes: int, each: int, side: int):
    mode = MODES[(side + each) % len(MODES)]
    found = resized_data(str(write(tmp_path / "pictures", classes, each, side, mode)), seed=0)
    race, others = prior.first(found.sizes[0].shape[0] == 3, small=True)
    (tmp_path / "views").mkdir()
    for number, fold in enumerate(range(len(found.folds) if classes < 100 else 1)):
        update = trained(tmp_path / "views", found, ([*race, *others])[number % (len(race) + len(others))], fold)
        assert update.failed == "" and update.judged == int(found.folds[fold].sum()) > 0
        assert 0 <= update.correct <= update.judged and update.loss > 0


def test_no_batch_is_of_one_image_and_other_batches_stay():
    for images in range(2, 200):
        for batch in (2, 16, 17, 64):
            found = batch_for(batch, images)
            assert images % found != 1 and batch <= found <= max(batch, images)
            assert found == batch or images % batch == 1
    assert candidate_recipe(Candidate(batch=16), 5, 49, (1, 8, 8)).batch == 17
    assert candidate_recipe(Candidate(batch=16), 5, 48, (1, 8, 8)).batch == 16


def arrays(count: int = 40) -> Data:
    pixels = np.random.default_rng(0).integers(0, 256, (count, 9, 9), dtype=np.uint8)
    return Data.from_arrays(pixels, np.arange(count) % 2, test=(pixels[:6], np.arange(6) % 2))


def test_a_candidate_that_fails_says_why_and_the_others_go_on(tmp_path: Path):
    found = resized_data(arrays(), seed=0)
    save(found, tmp_path)
    work = TrialTask(trial=3, genes=replace(Candidate(), shrink=4, depths=(4,), kernel=7), epochs=1)
    *_, update = workers.train_candidate(work, tmp_path, found.classes)
    assert update.correct is None and "9 x 9" in update.failed and update.work is work


class Scripted:
    """A pool whose works end as a list says: with an update, or without one."""

    def __init__(self, ends: Any) -> None:
        self.ends, self.given, self.notes = ends, [], []

    def scale(self, works: int) -> None: ...

    def free(self) -> int:
        return 2 - len(self.given)

    def submit(self, number: int, work: Any, *given: Any) -> None:
        self.given.append((number, given[0]))

    def poll(self, seconds: float) -> list[Any]:
        if not self.given:
            return []
        number, task = self.given.pop(0)
        said = self.ends(task)
        told = [Message(number=number, value=said)] if isinstance(said, TrialUpdate) else []
        return [*told, said if isinstance(said, Finished) else Finished(number=number)]

    def stop(self, number: int | None = None) -> None: ...

    def close(self) -> None: ...


def scripted(monkeypatch: pytest.MonkeyPatch, ends: Any) -> None:
    """Have searches use such a pool."""
    monkeypatch.setattr(search_loop, "open_pool", lambda on, cores: closing(Scripted(ends)))


@pytest.mark.parametrize("lost", [False, True])
def test_a_process_that_ends_is_a_failed_trial_in_its_own_words(tmp_path: Path, monkeypatch, lost: bool):
    numbers = iter(range(1, 100))

    def ends(task: TrialTask) -> Any:
        if task.trial == 0:
            words = "worker exited with status -9 without a result."
            return Finished(number=next(numbers), sentence=words, lost=lost)
        next(numbers)
        return TrialUpdate(work=task, done=1.0, seconds=1.0, correct=4, judged=8, loss=1.0)

    scripted(monkeypatch, ends)
    found = resized_data(arrays(), seed=0)
    search = search_loop.open_search(
        found, Aim(), tmp_path, seed=0, seconds=math.inf, finish=math.inf, coloured=False, recalled=False
    )
    looks = list(search_loop.run_search(search, 2, count=4))
    first, *others = search.population.trials
    assert "status -9" in first.failed and all(not one.failed for one in others)
    assert next(look.ended.number for look in looks if look.ended) == 0 and len(search.population.trials) == 4


def test_where_every_candidate_fails_the_first_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    asked = pipeline.FitRequest(data=arrays(), minutes=0.5, out=tmp_path / "out", cores=1)
    scripted(
        monkeypatch,
        lambda task: TrialUpdate(work=task, done=1.0, seconds=0.0, failed=f"{task.trial} is bad luck"),
    )
    with pytest.raises(TrainingError, match="0 is bad luck") as problem:
        list(pipeline.run_fit(asked))
    begun = re.search(r"the (\d+) candidates", str(problem.value))
    assert "memory" not in str(problem.value) and begun is not None
    assert MOST_FAILED <= int(begun[1]) <= MOST_FAILED + 1  # one may be under way


def test_time_that_is_too_short_is_refused_beforehand_with_what_to_ask_for(tmp_path: Path):
    data = Data.from_arrays(np.random.default_rng(0).integers(0, 256, (3000, 100, 100), np.uint8), np.arange(3000) % 3)
    search = search_loop.open_search(resized_data(data, seed=0), Aim(), tmp_path, seed=0, seconds=60, coloured=False)
    # 2,500 images: 20 epochs of 600 units for each of 10,000 pixels at 30e9 a second are 10 s, and 6 s to begin with.
    search.finish = 15.9
    with pytest.raises(UsageError, match="2,500 images of 1 x 100 x 100 .* 20 epochs .* ask for --minutes 1 or more"):
        planning.outlook(search, 1)
    search.finish = 16.1
    assert "training" in planning.outlook(search, 1) and "ask for --minutes" in planning.outlook(search, 1)
    search.finish, search.seconds = 600, 6000
    short = planning.outlook(search, 1)
    assert "ask for" not in short and "at full length" in short


def result(**changes: Any) -> dict[str, Any]:
    values = {
        "c": {"accuracy": 81.0, "interval": [79.0, 83.0]}, "data": {"train": 1000, "classes": ["a", "b"]},
        "chosen": {"held_out_accuracy": 99.4, "held_out_interval": [98.5, 99.8]},
    }  # fmt: skip
    return values | changes


def test_a_result_below_its_promise_or_a_constant_has_a_headline():
    below = result_words.doubt(result(), 50.0, 60, 60)
    assert "81.0 %" in below["headline"] and "98.5 to 99.8" in below["headline"] and "other sources" in below["cause"]
    assert "cut short, at 3 of 60" in result_words.doubt(result(), 50.0, 3, 60)["cause"]
    assert (
        "few pictures, 6 a class"
        in result_words.doubt(result(data={"train": 12, "classes": "ab"}), 50.0, 60, 60)["cause"]
    )
    constant = result_words.doubt(result(), 81.0, 1, 60)
    assert "commonest class" in constant["headline"] and "minutes" in constant["advice"]
    # 8 of 10 test images are within the chance of 99 %: nothing is said.
    assert result_words.doubt(result(c={"accuracy": 98.6, "interval": [97.0, 99.5]}), 50.0, 60, 60) is None
    assert result_words.doubt(result(c={"accuracy": 80.0, "interval": [49.0, 99.5]}), 50.0, 60, 60) is None
    assert result_words.doubt_lines({"warning": below})[0] == f"{below['headline']}."
    assert result_words.doubt_lines({}) == []


def test_torch_says_why_one_image_is_too_few():
    """What the choice of the batch avoids is there to be avoided."""
    with pytest.raises(ValueError, match="more than 1 value"):
        torch.nn.BatchNorm2d(3).train()(torch.zeros(1, 3, 1, 1))


def test_six_pictures_are_enough_and_five_are_not():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 5, 5), dtype=np.uint8)
    for count in (6, 5):
        data = Data.from_arrays(pixels[:count], np.arange(count) % 2, test=(pixels[:2], [0, 1]))
        if count == 6:
            found = resized_data(data, seed=0)
            assert torch.stack(found.folds[:5]).sum(0).tolist() == [1] * 6
        else:
            with pytest.raises(UsageError, match="5 training images; a search needs 6 or more"):
                resized_data(data, seed=0)
