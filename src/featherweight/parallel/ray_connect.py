"""Reaching a Ray cluster, or starting one on this machine; and what has to travel to it as code."""

import logging
import os
import signal
import site
import sys
from contextlib import suppress
from importlib.util import find_spec
from typing import Any

from featherweight.errors import UsageError
from featherweight.parallel.messages import RAY
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
            ray.init(
                address=None if address == RAY else address,
                logging_level=logging.ERROR,
                log_to_driver=False,
                configure_logging=False,
            )
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
