"""Checkpoints: the exact state of a run in a file that is written atomically, and the previous one kept beside it.

The format is safetensors and JSON with a digest, never pickle. A damaged state is reported and the previous one used.
"""

import copy
import json
import math
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from featherweight.errors import FileError, TrainingError, UsageError
from featherweight.experiments.record import Row, require_row
from featherweight.experiments.settings import flatten
from featherweight.io import write_bytes
from featherweight.json_files import parse_json
from featherweight.training.runs.tensors import is_intact, open_packed, pack_tensors, read_tensors
from featherweight.training.state import State

_COUNTS: dict[str, type] = {
    "epoch": int, "step": int, "seen": int, "lr": float, "epoch_seconds": float, "train_seconds": float
}  # fmt: skip
_KEY = "run"


def previous(path: Path) -> Path:
    """The path of the state saved before the one in `path`.

    >>> previous(Path("runs/f3-seed0/state.safetensors")).name
    'state.before.safetensors'
    """
    return path.with_name(f"{path.stem}.before{path.suffix}")


def _state_tensors(state: State) -> dict[str, Tensor]:
    """Every tensor of the state except the optimiser's, by name."""
    named = {f"network.{name}": tensor for name, tensor in state.network.state_dict().items()}
    if state.averaged is not None:
        named |= {f"averaged.{name}": tensor for name, tensor in state.averaged.state_dict().items()}
    if state.losses is not None:
        named["losses"] = state.losses
    return named | {"loss_sum": state.loss_sum, "correct": state.correct}


def _slots(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The optimiser's state tensors by name; empty before its first step."""
    remembered = optimizer.state_dict()["state"].items()
    return {f"optimizer.{i}.{slot}": v for i, slots in remembered for slot, v in slots.items() if v is not None}


def _slots_after_a_step(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """The state tensors that such an optimiser has after a step, for their names, shapes and types."""
    trial = copy.deepcopy(optimizer)
    for group in trial.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    trial.step()
    return _slots(trial)


def save_state(state: State, identity: dict[str, Any], path: Path) -> None:
    """Write a checkpoint of the state; `identity` describes the run it belongs to and is compared when it is loaded.

    The previous state is kept beside it, unless it is damaged. Raises FileError if the file cannot be written, and
    TrainingError if the state contains infinite or NaN values; the last good state is then left in place.
    """
    tensors = {
        name: tensor.detach().cpu() for name, tensor in (_state_tensors(state) | _slots(state.optimizer)).items()
    }
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise TrainingError(
            f"The weights or the loss are no longer finite in epoch {state.epoch + 1} at a learning rate of"
            f" {state.lr:.4g}; lower the recipe's lr, or warm it up over the first epoch."
        )
    counts = {name: getattr(state, name) for name in _COUNTS}
    about = {"identity": identity, "counts": counts, "rows": [asdict(row) for row in state.rows]}
    write_bytes(
        path, pack_tensors(tensors, {_KEY: json.dumps(about)}), keep=previous(path) if is_intact(path) else None
    )


def load_state(state: State, identity: dict[str, Any], path: Path) -> str:
    """Fill a state in place from its checkpoint, or from the previous one; return a sentence if it was the latter.

    Otherwise returns "". Raises FileError if neither is a complete state of this network, and UsageError, naming what
    has changed, if the file belongs to another recipe, seed, data set or engine.
    """
    problems: list[str] = []
    for candidate in (path, previous(path)):
        try:
            _fill(state, identity, candidate)
        except (ValueError, KeyError, TypeError, OSError) as problem:
            problems.append(f"{candidate.name}: {problem}")
        else:
            return f"{path} cannot be used ({problems[0]}); using the previous state." if problems else ""
    raise FileError(
        f"{path} is not a complete state of a run, and neither is the one before it ({'; '.join(problems)});"
        " start a new run."
    )


def remove_states(path: Path) -> None:
    """Remove the current and the previous state, which a finished run no longer needs, where that can be done."""
    for one in (path, previous(path)):
        with suppress(OSError):
            one.unlink(missing_ok=True)


def _fill(state: State, identity: dict[str, Any], path: Path) -> None:
    """Fill the state from one file; it is left untouched unless the whole file is valid."""
    packed = open_packed(path, _KEY)
    about = parse_json(packed.about[_KEY])
    if not isinstance(about, dict) or not isinstance(about["counts"], dict) or not isinstance(about["rows"], list):
        raise TypeError("its counts or rows are malformed")
    require_same(about["identity"], identity, path.parent)
    counts, rows = {name: about["counts"][name] for name in _COUNTS}, [Row(**row) for row in about["rows"]]
    _require_possible(counts, rows)
    stepped = counts["epoch"] > 0 or counts["step"] > 0
    targets = _state_tensors(state)
    tensors = read_tensors(packed, targets | (_slots_after_a_step(state.optimizer) if stepped else {}))
    slots: dict[int, dict[str, Tensor]] = {}
    for name in sorted(tensors.keys() - targets.keys()):
        _, index, slot = name.split(".", 2)
        slots.setdefault(int(index), {})[slot] = tensors[name]
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": slots, "param_groups": groups})
    for name, tensor in targets.items():
        tensor.detach().copy_(tensors[name])
    for name, value in counts.items():
        setattr(state, name, value)
    state.rows = rows


def _require_possible(counts: dict[str, Any], rows: list[Row]) -> None:
    """Raise TypeError or ValueError unless these counts and rows are possible in a run."""
    for name, kind in _COUNTS.items():
        value = counts[name]
        if isinstance(value, bool) or not isinstance(value, int | float) or (kind is int and value != int(value)):
            raise TypeError(f"{name} is {value!r}")
        if not math.isfinite(value) or value < 0:
            raise ValueError(f"{name} is {value}")
    for number, row in enumerate(rows, start=1):
        require_row(row, number)
    if len(rows) != counts["epoch"]:
        raise ValueError(f"it has {len(rows)} rows for {counts['epoch']} epochs")
    if (counts["seen"] > 0) != (counts["step"] > 0):
        raise ValueError(f"it has seen {counts['seen']} images in {counts['step']} steps")


def require_same(saved: dict[str, Any], now: dict[str, Any], folder: Path) -> None:
    """Raise UsageError, naming each setting that has changed, unless the run may be resumed as it is now."""
    was, is_ = flatten(saved), flatten(now)
    changed = [
        f"{name} (was {was.get(name)}, is {is_.get(name)})"
        for name in sorted(was.keys() | is_.keys())
        if was.get(name) != is_.get(name)
    ]
    if changed:
        raise UsageError(
            f"The run of {folder} cannot be resumed, because this has changed: {'; '.join(changed)}. Restore it,"
            " or start a new run."
        )
