"""What a pool and those who use it say to each other, and where it works. Needs no torch.

A work is a function that yields, with its arguments, all of which can be sent to another process. Whatever it yields is
sent back. It is called with the keyword `stopped`, a function that says whether it was asked to end early.
"""

import traceback
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from typing import Any

from featherweight.errors import FeatherweightError

LOCAL, RAY = "local", "ray"

Work = Callable[..., Iterator[Any]]


@dataclass(frozen=True, kw_only=True)
class Backend:
    """Where works run, and what each of them needs there."""

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
    def local(self) -> bool:
        """Whether it is this machine's own processes."""
        return self.address == LOCAL


THIS_MACHINE = Backend()


@dataclass(frozen=True, kw_only=True)
class Message:
    """What a work has yielded."""

    number: int
    value: Any


@dataclass(frozen=True, kw_only=True)
class Finished:
    """A work has ended; without a sentence, as it should."""

    number: int
    sentence: str = ""
    status: int = 0
    """The exit status of the error that ended it."""
    lost: bool = False
    """Whether its process or its machine is gone, and not the work's own doing."""


@dataclass(frozen=True, kw_only=True)
class Counts:
    """A pool's message on how many works are under way on each machine, and how many have ended there."""

    running: dict[str, int] = field(default_factory=dict)
    ended: dict[str, int] = field(default_factory=dict)


def run_work(work: Work, given: Sequence[Any], stopped: Callable[[], bool]) -> Generator[tuple[bool, Any], None, None]:
    """What a worker sends of a work: (False, a value) for each that it yields; in the end (True, (sentence, status)) of
    the error that ended it, "" and 0 if none did.

    A defect has its place in the sentence, and its traceback goes to standard error.
    """
    try:
        with closing(work(*given, stopped=stopped)) as values:  # type: ignore[type-var]
            for value in values:
                yield False, value
    except FeatherweightError as problem:
        end = str(problem), problem.exit_status
    except KeyboardInterrupt as problem:
        end = str(problem) or "Stopped.", 130
    except (Exception, SystemExit) as problem:
        traceback.print_exc()
        lines = (line.strip() for line in reversed(traceback.format_exc().splitlines()))
        place = next((line for line in lines if line.startswith("File ")), "")
        end = f"{type(problem).__name__}: {problem} ({place})", 1
    else:
        end = "", 0
    yield True, end
