"""What a cluster costs: `python -m benchmarks.cluster` measures on this machine and prints it.

Tasks that sleep for 0.1, 1 and 10 s on two workers, then on 64 and 256, eight of which share a process so that they fit
into one machine (the driver sees no difference):
how long a worker waits between two tasks, the driver's share of a core, the memory of the driver and of a worker.
`--write` saves the figures as results/cluster/overhead.json and rewrites the table of docs/cluster.md; `page` does the
latter alone. `compare` trains the rungs of a ladder over processes and over two nodes of one processor each, and
`compare --write` adds what they took to both.
"""

import argparse
import json
import os
import platform
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from types import SimpleNamespace
from typing import Any

from docs.build.rendering import with_part_between

from featherweight.engine import processors
from featherweight.experiments.experiment import rungs
from featherweight.io import write_text
from featherweight.parallel.messages import Backend
from featherweight.parallel.pool import run_works
from featherweight.parallel.ray_cluster import RayWorker
from featherweight.parallel.ray_pool import SPARE, RayPool
from featherweight.parallel.scheduler import train_all
from featherweight.training.runs.environment import processor
from featherweight.training.runs.events import Failed
from featherweight.training.runs.task import Task

ROOT = Path(__file__).parents[1]
PAGE, FIGURES = ROOT / "docs" / "cluster.md", ROOT / "results" / "cluster" / "overhead.json"
_BY = "written by `python -m benchmarks.cluster --write`"
MARKS = (f"<!-- begin: {_BY} -->", f"<!-- end: {_BY} -->")
CASES = ((2, 0.1, 60), (2, 1.0, 16), (2, 10.0, 4), (64, 10.0, 256), (256, 10.0, 768))
"""Workers, seconds a task, tasks."""
SHARED = 8
"""Workers in one process, where there are more of them than `FEW`."""
FEW = 2


def place() -> dict[str, Any]:
    """What a worker reports of its machine: nothing, for works that need nothing but Python."""
    return {}


def sleep(seconds: float, *, stopped: Any) -> Iterator[float]:
    """A work that only takes time; yields when it ended, in seconds since its machine was started."""
    time.sleep(seconds)
    yield time.monotonic()


class Host:
    """A process that is several workers."""

    def __init__(self) -> None:
        self._members = [RayWorker() for _ in range(SHARED)]

    def call(self, slot: int, method: str, *given: Any) -> Any:
        return getattr(self._members[slot], method)(*given)


class _Method:
    """A method of one of the workers in a process, called as Ray's are."""

    def __init__(self, actor: Any, slot: int, method: str) -> None:
        self._actor, self._slot, self._method = actor, slot, method

    def remote(self, *given: Any) -> Any:
        return self._actor.call.remote(self._slot, self._method, *given)


class _Hosts:
    """What a pool takes for Ray's class of workers: it starts a process for every eighth of them."""

    def __init__(self) -> None:
        import ray

        self._class = ray.remote(Host).options(num_cpus=1, max_concurrency=4 * SHARED)
        self._actors: list[Any] = []
        self._asked = 0

    def remote(self) -> Any:
        slot = self._asked % SHARED
        self._asked += 1
        if slot == 0:
            self._actors.append(self._class.remote())
        actor = self._actors[-1]
        return SimpleNamespace(**{name: _Method(actor, slot, name) for name in ("hello", "submit", "poll", "stop")})


def _resident(status: Path = Path("/proc/self/status")) -> float:
    """Megabytes of memory that a process holds."""
    line = next(line for line in status.read_text().splitlines() if line.startswith("VmRSS"))
    return int(line.split()[1]) / 1024


