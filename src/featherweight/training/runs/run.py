"""Runs and their folders: starting a run, resuming it, and training it to the end.

```
runs/f3-seed0/
  record.json           what was trained, how and where, with the figures of each epoch; updated after every epoch
  experiment.py         a copy of the experiment's file for human readers; the program does not read it
  metrics.csv           the same epochs as a table
  weights.safetensors   the final weights, with everything needed to use them; written at the end
  state.safetensors     the exact state of an unfinished run; removed when it is finished
  state.before.safetensors   the previous state, in case the current one is damaged
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

from featherweight.data.dataset import Data
from featherweight.engine import Engine, processors
from featherweight.errors import FileError, InterruptedRunError, UsageError
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.record import Record, Row, percent, read_record, write_record
from featherweight.io import remove_parts, write_text
from featherweight.training.evaluation import evaluate, evaluate_shifted
from featherweight.training.loop import fit
from featherweight.training.runs.checkpoint import load_state, remove_states, require_same, save_state
from featherweight.training.runs.custom import Custom
from featherweight.training.runs.folders import exclusive, folder_name, new_folder, states
from featherweight.training.runs.prepare import RUNS, Prepared, prepare, record_of, with_threads_of
from featherweight.training.runs.restore import experiment_of, keep_source, weights_digest
from featherweight.training.runs.signals import stop_signals
from featherweight.training.runs.trained import data_of, save_weights
from featherweight.training.state import State
from featherweight.training.step import Teacher, steps_in_epoch

SAVE_SECONDS = 30.0
"""Maximum time between two saves of the exact state, which is also saved after every epoch."""


@dataclass(kw_only=True)
class Run:
    """A training run in progress: its folder, record, experiment, data, state and engine."""

    folder: Path
    record: Record
    experiment: Experiment
    data: Data
    state: State
    engine: Engine
    evaluator: Engine
    """Executes the network that is evaluated and saved: the moving average if there is one."""
    teacher: Teacher | None = None
    """The teacher of a recipe with `distil`."""
    note: str = ""
    """A note on how the run was resumed, if there is anything to report."""
    notes: tuple[str, ...] = ()
    """Notes on settings that were changed."""
    found: tuple[int, ...] = ()
    """Modification times of the states in the folder when the run was resumed, to detect later writes by others."""

    def introduction(self) -> list[str]:
        """The lines shown before the first step: notes on data and engine, what is trained, and how."""
        record, recipe = self.record, self.experiment.recipe
        kept = f", {self.data.holdout:,} held out" if self.data.holdout else ""
        threads = record.environment["threads"]
        length = f"{recipe.epochs} epoch{'s' * (recipe.epochs > 1)}"
        what = (
            f"{self.experiment.id}: {record.parameters:,} parameters"
            f" (fewer than {self.experiment.budget.parameters:,} allowed), {length} of"
            f" {len(self.data.train.labels):,} images of {self.data.name}{kept}, batch {recipe.batch}"
        )
        taught = ", ".join(str(by["run"]) for by in record.teachers)
        lesson = f"taught by {taught}, to which every batch is also shown" if taught else ""
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
    custom: "Custom | dict[str, Any] | None" = None,
) -> Run:
    """Begin a run, before its first step, with its own folder under `out`; `custom` replaces parts of the recipe.

    Raises BudgetError, before anything is trained, if the network or the recipe exceeds the experiment's budget.
    """
    custom = Custom(**custom) if isinstance(custom, dict) else custom
    if custom and custom.loss and experiment.recipe.taught[0]:
        raise UsageError(
            "A loss of your own is given labels alone, and the recipe has targets beside them (distil, or mixup of"
            " augment); leave out one of the two."
        )
    how = {"engine": engine, "device": device, "threads": threads, "teachers": out, "custom": custom}
    run = draft_run(prepare(experiment, data, seed=seed, **how))  # type: ignore[arg-type]
    with new_folder(out, folder_name(experiment.id, data, seed)) as run.folder:
        keep_source(experiment, run.folder)
        write_record(run.record, run.folder / "record.json")  # the last: what has a record can be resumed
    return run


def resume(
    folder: Path,
    *,
    data: Data | None = None,
    data_dir: Path | None = None,
    device: str | None = None,
    threads: int | None = None,
    experiment: "Path | Experiment | None" = None,
    custom: "Custom | dict[str, Any] | None" = None,
) -> Run:
    """Resume the run in this folder at the step where it stopped, by default with the same device and threads.

    `data` is needed if the run was started with data in memory, the file of the `experiment` if its network is not
    stored as data. Where there are fewer processors than the run had threads, the native engine, whose bits do not
    depend on them, uses as many as there are; PyTorch's threads take turns. A run with functions of one's own needs
    them again, as `custom`. Raises UsageError if the run is finished or, naming what has changed, if its settings have
    changed since; FileError if no complete state is left.
    """
    found = states(folder)
    record = read_record(folder)
    if record.finished:
        with exclusive(folder):  # left over if the process was killed at the very end
            remove_states(folder / "state.safetensors")
        raise UsageError(f"The run of {folder} is finished; `featherweight evaluate {folder}` shows its figures.")
    custom = Custom(**custom) if isinstance(custom, dict) else custom
    if (record.custom or {}).keys() != (custom.named() if custom else {}).keys():
        needed = ", ".join(record.custom or ()) or "none"
        raise UsageError(
            f"The run of {folder} was started with these functions of its own: {needed}; give them to fw.resume again,"
            " as custom={name: function}."
        )
    prepared = prepare(
        experiment_of(record, experiment),
        data or data_of(record, data_dir),
        seed=record.seed,
        engine=record.engine,
        device=device or record.environment["device_type"],
        threads=min(record.environment["threads"], processors()) if threads is None else threads,
        teachers=folder.parent,
        custom=custom,
    )
    prepared, fewer = with_threads_of(record, prepared) if threads is None else (prepared, "")
    run = draft_run(prepared)
    run.notes = (fewer,) * bool(fewer)
    require_same(identity(record), identity(run.record), folder)
    run.folder, run.found = folder, found
    if found:
        run.note = load_state(run.state, identity(run.record), folder / "state.safetensors")
        _require_reached(run)
        run.record = replace(run.record, rows=tuple(run.state.rows), train_seconds=run.state.train_seconds)
    elif (record.architecture or {}).get("first_weights") not in (None, weights_digest(run.state.network)):
        raise UsageError(
            f"{folder} holds no state, and the initial weights of {run.experiment.id} are not those that its layers"
            " draw by themselves; start again from the experiment's file."
        )
    elif record.rows:
        run.note = f"{folder} holds no state; the run starts over and will give the same result."
    return run


def _require_reached(run: Run) -> None:
    """Raise FileError unless a run with this recipe and data passes through the saved state's epoch and step."""
    state, recipe, images = run.state, run.experiment.recipe, len(run.data.train.labels)
    steps = steps_in_epoch(run.data, recipe) if state.epoch < recipe.epochs else 0
    if state.epoch > recipe.epochs or state.step > steps or state.seen != min(images, state.step * recipe.batch):
        raise FileError(
            f"The state in {run.folder} is at epoch {state.epoch + 1}, step {state.step:,}, {state.seen:,} images,"
            f" which this run cannot reach ({recipe.epochs} epochs of {images:,} images); start a new run."
        )


