"""Every reader of a file that somebody else may have written, given what is no such file: a sentence, at once.

Also that there is no reader that this file does not know: all of `src` is looked through.
"""

import ast
import json
import os
import random
import shutil
import signal
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from brief_search import given
from data_files import idx_bytes
from faults import harness, mutated_files
from faults.mutations import header_mutated, json_mutated, mutated, signed
from featherweight.data import folder as pictures_of
from featherweight.data import formats, sets
from featherweight.errors import FeatherweightError, UsageError
from featherweight.experiments.experiment import find
from featherweight.experiments.record import read_record
from featherweight.experiments.settings import parsed
from featherweight.protocol.ladder import find_ladder
from featherweight.protocol.ledger import EARLIER, LEDGER, read_ledger
from featherweight.reading.picture_files import read_picture
from featherweight.report.trackers import noted
from featherweight.search import source
from featherweight.search.fit import planning, search_loop
from featherweight.search.fit.folder import ASKED, TRIALS, lock_folder, require_same_search
from featherweight.search.fit.notes import read_result
from featherweight.search.fit.resized import ResizedData, resized_data
from featherweight.search.fit.trial import Aim, TrialUpdate
from featherweight.search.space import find_space
from featherweight.search.storage import storage_of
from featherweight.training.runs import run as runs
from featherweight.training.runs.trained import load_trained

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="pipes with names, sparse files and alarms")
ROOT = Path(__file__).parents[2]
PATIENCE_S = 120
"""Of wall time, for one read on a busy machine; one that waits for a pipe waits for ever."""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("readers")


@pytest.fixture(scope="module")
def finished(home: Path) -> Path:
    """A finished run, and beside it the last state of a stopped one."""
    harness.apart(lambda: harness.train(home, "torch"))
    experiment, data = harness.warmed()
    run = runs.new_run(experiment, data, out=home / "stopped", engine="torch", threads=1)
    for _ in runs.train(run):
        break
    return home / "tiny-seed0"


@pytest.fixture(scope="module")
def searched(home: Path) -> ResizedData:
    """What a search has been asked, in a folder of its own."""
    for at, label in enumerate(("elm", "oak")):
        (home / "pictures" / label).mkdir(parents=True)
        for number in range(12):
            pixels = np.random.default_rng(number).integers(0, 200 + 55 * at, (9, 9), dtype=np.uint8)
            Image.fromarray(pixels).save(home / "pictures" / label / f"{number}.png")
    views = resized_data(str(home / "pictures"), seed=0)
    with lock_folder(home / "search"):
        require_same_search(home / "search", views, Aim(), 0, str(home / "pictures"), None)
    return views


Place = tuple[Path, Callable[[], Any]]
"""A file that is as it should be, and what reads it."""


def _own(folder: Path, name: str, content: "str | bytes") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)
    return folder / name


def _run_file(name: str, finished: Path, place: Path) -> Path:
    shutil.copytree(finished, place / "run")
    return place / "run" / name


def _record(place: Path, finished: Path, _: Any) -> Place:
    return (path := _run_file("record.json", finished, place)), lambda: read_record(path.parent)


def _weights(place: Path, finished: Path, _: Any) -> Place:
    return (path := _run_file("weights.safetensors", finished, place)), lambda: load_trained(path.parent)


def _state(place: Path, finished: Path, _: Any) -> Place:
    shutil.copytree(finished.parent / "stopped" / "tiny-seed0", place / "run")
    (place / "run" / "state.before.safetensors").unlink(missing_ok=True)  # which would be used instead
    return place / "run" / "state.safetensors", lambda: runs.resume(place / "run")


def _ledger(place: Path, *_: Any) -> Place:
    content = (ROOT / "results" / LEDGER).read_bytes()
    return (path := _own(place, LEDGER, b"".join(content.splitlines(keepends=True)[:3]))), lambda: read_ledger(path)


def _earlier(place: Path, *_: Any) -> Place:
    lines = [json.loads(line) for line in (ROOT / "results" / LEDGER).read_text().splitlines()[:2]]
    return _own(place, EARLIER, json.dumps(lines)), lambda: read_ledger(place / LEDGER)


def _fit(place: Path, home: Path, name: str, views: ResizedData) -> Callable[[], Any]:
    shutil.copytree(home / "search", place, dirs_exist_ok=True)
    if name == ASKED:
        return lambda: require_same_search(place, views, Aim(), 0, str(home / "pictures"), None)
    if name == "fit.json":
        return lambda: read_result(place)
    search = search_loop.open_search(views, Aim(), place, seed=0, seconds=60, coloured=False)
    work = planning.next_task(search, 0.0, 60.0)
    held = int(views.folds[0].sum())
    given(search, TrialUpdate(work=work, done=1.0, seconds=2.0, correct=held, judged=held, loss=0.5), 12.5)
    return lambda: search_loop.open_search(views, Aim(), place, seed=0, seconds=60, coloured=False)


