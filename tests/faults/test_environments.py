"""Full disks, read-only folders, little memory, one processor, no shared memory, dead workers, clocks that go back.

Each command, in a process of its own, ends with a sentence and its status, and what was saved stays whole.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from faults import killed_commands, killed_verbs
from faults.harness import LEFT, TINY, outcome
from faults.preload import COMPILER, library
from featherweight.engine import native, processors
from featherweight.experiments.record import read_record
from featherweight.training.runs import run as runs
from forks import Command, forks

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked")
compiled = pytest.mark.skipif(COMPILER is None, reason="there is no C compiler")
rooted = pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts disks")
TRAIN = ("train", str(TINY), "--data", "digits", "--engine", "torch", "--threads", "1")
PREPARED = """
import os, resource, sys
sys.argv = ["featherweight", *sys.argv[1:]]
{before}
from featherweight.cli import main
main()
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("home")


@pytest.fixture(scope="module")
def python(home: Path) -> Iterator[Command]:
    """Runs Python in processes in which the calls of `failing_calls.c` can be made to fail."""
    preloaded = {"LD_PRELOAD": str(library("failing_calls", home))} if COMPILER else {}
    with forks(home, os.environ | preloaded | {"COLUMNS": "200"}) as command:
        yield command


def typed(python: Command, *words: object, before: str = "") -> "subprocess.CompletedProcess[str]":
    return python("-c", PREPARED.format(before=before), *map(str, words))


def refused(done: "subprocess.CompletedProcess[str]", *statuses: int) -> str:
    """The sentence with which a command has ended."""
    assert done.returncode in statuses and "Traceback" not in done.stderr, (done.returncode, done.stderr)
    said = done.stderr[done.stderr.index("Error: ") :]
    assert len(said) < 500
    return said


# ------------------------------------------------------------------------------------------- full disks


@pytest.fixture(scope="module")
def whole(python: Command, home: Path) -> tuple[Any, list[str]]:
    """What a run leaves, and the calls that it makes on files of its folder."""
    out, counted = home / "whole", home / "calls"
    before = f"os.environ |= {{'FW_FOLDER': {str(out)!r}, 'FW_COUNT': {str(counted)!r}}}"
    assert typed(python, *TRAIN, "--out", out, before=before).returncode == 0
    return outcome(out / "tiny-seed0"), counted.read_text().split()


@compiled
@pytest.mark.parametrize("every", [9, pytest.param(1, marks=pytest.mark.slow)])
def test_a_disk_that_is_full_from_any_call_on_loses_nothing(
    every: int, python: Command, whole: tuple[Any, list[str]], tmp_path: Path
) -> None:
    expected, calls = whole
    places = [(kind, number) for kind in ("write", "fsync", "rename") for number in range(1, calls.count(kind) + 1)]
    assert len(places) > 20
    for at, (kind, number) in enumerate(places[::every]):
        out = tmp_path / str(at)
        folder = out / "tiny-seed0"
        before = f"os.environ |= {{'FW_FOLDER': {str(out)!r}, 'FW_FAIL': '{kind} {number}'}}"
        said = refused(typed(python, *TRAIN, "--out", out, before=before), 2, 4)
        assert "No space left on device" in said, (kind, number, said)
        if (folder / "record.json").exists():
            if any(folder.glob("state*")) and not read_record(folder).finished:
                runs.resume(folder)  # what was saved last is whole
            done = typed(python, "train", "--resume", folder)
        else:
            shutil.rmtree(out, ignore_errors=True)
            done = typed(python, *TRAIN, "--out", out)
        if "is finished" not in done.stderr:
            assert done.returncode == 0, (kind, number, done.stderr)
        assert outcome(folder) == expected, (kind, number)
        assert sorted(path.name for path in folder.iterdir()) == LEFT, (kind, number)


OTHERS = ["export {run} --to c --out {out}", "export {run} --to onnx --out {out}", "report {run} --out {out}/page.html",
          "new {out}/mine.py"]  # fmt: skip


