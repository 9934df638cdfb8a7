"""A search's folder: it belongs to its pictures and to one process, and its notes are read as a stranger's."""

import json
import os
import shutil
import subprocess
import sys
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from benchmarks import shapes
from torch import nn

import featherweight as fw
from brief_search import given
from featherweight import io
from featherweight.data.dataset import Data
from featherweight.errors import FileError, UsageError
from featherweight.experiments.record import read_record
from featherweight.io import REPLACED
from featherweight.search.fit import (
    folder,
    journal,
    notes,
    package_result,
    pipeline,
    planning,
    result_words,
    search_loop,
)
from featherweight.search.fit.candidate import Candidate
from featherweight.search.fit.cost import Limits
from featherweight.search.fit.notes import read_question, read_result
from featherweight.search.fit.resized import ResizedData, resized_data
from featherweight.search.fit.trial import Aim, TrialTask, TrialUpdate
from featherweight.training.runs.folders import run_of

ROOT = Path(__file__).parents[2]
USUAL = Limits(flash=64 * 1024, ram=32 * 1024)


def arrays(seed: int = 0, test: int = 0) -> Data:
    """Forty pictures of noise in two classes, and seven to test."""
    pixels = np.random.default_rng(seed).integers(0, 256, (40, 9, 9), dtype=np.uint8)
    tested = np.random.default_rng(100 + test).integers(0, 256, (7, 9, 9), dtype=np.uint8)
    return Data.from_arrays(pixels, np.arange(40) % 2, test=(tested, np.arange(7) % 2))


def begin(out: Path, data: "Data | Path", aim: Aim | None = None, seed: int = 0) -> ResizedData:
    """The folder of a search that was begun on these data; the views of them."""
    given = data if isinstance(data, Data) else str(data)
    found = resized_data(given, seed=seed)
    with folder.lock_folder(out):
        folder.require_same_search(out, found, aim or Aim(limits=USUAL), seed, given, None)
    return found


def write_trial(out: Path, found: ResizedData, **changes: Any) -> None:
    """Note one training in the folder."""
    search = search_loop.open_search(found, Aim(limits=USUAL), out, seed=0, seconds=60, coloured=False)
    work = planning.next_task(search, 0.0, 60.0)
    held = int(found.folds[0].sum())
    update = TrialUpdate(work=work, done=1.0, seconds=2.0, correct=held - 1, judged=held, loss=0.5)
    given(search, update, 12.5)
    if changes:
        line = json.loads(search.file.read_text()) | changes
        search.file.write_text(json.dumps(line) + "\n")


def result(**changes: Any) -> dict[str, Any]:
    """The figures of a search, as a finished one leaves them."""
    values = json.loads((ROOT / "results" / "fit" / "shapes.json").read_text())
    return values | changes


def finished(out: Path, data: Data) -> None:
    """A folder as a finished search of version 0.2 leaves it: a run, the figures, no digest of the pictures."""
    begin(out, data)
    asked = json.loads((out / folder.ASKED).read_text())
    del asked["pictures"]
    (out / folder.ASKED).write_text(json.dumps(asked))
    net = nn.Sequential(nn.Flatten(), nn.Linear(81, 2))
    fw.train(net, data, out=out / "runs", settings={"recipe.epochs": 1})
    (run,) = (out / "runs").iterdir()
    values = result(runs=[{"folder": f"runs/{run.name}", "seed": 0, "test_accuracy": 50.0}])
    (out / "fit.json").write_text(json.dumps(values))


def test_other_pictures_of_the_same_shape_are_refused(tmp_path: Path):
    begin(tmp_path, arrays())
    begin(tmp_path, arrays())
    for other, said in ((arrays(seed=1), "other training images"), (arrays(test=1), "other test images")):
        with pytest.raises(UsageError, match=said) as refused:
            fw.fit(other, out=tmp_path, minutes=1)
        assert "--out" in str(refused.value) and refused.value.exit_status == 2


def test_class_folders_that_change_places_are_other_pictures(tmp_path: Path):
    pictures = tmp_path / "shapes"
    shapes.write(pictures, each=12)
    begin(tmp_path / "out", pictures)
    (pictures / "circle").rename(pictures / "x")
    (pictures / "square").rename(pictures / "circle")
    (pictures / "x").rename(pictures / "square")
    with pytest.raises(UsageError, match="other training images or labels and other test images"):
        fw.fit(pictures, out=tmp_path / "out", minutes=1)