def draft_run(prepared: Prepared) -> Run:
    """A run before its first step that has a record but no folder yet."""
    return Run(
        folder=Path(),
        record=record_of(prepared),
        experiment=prepared.experiment,
        data=prepared.data,
        state=prepared.state,
        engine=prepared.engine,
        evaluator=prepared.evaluator,
        teacher=prepared.teacher,
    )


def identity(record: Record) -> dict[str, Any]:
    """The settings that must be unchanged for a run to be resumed bit for bit."""
    parts = {
        "experiment": record.experiment,
        "seed": record.seed,
        "network": record.network,
        "engine": record.engine,
        "recipe": record.recipe,
        "budget": record.budget,
        "data": record.data,
        **({"custom": record.custom} if record.custom else {}),
        **({"teachers": [taught["weights"] for taught in record.teachers]} if record.teachers else {}),
        **{name: record.environment[name] for name in ("featherweight", "torch", "device", "instructions")},
        # Only the native engine gives the same bits for any number of threads.
        "threads": record.environment["threads"] if record.engine == "torch" else None,
    }
    plain: dict[str, Any] = json.loads(json.dumps(parts))
    return plain


def train(run: Run) -> Iterator[State]:
    """Train a run to its end, yielding the state after every step and epoch; afterwards `run.record` is finished.

    Saves at the start, after each epoch, every 30 s, and when the caller stops iterating. Ctrl-C and SIGTERM let the
    current step or evaluation batch finish; then the run saves and raises InterruptedRunError.
    """
    path, same = run.folder / "state.safetensors", identity(run.record)
    with exclusive(run.folder), stop_signals() as stopped:
        if states(run.folder) != run.found:
            raise UsageError(f"Another process has trained the run of {run.folder} since it was loaded; try again.")
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
    """The run was interrupted at a point from which it can be resumed."""


def _stoppable(evaluator: Engine, stopped: list[int]) -> Engine:
    """The engine, made to raise _StopError between two batches, since waiting for a whole evaluation takes too long."""

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
    """Write the weights, and the record with two accuracies that do not affect the verdict; remove the states."""
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
