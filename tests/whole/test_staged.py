"""Files that belong together take their places together, or not at all."""

import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from faults.killed_verbs import dies_at
from featherweight import io
from featherweight.errors import UsageError
from featherweight.io import staged

PARTS = ("net/net.c", "net/net.h", "net.json")


def write(stage: Path, version: str) -> None:
    (stage / "net").mkdir()
    for part in PARTS:
        (stage / part).write_text(version)


def found(out: Path) -> dict[str, str]:
    return {str(path.relative_to(out)): path.read_text() for path in out.rglob("*") if path.is_file()}


def test_a_set_replaces_the_one_before_and_leaves_other_files(tmp_path: Path) -> None:
    (tmp_path / "net").mkdir()
    (tmp_path / "net" / "old_name.h").write_text("old")
    (tmp_path / "mine.txt").write_text("mine")
    with staged(tmp_path, "net-c") as stage:
        write(stage, "new")
    assert found(tmp_path) == dict.fromkeys(PARTS, "new") | {"mine.txt": "mine"}
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine.txt", "net", "net.json"]


def test_what_fails_leaves_everything_as_it_was(tmp_path: Path) -> None:
    with staged(tmp_path, "net-c") as stage:
        write(stage, "old")
    with pytest.raises(ZeroDivisionError), staged(tmp_path, "net-c") as stage:
        write(stage, "new")
        raise ZeroDivisionError
    assert found(tmp_path) == dict.fromkeys(PARTS, "old")


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
def test_a_killed_process_leaves_the_old_set_and_the_next_takes_its_place(tmp_path: Path) -> None:
    with staged(tmp_path, "net-c") as stage:
        write(stage, "old")
    program = (
        "import os, signal, sys; from pathlib import Path; from featherweight.io import staged\n"
        "with staged(Path(sys.argv[1]), 'net-c') as stage:\n"
        "    (stage / 'net').mkdir(); (stage / 'net' / 'net.c').write_text('half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], check=False)
    assert done.returncode == -signal.SIGKILL
    seen = {name: text for name, text in found(tmp_path).items() if not name.startswith(".")}
    assert seen == dict.fromkeys(PARTS, "old")
    with staged(tmp_path, "net-c") as stage:
        assert list(stage.iterdir()) == []
        write(stage, "new")
    assert found(tmp_path) == dict.fromkeys(PARTS, "new")


@pytest.mark.skipif(os.name != "posix", reason="kill -9")
@pytest.mark.parametrize("exchanged", [True, False])
def test_a_process_killed_before_any_rename_leaves_each_part_whole_and_the_next_completes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, exchanged: bool
) -> None:
    """With folders exchanged in one step, and where the system cannot."""
    if not exchanged:
        monkeypatch.setattr(io, "_exchange", lambda one, other: False)
    mixed = 0
    for number in range(1, 20):
        out = tmp_path / str(number)
        with staged(out, "net") as stage:
            write(stage, "old")
            (stage / "net" / "old.h").write_text("old")
        process = os.fork()
        if not process:
            dies_at(number, out)
            with staged(out, "net") as stage:
                write(stage, "new")
            os._exit(0)
        _, status = os.waitpid(process, 0)
        left = {name: text for name, text in found(out).items() if not re.search(r"(^|/)\.", name)}
        old, new = dict.fromkeys((*PARTS, "net/old.h"), "old"), dict.fromkeys(PARTS, "new")
        if not status:
            break
        assert os.waitstatus_to_exitcode(status) == -signal.SIGKILL
        program = {name: text for name, text in left.items() if name.startswith("net/")}
        if exchanged:  # of a program that is compiled, no two versions are mixed, and none is missing
            assert program in [{name: text for name, text in one.items() if "/" in name} for one in (old, new)]
        begun = (out / ".net.ready").is_dir()
        assert begun or left in (old, new)
        mixed += left not in (old, new)
        with pytest.raises(ZeroDivisionError), staged(out, "net"):
            raise ZeroDivisionError
        assert found(out) == (new if begun or left == new else old)
        assert sorted(path.name for path in out.iterdir()) == ["net", "net.json"]
    assert left == new and (number, mixed) == ((5, 1) if exchanged else (7, 2))


def test_an_error_of_the_block_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"), staged(tmp_path, "net-c"):
        Path("nowhere").read_text()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="out cannot be written to"), staged(tmp_path / "out", "net-c"):
        pass


@pytest.mark.skipif(os.name != "posix", reason="whether a process is still there is not asked elsewhere")
def test_what_a_killed_process_had_begun_to_write_goes_with_the_next_write(tmp_path: Path) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left = [f".page [1].html.{pid}.part" for pid in (gone.pid, os.getppid(), "x")] + [f".other.{gone.pid}.part"]
    for name in left:
        (tmp_path / name).write_text("half")
    io.write_text(tmp_path / "page [1].html", "whole")
    assert sorted(one.name for one in tmp_path.iterdir()) == sorted([*left[1:], "page [1].html"])