def test_pictures_may_move_but_one_test_picture_may_not_change(tmp_path: Path):
    for half in ("train", "test"):
        shapes.write(tmp_path / "here" / half, each=8)
    begin(tmp_path / "out", tmp_path / "here")
    shutil.move(tmp_path / "here", tmp_path / "there")
    begin(tmp_path / "out", tmp_path / "there")
    one = tmp_path / "there" / "test" / "circle" / "000.png"
    one.write_bytes((one.parent / "001.png").read_bytes())
    with pytest.raises(UsageError, match="with other test images"):
        begin(tmp_path / "out", tmp_path / "there")


def test_test_pictures_are_the_last_trainings_whatever_the_seed(tmp_path: Path):
    shapes.write(tmp_path / "shapes", each=14)
    last = Data.from_folder(tmp_path / "shapes")
    for seed in (0, 5):
        assert len(resized_data(str(tmp_path / "shapes"), seed=seed).labels) == len(last.train)
        found = resized_data(str(tmp_path / "shapes"), seed=seed, size=(28, 28))
        assert (found.sizes[0].images == last.train.images).all()


def test_another_target_starts_from_what_is_known_of_the_same_pictures(tmp_path: Path):
    write_trial(tmp_path, begin(tmp_path, arrays()))
    assert read_question(tmp_path / folder.ASKED).begun_at == 0.0
    for aim in (Aim(target=90.0), Aim(target=90.0, minimize="ram"), Aim(target=90.0, limits=Limits(flash=9000))):
        found = begin(tmp_path, arrays(), aim)
        known = read_question(tmp_path / folder.ASKED)
        assert known.begun_at == 12.5 and known.aim.target == 90.0 and known.aim.minimize == aim.minimize
        search = search_loop.open_search(
            found, aim, tmp_path, seed=0, seconds=60, coloured=False, begun_at=known.begun_at
        )
        assert len(search.population.trials) == 1 and search.spent == 0.0
    assert pipeline.known_already(search).startswith("1 candidate is known") and search.population.best() is not None
    tight = search_loop.open_search(found, Aim(limits=Limits(flash=100)), tmp_path, seed=0, seconds=60, coloured=False)
    assert tight.population.best() is None and "none of them within the limits" in pipeline.known_already(tight)
    with pytest.raises(UsageError, match="--seed is 0"):
        begin(tmp_path, arrays(), aim, seed=3)


def test_a_folder_with_other_files_is_refused(tmp_path: Path):
    (tmp_path / "letter.txt").write_text("mine")
    with pytest.raises(UsageError, match="holds other files"):
        begin(tmp_path, arrays())
    assert [one.name for one in tmp_path.iterdir()] == ["letter.txt"]


def test_a_search_that_was_killed_at_its_first_note_begins_anew(tmp_path: Path):
    (tmp_path / f".{folder.ASKED}.1234.part").write_text('{"source": ')
    begin(tmp_path, arrays())
    assert [one.name for one in tmp_path.iterdir()] == [folder.ASKED]


def test_a_folder_without_digests_goes_on_where_its_runs_vouch_for_the_pictures(tmp_path: Path):
    finished(tmp_path / "a", arrays())
    assert read_question(tmp_path / "a" / folder.ASKED).pictures is None
    with pytest.raises(UsageError, match="trained on others"):
        begin(tmp_path / "a", arrays(seed=1))
    begin(tmp_path / "a", arrays())
    assert read_question(tmp_path / "a" / folder.ASKED).pictures == resized_data(arrays(), seed=0).digests
    (run,) = (tmp_path / "a" / "runs").iterdir()
    assert run_of(tmp_path / "a") == run
    assert read_record(run).finished and fw.load(tmp_path / "a").predict(np.zeros((1, 9, 9), np.uint8))
    finished(tmp_path / "b", arrays())
    (tmp_path / "b" / "fit.json").unlink()
    with pytest.raises(UsageError, match="cannot go on.*name another folder with --out"):
        begin(tmp_path / "b", arrays())


def test_two_processes_cannot_search_in_one_folder(tmp_path: Path):
    shapes.write(tmp_path / "shapes", each=8)
    out = tmp_path / "out"
    words = [sys.executable, "-m", "featherweight", "fit", str(tmp_path / "shapes"), "--out", str(out)]
    with folder.lock_folder(out):
        second = subprocess.run(words, capture_output=True, text=True, check=False, timeout=120)
    assert second.returncode == 2 and "Traceback" not in second.stderr
    assert "nother process" in second.stderr and "--out" in second.stderr
    assert not (out / folder.ASKED).exists()


