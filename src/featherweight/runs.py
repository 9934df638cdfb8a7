"""A run and its folder: start one, take one up again, carry it through, read it back.

```
runs/f3-seed0/
  record.json           what was trained, how, where, and each epoch; rewritten after every epoch
  metrics.csv           the same epochs as a table
  weights.safetensors   the kept weights, with what is needed to use them; written at the end
  state.safetensors     the exact state while the run is under way; gone when it is finished
```
"""

import csv
import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch
from torch import nn

from featherweight import engine as engines
from featherweight import environment
from featherweight.anatomy import parameters_by_layer
from featherweight.checkpoint import load_state, save_state
from featherweight.data import Data, locked
from featherweight.engine import Engine
from featherweight.errors import InterruptedRunError, UsageError
from featherweight.experiment import Experiment, check_network, find, fingerprint
from featherweight.record import Record, Row, percent, read_record, write_record, write_text
from featherweight.run_folders import new_folder
from featherweight.stop import stop_signals
from featherweight.train import EVALUATION_BATCH, State, begin, draw_seed, evaluate, fit
from featherweight.trained import data_of, save_weights

SAVE_SECONDS = 30.0
"""The exact state is saved at least this often, besides after every epoch."""


@dataclass(kw_only=True)
class Run:
    """A run under way."""

    folder: Path
    record: Record
    experiment: Experiment
    data: Data
    state: State
    engine: Engine
    judge: Engine
    """Executes the kept network: the average, where there is one."""

    def introduction(self) -> list[str]:
        """What is said before the first step: how the data was had, what is trained, where it is saved."""
        record, recipe = self.record, self.experiment.recipe
        kept = f", {self.data.holdout:,} held out" if self.data.holdout else ""
        threads = record.environment["threads"]
        what = (
            f"{self.experiment.id}: {record.parameters:,} parameters"
            f" (fewer than {self.experiment.budget.parameters:,} allowed), {recipe.epochs} epochs of"
            f" {len(self.data.train.labels):,} images of {self.data.name}{kept}, batch {recipe.batch}"
        )
        how = f"{record.engine} engine on {record.environment['device']}, {threads} thread{'s' * (threads > 1)}"
        return [line for line in (self.data.note, self.engine.note, what, how) if line]


