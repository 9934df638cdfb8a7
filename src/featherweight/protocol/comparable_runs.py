"""Which runs a name stands for when two experiments are compared, and what is to be trained where there are too few.

A name is a folder of runs or records, or an experiment's id or file. Of an experiment, only runs of the network and the
recipe that it has now count. They may lie in several places: committed in a source tree, in a folder of run folders, or
in the package; a run that was trained here never hides the records that come with it.
"""

import shlex
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from glob import escape
from pathlib import Path

from featherweight.errors import UsageError
from featherweight.experiments.experiment import Experiment, find, names_file
from featherweight.experiments.record import Record
from featherweight.networks.difference import differences
from featherweight.protocol.ladder import same_data
from featherweight.protocol.proof_runs import Trainer
from featherweight.protocol.records import RESULTS, packaged_records
from featherweight.training.runs.folders import find_runs, unfinished_run
from featherweight.training.runs.task import Task, check_task

LEAST, ADVISED = 2, 3
"""Seeds that a paired test needs, and how many to train where there are fewer."""


@dataclass(frozen=True, kw_only=True)
class RunSet:
    """Finished runs of one experiment on one data set and engine, one per seed, or those of a folder."""

    name: str
    """What was given."""
    where: str
    """The place that they were found in."""
    records: tuple[Record, ...]

    @property
    def seeds(self) -> set[int]:
        """The seeds that have run."""
        return {record.seed for record in self.records}

    def __str__(self) -> str:
        ordered = sorted(self.seeds)
        row = len(ordered) > 2 and ordered == [*range(ordered[0], ordered[-1] + 1)]
        seeds = f"{ordered[0]} to {ordered[-1]}" if row else ", ".join(map(str, ordered))
        return f"seed{'s' * (len(ordered) > 1)} {seeds} on {self.records[0].data['name']} ({self.where})"


@dataclass(frozen=True, kw_only=True)
class Side:
    """One side of a comparison: all runs that a name stands for."""

    name: str
    experiment: Experiment | None
    """None if the name is a folder."""
    sets: tuple[RunSet, ...]
    """Those to prefer first: committed, then trained here, then of the package."""
    left_out: tuple[str, ...]
    """Runs of this name that are of another network or recipe, a phrase each."""


def side_of(name: str, out: Path = Path("runs")) -> Side:
    """The runs that a name given to `compare` stands for; UsageError if it is neither a folder nor an experiment."""
    folder = Path(name)
    if folder.is_dir():
        found = tuple(sorted(_of_folder(folder), key=lambda record: record.seed))
        kept = (RunSet(name=name, where=name, records=found),) if found else ()
        return Side(name=name, experiment=None, sets=kept, left_out=())
    experiment = find(name)
    places: list[tuple[str, list[tuple[Path | str, Record]]]] = [
        (str(RESULTS / experiment.id), list(find_runs([RESULTS / experiment.id], "seed*.json"))),
        (str(out), [run for run in find_runs([out], *_run_patterns(experiment.id)) if _is_called(run[1], experiment)]),
        ("the package", [("the package", record) for record in packaged_records(experiment.id)]),
    ]
    sets: list[RunSet] = []
    left_out: list[str] = []
    for where, runs in places if not names_file(name) else places[1:2]:
        groups: dict[tuple[object, ...], dict[int, Record]] = {}
        for path, record in runs:
            if not record.finished or record.data["holdout"]:
                continue
            if other := changes_since(record, experiment):
                left_out.append(f"{path} ({', '.join(other)})")
            else:
                key = (record.data_set, str(record.data.get("digests")), record.engine)
                groups.setdefault(key, {}).setdefault(record.seed, record)
        for group in sorted(groups.values(), key=len, reverse=True):
            records = tuple(group[seed] for seed in sorted(group))
            sets.append(RunSet(name=name, where=where, records=records))
    return Side(name=name, experiment=experiment, sets=tuple(sets), left_out=tuple(left_out))


def _of_folder(folder: Path) -> Iterator[Record]:
    own = (folder / "record.json").exists()
    for _, record in find_runs([folder], *(["record.json"] if own else ["seed*.json", "*/record.json"])):
        if record.finished:
            yield record


