"""The exact state of a run in a file, written whole or not at all, and the state before it kept until then.

Never pickle: safetensors and JSON, with a digest. A state that is damaged is named, and the one before it is used.
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
from featherweight.files import parse_json, write_bytes
from featherweight.training.loop import State
from featherweight.training.runs.tensors import open_packed, pack, take, whole

_COUNTS: dict[str, type] = {
    "epoch": int, "step": int, "seen": int, "lr": float, "epoch_seconds": float, "train_seconds": float
}  # fmt: skip
_KEY = "run"


def before(path: Path) -> Path:
    """Where the state before the one in `path` is kept.

    >>> before(Path("runs/f3-seed0/state.safetensors")).name
    'state.before.safetensors'
    """
    return path.with_name(f"{path.stem}.before{path.suffix}")


def _tensors(state: State) -> dict[str, Tensor]:
    """Every tensor of the state but the optimiser's under one name each."""
    named = {f"network.{name}": tensor for name, tensor in state.network.state_dict().items()}
    if state.averaged is not None:
        named |= {f"averaged.{name}": tensor for name, tensor in state.averaged.state_dict().items()}
    if state.losses is not None:
        named["losses"] = state.losses
    return named | {"loss_sum": state.loss_sum, "correct": state.correct}


def _slots(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What an optimiser remembers, under one name each; nothing before its first step."""
    remembered = optimizer.state_dict()["state"].items()
    return {f"optimizer.{i}.{slot}": v for i, slots in remembered for slot, v in slots.items() if v is not None}


def _slots_after_a_step(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """What such an optimiser remembers once it has taken a step: names, shapes and types, whatever optimiser it is."""
    trial = copy.deepcopy(optimizer)
    for group in trial.param_groups:
        for parameter in group["params"]:
            parameter.grad = torch.zeros_like(parameter)
    trial.step()
    return _slots(trial)


def save_state(state: State, identity: dict[str, Any], path: Path) -> None:
    """Write the state; `identity` says what run it belongs to and is compared when it is loaded.

    The state that was there is kept beside it, unless it is damaged. Raises FileError when there is no room, and
    TrainingError rather than write a state that holds a number that is none; the last good one stays.
    """
    tensors = {name: tensor.detach().cpu() for name, tensor in (_tensors(state) | _slots(state.optimizer)).items()}
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise TrainingError(
            f"The weights or the loss are no longer finite in epoch {state.epoch + 1} at a learning rate of"
            f" {state.lr:.4g}; lower the recipe's lr, or warm it up over the first epoch."
        )
    counts = {name: getattr(state, name) for name in _COUNTS}
    about = {"identity": identity, "counts": counts, "rows": [asdict(row) for row in state.rows]}
    write_bytes(path, pack(tensors, {_KEY: json.dumps(about)}), keep=before(path) if whole(path) else None)


def load_state(state: State, identity: dict[str, Any], path: Path) -> str:
    """Fill a fresh state from the file, in place, or from the one before it; a sentence where the latter, else "".

    Raises FileError when neither is a whole state of this network, UsageError naming what has changed when it belongs
    to another recipe, seed, data set or engine.
    """
    problems: list[str] = []
    for candidate in (path, before(path)):
        try:
            _fill(state, identity, candidate)
        except (ValueError, KeyError, TypeError, OSError) as problem:
            problems.append(f"{candidate.name}: {problem}")
        else:
            return f"{path} cannot be used ({problems[0]}); the state before it is taken." if problems else ""
    raise FileError(
        f"{path} is not a whole state of a run, and neither is the one before it ({'; '.join(problems)});"
        " start the run anew."
    )


def remove_states(path: Path) -> None:
    """Remove the state and the one before it: a finished run needs none, and is finished where they must stay."""
    for one in (path, before(path)):
        with suppress(OSError):
            one.unlink(missing_ok=True)


def _fill(state: State, identity: dict[str, Any], path: Path) -> None:
    """Fill the state from one file; nothing of it is touched unless all of the file is as it should be."""
    packed = open_packed(path, _KEY)
    about = parse_json(packed.about[_KEY])
    if not isinstance(about, dict) or not isinstance(about["counts"], dict) or not isinstance(about["rows"], list):
        raise TypeError("what it says of its counts is something else")
    require_same(about["identity"], identity, path.parent)
    counts, rows = {name: about["counts"][name] for name in _COUNTS}, [Row(**row) for row in about["rows"]]
    _require_possible(counts, rows)
    stepped = counts["epoch"] > 0 or counts["step"] > 0
    targets = _tensors(state)
    tensors = take(packed, targets | (_slots_after_a_step(state.optimizer) if stepped else {}))
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
    """Raise TypeError or ValueError unless a run can have come to these counts and rows."""
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
    """Raise UsageError, naming each setting that differs, unless a run may go on as what it is now."""
    was, is_ = _flat(saved), _flat(now)
    changed = [
        f"{name} (was {was.get(name)}, is {is_.get(name)})"
        for name in sorted(was.keys() | is_.keys())
        if was.get(name) != is_.get(name)
    ]
    if changed:
        raise UsageError(
            f"The run of {folder} cannot go on, because this has changed: {'; '.join(changed)}. Put it back,"
            " or start a new run."
        )


def _flat(values: Any, name: str = "") -> dict[str, Any]:
    """Settings inside settings under one name each, so that a message can name what changed and nothing else.

    >>> _flat({"seed": 0, "recipe": {"lr": 0.1, "schedule": {"kind": "step"}}})
    {'seed': 0, 'recipe.lr': 0.1, 'recipe.schedule.kind': 'step'}
    """
    if not isinstance(values, dict):
        return {name: values}
    found: dict[str, Any] = {}
    for key, value in values.items():
        found |= _flat(value, f"{name}.{key}" if name else str(key))
    return found
