"""What saving costs a training: milliseconds a state of f3, beside the seconds of an epoch."""

import statistics
import time
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from featherweight.experiments.experiment import find
from featherweight.training.runs import run as runs
from featherweight.training.runs.checkpoint import save_state

from .harness import warmed

SAVES = 60


def trial() -> dict[str, Any]:
    """The median of so many saves of f3's state, on disk, and its bytes."""
    _, data = warmed()
    with TemporaryDirectory(prefix="saving-") as name:
        run = runs.new_run(find("f3"), data, out=Path(name), threads=1)
        path = run.folder / "state.safetensors"
        for state in runs.train(run):
            if state.step == 3:
                break
        same, took = runs.identity(run.record), []
        for _ in range(SAVES):
            started = time.perf_counter()
            save_state(run.state, same, path)
            took.append(1000 * (time.perf_counter() - started))
        return {"saves": SAVES, "median_ms": round(statistics.median(took), 1), "slowest_ms": round(max(took), 1),
                "bytes": path.stat().st_size}  # fmt: skip
