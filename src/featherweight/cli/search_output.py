"""A search at a console: its progress as a bar or as lines, then tables or one JSON document."""

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featherweight.cli.display import bars, print_table, shown
from featherweight.cli.safe_output import wrap
from featherweight.errors import FeatherweightError
from featherweight.escape import printable
from featherweight.parallel.messages import THIS_MACHINE, Backend
from featherweight.search import storage
from featherweight.search.driver import Search, StudySnapshot, run_search
from featherweight.search.learning_rate import require_picture
from featherweight.search.outcome import BEST, Entry, draw_front, on_pareto_front, ranked_trials, trial_table
from featherweight.search.source import require_writable, write_experiment
from featherweight.search.study import TrialCounts, counts_of, end_of

if TYPE_CHECKING:
    from optuna.trial import FrozenTrial
    from rich.console import Console
    from rich.progress import Progress


def run_and_print(
    search: Search,
    workers: int | None,
    best: Path | None,
    picture: Path | None,
    as_json: bool,
    on: Backend = THIS_MACHINE,
) -> int:
    """Run the search and print what it found; returns the exit status, a signal's where one stopped it."""
    for path, check in ((best, require_writable), (picture, require_picture)):
        if path is not None:
            check(path)
    to = sys.stderr if as_json else sys.stdout
    for line in introduction(search):
        print(wrap(line, to), file=to, flush=True)
    stopped: FeatherweightError | None = None
    try:
        with shown(to, _SearchView(search.job.trials)) as show:
            for snapshot in run_search(search, on, workers):
                show(snapshot)
    except FeatherweightError as problem:
        if problem.exit_status < 128:
            raise
        stopped = problem
    found = ranked_trials(search.study)
    written = _write(search, found, best, picture)
    if as_json:
        print(json.dumps(search_document(search, found, best, picture), allow_nan=False))
    else:
        _print(search, found)
        for path in written:
            print(f"wrote {path}")
    if stopped is not None:
        print(stopped, file=sys.stderr)
        return stopped.exit_status
    return 0


def _write(search: Search, found: list[Entry], best: Path | None, picture: Path | None) -> list[Path]:
    """The files that were asked for, where there is something to write."""
    if not found:
        return []
    if best is not None:
        write_experiment(best, found[0], search.space, search.data)
    if picture is not None:
        draw_front(found, search.space.budget.accuracy, picture)
    return [path for path in (best, picture) if path is not None]


def introduction(search: Search) -> list[str]:
    """What a search prints before its first trial."""
    space, data, job = search.space, search.data, search.job
    what = f"{space.name}: {space.limits()}; networks over these limits are not trained"
    how = (
        f"judged on {data.holdout:,} of {data.holdout + len(data.train):,} training images of {data.name}, held out;"
        " the test set is not read"
    )
    now = counts_of(search.study)
    resumed = f", {now.ended} of {job.trials} trials done" if now.ended else ""
    return [
        line for line in (data.note, what, how, f"study {job.name} in {storage.redacted(job.storage)}{resumed}") if line
    ]


def counts_sentence(now: TrialCounts) -> str:
    """How many trials ended in which way.

    >>> counts_sentence(TrialCounts(finished=7, early=3, diverged=0, refused=12, repeated=1, lost=2, running=0))
    '7 finished, 3 stopped early; 12 proposals over budget refused untrained, 1 repeated, 2 lost with their workers'
    """
    trained = [f"{now.finished} finished"]
    trained += [f"{now.early} stopped early"] * (now.early > 0) + [f"{now.diverged} diverged"] * (now.diverged > 0)
    rest = [f"{now.refused} proposal{'s' * (now.refused != 1)} over budget refused untrained"]
    rest += [f"{now.repeated} repeated"] * (now.repeated > 0)
    rest += [f"{now.lost} lost with their workers"] * (now.lost > 0)
    return f"{', '.join(trained)}; {', '.join(rest)}"


def _print(search: Search, found: list[Entry]) -> None:
    now = counts_of(search.study)
    print(wrap(f"\n{counts_sentence(now)}.", sys.stdout))
    if now.ended < search.job.trials and not now.running:
        print(f"{now.ended} of {search.job.trials} trials; all other proposals were over budget or tried before.")
    if not found:
        print("No trial has finished, so there is nothing to show.")
        return
    print(f"\nThe best {min(BEST, len(found))} of {len(found)}:")
    print_table(trial_table(found[:BEST]))
    print("\nThe Pareto front of accuracy, parameters, MACs and seconds:")
    print_table(trial_table(on_pareto_front(found)))
    end = f"\nPercent of {search.data.holdout:,} held-out images, which chose the best: expect slightly less elsewhere."
    print(wrap(end, sys.stdout))


def search_document(search: Search, found: list[Entry], best: Path | None, picture: Path | None) -> dict[str, Any]:
    """The JSON document of `search --json`."""
    now = counts_of(search.study)
    return {
        "study": search.job.name,
        "storage": storage.redacted(search.job.storage),
        **search.study.user_attrs["about"],
        "counts": {**vars(now), "ended": now.ended},
        "best": found[0].to_json() if found else None,
        "front": [entry.trial for entry in on_pareto_front(found)],
        "trials": [entry.to_json() for entry in found],
        "written": str(best) if best and found else None,
        "picture": str(picture) if picture and found else None,
    }


def ended_trial_line(trial: "FrozenTrial") -> str | None:
    """The line printed for a trial; None for proposals that were not trained, which are only counted."""
    end, what = end_of(trial), trial.user_attrs.get("proposal", {})
    if end not in ("finished", "early", "diverged", "lost") or "parameters" not in what:
        return None
    size = f"{what['parameters']:,} parameters  {what['macs']:,} MACs"
    match end:
        case "finished":
            result = trial.user_attrs["result"]
            return f"trial {trial.number}  {result['accuracy']:.3f} %  {size}  {result['seconds']:.1f} s"
        case "early":
            shares = trial.intermediate_values
            return f"trial {trial.number}  stopped after {max(shares)} % at {shares[max(shares)]:.2f} %  {size}"
        case "diverged":
            return f"trial {trial.number}  diverged: its loss became NaN or infinite  {size}"
        case _:
            return f"trial {trial.number}  lost with its worker  {size}"


class _SearchView:
    """A line a trial, and a bar of all."""

    def __init__(self, trials: int) -> None:
        self._trials = trials
        self._first = True

    def lines(self, snapshot: StudySnapshot) -> list[str]:
        """Trials that have ended; those from before this session appear in the tables only."""
        ended = [] if self._first else [line for trial in snapshot.ended if (line := ended_trial_line(trial))]
        self._first = False
        return [*ended, *([printable(snapshot.note)] if snapshot.note else [])]

    def plain(self, snapshot: StudySnapshot) -> list[str]:
        done = f"{snapshot.counts.ended} of {self._trials}, {snapshot.counts.refused} refused"
        return [f"{line}  ({done})" for line in self.lines(snapshot)]

    def region(self, console: "Console") -> "Progress":
        from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn

        columns = (BarColumn(bar_width=24), MofNCompleteColumn(), TextColumn("{task.fields[figures]}"))
        self._bars = bars(console, *columns, TimeRemainingColumn(compact=True))
        self._bar = self._bars.add_task("", total=self._trials, figures="")
        return self._bars

    def draw(self, snapshot: StudySnapshot) -> None:
        now = snapshot.counts
        self._bars.update(self._bar, completed=now.ended, figures=f"{now.running} running  {now.refused} refused")
