"""The pool of local processes, and the loop that feeds it."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import works
from featherweight.errors import FeatherweightError, UsageError
from featherweight.parallel.messages import THIS_MACHINE
from featherweight.parallel.pool import MOST_LOSSES, open_pool, run_works


def counted(number: int, *, stopped: Any) -> Iterator[tuple[int, int]]:
    for one in range(number):
        yield one, os.getpid()


def dying(marks: Path, times: int, *, stopped: Any) -> Iterator[str]:
    """A work whose process is killed in the middle, the first so many times."""
    yield "begun"
    (marks / str(len(list(marks.iterdir())))).touch()
    if len(list(marks.iterdir())) <= times:
        os.kill(os.getpid(), signal.SIGKILL)
    yield "done"


def refusing(*, stopped: Any) -> Iterator[None]:
    raise UsageError("Not with me.")
    yield


def test_works_yield_in_their_order_from_processes_elsewhere() -> None:
    with open_pool(THIS_MACHINE, 2) as pool:
        found = list(run_works(pool, [(counted, 3), (counted, 2), (counted, 4)]))
        assert sum(pool.counts().ended.values()) == 3
    for place, many in enumerate((3, 2, 4)):
        assert [value for number, (value, _) in found if number == place] == list(range(many))
    processes = {process for _, (_, process) in found}
    assert os.getpid() not in processes and len(processes) <= 2


def test_a_work_whose_process_is_killed_is_begun_anew_three_times_at_most(tmp_path: Path) -> None:
    with open_pool(THIS_MACHINE, 1) as pool:
        found = [value for _, value in run_works(pool, [(dying, tmp_path, MOST_LOSSES)])]
        assert found == ["begun"] * (MOST_LOSSES + 1) + ["done"]
        with pytest.raises(FeatherweightError, match="status -9") as problem:
            list(run_works(pool, [(dying, tmp_path, 99)]))
    assert problem.value.exit_status == 128 + signal.SIGKILL
    assert len(list(tmp_path.iterdir())) == 2 * (MOST_LOSSES + 1), "begun so often, each time"


def test_an_error_keeps_its_sentence_and_status() -> None:
    with open_pool(THIS_MACHINE, 1) as pool, pytest.raises(FeatherweightError, match=r"Not with me\.") as problem:
        list(run_works(pool, [(refusing,), (counted, 3)]))
    assert problem.value.exit_status == 2


def test_what_cannot_be_received_is_one_failure() -> None:
    with open_pool(THIS_MACHINE, 1) as pool:
        values = pool.put([7, 8])  # sent with it, and received no more than it
        with pytest.raises(FeatherweightError, match="nowhere_to_be_found") as problem:
            list(run_works(pool, [(measured, values, works.Missing())]))
        assert problem.value.exit_status == 1
        assert [length for _, (length, _) in run_works(pool, [(measured, values)])] == [2]


def measured(values: list[int], *, stopped: Any) -> Iterator[tuple[int, int]]:
    yield len(values), id(values)


def test_a_value_that_is_put_reaches_each_process_once() -> None:
    with open_pool(THIS_MACHINE, 1) as pool:
        large, small = pool.put([1] * 1_000_000), pool.put([2])
        found = [value for _, value in run_works(pool, [(measured, one) for one in (large, small, large, large)])]
    assert [length for length, _ in found] == [1_000_000, 1, 1_000_000, 1_000_000]
    assert found[0] == found[2] == found[3], "the same object"