def made(place: Path, text: str) -> None:
    """A result of several parts, each of which holds the text."""
    for name in ("runs/a-seed0/record.json", "export/a/a.c", "a.py", "report.html", "fit.json"):
        (place / name).parent.mkdir(parents=True, exist_ok=True)
        (place / name).write_text(text)


def parts(place: Path) -> set[str]:
    """What the parts of a result hold."""
    files = [one for one in place.rglob("*") if one.is_file()]
    assert len(files) == 5, files
    return {one.read_text() for one in files}


class KilledError(BaseException):
    """The process ended here."""


@pytest.mark.parametrize("exchanged", [True, False])
def test_whoever_is_killed_while_a_result_takes_its_place_leaves_one_whole(tmp_path: Path, monkeypatch, exchanged):
    """Killed before each of the steps in turn, where the system exchanges two folders and where it cannot."""
    if not exchanged:
        monkeypatch.setattr(io, "_exchange", lambda one, other: False)
    for step in range(100):
        out, left = tmp_path / str(step), [step]
        made(out, "old")
        made(folder.stage(out), "new")

        def counted(real, left=left):
            def call(*given, **named):
                left[0] -= 1
                if left[0] < 0:
                    raise KilledError
                return real(*given, **named)

            return call

        with monkeypatch.context() as patch, suppress(KilledError):
            steps = (Path, "rename"), (Path, "replace"), (Path, "touch"), (Path, "mkdir"), (shutil, "rmtree")
            for owner, name in (*steps, (io, "_exchange")):
                patch.setattr(owner, name, counted(getattr(owner, name)))
            folder.install(out)
        assert (run_of(out) / "record.json").read_text() == "new"
        if exchanged:
            assert all(len({file.read_text() for file in (out / part).rglob("*.*") if file.name != REPLACED}) == 1
                       for part in ("runs", "export"))  # fmt: skip
        if left[0] < 0 and step % 2:  # another result is begun, and not ended
            made(folder.stage(out), "newer")
            (out / folder.STAGE / "fit.json").unlink()
        folder.install(out)
        assert parts(out) == {"new"} and run_of(out) == out / "runs" / "a-seed0"
        if left[0] >= 0:
            break
    # Three files, two folders with their marks, each exchanged or moved in two steps; the leftovers removed.
    assert step == (8 if exchanged else 15)


def test_a_result_that_is_not_whole_leaves_the_old_one(tmp_path: Path):
    made(tmp_path, "old")
    made(folder.stage(tmp_path), "new")
    (tmp_path / folder.STAGE / "fit.json").unlink()
    folder.install(tmp_path)
    assert parts(tmp_path) == {"old"}


