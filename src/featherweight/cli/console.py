"""Training at a console: runs tasks and shows their progress, then prints tables or one JSON document.

Each function here prints, and returns the exit status of its verb.
"""

import json
import shlex
import signal
import sys
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from rich.table import Table

from featherweight.cli.display import print_table, shown
from featherweight.cli.safe_output import wrap
from featherweight.cli.training_display import ClusterView, RunsView, column_notes
from featherweight.errors import FeatherweightError, InterruptedRunError
from featherweight.escape import printable
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import find
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.experiments.settings import overridden
from featherweight.experiments.verdicts import run_json, seeds_sentence, summarise, verdict_sentence
from featherweight.parallel.messages import THIS_MACHINE, Backend
from featherweight.training.runs.events import Done, Event, Failed
from featherweight.training.runs.folders import run_like
from featherweight.training.runs.signals import STOPPED
from featherweight.training.runs.task import Task, check_task, open_run, resolve, run_task


def require_trainable_for(task: Task, to: str | None) -> None:
    """Raise UsageError, before anything is trained, where C is asked for, by `to` or by the budget, and a layer of the
    network cannot be exported to it."""
    if to is not None or overridden(find(task.experiment), dict(task.settings)).budget.on_chip():
        from featherweight.export.estimate import require_form

        experiment, data, _ = resolve(task)
        require_form(experiment, data, to)


def train_one(task: Task, as_json: bool, track: str | None = None, on: Backend = THIS_MACHINE) -> int:
    """Train in this process or on a cluster, logging to the tracker `track`; returns 0 if the budget is met, else 1."""
    to = sys.stderr if as_json else sys.stdout
    if not on.local:
        return _train_one_there(task, as_json, track, on)
    run = open_run(task)
    try:
        for line in [*run.introduction(), f"run folder {run.folder}"]:
            print(wrap(line, to), file=to, flush=True)
        with shown(to, RunsView()) as show, _logged(track, task.data_dir) as log:
            for event in run_task(task, run):
                show(event)
                log(event)
    except BrokenPipeError as problem:  # the reader has gone; the state has been saved
        raise InterruptedRunError(signal.SIGPIPE, run.folder) from problem
    return _said_of(run.record, run.folder, as_json)


def _train_one_there(task: Task, as_json: bool, track: str | None, on: Backend) -> int:
    if not task.resume:
        for line in check_task(task).introduction():
            print(line, file=sys.stderr if as_json else sys.stdout, flush=True)
    done, failed = train_shown([task], as_json, track, on)
    if failed:
        problem = FeatherweightError(failed[0].sentence)
        problem.exit_status = failed[0].exit_status
        raise problem
    return _said_of(done[0].record, done[0].folder, as_json)


def _said_of(record: Record, folder: Path, as_json: bool) -> int:
    """Print what came of a run; its exit status."""
    if as_json:
        print(json.dumps(run_json(record, folder), allow_nan=False))
    else:
        print(wrap(column_notes(Recipe.from_json(record.recipe)), sys.stdout))
        print_table(verdict_table(record))
        print(wrap(verdict_sentence(record), sys.stdout))
        print(f"Next: featherweight report {shlex.quote(str(folder))}")
    return 0 if record.verdict.passed else 1


def train_several(tasks: Sequence[Task], as_json: bool, track: str | None = None, on: Backend = THIS_MACHINE) -> int:
    """Train the missing seeds side by side: finished runs in the tasks' folder are kept, stopped ones are resumed.

    New epochs are logged to the tracker `track`. Returns 0 when every run passed, 1 when one did not, and the error's
    status when one failed.
    """
    like = check_task(tasks[0])
    kept = {task.seed: one for task in tasks if (one := run_like(like.record, task.out, task.seed, finished=True))}
    rest = [
        replace(task, resume=stopped and stopped[0])
        for task in tasks
        if task.seed not in kept
        for stopped in [run_like(like.record, task.out, task.seed, finished=False)]
    ]
    kept_lines = [f"seed {seed} is finished in {folder}; its record is used" for seed, (folder, _) in kept.items()]
    to = sys.stderr if as_json else sys.stdout
    for line in [*like.introduction(), *kept_lines]:
        print(wrap(line, to), file=to, flush=True)
    done, failed = train_announced(rest, as_json, track, on) if rest else ([], [])
    done += [Done(label=f"seed {seed}", folder=folder, record=record) for seed, (folder, record) in kept.items()]
    done.sort(key=lambda one: one.record.seed)
    records = [one.record for one in done]
    if as_json:
        summary = asdict(summarise(records)) if records else {}
        summary.pop("per_seed", None)
        runs = [run_json(one.record, one.folder) for one in done]
        lost = [{"run": failure.label, "error": failure.sentence} for failure in failed]
        print(json.dumps({"runs": runs, "summary": summary, "failed": lost}, allow_nan=False))
    elif records:
        if rest:
            print(wrap(column_notes(Recipe.from_json(records[0].recipe)), to))
        _print_seeds(records, started=len(tasks))
        print(f"Next: featherweight report {shlex.join(str(one.folder) for one in done)}")
    if failed:
        return max(failure.exit_status for failure in failed)
    return 0 if all(record.verdict.passed for record in records) else 1


