"""What the sources print of their rungs: figures besides the best accuracy, and logs."""

import json
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

PUBLISHED = Path(__file__).with_name("published.json")


@cache
def _published() -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = json.loads(PUBLISHED.read_text(encoding="utf-8"))
    return found


def published(id: str) -> Mapping[str, Any]:
    """The figures that a rung's source prints besides its best test accuracy, accuracies in percent; empty if none.

    >>> published("e1")["last_test"], published("f3")
    (99.1, {})
    """
    return _published().get(id, {})


def published_log(id: str) -> Mapping[str, Sequence[float]]:
    """The log that a source prints, epoch by epoch: `train` and `test` in percent, `test_loss`, and `lr` if printed.

    >>> published_log("c3")["test"][-1], len(published_log("d1")["lr"]), published_log("a1")
    (99.4, 20, {})
    """
    log = dict(published(id).get("epochs", {}))
    if log:
        log["test"] = [correct / 100 for correct in log.pop("correct")]
    return log