GENES = Candidate().to_json()
DEEP = "[" * 100_000
TRIALS: list[Any] = [
    *[{name: value} for name in ("trial", "rung", "epochs", "fold", "judged", "at", "seconds", "share")
      for value in (-1, "x", None, 10**30, 1e400)],
    {"rung": 3}, {"fold": 99}, {"share": 0}, {"share": 1.5}, {"correct": 10**9}, {"correct": -1}, {"correct": None},
    {"judged": 0}, {"judged": 10**6}, {"loss": float("nan")}, {"loss": "0"}, {"seconds": float("nan")},
    {"failed": 5}, {"failed": "x" * 20_000}, {"racing": "yes"}, {"genes": None}, {"genes": []}, {"epochs": 1.5},
    *[{"genes": GENES | change} for change in (
        {"lr": 9.99}, {"lr": 0}, {"lr": "x"}, {"lr": float("nan")}, {"stem_pool": 10**9}, {"stem_pool": 1},
        {"stem": 10**6},
        {"widths": [10**7]}, {"widths": []}, {"widths": [8] * 9, "depths": [1] * 9}, {"widths": "88", "depths": [1, 1]},
        {"depths": [1, 1]}, {"depths": [10**6]}, {"depths": [-1]}, {"shrink": 5}, {"shrink": -1}, {"side": -1},
        {"side": 9},
        {"kernel": 10**5}, {"kernel": 0}, {"stem_stride": 100}, {"block": "print()"}, {"preset": "__import__('os')"},
        {"changes": [["turn", 1e9]]}, {"changes": [["other", 1]]}, {"changes": [["turn"]]}, {"changes": "turn"},
        {"batch": 1}, {"batch": 10**9}, {"batch": 2.5}, {"bits": 3}, {"bits": "8"}, {"hard": 1e9}, {"decay": 5},
        {"smoothing": -1}, {"smoothing": 1}, {"grey": 7},
    )],
]  # fmt: skip
ASKED: list[Any] = [
    {"images": -1}, {"images": "x"}, {"classes": "ab"}, {"classes": []}, {"classes": [1, 2]}, {"sizes": [[1, 2]]},
    {"sizes": None}, {"aim": None}, {"aim": []}, {"seed": "0"}, {"seed": float("nan")}, {"pictures": [1]},
    {"pictures": "x"},
    {"aim": {"target": 1e9, "minimize": "flash", "limits": {}}},
    {"aim": {"target": None, "minimize": "x", "limits": {}}},
    {"aim": {"target": None, "minimize": "flash", "limits": {"flash": -5}}},
    {"aim": {"target": None, "minimize": "flash", "limits": {"flash": "many"}}},
]  # fmt: skip
RESULTS: list[Any] = [
    {"met": "no"}, {"met": None}, {"runs": []}, {"runs": [{"folder": "../../etc", "seed": 0, "test_accuracy": 5}]},
    {"runs": [{"folder": "/etc", "seed": 0, "test_accuracy": 5}]},
    {"runs": [{"folder": "runs/..", "seed": 0, "test_accuracy": 5}]},
    {"runs": [{"folder": "runs/a/../../b", "seed": 0, "test_accuracy": 5}]}, {"runs": "runs/a"},
    {"c": {}}, {"c": {"accuracy": 101, "interval": [0, 1], "images": 5, "float_accuracy": 5, "proved": True}},
    {"cost": {"flash": "x"}}, {"mean": float("nan")}, {"mean": 1e400}, {"worst": -3}, {"baseline": {"epochs": 3}},
    {"baseline": {"commonest_class": 101, "epochs": 3, "usual_epochs": 3}},
    {"data": {"name": "x"}}, {"data": None}, {"chosen": {}}, {"chosen": None}, {"search": {"seconds": float("nan")}},
    {"front": "x"}, {"front": [{}]}, {"binding": [5]}, {"binding": ["knowledge"]}, {"asked": {"accuracy": "x"}},
    {"command": None},
]  # fmt: skip
CONTENTS: list[bytes] = [
    b"", b"null", b"[]", b"5", b'"text"', b"{", b"\xff\xfe{}", b'{"a": 1, "a": 2}', DEEP.encode(), b'{"a":' * 50_000,
    b"\0" * 100, b"NaN", b'{"trial": Infinity}', "{}".encode("utf-16"), b'{"a": "\\ud800"}',
]  # fmt: skip


def refused(call: Any, file: Path) -> None:
    with pytest.raises((FileError, UsageError)) as found:
        call()
    assert found.value.exit_status in (2, 4) and file.name in str(found.value)
    assert len(str(found.value)) < 1000 and str(found.value).isprintable()


@pytest.fixture(scope="module")
def pictures() -> tuple[ResizedData, Data]:
    data = arrays()
    return resized_data(data, seed=0), data


def test_every_tampered_training_is_refused_by_name(tmp_path: Path, pictures):
    found, _ = pictures
    write_trial(tmp_path, found)
    file = tmp_path / search_loop.TRIALS
    good = file.read_text()
    opened = lambda: search_loop.open_search(found, Aim(), tmp_path, seed=0, seconds=60, coloured=False)  # noqa: E731
    assert len(opened().population.trials) == 1 and opened().spent == 12.5
    for change in TRIALS:
        file.write_text(json.dumps(json.loads(good) | change) + "\n")
        refused(opened, file)
    for content in CONTENTS:
        file.write_bytes(content + b"\n" + good.encode())
        refused(opened, file)
    for name in json.loads(good).keys() - {"racing", "anchor", "images"}:
        file.write_text(json.dumps({key: value for key, value in json.loads(good).items() if key != name}) + "\n")
        refused(opened, file)
    file.write_text(good + good)
    refused(opened, file)
    file.write_text(good + '{"trial": 1, "ge')
    assert len(opened().population.trials) == 1 and file.read_text() == good


