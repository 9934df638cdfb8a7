"""A run and its folder: begin one, resume one, train it to its end.

```
runs/f3-seed0/
  record.json           what was trained, how, where, and each epoch; rewritten after every epoch
  experiment.py         the experiment's own file as it was, for people; nothing reads it
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
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from torch import Tensor

from featherweight.data import Data
from featherweight.engine import Engine
from featherweight.errors import FileError, InterruptedRunError, UsageError
from featherweight.experiments.experiment import LADDERS, Experiment
from featherweight.experiments.record import Record, Row, percent, read_record, write_record
from featherweight.files import remove_parts, write_bytes, write_text
from featherweight.training.evaluation import evaluate
from featherweight.training.loop import fit
from featherweight.training.runs.checkpoint import load_state, remove_states, require_same, save_state
from featherweight.training.runs.folders import exclusive, folder_name, new_folder, states
from featherweight.training.runs.prepare import RUNS, prepare, record_of
from featherweight.training.runs.restore import SOURCE, experiment_of, weights_digest
from featherweight.training.runs.signals import stop_signals
from featherweight.training.runs.trained import data_of, save_weights
from featherweight.training.state import State
from featherweight.training.step import Teacher, steps_in_epoch
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
    teacher: Teacher | None = None
    """What a recipe with `distil` learns from."""
    note: str = ""
    """What there is to say of how it was resumed."""
    notes: tuple[str, ...] = ()
    """What there is to say of settings that were changed."""
    found: tuple[int, ...] = ()
    """What the states in the folder were when it was resumed; nobody may have written others since."""

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
        return [line for line in (self.data.note, self.engine.note, self.note, *self.notes, what, lesson, how) if line]


def new_run(
    experiment: Experiment,
    data: Data,
    *,
    seed: int = 0,
    out: Path = RUNS,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Run:
    """A run at its first step, with a folder of its own under `out`.

    Raises BudgetError when the network or the recipe is over the experiment's budget, before anything is trained.
    """
    run = draft_run(experiment, data, seed=seed, out=out, engine=engine, device=device, threads=threads)
    run.folder = new_folder(out, folder_name(experiment.id, data, seed))
    write_record(run.record, run.folder / "record.json")
    file = experiment.file
    if file is not None and not file.is_relative_to(LADDERS.resolve()) and file.is_file():
        write_bytes(run.folder / SOURCE, file.read_bytes())
    return run


def resume(
    folder: Path,
    *,
    data: Data | None = None,
    data_dir: Path | None = None,
    device: str | None = None,
    threads: int | None = None,
    experiment: Path | None = None,
) -> Run:
    """The run of that folder where it was left, by default on the kind of device and the threads that it was on.

    `data` are needed where they had been handed over in memory, the file of the `experiment` where its network is not
    kept as data. Raises UsageError when it is finished, or names what has changed since; FileError when no whole state
    is left.
    """
    found = states(folder)
    record = read_record(folder)
    if record.finished:
        with exclusive(folder):  # a process that was killed at its very end left these
            remove_states(folder / "state.safetensors")
        raise UsageError(f"The run of {folder} is finished; `featherweight evaluate {folder}` shows its figures.")
    run = draft_run(
        experiment_of(record, experiment),
        data or data_of(record, data_dir),
        seed=record.seed,
        out=folder.parent,
        engine=record.engine,
        device=device or record.environment["device_type"],
        threads=threads or record.environment["threads"],
    )
    require_same(identity(record), identity(run.record), folder)
    run.folder, run.found = folder, found
    if found:
        run.note = load_state(run.state, identity(run.record), folder / "state.safetensors")
        _require_reached(run)
        run.record = replace(run.record, rows=tuple(run.state.rows), train_seconds=run.state.train_seconds)
    elif (record.architecture or {}).get("first_weights") not in (None, weights_digest(run.state.network)):
        raise UsageError(
            f"{folder} holds no state, and the first weights of {run.experiment.id} are not those that its layers draw"
            " by themselves; begin anew with the experiment's file."
        )
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


def draft_run(
    experiment: Experiment,
    data: Data,
    *,
    seed: int = 0,
    out: Path = RUNS,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
) -> Run:
    """A run at its first step that has a record and no folder yet; errors are as in `prepare`."""
    made = prepare(experiment, data, seed=seed, engine=engine, device=device, threads=threads, teachers=out)
    return Run(
        folder=Path(),
        record=record_of(made),
        experiment=experiment,
        data=made.data,
        state=made.state,
        engine=made.engine,
        evaluator=made.evaluator,
        teacher=made.teacher,
    )


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
            raise InterruptedRunError(stopped[0], run.folder) from None
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
