"""One worker of a search: draw a proposal, refuse it or train it, and tell what came of it.

Workers share nothing but the study. Trials are numbered by the storage, each number given once; where two workers
propose the same, or take more places than there are, the lower number has it. To know what the lower ones are, a
worker waits until each has said what it proposes (Lamport's bakery, 1974); that takes milliseconds.
"""

import platform
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from featherweight.data import Data
from featherweight.errors import BudgetError, TrainingError, UsageError
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.record import Row
from featherweight.networks.architecture import build
from featherweight.search.space import Proposal, Space, cost, excess, propose
from featherweight.search.study import Job, end_of, standing, trials_of
from featherweight.training.loop import fit
from featherweight.training.runs.prepare import Prepared, prepare

if TYPE_CHECKING:
    import optuna

DRAWS = 200
"""Proposals in a row that may be over budget, or have been made before, until a worker gives up."""
BEAT_SECONDS = 15.0
"""A worker says this often that it is alive."""
CHOOSING_SECONDS = 30.0
"""Whoever holds a lower number and does not say what it proposes is given up after this long."""
WAIT_SECONDS = 0.5
"""All places being taken, a worker looks this often whether one has become free."""


class ExhaustedError(Exception):
    """No proposal was found that is within budget and new."""


class LeftError(Exception):
    """The worker was asked to stop in the middle of a trial, or its trial was given to somebody else."""


@dataclass(kw_only=True)
class Worker:
    """What a worker needs."""

    job: Job
    space: Space
    data: Data
    study: "optuna.Study"
    id: str
    leave: Callable[[], bool]
    """Whether it has been asked to stop."""


def work(worker: Worker) -> None:
    """Trials until the study has as many as asked for; ExhaustedError when no new proposal is within budget."""
    while not worker.leave():
        now = standing(worker.study)
        if now.ended >= worker.job.trials:
            return
        if now.ended + now.running >= worker.job.trials:
            time.sleep(WAIT_SECONDS)  # one of those may be lost, and its place become free
            continue
        found = drawn(worker)
        if found is None:
            continue
        trial, proposal = found
        try:
            _train(worker, trial, proposal)
        except LeftError:
            _end(worker, trial, "lost")
        except TrainingError:
            _end(worker, trial, "diverged")
        except BaseException:
            _end(worker, trial, "lost")
            raise


def drawn(worker: Worker) -> "tuple[optuna.Trial, Proposal] | None":
    """A trial and its proposal, new and within budget; None when somebody else has taken the last place.

    Proposals over budget are pruned at once and told to the sampler with the share by which they are over: it ranks
    them below everything that was trained, those nearer to the limits higher, so it learns where the limits are.
    """
    shape, classes = worker.data.train.images.shape[1:], len(worker.data.classes)
    for _ in range(DRAWS):
        if worker.leave():
            return None
        trial = worker.study.ask()
        try:
            proposal = propose(worker.space, trial)
            about, over = _examined(worker.space, proposal, tuple(shape), classes)
            trial.set_constraint("excess", sum(over.values()) if over else -1.0)
            trial.set_user_attr("worker", worker.id)
            trial.set_user_attr("proposal", about)
            end = "refused" if over else _claimed(worker, trial, about["key"])
        except BaseException:
            _end(worker, trial, "lost")
            raise
        if end is None:
            return trial, proposal
        _end(worker, trial, end)
        if end == "surplus":
            return None
    raise ExhaustedError


def _examined(
    space: Space, proposal: Proposal, shape: tuple[int, ...], classes: int
) -> tuple[dict[str, Any], dict[str, float]]:
    """The proposal and its cost as plain values, and by what share it is over each limit."""
    channels, height, width = shape
    about = {"key": proposal.key, **proposal.to_json()}
    try:
        costs = cost(proposal, (channels, height, width), classes)
    except UsageError as problem:  # a map shrunk to nothing, most of all
        return {**about, "over": ["network"], "reason": str(problem)}, {"network": 1.0}
    over = excess(space, costs, (height, width))
    return {**about, **asdict(costs), "over": sorted(over)}, over


def _claimed(worker: Worker, trial: "optuna.Trial", key: str) -> str | None:
    """None when the trial is the worker's to train; else `repeated` or `surplus`."""
    until = time.monotonic() + CHOOSING_SECONDS
    while True:
        lower = [other for other in trials_of(worker.study) if other.number < trial.number]
        choosing = [o for o in lower if not o.state.is_finished() and "proposal" not in o.user_attrs]
        if not choosing or time.monotonic() > until:
            break
        time.sleep(0.02)
    counted = [o for o in lower if end_of(o) in ("finished", "early", "diverged", "running") and o not in choosing]
    if any(o.user_attrs["proposal"]["key"] == key for o in counted):
        return "repeated"
    return "surplus" if len(counted) >= worker.job.trials else None


