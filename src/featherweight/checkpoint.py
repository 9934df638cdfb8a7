"""The exact state of a run in one file, written whole or not at all. Never pickle: safetensors and JSON."""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from featherweight.errors import FileError, TrainingError, UsageError
from featherweight.record import Row, write_bytes
from featherweight.train import State

_COUNTS = ("epoch", "step", "seen", "lr", "epoch_seconds", "train_seconds")


def _tensors(state: State) -> dict[str, Tensor]:
    """Every tensor of the state under one name each."""
    named = {f"network.{name}": tensor for name, tensor in state.network.state_dict().items()}
    if state.averaged is not None:
        named |= {f"averaged.{name}": tensor for name, tensor in state.averaged.state_dict().items()}
    for index, slots in state.optimizer.state_dict()["state"].items():
        named |= {f"optimizer.{index}.{slot}": value for slot, value in slots.items() if value is not None}
    return named | {"loss_sum": state.loss_sum, "correct": state.correct}


def save_state(state: State, identity: dict[str, Any], path: Path) -> None:
    """Write the state; `identity` says what run it belongs to and is compared when it is loaded.

    Raises TrainingError rather than write a state that holds a number that is none, so the last good one stays.
    """
    tensors = {name: tensor.detach().cpu().contiguous().clone() for name, tensor in _tensors(state).items()}
    if not all(torch.isfinite(tensor).all() for tensor in tensors.values()):
        raise TrainingError(
            f"The weights or the loss are no longer finite in epoch {state.epoch + 1} at a learning rate of"
            f" {state.lr:.4g}; lower the recipe's lr, or warm it up over the first epoch."
        )
    counts = {name: getattr(state, name) for name in _COUNTS}
    about = {"identity": identity, "counts": counts, "rows": [asdict(row) for row in state.rows]}
    write_bytes(path, save(tensors, metadata={"run": json.dumps(about)}))


def load_state(state: State, identity: dict[str, Any], path: Path) -> None:
    """Fill a fresh state from the file, in place.

    Raises FileError when the file is not a whole state of this network, UsageError naming what has changed when it
    belongs to another recipe, seed, data set or engine.
    """
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["run"])
            tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 -- not a dict
        _require_same(about["identity"], identity, path)
        state.rows = [Row(**row) for row in about["rows"]]
        counts = {name: about["counts"][name] for name in _COUNTS}
    except (SafetensorError, OSError, ValueError, KeyError, TypeError) as problem:
        raise FileError(f"{path} is not a whole state of a run ({problem}); start the run anew.") from problem
    for name, value in counts.items():
        setattr(state, name, value)
    slots: dict[int, dict[str, Tensor]] = {}
    for name in [name for name in tensors if name.startswith("optimizer.")]:
        _, index, slot = name.split(".", 2)
        slots.setdefault(int(index), {})[slot] = tensors.pop(name)
    groups = state.optimizer.state_dict()["param_groups"]
    state.optimizer.load_state_dict({"state": slots, "param_groups": groups})
    targets = {name: tensor for name, tensor in _tensors(state).items() if not name.startswith("optimizer.")}
    if set(targets) != set(tensors) or any(targets[name].shape != tensors[name].shape for name in targets):
        raise FileError(f"{path} holds the state of another network; name the run it belongs to.")
    for name, tensor in targets.items():
        tensor.detach().copy_(tensors[name])


def _require_same(saved: dict[str, Any], now: dict[str, Any], path: Path) -> None:
    changed = [
        f"{name} (was {saved.get(name)}, is {now.get(name)})"
        for name in sorted(saved.keys() | now.keys())
        if saved.get(name) != now.get(name)
    ]
    if changed:
        raise UsageError(
            f"The run of {path.parent} cannot go on, because this has changed: {'; '.join(changed)}. Put it back,"
            " or start a new run."
        )
