"""A worker that dies between any two messages, of this machine or of Ray: what it was at is begun anew, and ends."""

import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from featherweight.parallel.messages import THIS_MACHINE, Backend
from featherweight.parallel.pool import open_pool, run_works

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform == "win32", reason="processes are killed")]
MESSAGES = 3


def dying(mark: Path, at: int, *, stopped: Any) -> Iterator[int]:
    """Yields its messages; before that of this number, or its end, its process is killed, the first time."""
    for number in range(MESSAGES + 1):
        if number == at and not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)
        if number < MESSAGES:
            yield number


@pytest.mark.parametrize("on", [THIS_MACHINE, Backend(address="ray")], ids=["local", "ray"])
def test_a_worker_may_die_at_every_message(on: Backend, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    if not on.local:
        pytest.importorskip("ray")
        from featherweight.parallel.ray_cluster import by_value

        monkeypatch.delenv("RAY_ADDRESS", raising=False)
        by_value(dying)  # a node has no such module
    with open_pool(on, 1) as pool:
        for at in range(MESSAGES + 1):
            found = [value for _, value in run_works(pool, [(dying, tmp_path / str(at), at)])]
            assert (tmp_path / str(at)).exists() and found[-MESSAGES:] == list(range(MESSAGES)), (at, found)
            assert set(found[:-MESSAGES]) <= set(range(at)), (at, found)