def run_ladder(name: str, *, on: Backend = THIS_MACHINE, **how: Any) -> int:
    """Train a ladder's rungs and seeds that have no finished run yet, resuming stopped ones; then write its page.

    `how` are the arguments of `train_ladder`. The page goes into `out`, beside the run folders. Returns the status of a
    run that was stopped, without writing the page, or else the worst of those that failed; 0 if none did.
    """
    from featherweight.protocol.ladder import find_ladder, train_ladder, write_ladder

    runs = train_ladder(
        find_ladder(name),
        trainer=lambda tasks: train_announced(tasks, as_json=False, on=on),
        tell=lambda line: print(wrap(line, sys.stdout)),
        **how,
    )
    if stopped := [failure.exit_status for failure in runs.failed if failure.exit_status in STOPPED]:
        return stopped[0]
    for rung in runs.ladder.rungs:
        if runs.found[rung.id]:
            print(wrap(printable(f"\n{rung.id}: {rung.title}", lines=True), sys.stdout))
            _print_seeds(runs.found[rung.id])
    for place, path in enumerate(write_ladder(runs)):
        print(wrap(f"{chr(10) * (not place)}wrote {path}", sys.stdout))
    return max((failure.exit_status for failure in runs.failed), default=0)


def train_announced(
    tasks: Sequence[Task], as_json: bool, track: str | None = None, on: Backend = THIS_MACHINE
) -> tuple[list[Done], list[Failed]]:
    """The same as `train_shown`, after a line on how long it will take on this machine."""
    from featherweight.protocol.proof_runs import time_sentence

    if on.local and not any(task.resume for task in tasks) and (sentence := time_sentence(tasks)):
        print(sentence, file=sys.stderr if as_json else sys.stdout, flush=True)
    return train_shown(tasks, as_json, track, on)


def train_shown(
    tasks: Sequence[Task], as_json: bool, track: str | None = None, on: Backend = THIS_MACHINE
) -> tuple[list[Done], list[Failed]]:
    """Train the tasks and show their progress; returns those that finished and those that failed."""
    from featherweight.parallel.scheduler import train_all

    done: list[Done] = []
    failed: list[Failed] = []
    to = sys.stderr if as_json else sys.stdout
    view = RunsView(len(tasks), labels=True) if on.local else ClusterView(len(tasks))
    with shown(to, view) as show, _logged(track, tasks[0].data_dir) as log:
        for event in train_all(tasks, on):
            show(event)
            log(event)
            if isinstance(event, Done):
                done.append(event)
            elif isinstance(event, Failed):
                failed.append(event)
    return done, failed


def _logged(track: str | None, data_dir: Path | None) -> AbstractContextManager[Callable[[Event], None]]:
    """A context with a function that logs events in this tracker; None logs nothing."""
    if track is None:
        return nullcontext(lambda event: None)
    from featherweight.report.trackers import tracking

    return tracking(track, data_dir)


def _print_seeds(records: Sequence[Record], started: int = 0) -> None:
    print_table(seeds_table(records))
    print(wrap(seeds_sentence(records, started or len(records)), sys.stdout))


# ------------------------------------------------------------------------------------------- tables


def verdict_table(record: Record) -> Table:
    """One row per clause of the budget: what is allowed, what was measured, and whether it holds."""
    table = Table(box=None, header_style="bold")
    for heading in ("budget", "allowed", "measured", "holds"):
        table.add_column(heading, justify="left" if heading == "budget" else "right")
    for clause in record.clauses:
        table.add_row(clause.name, clause.allowed, clause.measured, "yes" if clause.holds else "NO")
    table.caption = f"best epoch {record.verdict.best:.2f} % (for reference)"
    table.caption_justify = "left"
    return table


def seeds_table(records: Sequence[Record]) -> Table:
    """The console's table of several seeds: the last epoch, the worst of the last, the best, in %; the verdict."""
    held = Budget(**records[0].budget).held
    table = Table(box=None, header_style="bold")
    for heading in ("seed", "last %", f"worst of last {held} %", "best %", "passed", "seconds"):
        table.add_column(heading, justify="right")
    for record in records:
        verdict = record.verdict
        figures = (f"{value:.2f}" for value in (verdict.last, verdict.worst_of_last, verdict.best))
        table.add_row(str(record.seed), *figures, "yes" if verdict.passed else "NO", f"{record.train_seconds:.0f}")
    return table
