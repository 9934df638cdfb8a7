"""Reaching a Ray cluster, or beginning one, and the worker that runs on its nodes: one work at a time, in a thread."""

import logging
import os
import platform
import signal
import site
import socket
import sys
import threading
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from featherweight.errors import UsageError
from featherweight.parallel.messages import RAY, Work, run_work
from featherweight.training.runs.signals import safe_path


def require_ray(address: str = RAY) -> None:
    """Raise UsageError unless Ray is installed and, for an address, what it reaches a cluster with."""
    if find_spec("ray") is None or (address.startswith("ray://") and find_spec("grpc") is None):
        raise UsageError(
            f"--on {address} needs Ray, which is not installed here; install it with: pip install --upgrade"
            " 'ray[client]'"
        )


def connect(address: str) -> Any:
    """Ray, connected to this address; `ray` means RAY_ADDRESS, a cluster on this machine, or a new one here.

    Raises UsageError where no cluster of this Ray and this Python answers.
    """
    require_ray(address)
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")  # nothing is sent to anybody
    import ray

    logging.getLogger("ray").setLevel(logging.ERROR)

    if ray.is_initialized():
        return ray
    term = signal.getsignal(signal.SIGTERM)
    try:
        with safe_path():
            _begin(ray, address)
    except Exception as problem:
        first = (str(problem).strip() or type(problem).__name__).splitlines()[0]
        where = os.environ.get("RAY_ADDRESS", address) if address == RAY else address
        raise UsageError(
            f"No cluster answers at {where} ({type(problem).__name__}: {first:.200}). Start one with `ray start"
            " --head`, with the same versions of Ray and Python as here, or leave --on out."
        ) from problem
    with suppress(ValueError):  # not the main thread
        signal.signal(signal.SIGTERM, term)  # Ray's own would end this process at once
    return ray


def _begin(ray: Any, address: str) -> None:
    """Connect to the cluster, or, if none was named and there is none, begin one for this process alone.

    Whoever may speak to a cluster can have it execute anything. Ray demands a token of those who speak to one that it
    begins itself, unless RAY_AUTH_MODE forbids it.
    """
    quiet: dict[str, Any] = {
        "logging_level": logging.ERROR, "log_to_driver": False, "configure_logging": False
    }  # fmt: skip
    try:
        ray.init(address="auto" if address == RAY else address, **quiet)
    except ConnectionError:
        if address != RAY or os.environ.get("RAY_ADDRESS"):
            raise
        ray.init(address="local", include_dashboard=False, **quiet)


def by_value(*things: Any) -> None:
    """Have Ray send these functions or classes, and all else of their modules, as code: nodes have no such files."""
    from ray import cloudpickle

    installed = (*site.getsitepackages(), site.getusersitepackages(), sys.base_prefix)
    for thing in things:
        module = sys.modules.get(getattr(thing, "__module__", None) or "")
        file = getattr(module, "__file__", None)
        if module is None or file is None or module.__name__.partition(".")[0] == "featherweight":
            continue
        if not file.startswith(installed):
            cloudpickle.register_pickle_by_value(module)


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


class RayWorker:
    """A worker. Ray calls its methods in threads of their own, so that it can be asked to stop while it listens."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._messages: list[tuple[bool, Any]] = []
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
        """What has come from the work since the last time, as soon as there is something."""
        with self._changed:
            self._changed.wait_for(lambda: bool(self._messages), timeout=LISTEN_SECONDS)
            messages, self._messages = self._messages, []
        return messages

    def stop(self) -> None:
        """Ask the work to end early."""
        self._stopped.set()

    def _run(self, work: Work, given: tuple[Any, ...]) -> None:
        for message in run_work(work, given, self._stopped.is_set):
            with self._changed:
                self._messages.append(message)
                self._changed.notify()
