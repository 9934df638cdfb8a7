"""Temporary folders: those of processes that were killed are removed by the next one, and none that is in use."""

import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pytest

from featherweight.io import IN_USE, remove_abandoned, scratch_folder

pytestmark = pytest.mark.skipif(os.name != "posix", reason="folders can only be locked on POSIX systems")
HOLD = (
    "import sys, time; from featherweight.io import scratch_folder\n"
    "with scratch_folder() as folder:\n"
    "    (folder / 'pictures').write_bytes(bytes(1000)); print(folder, flush=True); sys.stdin.read()\n"
)


@pytest.fixture(autouse=True)
def temporary(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    return tmp_path


def holding() -> tuple["subprocess.Popen[str]", Path]:
    process = subprocess.Popen([sys.executable, "-c", HOLD], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout
    return process, Path(process.stdout.readline().strip())


def killed(process: "subprocess.Popen[str]") -> None:
    process.kill()
    assert process.wait() == -signal.SIGKILL


def test_the_folder_of_a_killed_process_goes_and_that_of_a_living_one_stays(temporary: Path) -> None:
    (dead, left), (alive, used) = holding(), holding()
    (temporary / "featherweight-of-an-earlier-version").mkdir()
    (temporary / "other").mkdir()
    (temporary / "featherweight-link").symlink_to(used)
    killed(dead)
    assert (left / "pictures").stat().st_size == 1000  # nobody was left to remove it
    with scratch_folder() as own:
        assert not left.exists() and (used / "pictures").exists() and own.parent == temporary
        remove_abandoned()
        assert (own / IN_USE).exists()
    assert not own.exists() and (temporary / "other").exists()
    alive.communicate("")
    assert {path.name for path in temporary.iterdir()} == {
        "other", "featherweight-of-an-earlier-version", "featherweight-link"
    }  # fmt: skip


def test_a_killed_search_leaves_no_pictures_behind(temporary: Path) -> None:
    search = subprocess.Popen(
        [sys.executable, "-m", "featherweight", "fit", "digits", "--minutes", "5", "--out", str(temporary / "out")],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip
    try:
        for _ in range(1200):
            if list(temporary.glob("featherweight-*/labels")) or search.poll() is not None:
                break
            time.sleep(0.1)
        assert len(list(temporary.glob("featherweight-*/labels"))) == 1
    finally:
        killed(search)
    remove_abandoned()
    assert list(temporary.glob("featherweight-*")) == []
