"""A run and its folder: start one, take one up again, carry it through, read it back.

```
runs/f3-seed0/
  record.json           what was trained, how, where, and each epoch; rewritten after every epoch
  metrics.csv           the same epochs as a table
  weights.safetensors   the kept weights, with what is needed to use them; written at the end
  state.safetensors     the exact state while the run is under way; gone when it is finished
  state.before.safetensors   the state before that one, for when it is damaged
```
"""

import csv
import io
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from featherweight import engine as engines
from featherweight.data import Data
from featherweight.engine import Engine
from featherweight.errors import FileError, InterruptedRunError, UsageError
from featherweight.experiments.experiment import Experiment, check_network, experiment_of, fingerprint
from featherweight.experiments.record import Record, Row, names_file, percent, read_record, write_record
from featherweight.files import remove_parts, write_text
from featherweight.networks.anatomy import dissect, parameters_by_layer
from featherweight.training import distillation as teacher
from featherweight.training.loop import EVALUATION_BATCH, State, draw_seed, evaluate, fit, initial_state, steps_in_epoch
from featherweight.training.runs import environment
from featherweight.training.runs.checkpoint import load_state, remove_states, require_same, save_state
from featherweight.training.runs.folders import exclusive, new_folder, states
from featherweight.training.runs.signals import stop_signals
from featherweight.training.runs.trained import data_of, save_weights
from featherweight.training.tta import evaluate_shifted

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
    evaluator: Engine
    """Executes the kept network: the average, where there is one."""
    teacher: Callable[[Tensor], Tensor] | None = None
    """Images [N C H W] -> the probabilities [N classes] that a recipe with `distil` learns from."""
    note: str = ""
    """What there is to say of how it was taken up."""
    found: tuple[int, ...] = ()
    """What the states in the folder were when it was taken up; nobody may have written others since."""

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
        taught = ", ".join(str(by["run"]) for by in record.teachers)
        lesson = f"taught by {taught}, which see every batch too" if taught else ""
        how = f"{record.engine} engine on {record.environment['device']}, {threads} thread{'s' * (threads > 1)}"
        return [line for line in (self.data.note, self.engine.note, self.note, what, lesson, how) if line]


