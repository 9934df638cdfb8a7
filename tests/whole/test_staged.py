"""Files that belong together take their places together, or not at all."""

import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

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


@pytest.mark.parametrize("moved", [1, 2])
def test_who_is_ended_while_files_take_their_places_loses_no_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, moved: int
) -> None:
    """Ended at the first move, of the old folder aside, or at the second, of the new one to its place."""
    with staged(tmp_path, "net-c") as stage:
        write(stage, "old")
    moves = 0

    def ended(name: str) -> Any:
        real = getattr(Path, name)

        def move(path: Path, target: Path) -> Path:
            nonlocal moves
            moves += 1
            if moves == moved:
                raise SystemExit
            return real(path, target)

        return move

    with monkeypatch.context() as patch, pytest.raises(SystemExit), staged(tmp_path, "net-c") as stage:
        write(stage, "new")
        for name in ("rename", "replace"):
            patch.setattr(Path, name, ended(name))
    assert found(tmp_path) == dict.fromkeys(PARTS, "old")


def test_a_folder_that_a_killed_process_moved_aside_comes_back(tmp_path: Path) -> None:
    (tmp_path / ".net-c.old" / "net").mkdir(parents=True)
    (tmp_path / ".net-c.old" / "net" / "net.c").write_text("old")
    with pytest.raises(ZeroDivisionError), staged(tmp_path, "net-c"):
        raise ZeroDivisionError
    assert found(tmp_path) == {"net/net.c": "old"}


def test_an_error_of_the_block_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="nowhere"), staged(tmp_path, "net-c"):
        Path("nowhere").read_text()


def test_a_file_in_the_way_is_named(tmp_path: Path) -> None:
    (tmp_path / "out").write_text("a file")
    with pytest.raises(UsageError, match="out cannot be written to"), staged(tmp_path / "out", "net-c"):
        pass
