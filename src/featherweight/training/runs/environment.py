"""The environment of a run: its device, its threads, and everything else that its exact bits and speed depend on."""

import hashlib
import platform
import subprocess
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

import torch

from featherweight.errors import UsageError, nearest

DEVICES = ("auto", "cpu", "cuda", "mps")


def device_for(name: str) -> torch.device:
    """The device with this name; `auto` prefers CUDA, then Apple's MPS, then the CPU. UsageError if unavailable."""
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if name not in DEVICES:
        raise UsageError(f"Unknown device {name!r}; {nearest(name, DEVICES)}")
    if name == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    if not available[name]:
        has = ", ".join(kind for kind, here in available.items() if here)
        raise UsageError(f"This machine has no {name} device that PyTorch can use; it has {has}.")
    return torch.device(name)


def describe_environment(device: torch.device, threads: int) -> dict[str, Any]:
    """Versions, processor, device, threads and commit as plain values."""
    return {
        "featherweight": metadata.version("featherweight") if _installed() else "source",
        "commit": _commit_id(),
        "python": platform.python_version(),
        "torch": torch.__version__,
        "system": f"{platform.system()} {platform.machine()}",
        "processor": processor(),
        "instructions": torch.backends.cpu.get_cpu_capability(),
        "device_type": device.type,
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else device.type,
        "threads": threads,
    }


def _installed() -> bool:
    try:
        metadata.version("featherweight")
    except metadata.PackageNotFoundError:
        return False
    return True


@cache
def _commit_id() -> str | None:
    """The commit of the source tree this code runs from, with `+` if it was modified; None if it runs as installed.
    Determined once per process, since the running code was read at its start.
    """
    here = Path(__file__).parents[2]

    def git(*words: str) -> str:
        command = ["git", "-C", str(here), *words]
        return subprocess.run(command, capture_output=True, text=True, check=True, timeout=5).stdout.strip()

    try:
        if not git("ls-files", "--", "__init__.py"):
            return None
        return git("rev-parse", "--short=12", "HEAD") + ("+" if git("status", "--porcelain", "--", str(here)) else "")
    except (OSError, subprocess.SubprocessError):
        return None


@cache
def processor() -> str:
    """The name of this machine's processor, as its system gives it."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or "unknown"
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else "unknown"


@cache
def source_digest() -> str:
    """A digest of the package's Python, by which machines find that they run the same."""
    root = Path(__file__).parents[2]
    state = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        state.update(path.relative_to(root).as_posix().encode() + b"\0" + path.read_bytes())
    return state.hexdigest()[:12]