@compiled
@pytest.mark.parametrize("every", [5, pytest.param(1, marks=pytest.mark.slow)])
@pytest.mark.parametrize("verb", OTHERS)
def test_a_disk_that_is_full_leaves_the_old_result_or_the_new_one(
    verb: str, every: int, python: Command, whole: tuple[Any, list[str]], home: Path, tmp_path: Path
) -> None:
    out, counted = tmp_path / "out", tmp_path / "calls"
    out.mkdir()
    words = verb.format(run=home / "whole" / "tiny-seed0", out=out).split()

    def files() -> dict[Path, bytes]:
        return {path.relative_to(out): path.read_bytes() for path in out.rglob("*") if path.is_file()}

    before = f"os.environ |= {{'FW_FOLDER': {str(out)!r}, 'FW_COUNT': {str(counted)!r}}}"
    assert typed(python, *words, before=before).returncode == 0
    new, calls = files(), counted.read_text().split()
    old = {path: b"old " + content for path, content in new.items()} if words[0] != "new" else {}
    places = [(kind, number) for kind in ("write", "fsync", "rename") for number in range(1, calls.count(kind) + 1)]
    assert new and len(places) >= 2
    for kind, number in places[::every]:
        shutil.rmtree(out)
        for path, content in old.items():
            (out / path).parent.mkdir(parents=True, exist_ok=True)
            (out / path).write_bytes(content)
        out.mkdir(exist_ok=True)
        before = f"os.environ |= {{'FW_FOLDER': {str(out)!r}, 'FW_FAIL': '{kind} {number}'}}"
        said = refused(typed(python, *words, before=before), 2, 4)
        assert "No space left on device" in said, (kind, number, said)
        seen = files().items()
        left = {path: content for path, content in seen if not any(part.startswith(".") for part in path.parts)}
        if kind != "rename":  # where no file can be renamed any more, none can be put back either
            assert left in (old, new), (kind, number, sorted(left))
        assert all(content in (old.get(path), new[path]) for path, content in left.items()), (kind, number)
        if words[0] == "new" and left:
            continue  # it does not write over a file
        assert typed(python, *words).returncode == 0 and files() == new, (kind, number)


@compiled
@pytest.mark.parametrize("every", [100, pytest.param(5, marks=pytest.mark.slow)])
@pytest.mark.parametrize("verb", ["fit", "ladder"])
def test_a_disk_that_is_full_during_a_search_or_a_ladder_loses_nothing(
    verb: str, every: int, python: Command, tmp_path: Path
) -> None:
    """In each process that writes there; the same command then ends as if there had always been room."""
    out, counted = tmp_path / "out", tmp_path / "calls"
    words = killed_verbs.VERBS[verb].first(tmp_path, out)
    brief = f"sys.path.append({str(TINY.parents[1])!r}); from brief_search import short; short()"

    def ended(**variables: object) -> "subprocess.CompletedProcess[str]":
        around = {"FW_FOLDER": str(out)} | {name: str(value) for name, value in variables.items()}
        return typed(python, *words, before=f"{brief}\nos.environ |= {around!r}")

    def records() -> dict[str, Any]:
        return {str(file.parent.relative_to(out)): outcome(file.parent) for file in out.rglob("record.json")}

    def names() -> list[str]:
        return sorted(str(path.relative_to(out)) for path in out.rglob("*") if path.is_file())

    assert ended(FW_COUNT=counted).returncode == 0
    expected, calls = (records(), names()), counted.read_text().split()
    places = [(kind, number) for kind in ("write", "fsync", "rename") for number in range(1, calls.count(kind) + 1)]
    assert len(places) > 40
    for kind, number in places[::every]:
        shutil.rmtree(out)
        done = ended(FW_FAIL=f"{kind} {number}")
        said = done.stdout + done.stderr
        assert "Traceback" not in said, (kind, number, said)
        if done.returncode:  # else the other process made so few calls
            assert done.returncode in (1, 2, 4) and "No space left on device" in said, (kind, number, said)
        again = ended()
        assert again.returncode == 0, (kind, number, again.stderr)
        assert (records(), names()) == expected, (kind, number)


# ------------------------------------------------------------------------------------------- read-only folders


@pytest.fixture(scope="module")
def readonly(home: Path, whole: tuple[Any, list[str]]) -> Iterator[Path]:
    """A disk that nothing can be written to, with a finished run on it."""
    place = home / "readonly"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "tmpfs", str(place)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("no disk can be mounted")
    try:
        shutil.copytree(home / "whole" / "tiny-seed0", place / "tiny-seed0")
        subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


WRITES = [
    (*TRAIN, "--out", "{}/runs"),
    (*TRAIN, "--seeds", 2, "--out", "{}/runs"),
    ("export", "{}/tiny-seed0", "--to", "c", "--out", "{}/c"),
    ("report", "{}/tiny-seed0", "--out", "{}/page.html"),
    ("new", "{}/mine.py"),
    ("ladder", "f", "--data", "digits", "--out", "{}/ladder"),
    ("search", "leanest", "--data", "digits", "--holdout", 1000, "--trials", 1, "--out", "{}/search"),
    ("draw", "--run", "{}/tiny-seed0", "--out", "{}/page.html"),
]


