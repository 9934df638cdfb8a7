"""One worker of a search: it draws a proposal, refuses or trains it, and reports the outcome.

Workers share nothing but the study. The storage gives each trial a unique number; if two workers propose the same, or
start more trials than are left, the lower number takes precedence. To know the trials with lower numbers, a worker
waits until each of them has announced its proposal (Lamport's bakery algorithm, 1974), which takes milliseconds.
"""

import platform
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from torch import nn

from featherweight.data.dataset import Data
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
"""Proposals in a row that may be over budget or repeated before a worker gives up."""
BEAT_SECONDS = 15.0
"""Time between two heartbeats of a worker."""
CHOOSING_SECONDS = 30.0
"""How long to wait for a trial with a lower number to announce its proposal."""
WAIT_SECONDS = 0.5
"""Time between checks for a free place while all remaining trials are running."""


class ExhaustedError(Exception):
    """No new proposal within budget was found."""


class LeftError(Exception):
    """The worker was asked to stop during a trial, or its trial was declared lost."""


@dataclass(kw_only=True)
class Worker:
    """Everything that a worker needs."""

    job: Job
    space: Space
    data: Data
    study: "optuna.Study"
    id: str
    leave: Callable[[], bool]
    """Returns whether the worker has been asked to stop."""


def work(worker: Worker) -> None:
    """Run trials until the study has as many as requested; ExhaustedError if no new proposal is within budget."""
    while not worker.leave():
        now = standing(worker.study)
        if now.ended >= worker.job.trials:
            return
        if now.ended + now.running >= worker.job.trials:
            time.sleep(WAIT_SECONDS)  # a running trial may be lost and free its place
            continue
        found = drawn(worker)
        if found is None:
            continue
        trial, proposal = found
        try:
            _train(worker, trial, proposal)
        except LeftError:
            end(worker, trial, "lost")
        except TrainingError:
            end(worker, trial, "diverged")
        except BaseException:
            end(worker, trial, "lost")
            raise


def drawn(worker: Worker) -> "tuple[optuna.Trial, Proposal] | None":
    """A trial with a new proposal within budget; None if another worker has taken the last place.

    Proposals over budget are pruned immediately and reported to the sampler with their relative excess. The sampler
    ranks them below everything that was trained, and higher the closer they are to the limits, so it learns the limits.
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
            taken = "refused" if over else _claimed(worker, trial, about["key"])
        except BaseException:
            end(worker, trial, "lost")
            raise
        if taken is None:
            return trial, proposal
        end(worker, trial, taken)
        if taken == "surplus":
            return None
    raise ExhaustedError


def _examined(
    space: Space, proposal: Proposal, shape: tuple[int, ...], classes: int
) -> tuple[dict[str, Any], dict[str, float]]:
    """The proposal and its cost as plain values, and its relative excess over each limit."""
    channels, height, width = shape
    about = {"key": proposal.key, **proposal.to_json()}
    try:
        costs = cost(proposal, (channels, height, width), classes)
    except UsageError as problem:  # most often a feature map that has shrunk to nothing
        return {**about, "over": ["network"], "reason": str(problem)}, {"network": 1.0}
    over = excess(space, costs, (height, width))
    return {**about, **asdict(costs), "over": sorted(over)}, over


def _claimed(worker: Worker, trial: "optuna.Trial", key: str) -> str | None:
    """None if the worker may train the trial; else `repeated` or `surplus`."""
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


def end(worker: Worker, trial: "optuna.Trial", how: str, value: float | None = None, **result: Any) -> None:
    """Report the outcome of a trial to the study, unless the trial has already been declared lost."""
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    states = {"finished": TrialState.COMPLETE, "early": TrialState.PRUNED, "diverged": TrialState.PRUNED,
              "refused": TrialState.PRUNED}  # fmt: skip
    with suppress(UpdateFinishedTrialError, ValueError):
        if result:
            trial.set_user_attr("result", result)
        trial.set_user_attr("end", how)
        worker.study.tell(trial, value, state=states.get(how, TrialState.FAIL))


def _train(worker: Worker, trial: "optuna.Trial", proposal: Proposal) -> None:
    """Train with the first seed and, unless that is stopped early, with the others; the mean decides."""
    space, job, rows = worker.space, worker.job, []
    seconds, engine = 0.0, ""

    experiment = experiment_of(space, proposal, f"{space.name}-{trial.number}")
    for seed in range(job.seeds):
        run = prepare(experiment, worker.data, seed=seed, engine=job.engine, device=job.device, threads=1)
        if _stopped_early(worker, trial, run, watched=seed == 0, last=job.seeds == 1):
            end(worker, trial, "early")
            return
        rows.append(run.state.rows)
        seconds, engine = seconds + run.state.train_seconds, run.engine.name
    finish(worker, trial, rows, seconds=seconds, engine=engine, machine=platform.node())


def finish(
    worker: Worker, trial: "optuna.Trial", rows: Sequence[list[Row]], *, seconds: float, engine: str, machine: str
) -> None:
    """Report a trial whose seeds, a list of rows each, have all been trained, in so many seconds together."""
    held, tested, job = worker.space.budget.held, len(worker.data.test), worker.job
    values = [judged(each, held, tested) for each in rows]
    tails = [row for each in rows for row in each[-held:]]
    end(
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
        machine=machine,
    )


def experiment_of(space: Space, proposal: Proposal, id: str) -> Experiment:
    """The proposal as an experiment with the space's budget."""

    def network(channels: int = 1, classes: int = 10) -> nn.Module:
        return build(proposal.network, channels, classes)

    return Experiment(id=id, title="", network=network, recipe=proposal.recipe, budget=space.budget)


def _stopped_early(worker: Worker, trial: "optuna.Trial", run: Prepared, *, watched: bool, last: bool) -> bool:
    """Train the run to the end; return whether it was stopped early because most trials were better at that point.

    If more seeds follow, this is also checked after the last epoch. Raises LeftError if the worker is asked to stop.
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
                # In percent of the run, so that recipes of different lengths are compared at equivalent points.
                trial.report(judged(state.rows, held, tested), 100 * state.epoch // recipe.epochs)
                if (state.epoch < recipe.epochs or not last) and trial.should_prune():
                    return True
        except (UpdateFinishedTrialError, ValueError):
            raise LeftError from None  # declared lost, for example after the whole machine was suspended
    return False


def judged(rows: list[Row], held: int, tested: int) -> float:
    """The figure by which trials are ranked: the mean held-out accuracy of the last `held` epochs, in percent.

    The mean is used since the worst of five epochs is as noisy as a single one. Ties are broken by the lower loss,
    which adds less than one image in one epoch would.

    >>> row = Row(epoch=1, lr=0.1, train_loss=1, train_accuracy=50, test_loss=1.0, test_accuracy=90.0, seconds=1)
    >>> judged([row], 5, 1000)  # one image is 0.1 %
    90.05
    """
    tail = rows[-held:]
    accuracy = sum(row.test_accuracy for row in tail) / len(tail)
    loss = sum(row.test_loss for row in tail) / len(tail)
    return accuracy + 100 / (tested * len(tail)) / (1 + loss)


def worker_id(process: int, begun: int) -> str:
    """A unique name for a worker, from its machine, its process and its start time in nanoseconds."""
    return f"{platform.node()}:{process}:{begun}"


def none_within(space: Space, study: "optuna.Study") -> BudgetError:
    """The error for a space without any proposal within budget, with the limits and the smallest figures seen."""
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
        f" in {len(seen)} draws;{smallest} make its networks smaller, or raise its budget."
    )
