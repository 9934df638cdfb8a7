"""Logs a run in an experiment tracker: its settings, every epoch, its verdict, its figures.

```
facts.py         what is logged, the same for every tracker: settings, verdict, figures
tensorboard.py   event files in the run's folder
mlflow.py        a database and figures in the folder `mlruns` beside the runs
wandb.py         Weights & Biases: runs kept offline in the folder `wandb` beside the runs
```

Trackers listen to the events that training reports anyway; the training loop does not know them. A resumed run
continues its old log, without repeating a row.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from featherweight.errors import UsageError, nearest
from featherweight.experiments.record import Row
from featherweight.training.runs.events import Done, Event, Failed, Progress, Started

if TYPE_CHECKING:
    from featherweight.report.trackers.facts import Log

__all__ = ["TRACKERS", "require_tracker", "tracking"]

TRACKERS = ("tensorboard", "mlflow", "wandb")
"""Their packages, each of which has a file of the same name here; it is imported only when somebody tracks."""


def require_tracker(kind: str) -> None:
    """Raise UsageError unless this tracker exists and its package is installed."""
    if kind not in TRACKERS:
        raise UsageError(f"Unknown tracker {kind!r}; {nearest(kind, TRACKERS)}")
    if find_spec(kind) is None:
        raise UsageError(
            f"Tracking with {kind} needs a package that is not installed here; install it with: pip install {kind}"
        )


@contextmanager
def tracking(kind: str | None, data_dir: Path | None = None) -> Iterator[Callable[[Event], None]]:
    """A context with a function that logs events in the tracker of this name, one log per run; None logs nothing.

    `data_dir` is the folder of the runs' data, for figures of their answers.
    """
    if kind is None:
        yield lambda event: None
        return
    require_tracker(kind)
    from featherweight.report.trackers.facts import figures_of

    tracker = import_module(f"featherweight.report.trackers.{kind}")
    logs: dict[str, Log] = {}

    def log(event: Event) -> None:
        match event:
            case Started():
                logs[event.label] = tracker.open_log(event.folder, event.record)
                for row in event.record.rows:
                    logs[event.label].row(row)
            case Progress(row=Row() as row):
                logs[event.label].row(row)
            case Done():
                ended = logs.pop(event.label)
                ended.verdict(event.record, figures_of(event.folder, data_dir))
                ended.close(True)
            case Failed() if event.label in logs:
                logs.pop(event.label).close(False)

    try:
        yield log
    finally:
        for left in logs.values():
            left.close(False)