@rooted
@pytest.mark.parametrize("words", WRITES, ids=lambda words: words[0])
def test_a_command_that_cannot_write_says_where(words: tuple[object, ...], python: Command, readonly: Path) -> None:
    done = typed(python, *(str(word).replace("{}", str(readonly)) for word in words))
    said = done.stdout + done.stderr  # where several runs are shown, their errors are too
    assert done.returncode in (2, 4) and "Traceback" not in said, said
    assert str(readonly) in said and "Read-only" in said
    assert [path.name for path in readonly.iterdir()] == ["tiny-seed0"]


@rooted
@pytest.mark.parametrize("verb", ["evaluate", "report --out page.html", "export --to c --out c"])
def test_a_run_on_a_read_only_disk_is_used_as_any_other(verb: str, python: Command, readonly: Path) -> None:
    name, *options = verb.split()
    done = typed(python, name, readonly / "tiny-seed0", *options)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("words", [
    ("train", "{}/tiny.py", "--data", "digits"), ("train", "f1", "--data", "{}/pictures"), ("fit", "{}/pictures"),
    ("fit", "pictures", "--trials", 1, "--out", "{}/out"),
], ids=["experiment", "pictures", "fit", "out"])  # fmt: skip
def test_a_path_that_no_record_can_name_is_refused_before_anything_is_trained(
    words: tuple[object, ...], python: Command, tmp_path: Path
) -> None:
    """Its bytes are not UTF-8, so that the record could not be read back."""
    odd = Path(os.fsdecode(os.fsencode(tmp_path) + b"/\xff"))
    for place in (odd, tmp_path):
        killed_verbs._pictures(place)
    shutil.copy(TINY, odd / "tiny.py")
    given = [str(word).replace("{}", str(odd)) for word in words]
    before = f"os.chdir({str(tmp_path)!r}); sys.argv = [os.fsdecode(word.encode('latin-1')) for word in sys.argv]"
    done = typed(python, *(os.fsencode(word).decode("latin-1") for word in given), before=before)
    said = refused(done, 2)
    assert "UTF-8" in said and "\\udcff" in said
    assert not any(tmp_path.rglob("record.json")) and not any(tmp_path.rglob("asked.json"))


# ------------------------------------------------------------------------------------------- memory

LIMITED = """
import featherweight.cli.console
has = next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmSize")) << 10
resource.setrlimit(resource.RLIMIT_AS, (has + ({} << 20),) * 2)
"""


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_too_little_memory_is_a_sentence_and_a_run_that_can_be_resumed(
    engine: str, python: Command, tmp_path: Path
) -> None:
    ends = []
    words = ("train", "f3", "--data", "digits", "--epochs", 1, "--target", 1, "--held", 1, "--batch", 512)
    for megabytes in (2, 16, 48, 64, 96, 1000):
        out = tmp_path / str(megabytes)
        done = typed(python, *words, "--engine", engine, "--threads", 1, "--out", out, before=LIMITED.format(megabytes))
        ends.append(done.returncode)
        if done.returncode:
            said = refused(done, 1, 2)
            assert "memory" in said or "No room for a batch" in said
        if done.returncode and (out / "f3-seed0" / "record.json").exists():
            again = typed(python, "train", "--resume", out / "f3-seed0")
            assert again.returncode == 0, again.stderr
    assert ends[0] == 1 and ends[-1] == 0


# ------------------------------------------------------------------------------------------- processors, workers