def _run_patterns(id: str) -> tuple[str, str]:
    return f"{escape(id)}-seed*/record.json", f"{escape(id)}-*-seed*/record.json"


def _is_called(record: Record, experiment: Experiment) -> bool:
    """Whether a run is of an experiment of this name, wherever its file lay."""
    name = record.experiment.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".py")
    packaged = experiment.name == experiment.id
    return record.experiment == experiment.name or (not packaged and names_file(record.experiment) and name == (
        experiment.file.stem if experiment.file else experiment.id))  # fmt: skip


def changes_since(record: Record, experiment: Experiment) -> list[str]:
    """How a run's network and recipe differ from those that the experiment has now; empty if they do not."""
    return [change for change in differences(record, experiment) if not change.startswith("`budget.")]


# ------------------------------------------------------------------------------------------- choosing


def comparable(first: Side, second: Side) -> tuple[RunSet, RunSet]:
    """Runs of both on the same data that share two or more seeds; UsageError says what to type if there are none."""
    for ours in first.sets:
        for theirs in second.sets:
            if _same(ours, theirs) and len(ours.seeds & theirs.seeds) >= LEAST:
                return ours, theirs
    if not first.experiment and not second.experiment and first.sets and second.sets:
        return first.sets[0], second.sets[0]  # whose comparison says what is amiss
    raise UsageError(_too_few(first, second))


def _same(ours: RunSet, theirs: RunSet) -> bool:
    return ours.records[0].data_set == theirs.records[0].data_set


def _too_few(first: Side, second: Side) -> str:
    found = [f"{side.name} has {'; '.join(map(str, side.sets)) or 'no finished run'}" for side in (first, second)]
    sentence = f"A comparison needs two or more seeds that both have run on the same data: {' and '.join(found)}."
    if left := [*first.left_out, *second.left_out]:
        sentence += f" Not counted, being of another network or recipe than now: {'; '.join(left)}."
    commands = [_command(side, _target(first, second)) for side in (first, second)]
    if typed := [command for command in dict.fromkeys(commands) if command]:
        sentence += f" Type {' and '.join(typed)}, or add --train to this command."
    return sentence


def _target(first: Side, second: Side) -> RunSet | None:
    """The runs whose data decide on which both are to be trained: those of a folder, or else trained here."""
    sets = [*first.sets, *second.sets]
    return next((one for one in sets if one.where != "the package"), sets[0] if sets else None)


def _command(side: Side, target: RunSet | None) -> str:
    if side.experiment is None or (
        target and any(_same(one, target) and len(one.seeds) >= ADVISED for one in side.sets)
    ):
        return ""
    source = target.records[0].data["source"] if target else side.experiment.data
    words = ["featherweight", "train", side.name, "--seeds", str(ADVISED)]
    words += ["--data", source] if source != side.experiment.data else []
    return f"`{shlex.join(words)}`"


# ------------------------------------------------------------------------------------------- training


def train_missing(
    names: Sequence[str],
    *,
    seeds: int = ADVISED,
    data: str = "auto",
    data_dir: Path | None = None,
    out: Path = Path("runs"),
    trainer: Trainer,
    tell: Callable[[str], None],
) -> int:
    """Train the seeds from 0 on that these names lack, folders left out; returns the worst status of those that failed.

    `data` as `auto` is what one of them has been trained on here, or else their own set.
    """
    sides = [side_of(name, out) for name in names]
    target = _target(sides[0], sides[-1])
    if data == "auto" and target is not None:
        data = target.records[0].data["source"]
    tasks = []
    for side in sides:
        if side.experiment is None:
            continue
        task = Task(experiment=side.name, out=out, data=data, data_dir=data_dir)
        like = check_task(task).record
        have = {seed for one in side.sets if same_data(one.records[0], like) for seed in one.seeds}
        for seed in (seed for seed in range(seeds) if seed not in have):
            stopped = unfinished_run(side.experiment, out, seed, like.data["source"])
            tasks.append(Task(**vars(task) | {"seed": seed, "resume": stopped}))
    if not tasks:
        return 0
    tell(f"{len(tasks)} runs to train: {', '.join(task.label for task in tasks)}")
    _, failed = trainer(tasks)
    return max((failure.exit_status for failure in failed), default=0)