def new_run(
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
    run = prepare(experiment, data, seed=seed, engine=engine, device=device, threads=threads, teachers=out)
    run.folder = new_folder(out, f"{experiment.id}-seed{seed}")
    write_record(run.record, run.folder / "record.json")
    return run


def resume(folder: Path, *, data_dir: Path | None = None, device: str | None = None, trust: bool = False) -> Run:
    """The run of that folder where it was left, by default on the kind of device it was on.

    With `trust`, the Python file that its record names is executed, where it is not one of the package's experiments.
    Raises UsageError when it is finished, or names what has changed since; FileError when no whole state is left.
    """
    found = states(folder)
    record = read_record(folder)
    if record.finished:
        with exclusive(folder):  # a process that was killed at its very end left these
            remove_states(folder / "state.safetensors")
        raise UsageError(f"The run of {folder} is finished; `featherweight evaluate {folder}` shows its figures.")
    experiment = experiment_of(record, trust=trust)
    data = data_of(record, data_dir)
    device, threads = device or record.environment["device_type"], record.environment["threads"]
    run = prepare(
        experiment, data, seed=record.seed, engine=record.engine, device=device, threads=threads, teachers=folder.parent
    )
    require_same(identity(record), identity(run.record), folder)
    run.folder, run.found = folder, found
    if found:
        run.note = load_state(run.state, identity(run.record), folder / "state.safetensors")
        _require_reached(run)
        run.record = replace(run.record, rows=tuple(run.state.rows), train_seconds=run.state.train_seconds)
    elif record.rows:
        run.note = f"{folder} holds no state; the run begins anew and comes to the same end."
    return run


def _require_reached(run: Run) -> None:
    """Raise FileError unless the run's recipe and data lead through the place where its state is."""
    state, recipe, images = run.state, run.experiment.recipe, len(run.data.train.labels)
    steps = steps_in_epoch(run.data, recipe) if state.epoch < recipe.epochs else 0
    if state.epoch > recipe.epochs or state.step > steps or state.seen != min(images, state.step * recipe.batch):
        raise FileError(
            f"The state in {run.folder} is of epoch {state.epoch + 1}, step {state.step:,}, {state.seen:,} images,"
            f" where this run never is ({recipe.epochs} epochs of {images:,} images); start the run anew."
        )


def prepare(
    experiment: Experiment,
    data: Data,
    *,
    seed: int = 0,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    teachers: Path | None = None,
) -> Run:
    """A run at its first step that has no folder yet.

    A recipe's teacher is looked for in the folder `teachers` and in the package; without a folder nobody teaches.
    Raises BudgetError when it is over budget, UsageError when the network does not fit the data or the teacher is not
    to be had.
    """
    where = environment.device_for(device)
    threads = threads or (environment.cores() if engine != "torch" and where.type == "cpu" else 1)
    _, channels, height, width = data.train.images.shape
    shape = (channels, height, width)
    torch.manual_seed(draw_seed(seed, "weights"))
    network = experiment.build(channels=shape[0], classes=len(data.classes))
    check_network(network, shape, len(data.classes), experiment.id)
    parameters, macs = _within_budget(experiment, network, shape)
    recipe = experiment.recipe
    taught_by = teacher.runs_of(recipe.distil, data.summary(), teachers) if recipe.distil and teachers else []
    state = initial_state(network, recipe, where, len(data.train))
    data = data.to(where)
    bind = partial(
        engines.build,
        engine,
        loss=recipe.loss,
        label_smoothing=recipe.label_smoothing,
        shape=shape,
        device=where,
        threads=threads,
        distil=recipe.distil,
    )
    trainer = bind(network, batch=recipe.batch)
    record = Record(
        experiment=experiment.name,
        seed=seed,
        parameters=parameters,
        network=fingerprint(network),
        engine=trainer.name,
        budget=experiment.budget.to_json(),
        macs=macs,
        recipe=recipe.to_json(),
        data=data.summary(),
        environment=environment.describe(where, threads),
        teachers=tuple(teacher.about(folder) for folder in taught_by),
    )
    return Run(
        folder=Path(),
        record=record,
        experiment=experiment,
        data=data,
        state=state,
        engine=trainer,
        evaluator=trainer if state.averaged is None else bind(state.ema_network, batch=EVALUATION_BATCH),
        teacher=teacher.bound(taught_by, recipe, where, bind) if taught_by else None,
    )


def _within_budget(experiment: Experiment, network: nn.Module, shape: tuple[int, int, int]) -> tuple[int, int | None]:
    """Parameters, and MACs where the budget limits them; BudgetError when it is over one of them."""
    layers = parameters_by_layer(network)
    parameters = sum(count for _, count in layers)
    anatomy = None if experiment.budget.macs is None else dissect(network, shape)
    macs, costliest = (anatomy.macs, anatomy.costliest()) if anatomy else (None, [])
    epochs = experiment.recipe.epochs
    experiment.budget.check_before_training(parameters, layers[:3], epochs, macs or 0, costliest)
    return parameters, macs


def identity(record: Record) -> dict[str, Any]:
    """What must be the same for a run to go on bit for bit."""
    parts = {
        "experiment": record.experiment,
        "seed": record.seed,
        "network": record.network,
        "engine": record.engine,
        "recipe": record.recipe,
        "budget": record.budget,
        "data": record.data,
        **({"teachers": [taught["weights"] for taught in record.teachers]} if record.teachers else {}),
        **{name: record.environment[name] for name in ("featherweight", "torch", "device", "instructions")},
        # Only the native engine gives the same bits on any number of threads.
        "threads": record.environment["threads"] if record.engine == "torch" else None,
    }
    plain: dict[str, Any] = json.loads(json.dumps(parts))
    return plain


def train(run: Run) -> Iterator[State]:
    """Train to the end, yielding the state after every step and every epoch; then `run.record` is finished.

    Saves at the start, after each epoch, every 30 s, and when whoever iterates goes away. Ctrl-C and SIGTERM end the
    step or the batch of an evaluation under way, save, and raise InterruptedRunError.
    """
    path, same = run.folder / "state.safetensors", identity(run.record)
    with exclusive(run.folder), stop_signals() as stopped:
        if states(run.folder) != run.found:
            raise UsageError(f"Another process has trained the run of {run.folder} since it was read; try again.")
        remove_parts(run.folder)
        save_state(run.state, same, path)
        saved = time.monotonic()
        evaluator = _stoppable(run.evaluator, stopped)
        try:
            recipe, seed = run.experiment.recipe, run.record.seed
            for state in fit(run.state, run.data, recipe, seed, run.engine, evaluator, run.teacher):
                if state.step == 0:
                    _write_rows(run)
                if state.step == 0 or time.monotonic() - saved > SAVE_SECONDS:
                    save_state(state, same, path)
                    saved = time.monotonic()
                yield state
                if stopped:
                    raise _StopError
            _finish(run, evaluator)
        except (_StopError, GeneratorExit) as left:
            save_state(run.state, same, path)
            if isinstance(left, GeneratorExit):
                raise
            raise InterruptedRunError(stopped[0], run.folder, own_file=names_file(run.record.experiment)) from None
        finally:
            run.found = states(run.folder)


class _StopError(Exception):
    """The run has been asked to stop, and its state is one to go on from."""


def _stoppable(evaluator: Engine, stopped: list[int]) -> Engine:
    """The engine, which raises _StopError between two batches of an evaluation, for a whole one takes too long."""

    def scores(images: Tensor) -> Tensor:
        if stopped:
            raise _StopError
        return evaluator.scores(images)

    return replace(evaluator, scores=scores)


def _write_rows(run: Run) -> None:
    run.record = replace(run.record, rows=tuple(run.state.rows), train_seconds=run.state.train_seconds)
    write_record(run.record, run.folder / "record.json")
    table = io.StringIO()
    writer = csv.DictWriter(table, [f.name for f in fields(Row)], lineterminator="\n")
    writer.writeheader()
    writer.writerows(asdict(row) for row in run.state.rows)
    write_text(run.folder / "metrics.csv", table.getvalue())


def _finish(run: Run, evaluator: Engine) -> None:
    """Weights, two accuracies for the record that decide nothing, and the record; the state is no longer needed."""
    _, correct = evaluate(evaluator, run.data.train, run.data.mean, run.data.std)
    shifted = evaluate_shifted(evaluator, run.data.test, run.data.mean, run.data.std)
    save_weights(run.state.ema_network, run.record, run.folder / "weights.safetensors")
    run.record = replace(
        run.record,
        clean_train_accuracy=percent(correct, len(run.data.train)),
        shifted_accuracy=percent(shifted, len(run.data.test)),
        finished=True,
    )
    write_record(run.record, run.folder / "record.json")
    remove_states(run.folder / "state.safetensors")