def fresh(
    *words: object, cwd: Path, ahead: tuple[str, ...] = (), **variables: str
) -> "subprocess.CompletedProcess[str]":
    command = [*ahead, sys.executable, "-m", "featherweight", *map(str, words)]
    return subprocess.run(
        command, cwd=cwd, env=os.environ | variables, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.mark.skipif(shutil.which("taskset") is None, reason="there is no taskset")
def test_on_one_processor_runs_take_one_thread_and_turns(tmp_path: Path) -> None:
    one = ("taskset", "-c", str(min(os.sched_getaffinity(0))))
    words = ("train", TINY, "--data", "digits")
    done = fresh(*words, "--json", cwd=tmp_path, ahead=one)
    assert done.returncode == 0, done.stderr
    record = json.loads((tmp_path / "runs" / "tiny-seed0" / "record.json").read_text())
    assert record["environment"]["threads"] == 1
    done = fresh(*words, "--seeds", 2, "--json", cwd=tmp_path, ahead=one)
    assert done.returncode == 0 and len(json.loads(done.stdout)["runs"]) == 2, done.stderr
    assert "1 processor" in refused(fresh(*words, "--threads", 2, cwd=tmp_path, ahead=one), 2)


@pytest.mark.skipif(native.library() is None, reason="the native kernels are not built here")
@pytest.mark.parametrize("kind", ["default", "avx2"])
def test_an_older_processor_trains_with_its_own_kernels(kind: str, tmp_path: Path) -> None:
    words = ("train", TINY, "--data", "digits", "--engine", "native", "--threads", 1, "--json")
    done = fresh(*words, cwd=tmp_path, ATEN_CPU_CAPABILITY=kind)
    assert done.returncode == 0, done.stderr
    facts = read_record(tmp_path / "runs" / "tiny-seed0").environment
    assert facts["instructions"] == kind.upper()


@pytest.mark.skipif(processors() < 2, reason="one processor has one worker at a time")
def test_a_worker_that_dies_costs_neither_the_other_run_nor_what_it_had_saved() -> None:
    found = killed_commands._children(1)
    assert (found["tried"], found["left"], found["ended"]) == (1, 1, 1)


@rooted
@pytest.mark.skipif(shutil.which("unshare") is None, reason="there is no unshare")
def test_without_shared_memory_seeds_are_trained_or_a_sentence_says_why_not(tmp_path: Path) -> None:
    """/dev/shm, where semaphores are, is there, but nothing can be written to it."""
    script = 'mount -t tmpfs -o ro tmpfs /dev/shm || exit 77; exec "$@"'
    ahead = ("unshare", "-m", "sh", "-c", script, "sh")
    done = fresh("train", TINY, "--data", "digits", "--seeds", 2, "--json", cwd=tmp_path, ahead=ahead)
    if done.returncode == 77:
        pytest.skip("nothing can be mounted")
    if done.returncode:
        assert "shared memory" in refused(done, 1, 2)
    else:
        assert len(json.loads(done.stdout)["runs"]) == 2


# ------------------------------------------------------------------------------------------- clocks, pipes


@compiled
def test_a_clock_that_goes_back_at_each_look_changes_nothing(home: Path, whole: tuple[Any, list[str]]) -> None:
    back = {"LD_PRELOAD": str(library("clock_back", home))}
    code = "import time; print(time.time() > time.time())"
    assert subprocess.check_output([sys.executable, "-c", code], env=os.environ | back, text=True) == "True\n"
    done = fresh(*TRAIN, "--out", "back", "--json", cwd=home, **back)
    assert done.returncode == 0, done.stderr
    assert outcome(home / "back" / "tiny-seed0") == whole[0]
    assert all(0 < epoch["seconds"] < 600 for epoch in json.loads(done.stdout)["epochs"])


BRIEF = "from brief_search import short; short(); from featherweight.cli import main; main()"


@pytest.mark.parametrize("verb", ["fit", "train", "ladder"])
def test_a_reader_that_goes_away_loses_nothing(verb: str, tmp_path: Path) -> None:
    """After the first line; the sentence says where the work lies, and the same command ends it."""
    out = tmp_path / "out"
    kind = killed_verbs.VERBS[verb]
    words = [sys.executable, "-c", BRIEF, *kind.first(tmp_path, out)]
    env = os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)}
    around: dict[str, Any] = {"cwd": tmp_path, "text": True, "env": env}
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, **around)
    assert process.stdout is not None and process.stderr is not None
    assert process.stdout.readline()
    process.stdout.close()
    said = process.stderr.read()
    assert process.wait() == 141 and "Traceback" not in said
    assert str(out) in said and "same command" in said
    again = subprocess.run(words, capture_output=True, check=False, **around)
    assert again.returncode == 0, again.stderr
    assert all(read_record(run).finished for run in out.rglob("*-seed0") if run.is_dir())
    assert len([*out.rglob("record.json")]) == {"fit": 2, "train": 1, "ladder": 2}[verb]


@pytest.mark.parametrize("words", [("show", "f3"), ("list", "--json")])
@pytest.mark.parametrize("into", ["/dev/full", "closed"])
def test_output_that_cannot_be_written_is_a_status(words: tuple[str, ...], into: str, tmp_path: Path) -> None:
    shell = f'exec "$@" > {into}' if into != "closed" else 'exec "$@" >&-'
    done = fresh(*words, cwd=tmp_path, ahead=("sh", "-c", shell, "sh"))
    assert "Traceback" not in done.stderr and done.returncode == (4 if into == "/dev/full" else 0), done.stderr
    assert (into == "closed") == (not re.search("cannot be written", done.stderr))