def start(
    experiment: Experiment,
    data: Data,
    *,
    seed: int = 0,
    out: Path = Path("runs"),
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Run:
    """A run at its first step, with a folder of its own under `out`.

    Raises BudgetError when the network or the recipe is over the experiment's budget, before anything is trained.
    """
    run = prepare(experiment, data, seed=seed, engine=engine, device=device, threads=threads)
    run.folder = new_folder(out, f"{experiment.id}-seed{seed}")
    write_record(run.record, run.folder / "record.json")
    return run


def resume(folder: Path, *, data_dir: Path | None = None, device: str | None = None) -> Run:
    """The run of that folder where it was left, by default on the kind of device it was on.

    Raises UsageError when it is finished, or names what has changed since.
    """
    record = read_record(folder)
    if record.finished:
        raise UsageError(f"The run of {folder} is finished; `featherweight evaluate {folder}` shows its figures.")
    experiment = experiment_of(record)
    data = data_of(record, data_dir)
    device, threads = device or record.environment["device_type"], record.environment["threads"]
    run = prepare(experiment, data, seed=record.seed, engine=record.engine, device=device, threads=threads)
    run.folder = folder
    if (folder / "state.safetensors").exists():
        load_state(run.state, _identity(run.record), folder / "state.safetensors")
        run.record = replace(run.record, rows=tuple(run.state.rows), train_seconds=run.state.train_seconds)
    return run


def prepare(
    experiment: Experiment,
    data: Data,
    *,
    seed: int = 0,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Run:
    """A run at its first step that has no folder yet.

    Raises BudgetError when it is over budget, UsageError when the network does not fit the data.
    """
    where = environment.device_for(device)
    threads = threads or (environment.cores() if engine != "torch" and where.type == "cpu" else 1)
    _, channels, height, width = data.train.images.shape
    shape = (channels, height, width)
    torch.manual_seed(draw_seed(seed, "weights"))
    network = experiment.build(channels=shape[0], classes=len(data.classes))
    check_network(network, shape, len(data.classes), experiment.id)
    layers = parameters_by_layer(network)
    parameters = sum(count for _, count in layers)
    recipe = experiment.recipe
    experiment.budget.check_before_training(parameters, layers[:3], recipe.epochs)
    state = begin(network, recipe, where)
    data = data.to(where)

    def bound(module: nn.Module, batch: int) -> Engine:
        return engines.build(
            engine,
            module,
            loss=recipe.loss,
            label_smoothing=recipe.label_smoothing,
            shape=shape,
            batch=batch,
            device=where,
            threads=threads,
        )

    trainer = bound(network, recipe.batch)
    record = Record(
        experiment=experiment.name,
        seed=seed,
        parameters=parameters,
        network=fingerprint(network),
        engine=trainer.name,
        budget=asdict(experiment.budget),
        recipe=recipe.to_json(),
        data=data.summary(),
        environment=environment.describe(where, threads),
    )
    judge = trainer if state.averaged is None else bound(state.kept, EVALUATION_BATCH)
    return Run(
        folder=Path(),
        record=record,
        experiment=experiment,
        data=data,
        state=state,
        engine=trainer,
        judge=judge,
    )


def _identity(record: Record) -> dict[str, Any]:
    """What must be the same for a run to go on bit for bit."""
    parts = {
        "experiment": record.experiment,
        "seed": record.seed,
        "network": record.network,
        "engine": record.engine,
        "recipe": record.recipe,
        "budget": record.budget,
        "data": record.data,
        **{name: record.environment[name] for name in ("featherweight", "torch", "device", "instructions")},
        # Only the native engine gives the same bits on any number of threads.
        "threads": record.environment["threads"] if record.engine == "torch" else None,
    }
    plain: dict[str, Any] = json.loads(json.dumps(parts))
    return plain


def proceed(run: Run) -> Iterator[State]:
    """Train to the end, yielding the state after every step and every epoch; then `run.record` is finished.

    Saves at the start, after each epoch and every 30 s. Ctrl-C and SIGTERM end the step under way, save, and raise
    InterruptedRunError.
    """
    path = run.folder / "state.safetensors"
    identity = _identity(run.record)
    with _held(run.folder), stop_signals() as stopped:
        save_state(run.state, identity, path)
        saved = time.monotonic()
        for state in fit(run.state, run.data, run.experiment.recipe, run.record.seed, run.engine, run.judge):
            if state.step == 0:
                _write_rows(run)
            if state.step == 0 or time.monotonic() - saved > SAVE_SECONDS:
                save_state(state, identity, path)
                saved = time.monotonic()
            yield state
            if stopped:
                save_state(state, identity, path)
                raise InterruptedRunError(stopped[0], run.folder)
        _finish(run)


@contextmanager
def _held(folder: Path) -> Iterator[None]:
    """The run's folder for this process alone; UsageError when another has it."""
    try:
        with locked(folder / ".lock", wait=False):
            yield
    except BlockingIOError as problem:
        raise UsageError(f"The run of {folder} is being trained by another process; wait for it to end.") from problem


def _write_rows(run: Run) -> None:
    run.record = replace(run.record, rows=tuple(run.state.rows), train_seconds=run.state.train_seconds)
    write_record(run.record, run.folder / "record.json")
    table = io.StringIO()
    writer = csv.DictWriter(table, [f.name for f in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in run.state.rows)
    write_text(run.folder / "metrics.csv", table.getvalue())


def _finish(run: Run) -> None:
    """Weights, the accuracy on the training images as they are, the finished record; the state is no longer needed."""
    _, correct = evaluate(run.judge, run.data.train, run.data.mean, run.data.std)
    save_weights(run.state.kept, run.record, run.folder / "weights.safetensors")
    run.record = replace(run.record, clean_train_accuracy=percent(correct, len(run.data.train.labels)), finished=True)
    write_record(run.record, run.folder / "record.json")
    (run.folder / "state.safetensors").unlink(missing_ok=True)


def experiment_of(record: Record) -> Experiment:
    """The experiment a record names, with as many epochs as the record's recipe has."""
    experiment = find(record.experiment)
    return replace(experiment, recipe=experiment.recipe.with_epochs(int(record.recipe["epochs"])))
