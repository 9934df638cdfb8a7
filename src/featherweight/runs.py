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
import signal
import time
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from types import FrameType
from typing import Any

import torch
from torch import nn

from featherweight import engine as engines
from featherweight import environment
from featherweight.anatomy import parameters_by_layer
from featherweight.checkpoint import load_state, save_state
from featherweight.data import Data
from featherweight.engine import Engine
from featherweight.errors import InterruptedRunError, UsageError
from featherweight.experiment import Experiment, find
from featherweight.record import Record, Row, percent, read_record, write_record, write_text
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
    run.folder = _new_folder(out, f"{experiment.id}-seed{seed}")
    write_record(run.record, run.folder / "record.json")
    return run


def resume(folder: Path, *, data_dir: Path | None = None, device: str = "auto") -> Run:
    """The run of that folder where it was left; UsageError when it is finished or something has changed since."""
    record = read_record(folder)
    if record.finished:
        raise UsageError(f"The run of {folder} is finished; `featherweight evaluate {folder}` shows its figures.")
    experiment = experiment_of(record)
    data = data_of(record, data_dir)
    threads = int(record.environment["threads"])
    run = prepare(experiment, data, seed=record.seed, engine=record.engine, device=device, threads=threads)
    run.folder = folder
    if (folder / "state.safetensors").exists():
        load_state(run.state, _identity(run.record), folder / "state.safetensors")
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
    """A run at its first step that has no folder yet; BudgetError when it is over budget."""
    where = environment.device_for(device)
    threads = threads or (environment.cores() if engine != "torch" and where.type == "cpu" else 1)
    _, channels, height, width = data.train.images.shape
    shape = (channels, height, width)
    torch.manual_seed(draw_seed(seed, "weights"))
    network = experiment.build(channels=shape[0], classes=len(data.classes))
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


def _new_folder(out: Path, name: str) -> Path:
    """A folder nobody else has; making it is what claims it, so that many may start at once."""
    number = 1
    while True:
        folder = out / (name if number == 1 else f"{name}-{number}")
        try:
            folder.mkdir(parents=True)
        except FileExistsError:
            number += 1
        except OSError as problem:
            raise UsageError(
                f"No run folder can be made in {out} ({problem.strerror}); name another with --out."
            ) from problem
        else:
            return folder


def _identity(record: Record) -> dict[str, Any]:
    """What must be the same for a run to go on bit for bit."""
    parts = {
        "experiment": record.experiment,
        "seed": record.seed,
        "parameters": record.parameters,
        "engine": record.engine,
        "recipe": record.recipe,
        "data": record.data,
        "torch": record.environment["torch"],
        "device": record.environment["device"],
        # Only the native engine gives the same bits on any number of threads.
        "threads": record.environment["threads"] if record.engine == "torch" else None,
    }
    plain: dict[str, Any] = json.loads(json.dumps(parts))
    return plain


def proceed(run: Run) -> Iterator[State]:
    """Train to the end, yielding the state after every step and every epoch; then `run.record` is finished.

    Saves after each epoch and every 30 s. Ctrl-C and SIGTERM end the step under way, save, and raise
    InterruptedRunError.
    """
    saved = time.monotonic()
    path = run.folder / "state.safetensors"
    identity = _identity(run.record)
    with _stop_signals() as stopped:
        for state in fit(run.state, run.data, run.experiment.recipe, run.record.seed, run.engine, run.judge):
            epoch_done = state.step == 0
            if epoch_done or stopped or time.monotonic() - saved > SAVE_SECONDS:
                save_state(state, identity, path)
                saved = time.monotonic()
            if epoch_done:
                _write_rows(run)
            yield state
            if stopped:
                raise InterruptedRunError(stopped[0], run.folder, state.epoch + 1)
    _finish(run)


@contextmanager
def _stop_signals() -> Iterator[list[int]]:
    """A list that receives the signals asking this process to stop, so that no step is torn apart."""
    received: list[int] = []

    def note(number: int, frame: FrameType | None) -> None:
        if number in received:  # asked twice: do not wait for the step
            raise KeyboardInterrupt
        received.append(number)

    try:
        before = {number: signal.signal(number, note) for number in (signal.SIGINT, signal.SIGTERM)}
    except ValueError:  # not in the main thread: whoever runs there handles signals
        before = {}
    try:
        yield received
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


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
    """The experiment a record names, with the record's own recipe and budget settings checked against it."""
    experiment = find(record.experiment)
    return replace(experiment, recipe=experiment.recipe.with_epochs(int(record.recipe["epochs"])))


def finished_runs(experiment: Experiment, folders: Sequence[Path], seeds: Iterable[int], source: str) -> list[Record]:
    """Records of finished runs of the experiment as it is now, one a seed, found in or under the folders.

    A folder holds run folders, or committed records as `results/ID/seedN.json`. `source` names the whole data set that
    they must be of; runs that held images out do not count.
    """
    found = []
    for seed in seeds:
        patterns = (f"{experiment.id}-seed{seed}*", f"{experiment.id}/seed{seed}.json")
        for path in (path for folder in folders for pattern in patterns for path in sorted(folder.glob(pattern))):
            record = read_record(path)
            if record.finished and _is_of(record, experiment, seed, source):
                found.append(record)
                break
    return found


def unfinished_run(experiment: Experiment, folder: Path, seed: int, source: str) -> Path | None:
    """The run folder of a run that `finished_runs` would count, had it not been stopped; None where there is none."""
    for path in sorted(folder.glob(f"{experiment.id}-seed{seed}*")):
        record = read_record(path)
        if not record.finished and _is_of(record, experiment, seed, source):
            return path
    return None


def _is_of(record: Record, experiment: Experiment, seed: int, source: str) -> bool:
    recipe = json.loads(json.dumps(experiment.recipe.to_json()))
    if (record.experiment, record.seed, record.recipe) != (experiment.name, seed, recipe):
        return False
    network = experiment.build(channels=record.data["shape"][0], classes=len(record.data["classes"]))
    same_network = record.parameters == sum(p.numel() for p in network.parameters())
    return same_network and record.data["source"] == source and record.data["holdout"] == 0