def _workers_memory() -> float:
    """Megabytes that the median of Ray's workers holds for itself, without what it shares."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if b"ray::" in path.read_bytes():
                lines = path.with_name("smaps_rollup").read_text().splitlines()
                found.append(sum(int(line.split()[1]) for line in lines if line.startswith("Private")) / 1024)
        except OSError:
            continue
    return median(found) if found else 0.0


def overhead(workers: int, seconds: float, tasks: int, address: str = "ray") -> dict[str, Any]:
    """The figures of so many sleeping tasks, once all workers are there."""
    pool = RayPool(Backend(address=address), about=place)
    if workers > FEW:
        pool._actor, pool._room_for = _Hosts(), lambda: workers - SPARE  # type: ignore[method-assign]
    try:
        pool.scale(workers)
        until = time.monotonic() + 600
        while pool.free() < workers and time.monotonic() < until:
            pool.poll(0.2)
            pool.scale(workers)
        there = pool.free()
        held = pool.scale
        pool.scale = lambda works: held(there)  # type: ignore[method-assign]
        memory = _workers_memory()
        begun, used = time.monotonic(), time.process_time()
        done = len(list(run_works(pool, [(sleep, seconds)] * tasks)))
        wall, used = time.monotonic() - begun, time.process_time() - used
    finally:
        pool.close()
    assert done == tasks
    rounds = tasks / there
    return {
        "workers": there, "seconds": seconds, "tasks": tasks, "wall": wall,
        "lost_ms": 1000 * (wall / rounds - seconds), "driver_share": used / wall, "driver_ms": 1000 * used / tasks,
        "driver_mb": _resident(), "worker_mb": memory,
    }  # fmt: skip


def measured(cases: Any = CASES) -> dict[str, Any]:
    """The figures of all cases on a cluster started for them."""
    import ray

    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    rows = []
    for workers, seconds, tasks in cases:
        processes = workers if workers <= FEW else workers // SHARED
        ray.init(address="local", num_cpus=processes, include_dashboard=False, log_to_driver=False,
                 logging_level="ERROR", object_store_memory=100_000_000)  # fmt: skip
        try:
            rows.append(overhead(workers, seconds, tasks))
        finally:
            ray.shutdown()
        print(json.dumps(rows[-1]), flush=True)
    return {
        "processor": processor(), "processors": processors(), "ray": ray.__version__,
        "python": platform.python_version(), "load": os.getloadavg()[2], "rows": rows,
    }  # fmt: skip


HEAD = """| workers | seconds a task | tasks | lost a task | driver, of a core | driver a task | a process's memory |
|---|---|---|---|---|---|---|"""


def table(found: dict[str, Any]) -> str:
    """The table of docs/cluster.md, and what follows from it for 1,000 workers."""
    lines = [
        f"| {row['workers']} | {row['seconds']:g} | {row['tasks']} | {row['lost_ms']:.0f} ms"
        f" | {100 * row['driver_share']:.1f} % | {row['driver_ms']:.1f} ms | {row['worker_mb']:.0f} MB |"
        for row in found["rows"]
    ]
    last = found["rows"][-1]
    share = last["driver_ms"] / 1000 * 1000 / 60
    return "\n".join([
        HEAD, *lines, "",
        f"{found['processor']}, {found['processors']} processors, Ray {found['ray']}, Python {found['python']}; the",
        f"machine's load over the last 15 minutes was {found['load']:.1f}, other programs' included.",
        f"On paper, 1,000 workers with tasks of a minute end {1000 / 60:.0f} tasks a second: {100 * share:.0f} %",
        f"of the driver's core, at {last['driver_ms']:.1f} ms a task.",
        *_compared(found.get("compare")),
    ])  # fmt: skip


def _compared(found: dict[str, Any] | None) -> list[str]:
    if found is None:
        return []
    return [
        "",
        f"The {found['runs']} runs of ladder a with three seeds, of one epoch each, took {found['ray']:.0f} s on two",
        f"nodes of one processor each and {found['processes']:.0f} s as local processes on both processors:",
        f"{found['ratio']:.2f} times as long.",
    ]


def page(found: dict[str, Any]) -> None:
    """Rewrite the table of docs/cluster.md."""
    write_text(PAGE, with_part_between(PAGE.read_text(encoding="utf-8"), MARKS, table(found), PAGE))


def compare(letter: str, seeds: int, epochs: int, data: str) -> dict[str, Any]:
    """Seconds for a ladder's runs by processes, and by two nodes of one processor each; workers are started first."""
    os.environ |= {"RAY_worker_niceness": "0", "RAY_USAGE_STATS_ENABLED": "0"}  # as nice as the processes
    import ray
    from ray.cluster_utils import Cluster as Nodes

    given = [
        Task(experiment=rung.id, seed=seed, data=data, settings=(("recipe.epochs", epochs),), threads=1)
        for rung in rungs(letter)
        for seed in range(seeds)
    ]

    def timed(on: Backend) -> float:
        with TemporaryDirectory() as name:
            begun = time.monotonic()
            events = list(train_all([replace(task, out=Path(name)) for task in given], on))
            assert not [event for event in events if isinstance(event, Failed)]
            return time.monotonic() - begun

    node = {"num_cpus": 1, "object_store_memory": 200_000_000}
    nodes = Nodes(initialize_head=True, head_node_args={**node, "include_dashboard": False})
    try:
        nodes.add_node(node_ip_address="127.0.0.2", **node)
        ray.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
        far, near = timed(Backend(address="ray")), timed(Backend())
    finally:
        ray.shutdown()
        nodes.shutdown()
    return {"runs": len(given), "epochs": epochs, "data": data, "ray": far, "processes": near, "ratio": far / near}


def main() -> None:
    """Measure and print, or what the words say."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", nargs="?", choices=("overhead", "page", "compare"), default="overhead")
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--quick", action="store_true", help="two workers alone")
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--data", default="digits")
    given = parser.parse_args()
    ways: dict[str, Callable[[], dict[str, Any]]] = {
        "overhead": lambda: measured(CASES[:2] if given.quick else CASES),
        "page": lambda: json.loads(FIGURES.read_text()),
        "compare": lambda: compare("a", given.seeds, given.epochs, given.data),
    }
    found = ways[given.what]()
    print(json.dumps(found, indent=1))
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    if given.what == "compare":
        found = {**known, "compare": found}
    elif given.what == "overhead" and "compare" in known:
        found["compare"] = known["compare"]
    if given.write:
        FIGURES.parent.mkdir(parents=True, exist_ok=True)
        write_text(FIGURES, json.dumps(found, indent=1) + "\n")
    if given.write or given.what == "page":
        page(found)


if __name__ == "__main__":
    main()