def test_what_is_noted_of_very_many_images_is_read_back(tmp_path: Path, pictures):
    found, _ = pictures
    write_trial(tmp_path, found)
    file = tmp_path / search_loop.TRIALS
    file.write_text(json.dumps(json.loads(file.read_text()) | {"images": "A" * 80_000}) + "\n")
    ((_, training),) = journal.read_trainings(file)
    assert len(training.images) == 80_000


def test_every_tampered_question_is_refused_by_name(tmp_path: Path, pictures):
    found, data = pictures
    begin(tmp_path, data)
    file = tmp_path / folder.ASKED
    good = json.loads(file.read_text())
    opened = lambda: folder.require_same_search(tmp_path, found, Aim(limits=USUAL), 0, data, None)  # noqa: E731
    opened()
    changes = [json.dumps(good | change).encode() for change in ASKED]
    changes += [json.dumps({key: value for key, value in good.items() if key != name}).encode()
                for name in good.keys() - {"pictures", "begun_at", "groups"}]  # fmt: skip
    for content in (*changes, *CONTENTS):
        file.write_bytes(content)
        refused(opened, file)


def test_every_tampered_result_is_refused_by_name(tmp_path: Path):
    file = tmp_path / "fit.json"
    for kept in sorted((ROOT / "results" / "fit").glob("*.json")):
        file.write_bytes(kept.read_bytes())
        old = json.loads(kept.read_text())
        assert read_result(tmp_path) == old | {"warning": None, "sentence": result_words.sentence(old)}
        package_result.save_result(old, tmp_path)  # under the names of today, without words
        assert json.loads(file.read_text()).keys() == {
            {"asked": "request", "binding": "active_limits", "front": "pareto_front"}.get(name, name)
            for name in old.keys() - {"sentence", "warning"}
        } | {"digest"}
        assert read_result(tmp_path) == old | {"warning": None, "sentence": result_words.sentence(old)}
    changes = [json.dumps(result(**change)).encode() for change in RESULTS]
    for content in (*changes, *CONTENTS):
        file.write_bytes(content)
        refused(lambda: read_result(tmp_path), file)


@pytest.mark.skipif(sys.platform == "win32", reason="there are no pipes with names")
@pytest.mark.parametrize("name", [folder.ASKED, search_loop.TRIALS, "fit.json"])
def test_what_is_no_regular_file_or_too_large_is_refused_at_once(tmp_path: Path, pictures, name: str, monkeypatch):
    found, data = pictures
    begin(tmp_path, data)
    file = tmp_path / name
    opened = {
        folder.ASKED: lambda: begin(tmp_path, data), "fit.json": lambda: read_result(tmp_path),
        search_loop.TRIALS: lambda: search_loop.open_search(found, Aim(), tmp_path, seed=0, seconds=60, coloured=False),
    }[name]  # fmt: skip
    file.unlink(missing_ok=True)
    for make in (
        os.mkfifo,
        Path.mkdir,
        lambda path: path.symlink_to("/dev/zero"),
        lambda path: path.symlink_to("gone"),
    ):
        make(file)
        refused(opened, file)
        file.rmdir() if file.is_dir() else file.unlink()
    for schema in ("QUESTION", "VALUES"):
        monkeypatch.setattr(notes, schema, replace(getattr(notes, schema), most=1000))
    monkeypatch.setattr(journal, "LARGEST_TRIALS", 1000)
    file.write_bytes(b" " * 1001)
    refused(opened, file)


def test_a_work_that_fails_is_noted_and_read_back(tmp_path: Path, pictures):
    found, _ = pictures
    search = search_loop.open_search(found, Aim(), tmp_path, seed=0, seconds=60, coloured=False)
    work = planning.next_task(search, 0.0, 60.0)
    search.waiting = [TrialTask(trial=0, genes=work.genes, epochs=1), TrialTask(trial=1, genes=work.genes, epochs=1)]
    update = TrialUpdate(work=work, done=1.0, seconds=0.0, failed="its process ended")
    assert given(search, update, 3.0).failed == "its process ended"
    assert [one.trial for one in search.waiting] == [1]
    again = search_loop.open_search(found, Aim(), tmp_path, seed=0, seconds=60, coloured=False)
    assert again.population.trials[0].failed == "its process ended" and again.population.best() is None