def _asked(place: Path, finished: Path, views: ResizedData) -> Place:
    return place / ASKED, _fit(place, finished.parent, ASKED, views)


def _result(place: Path, finished: Path, views: ResizedData) -> Place:
    read = _fit(place, finished.parent, "fit.json", views)
    return _own(place, "fit.json", (ROOT / "results" / "fit" / "shapes.json").read_bytes()), read


def _trials(place: Path, finished: Path, views: ResizedData) -> Place:
    return place / TRIALS, _fit(place, finished.parent, TRIALS, views)


def _journal(place: Path, *_: Any) -> Place:
    import optuna

    path = place / "study.journal"
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(storage=storage_of(str(path)), study_name="one")
    study.set_user_attr("about", {})
    return path, lambda: storage_of(str(path))


def _note(name: str, text: str, pattern: str) -> Callable[..., Place]:
    return lambda place, *_: (_own(place, name, text), lambda: noted(place / name, pattern))


def _picture(place: Path, *_: Any) -> Place:
    path = _own(place, "picture.png", mutated_files.picture_files()["png"])
    return path, lambda: read_picture(str(path))


def _folder_picture(place: Path, *_: Any) -> Place:
    for label in ("a", "b"):
        for number in range(3):
            _own(place / label, f"{number}.png", mutated_files.picture_files()["png"])
    return place / "b" / "1.png", lambda: pictures_of.load(place, with_test=True, seed=0)


def _idx(place: Path, *_: Any) -> Place:
    path = _own(place, "images", idx_bytes(torch.zeros(3, 5, 7, dtype=torch.uint8)))
    return path, lambda: formats.read_idx(path, shape=(None, 5, 7))


def _rows(place: Path, *_: Any) -> Place:
    file = sets.File(name="rows.bin", shape=(3, 1, 3, 4), form="rows")
    return (path := _own(place, "rows.bin", bytes(39))), lambda: formats.read_labelled(path, file)


def _python(name: str, text: str, read: Callable[[Path], Any]) -> Callable[..., Place]:
    """A file of Python, which is executed once it is found to be one."""
    return lambda place, *_: (_own(place, name, text), lambda: read(place / name))


EXPERIMENT = harness.TINY.read_text()
SPACE = "import featherweight as fw\nspace = fw.Space(name='x', propose=lambda trial: None, budget=fw.Budget())\n"
READERS: dict[str, Callable[..., Place]] = {
    "record.json": _record, "weights.safetensors": _weights, "state.safetensors": _state, "ledger": _ledger,
    "earlier ledger": _earlier, "asked.json": _asked, "fit.json": _result, "trials.jsonl": _trials,
    "study.journal": _journal, "wandb-run": _note("wandb-run", "abc12345 7\n", r"([\w-]{1,64}) (\d{1,9})"),
    "mlflow-run": _note("mlflow-run", "0123456789abcdef\n", r"([\w-]{1,64})"), "picture": _picture,
    "picture in a folder": _folder_picture, "IDX": _idx, "rows": _rows,
    "experiment": _python("mine.py", EXPERIMENT, lambda path: find(str(path))),
    "ladder's file": _python("m1.py", EXPERIMENT, lambda path: find_ladder(str(path.parent))),
    "space": _python("space.py", SPACE, lambda path: find_space(str(path))),
    "overwritten file": _python("found.py", source.MARK, source.require_writable),
}  # fmt: skip
JSON = ("record.json", "ledger", "earlier ledger", "asked.json", "fit.json", "trials.jsonl", "study.journal")


@pytest.fixture
def place(tmp_path: Path, finished: Path, searched: ResizedData) -> Callable[[str], Place]:
    return lambda name: READERS[name](tmp_path / "place", finished, searched)


@contextmanager
def in_time() -> Iterator[None]:
    """An error, instead of a test that never ends."""

    def late(*_: Any) -> None:
        raise TimeoutError("the reader waits")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(PATIENCE_S)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def end_of(read: Callable[[], Any]) -> str:
    """The sentence with which reading ends; "" where it ends well. Any other error is the test's failure."""
    with in_time():
        try:
            read()
        except FeatherweightError as problem:
            assert problem.exit_status in (2, 3, 4)
            said = str(problem)
            assert 20 < len(said) < 1500 and said.isprintable(), said
            return said
    return ""