def _end(worker: Worker, trial: "optuna.Trial", end: str, value: float | None = None, **result: Any) -> None:
    """Tell the study what became of a trial, unless somebody who took this worker for dead has."""
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    states = {"finished": TrialState.COMPLETE, "early": TrialState.PRUNED, "diverged": TrialState.PRUNED,
              "refused": TrialState.PRUNED}  # fmt: skip
    with suppress(UpdateFinishedTrialError, ValueError):
        if result:
            trial.set_user_attr("result", result)
        trial.set_user_attr("end", end)
        worker.study.tell(trial, value, state=states.get(end, TrialState.FAIL))


def _train(worker: Worker, trial: "optuna.Trial", proposal: Proposal) -> None:
    """Train with the first seed, then, where that was not stopped early, with the others; the mean decides."""
    space, job, rows = worker.space, worker.job, []
    held, tested = space.budget.held, len(worker.data.test)
    seconds, engine = 0.0, ""

    experiment = experiment_of(space, proposal, f"{space.name}-{trial.number}")
    for seed in range(job.seeds):
        run = prepare(experiment, worker.data, seed=seed, engine=job.engine, device=job.device, threads=1)
        if _stopped_early(worker, trial, run, watched=seed == 0, last=job.seeds == 1):
            _end(worker, trial, "early")
            return
        rows.append(run.state.rows)
        seconds, engine = seconds + run.state.train_seconds, run.engine.name
    values = [judged(each, held, tested) for each in rows]
    tails = [row for each in rows for row in each[-held:]]
    _end(
        worker,
        trial,
        "finished",
        sum(values) / len(values),
        accuracy=sum(row.test_accuracy for row in tails) / len(tails),
        worst=min(row.test_accuracy for row in tails),
        loss=sum(row.test_loss for row in tails) / len(tails),
        seconds=seconds / job.seeds,
        seeds=job.seeds,
        engine=engine,
        machine=platform.node(),
    )


def experiment_of(space: Space, proposal: Proposal, id: str) -> Experiment:
    """The proposal as an experiment under the space's budget."""

    def network(channels: int = 1, classes: int = 10) -> nn.Module:
        return build(proposal.network, channels, classes)

    return Experiment(id=id, title="", network=network, recipe=proposal.recipe, budget=space.budget)


def _stopped_early(worker: Worker, trial: "optuna.Trial", run: Prepared, *, watched: bool, last: bool) -> bool:
    """Train the run to its end; true when it was left because most trials were better by then.

    With further seeds to come, that is asked after the last epoch too. Raises LeftError when asked to stop.
    """
    from optuna.exceptions import UpdateFinishedTrialError

    recipe, held, tested = run.experiment.recipe, worker.space.budget.held, len(worker.data.test)
    beaten = 0.0
    for state in fit(run.state, run.data, recipe, run.seed, run.engine, run.evaluator, run.teacher):
        if worker.leave():
            raise LeftError
        try:
            if time.monotonic() - beaten > BEAT_SECONDS:
                beaten = time.monotonic()
                trial.set_user_attr("beat", beaten)
            if watched and state.step == 0:
                # By the share of the run, so that recipes of different lengths are compared at like places.
                trial.report(judged(state.rows, held, tested), 100 * state.epoch // recipe.epochs)
                if (state.epoch < recipe.epochs or not last) and trial.should_prune():
                    return True
        except (UpdateFinishedTrialError, ValueError):
            raise LeftError from None  # taken for dead, after a pause of the whole machine for one
    return False


def judged(rows: list[Row], held: int, tested: int) -> float:
    """The figure that trials are ranked by: mean held-out accuracy of the last `held` epochs, in percent.

    The mean, since the worst of five is as noisy as one epoch. Where two are equal, the lower loss decides: it adds
    less than one image of one epoch would.

    >>> row = Row(epoch=1, lr=0.1, train_loss=1, train_accuracy=50, test_loss=1.0, test_accuracy=90.0, seconds=1)
    >>> judged([row], 5, 1000)  # one image is 0.1 %
    90.05
    """
    tail = rows[-held:]
    accuracy = sum(row.test_accuracy for row in tail) / len(tail)
    loss = sum(row.test_loss for row in tail) / len(tail)
    return accuracy + 100 / (tested * len(tail)) / (1 + loss)


def worker_id(process: int, begun: int) -> str:
    """A name for a worker that no other has: its machine, its process, and when it was begun, in nanoseconds."""
    return f"{platform.node()}:{process}:{begun}"


def none_within(space: Space, study: "optuna.Study") -> BudgetError:
    """That nothing the space proposed was within budget: the limits, and the nearest that was seen."""
    seen = [trial.user_attrs["proposal"] for trial in trials_of(study) if "proposal" in trial.user_attrs]
    whole = [one for one in seen if "parameters" in one]
    smallest = ""
    if whole:
        least = [min(one[what] for one in whole) for what in ("parameters", "macs", "epochs")]
        field = min(max(one["field"]) for one in whole)
        smallest = (
            f" the smallest seen were {least[0]:,} parameters, {least[1]:,} MACs, {least[2]} epochs and a field of"
            f" {field} px, not all of one proposal;"
        )
    return BudgetError(
        f"No proposal of the space {space.name} was within its budget ({space.limits()}, a field within the image)"
        f" in {len(seen)} draws;{smallest} narrow what it proposes, or raise its budget."
    )
