"""One of Ray's workers: it carries out one work at a time, in a thread, and hands over what the work says."""

import platform
import socket
import threading
import time
import traceback
from collections.abc import Iterator
from contextlib import closing
from typing import Any

from featherweight.errors import FeatherweightError
from featherweight.parallel.messages import Work

LISTEN_SECONDS = 20.0
"""How long a question for news is left open when there are none."""


def facts() -> dict[str, Any]:
    """What decides whether results of this machine can be compared with those of another."""
    import torch

    from featherweight._version import __version__
    from featherweight.training.runs.environment import processor, source_digest

    return {
        "featherweight": __version__,
        "source": source_digest(),
        "torch": torch.__version__.partition("+")[0],
        "python": platform.python_version(),
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
    }


def place() -> dict[str, Any]:
    """Only where this process is, for works that need nothing but Python."""
    return {}


class RayWorker:
    """A worker. Ray calls its methods in threads of their own, so that it can be asked to stop while it listens."""

    def __init__(self, number: int) -> None:
        self._number = number
        self._changed = threading.Condition()
        self._said: list[tuple[bool, Any]] = []
        self._stopped = threading.Event()

    def hello(self, about: Any) -> tuple[str, dict[str, Any]]:
        """The name of its node, and what `about` says of the node."""
        import ray

        address = ray.util.get_node_ip_address()
        return f"{socket.gethostname()} {address}", about()

    def submit(self, work: Work, *given: Any) -> list[tuple[bool, Any]]:
        """Begin a work, and listen to it."""
        self._stopped.clear()
        threading.Thread(target=self._run, args=(work, given), daemon=True).start()
        return self.poll()

    def poll(self) -> list[tuple[bool, Any]]:
        """What was sent since the last time, as soon as there is something; in the end, whether an error ended it."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._said), timeout=LISTEN_SECONDS)
            messages, self._said = self._said, []
        return messages

    def stop(self) -> None:
        """Ask the work to end early."""
        self._stopped.set()

    def _run(self, work: Work, given: tuple[Any, ...]) -> None:
        messages: Iterator[Any]
        try:
            with closing(work(*given, stopped=self._stopped.is_set)) as messages:  # type: ignore[type-var]
                for what in messages:
                    self._add(False, what)
            self._add(True, ("", 0))
        except FeatherweightError as problem:
            self._add(True, (str(problem), problem.exit_status))
        except BaseException as problem:
            where = traceback.format_exc().strip().splitlines()
            at = next((line.strip() for line in reversed(where) if line.lstrip().startswith("File ")), "")
            self._add(True, (f"{type(problem).__name__}: {problem} ({at})", 1))

    def _add(self, last: bool, what: Any) -> None:
        with self._changed:
            self._said.append((last, what))
            self._changed.notify()


def sleep(seconds: float, *, stopped: Any) -> Iterator[float]:
    """A work that only takes time; yields when it ended, in seconds since its machine was started."""
    time.sleep(seconds)
    yield time.monotonic()
