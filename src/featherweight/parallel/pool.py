"""Opening a pool, and the one loop that feeds it: everything that this package spreads out goes through here."""

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from contextvars import ContextVar
from typing import TYPE_CHECKING, Any, Protocol

from featherweight.engine import processors
from featherweight.errors import FeatherweightError, UsageError
from featherweight.parallel.messages import LOCAL, RAY, Backend, Counts, Finished, Message, Work

if TYPE_CHECKING:
    from featherweight.parallel.ray_pool import RayPool

POLL_SECONDS = 0.2
"""Longest time between two looks at what a pool's owner has to decide, such as whether a signal came."""
MOST_LOSSES = 3
"""How often a work is begun anew because its machine was lost; it may be the work itself that ends them."""


class Pool(Protocol):
    """A pool, of this machine or of Ray: workers that run works, one at a time each."""

    notes: list[str]
    """What has happened to machines, a sentence each, for whoever empties the list."""

    def scale(self, works: int) -> None:
        """State how many works are waiting or under way: no more workers than that are needed."""

    def free(self) -> int:
        """How many works could begin now."""

    def submit(self, number: int, work: Work, *given: Any) -> None:
        """Have a free worker run a work, under a number of the caller's."""

    def poll(self, seconds: float) -> Sequence[Message | Finished]:
        """What has come from works, waiting up to so many seconds for the first of it."""

    def put(self, value: Any) -> Any:
        """What stands for the value among the arguments of works, so that it is sent to a machine only once."""

    def stop(self, number: int | None = None) -> None:
        """Ask one work, or all of them, to end early."""

    def counts(self) -> Counts:
        """What is under way where."""

    def close(self) -> None:
        """Dismiss all workers; what they were at is lost."""


def require_backend(address: str) -> None:
    """Raise UsageError unless `--on` takes this, and the package that it needs is installed."""
    if address == LOCAL:
        return
    if address != RAY and not address.startswith("ray://"):
        raise UsageError(f"The place to train is local, ray or ray://HOST:PORT; given {address!r:.60}.")
    from featherweight.parallel.ray_cluster import require_ray

    require_ray(address)


@contextmanager
def open_pool(backend: Backend, count: int | None = None) -> Iterator[Pool]:
    """A pool at this place; of processes of this machine, `count`, by default as many as the processors allow."""
    if backend.local:
        from featherweight.parallel.local import LocalPool

        with closing(LocalPool(count or max(1, processors() // backend.threads))) as processes:
            yield processes
        return
    from featherweight.parallel.ray_pool import RayPool

    kept = _kept.get()
    pool = kept.pop(backend, None) if kept else None
    _close_all(kept)  # what was started for something else would hold processors that are needed now
    pool = pool or RayPool(backend)
    try:
        yield pool
    finally:
        if kept is None:
            pool.close()
        else:
            pool.release()
            kept[backend] = pool


_kept: "ContextVar[dict[Backend, RayPool] | None]" = ContextVar("kept pools", default=None)


@contextmanager
def keep_workers() -> Iterator[None]:
    """Pools of a cluster that are opened in here, one after another, share their workers, whose start costs seconds."""
    if _kept.get() is not None:
        yield
        return
    kept: dict[Backend, RayPool] = {}
    token = _kept.set(kept)
    try:
        yield
    finally:
        _kept.reset(token)
        _close_all(kept)


def _close_all(pools: "dict[Backend, RayPool] | None") -> None:
    while pools:
        pools.popitem()[1].close()


def capacity(backend: Backend) -> int:
    """How many works can be under way there at once, for plans that depend on it; at least 1."""
    if backend.local:
        return max(1, processors() // backend.threads)
    from featherweight.parallel.ray_cluster import connect

    nodes = [node["Resources"].get("CPU", 0) for node in connect(backend.address).nodes() if node["Alive"]]
    return max(1, sum(int(has // backend.threads) for has in nodes))


class WorkSource(Protocol):
    """What has works to run, and makes something of what comes back."""

    def waiting(self) -> int:
        """How many works are still to begin; it may grow while others run, until there are none of either."""

    def next(self) -> tuple[int, Work, tuple[Any, ...]] | None:
        """The next work, with its number and arguments, or None where there is none just now."""

    def on_message(self, message: Message) -> Iterator[Any]:
        """What the owner of the loop is to hear of it."""

    def on_finished(self, finished: Finished) -> Iterator[Any]:
        """What the owner of the loop is to hear of it; `waiting` may count the work again."""

    def on_poll(self, pool: Pool) -> Iterator[Any]:
        """What the owner of the loop is to hear from time to time."""


def feed(pool: Pool, source: WorkSource, stopped: Sequence[int] = (), seconds: float = POLL_SECONDS) -> Iterator[Any]:
    """Run the source's works, yielding what it makes of them. Once `stopped` is not empty, no work begins, and those
    under way are asked to end."""
    running: set[int] = set()
    asked = False
    while running or (source.waiting() and not stopped):
        waiting = 0 if stopped else source.waiting()
        pool.scale(len(running) + waiting)
        while waiting and not stopped and pool.free() and (work := source.next()) is not None:
            running.add(work[0])
            pool.submit(work[0], work[1], *work[2])
            waiting = source.waiting()
        if stopped and not asked:
            asked = True
            pool.stop()
        for news in pool.poll(seconds):
            if isinstance(news, Message):
                yield from source.on_message(news)
            else:
                running.remove(news.number)
                yield from source.on_finished(news)
        yield from source.on_poll(pool)


class _Listed:
    """A list of works, each a tuple of a function and its arguments."""

    def __init__(self, works: Sequence[tuple[Any, ...]]) -> None:
        self._works, self._waiting = works, list(range(len(works)))
        self._lost: Counter[int] = Counter()

    def waiting(self) -> int:
        return len(self._waiting)

    def next(self) -> tuple[int, Work, tuple[Any, ...]]:
        number = self._waiting.pop(0)
        work, *given = self._works[number]
        return number, work, tuple(given)

    def on_message(self, message: Message) -> Iterator[tuple[int, Any]]:
        yield message.number, message.value

    def on_finished(self, finished: Finished) -> Iterator[tuple[int, Any]]:
        self._lost[finished.number] += finished.lost
        if finished.lost and self._lost[finished.number] <= MOST_LOSSES:
            self._waiting.insert(0, finished.number)
        elif finished.sentence:
            problem = FeatherweightError(finished.sentence)
            problem.exit_status = finished.status
            raise problem
        yield from ()

    def on_poll(self, pool: Pool) -> Iterator[tuple[int, Any]]:
        yield from ()


def run_works(pool: Pool, works: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
    """Everything that the works yield, as it comes, each with its work's place in the list.

    A work is a tuple of a function and its arguments. One whose machine is lost is begun anew, three times at most.
    Raises the error of the first that fails.
    """
    yield from feed(pool, _Listed(works))