def _socket(path: Path) -> None:
    at = os.open(path.parent, os.O_RDONLY)  # a socket's path has at most 108 letters
    socket.socket(socket.AF_UNIX).bind(f"/proc/self/fd/{at}/{path.name}")
    os.close(at)


def _sparse(path: Path) -> None:
    path.touch()
    os.truncate(path, 5 << 30)


ODD: dict[str, Callable[[Path], None]] = {
    "pipe": os.mkfifo, "folder": Path.mkdir, "device": lambda path: path.symlink_to("/dev/zero"),
    "loop": lambda path: path.symlink_to(path), "nowhere": lambda path: path.symlink_to("/nowhere/at/all"),
    "socket": _socket, "five gigabytes": _sparse,
}  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_what_is_no_regular_file_is_refused_at_once(name: str, place: Callable[[str], Place]) -> None:
    path, read = place(name)
    assert end_of(read) == "", "the file as it should be is read"
    before = harness.memory_mb()
    for kind, make in ODD.items():
        path.unlink()
        make(path)
        said = end_of(read)
        absent = kind in ("nowhere", "loop") and name in ("study.journal", "state.safetensors")  # and made anew
        assert said or absent, kind
        assert absent or kind == "nowhere" or path.name.split(".")[0] in said, (kind, said)
        shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
        path.touch()
    assert harness.memory_mb() - before < 300


DEEP = [b"[" * 200_000, b'{"a":' * 100_000, b"[" * 17 + b"]" * 17]
CONTENTS: list[bytes] = [
    *DEEP, b"", b"\n", b"null", b"[]", b"{}", b"5", b'"text"', b"{", b"\xff\xfe\x00", b"\0" * 100, b"[NaN]", b"NaN",
    b'{"a": 1, "a": 2}', b'{"format": 1e999}', b'{"a": ' + b"9" * 5000 + b"}", b'{"a": "\\ud800"}', b"\xef\xbb\xbf{}",
]  # fmt: skip


