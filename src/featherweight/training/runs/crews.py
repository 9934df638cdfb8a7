"""Who carries out works side by side: processes of this machine, or Ray's workers on as many machines as there are.

A work is a function that yields, with its arguments, all of which can be sent to another process. Whatever it yields is
sent back. It is called with the keyword `stopped`, a function that says whether it was asked to end early. Everything
that this package spreads over processes goes through a crew.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Protocol

from featherweight.engine import processors
from featherweight.errors import FeatherweightError, UsageError

LOCAL, RAY = "local", "ray"

Work = Callable[..., Iterator[Any]]


@dataclass(frozen=True, kw_only=True)
class On:
    """Where works are carried out, and what each of them needs there."""

    address: str = LOCAL
    """local, ray, or the address of a cluster such as ray://head:10001."""
    threads: int = 1
    """Processors that a work takes."""
    gpus: float = 0.0
    """GPUs that a work takes; several may share one, at 0.25 each for example."""
    memory: int | None = None
    """Bytes that a work may take, so that a node is not given more works than it can hold; None for no limit."""
    alike: bool = False
    """Whether nodes with another processor than the first are refused."""

    @property
    def here(self) -> bool:
        """Whether it is this machine's own processes."""
        return self.address == LOCAL


def require_place(address: str) -> None:
    """Raise UsageError unless `--on` takes this, and the package that it needs is installed."""
    if address == LOCAL:
        return
    if address != RAY and not address.startswith("ray://"):
        raise UsageError(f"The place to train is local, ray or ray://HOST:PORT; given {address!r:.60}.")
    from featherweight.training.runs.connection import require_ray

    require_ray(address)


@dataclass(frozen=True, kw_only=True)
class Said:
    """What a work has yielded."""

    number: int
    what: Any


@dataclass(frozen=True, kw_only=True)
class Ended:
    """A work has come to its end; without a sentence, to its proper one."""

    number: int
    sentence: str = ""
    status: int = 0
    """The exit status of the error that ended it."""
    lost: bool = False
    """Whether its process or its machine is gone, and not the work's own doing."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """How many works are under way on each machine, and how many have ended there."""

    running: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)


class Crew(Protocol):
    """Those who carry out works, one at a time each."""

    notes: list[str]
    """What has happened to machines, a sentence each, for whoever empties the list."""

    def want(self, works: int) -> None:
        """State how many works are waiting or under way: no more members than that are needed."""

    def free(self) -> int:
        """How many works could be begun now."""

    def give(self, number: int, work: Work, *given: Any) -> None:
        """Have a work carried out by a free member, under a number of the caller's."""

    def news(self, seconds: float) -> Sequence[Said | Ended]:
        """What works have to say, waiting up to so many seconds for the first of it."""

    def share(self, value: Any) -> Any:
        """Something that stands for the value among the arguments of works, and is sent to a machine only once."""

    def stop(self, number: int | None = None) -> None:
        """Ask one work, or all of them, to end early."""

    def standing(self) -> Standing:
        """What is going on where."""

    def close(self) -> None:
        """Dismiss all members; what they were at is lost."""


@contextmanager
def opened(on: On, count: int | None = None) -> Iterator[Crew]:
    """A crew at this place; of processes of this machine, `count`, by default as many as the processors allow."""
    crew: Crew
    if on.here:
        from featherweight.training.runs.processes import Processes

        crew = Processes(count or max(1, processors() // on.threads))
    else:
        from featherweight.training.runs.cluster import Cluster

        crew = Cluster(on)
    try:
        yield crew
    finally:
        crew.close()


def seats(on: On) -> int:
    """How many works can be under way there at once, for plans that depend on it; at least 1."""
    if on.here:
        return max(1, processors() // on.threads)
    from featherweight.training.runs.connection import connect

    nodes = [node["Resources"].get("CPU", 0) for node in connect(on.address).nodes() if node["Alive"]]
    return max(1, sum(int(has // on.threads) for has in nodes))


def results(crew: Crew, works: Sequence[tuple[Any, ...]]) -> Iterator[tuple[int, Any]]:
    """Everything that the works yield, as it comes, each with its work's place in the list.

    A work is a tuple of a function and its arguments. One whose machine is lost is begun anew, three times at most.
    Raises the error of the first that fails.
    """
    waiting, running = list(range(len(works))), set[int]()
    lost = [0] * len(works)
    while waiting or running:
        crew.want(len(waiting) + len(running))
        while waiting and crew.free():
            number = waiting.pop(0)
            running.add(number)
            crew.give(number, *works[number])
        for news in crew.news(0.2):
            if isinstance(news, Said):
                yield news.number, news.what
                continue
            running.remove(news.number)
            lost[news.number] += news.lost
            if news.lost and lost[news.number] <= MOST_LOSSES:
                waiting.insert(0, news.number)
            elif news.sentence:
                problem = FeatherweightError(news.sentence)
                problem.exit_status = news.status
                raise problem


MOST_LOSSES = 3
"""How often a work is begun anew because its machine was lost; it may be the work itself that ends them."""