@pytest.mark.parametrize("name", READERS)
def test_other_contents_are_refused_by_name(name: str, place: Callable[[str], Place]) -> None:
    path, read = place(name)
    good = path.read_bytes()
    contents = [*CONTENTS, "{}".encode("utf-16"), good.decode("latin-1").encode("utf-16"), good[: len(good) // 2]]
    contents += [good[:-9], good[: len(good) // 3]]
    refused = 0
    for content in contents:
        if name in ("experiment", "ladder's file", "space") and content in (good[:-9], b"5"):
            continue  # half a Python program may be one
        path.write_bytes(content + b"\n" * (name == "trials.jsonl"))  # without it, a line that was cut off
        refused += bool(end_of(read))
    # An empty file may be one of lines, and a word the name of a log.
    assert refused >= len(contents) - (8 if name in ("study.journal", "mlflow-run", "overwritten file") else 5)


MANY = [1, pytest.param(40, marks=pytest.mark.slow)]
"""500 mutations of all readers together, and 20,000."""


@pytest.mark.parametrize("name", JSON)
def test_json_is_utf_8(name: str, place: Callable[[str], Place]) -> None:
    path, read = place(name)
    good = path.read_text()
    for encoding in ("utf-16", "utf-32", "utf-8-sig"):
        path.write_bytes(good.encode(encoding) + b"\n" * (name == "trials.jsonl"))
        assert end_of(read), encoding


def test_a_tracker_s_note_is_all_of_its_file(tmp_path: Path) -> None:
    note = _own(tmp_path, "wandb-run", "abc12345 7\n")
    assert noted(note, r"([\w-]{1,64}) (\d{1,9})") == ("abc12345", "7")
    for text in ("abc12345 7 8", "abc12345 7\nmore", "../a 7", "abc12345 -7"):
        note.write_text(text)
        assert "delete it" in end_of(lambda: noted(note, r"([\w-]{1,64}) (\d{1,9})"))


@pytest.mark.parametrize("times", MANY)
@pytest.mark.parametrize("name", JSON)
def test_wrong_types_and_numbers_are_the_reader_s_to_notice(
    name: str, times: int, place: Callable[[str], Place]
) -> None:
    """One value replaced at a time, anywhere in the tree; some other values are as good, most are refused."""
    path, read = place(name)
    good, draws, refused = path.read_bytes(), random.Random(1), 0
    for _ in range(32 * times):
        path.write_bytes(json_mutated(good, draws))
        refused += bool(end_of(read))
    assert refused > (0 if name == "study.journal" else 10 * times)


def test_values_of_the_command_line_are_read_within_limits() -> None:
    assert parsed(["recipe.lr=0.2"]) == {"recipe.lr": 0.2}
    for text in ("[" * 100_000, "NaN", "9" * 5000, "1e999", '"\\ud800"'):
        assert isinstance(parsed([f"recipe.lr={text}"])["recipe.lr"], str)
    with pytest.raises(UsageError):
        parsed(["recipe.lr"])


@pytest.mark.parametrize("times", MANY)
@pytest.mark.parametrize("name", [name for name in READERS if name not in ("experiment", "ladder's file", "space")])
def test_any_bytes_end_in_a_sentence(name: str, times: int, place: Callable[[str], Place]) -> None:
    """Of files of tensors, half are signed anew, and their headers changed as JSON."""
    path, read = place(name)
    good, draws = path.read_bytes(), random.Random(2)
    for number in range(17 * times):
        changed = mutated(good, draws)
        if name.endswith(".safetensors") and number % 2:
            changed = signed(header_mutated(good, draws) if number % 4 == 1 else changed)
        path.write_bytes(changed)
        end_of(read)


# ------------------------------------------------------------------------------------------- no other readers

PACKAGED = "a file of this package"
OWN = "what this process or its parent wrote into a folder of its own"
DATA = "pictures and published sets: sizes are checked before they are decoded"
TRUSTED = "a Python file that the user named, which is executed"
KNOWN = {
    "__init__.py": PACKAGED, "cli/listing.py": f"{PACKAGED}; of others' files, regular ones within a size",
    "export/memory.py": PACKAGED, "export/page.py": PACKAGED, "networks/steps.py": PACKAGED,
    "protocol/records.py": PACKAGED, "reading/network.py": PACKAGED, "report/templating.py": PACKAGED,
    "export/c_source.py": PACKAGED, "export/packages.py": PACKAGED,
    "search/fit/prior.py": PACKAGED, "data/digits.py": "a file of scikit-learn",
    "export/__init__.py": OWN, "report/figures/svg.py": OWN, "report/trackers/services.py": OWN,
    "search/fit/resized.py": f"{OWN}; the files of a set that was read before",
    "data/alt_formats.py": DATA, "data/download.py": DATA, "data/formats.py": DATA,
    "data/pictures.py": DATA,
    "experiments/experiment.py": TRUSTED, "search/space.py": TRUSTED,
    "training/runs/restore.py": TRUSTED,
    "search/storage.py": "opened to cut it, after it was read",
    "networks/foreign/pt2_file.py": "an archive in memory, after it was read",
    "parallel/local.py": "/proc", "training/runs/environment.py": "/proc, and the files of this package",
    "training/runs/tensors.py": "its digest first, in pieces; a header of limited size",
    "json_files.py": "the one reader",
}  # fmt: skip
"""Files with a call that reads, and why it is not done by `json_files`."""
MODULES = ("json", "np", "torch", "pickle", "marshal", "tomllib", "yaml")


def reading_calls(tree: ast.AST) -> Iterator[str]:
    """Calls by which files or JSON are read, as they are written."""
    for call in ast.walk(tree):
        if not isinstance(call, ast.Call):
            continue
        text = ast.unparse(call.func)
        last = text.rpartition(".")[2]
        module = text.partition(".")[0] in MODULES and last in ("load", "loads", "fromfile", "loadtxt", "memmap")
        modes = [one.value for one in call.args[text == "open" :] if isinstance(one, ast.Constant)]
        writes = last == "open" and str(modes[:1])[2:3] in ("w", "a")
        own = text == "json.loads" and "json.dumps" in ast.unparse(call.args[0])
        opens = last in ("open", "read_text", "read_bytes", "safe_open", "load_file", "ZipFile", "exec_module")
        if (opens or module) and not writes and not own and text not in ("os.open", "webbrowser.open", "opener.open"):
            yield text


def test_every_file_is_opened_by_the_one_reader_or_for_a_reason() -> None:
    source_files = ROOT / "src" / "featherweight"
    found = {
        str(path.relative_to(source_files))
        for path in sorted(source_files.rglob("*.py"))
        if "ladders" not in path.parts and list(reading_calls(ast.parse(path.read_text())))
    }
    found.add("json_files.py")
    assert len(found) > 10 and found - KNOWN.keys() == set(), "read it by `json_files.Schema` or `read_regular`"
    assert KNOWN.keys() - found == set(), "these read nothing any more"


def test_reading_calls_are_seen() -> None:
    text = "json.loads(t); open('a'); p.read_text(); np.load(p); p.open('w'); json.loads(json.dumps(v))"
    assert set(reading_calls(ast.parse(text))) == {"json.loads", "np.load", "open", "p.read_text"}
