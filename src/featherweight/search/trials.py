"""Trials of a study: a proposal is drawn and refused, or claimed and trained; its outcome is reported.

The storage gives each trial a unique number. Whoever has drawn a proposal writes it down, and then looks at the others.
So of two who draw the same at the same time, on any machine, at least one finds the other's and steps back; and of
those who would go beyond the number of trials, the lower numbers take precedence. What trains a trial, where a pool has
room, knows no study: it reports each epoch, and stops when it is asked to.
"""

import platform
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from featherweight.data.dataset import Data
from featherweight.errors import BudgetError, TrainingError, UsageError
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.record import Row
from featherweight.networks.architecture import build_layers
from featherweight.parallel.transfer import Packed, unpack
from featherweight.search.space import Proposal, Space, cost, excess, propose
from featherweight.search.study import Job, end_of, trials_of
from featherweight.training.loop import fit
from featherweight.training.runs.prepare import prepare

if TYPE_CHECKING:
    import optuna

DRAWS = 200
"""Proposals in a row that may be over budget or repeated before a search gives up."""
COUNTED = ("finished", "early", "diverged", "running")
"""Ends of trials that take a place, and whose proposals are not tried again."""


class ExhaustedError(Exception):
    """No trial can be drawn: no new proposal within budget was found."""


@dataclass(kw_only=True)
class Session:
    """A process that asks a study for proposals and reports what came of them."""

    job: Job
    space: Space
    data: Data
    study: "optuna.Study"
    id: str


def sampled(session: Session) -> "tuple[optuna.Trial, Proposal] | None":
    """A trial with a new proposal within budget; None if another process has taken the last place. Raises
    ExhaustedError if none is found.

    Proposals over budget are pruned immediately and reported to the sampler with their relative excess. The sampler
    ranks them below everything that was trained, and higher the closer they are to the limits, so it learns the limits.
    """
    shape, classes = session.data.train.images.shape[1:], len(session.data.classes)
    for _ in range(DRAWS):
        trial = session.study.ask()
        try:
            proposal = propose(session.space, trial)
            about, over = _examined(session.space, proposal, tuple(shape), classes)
            trial.set_constraint("excess", sum(over.values()) if over else -1.0)
            trial.set_user_attr("worker", session.id)
            trial.set_user_attr("proposal", about)
            taken = "refused" if over else _claimed(session, trial, about["key"])
        except BaseException:
            end(session, trial, "lost")
            raise
        if taken is None:
            return trial, proposal
        end(session, trial, taken)
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


def _claimed(session: Session, trial: "optuna.Trial", key: str) -> str | None:
    """None if the trial, which has announced its proposal, may be trained; else `repeated` or `surplus`."""
    others = [one for one in trials_of(session.study) if one.number != trial.number and end_of(one) in COUNTED]
    if any(one.user_attrs["proposal"]["key"] == key for one in others if "proposal" in one.user_attrs):
        return "repeated"
    before = sum(one.number < trial.number for one in others)  # announced or not, so that two never take the last place
    return "surplus" if before >= session.job.trials else None


def end(session: Session, trial: "optuna.Trial", how: str, value: float | None = None, **result: Any) -> None:
    """Report the outcome of a trial to the study, unless the trial has already been declared lost."""
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    states = {"finished": TrialState.COMPLETE, "early": TrialState.PRUNED, "diverged": TrialState.PRUNED,
              "refused": TrialState.PRUNED}  # fmt: skip
    with suppress(UpdateFinishedTrialError, ValueError):
        if result:
            trial.set_user_attr("result", result)
        trial.set_user_attr("outcome", how)
        session.study.tell(trial, value, state=states.get(how, TrialState.FAIL))


def finish(
    session: Session, trial: "optuna.Trial", rows: Sequence[list[Row]], *, seconds: float, engine: str, machine: str
) -> None:
    """Report a trial whose seeds, a list of rows each, have all been trained, in so many seconds together."""
    held, tested, job = session.space.budget.held, len(session.data.test), session.job
    values = [judged(each, held, tested) for each in rows]
    tails = [row for each in rows for row in each[-held:]]
    end(
        session,
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


HEARTBEAT_SECONDS = 15.0
"""Longest time between two reports of a trial."""


@dataclass(frozen=True, kw_only=True)
class Reached:
    """How far a trial is: the rows of the seed that is being trained, after an epoch or between two."""

    seed: int
    rows: tuple[Row, ...]
    epoch_done: bool
    seconds: float
    engine: str
    machine: str


def train_trial(
    proposal: Proposal, budget: Budget, seeds: int, engine: str, device: str, packed: Packed, *, stopped: Any
) -> Iterator[Reached | str]:
    """Train a proposal with each seed, yielding how far it is after each epoch and every few seconds; `diverged` where
    its loss was no number."""
    data = unpack(packed)
    experiment = trial_experiment(proposal, budget, "trial")
    for seed in range(seeds):
        run = prepare(experiment, data, seed=seed, engine=engine, device=device, threads=1)
        reported = time.monotonic()
        try:
            for state in fit(run.state, run.data, run.experiment.recipe, seed, run.engine, run.evaluator, run.teacher):
                if stopped():
                    return
                if state.step == 0 or time.monotonic() - reported > HEARTBEAT_SECONDS:
                    reported = time.monotonic()
                    yield Reached(
                        seed=seed, rows=tuple(state.rows), epoch_done=state.step == 0, seconds=state.train_seconds,
                        engine=run.engine.name, machine=platform.node(),
                    )  # fmt: skip
        except TrainingError:
            yield "diverged"
            return


def trial_experiment(proposal: Proposal, budget: Budget, id: str) -> Experiment:
    """The proposal as an experiment with the space's budget."""
    return Experiment(
        id=id, title="", network=lambda channels=1, classes=10: build_layers(proposal.network, channels, classes),
        recipe=proposal.recipe, budget=budget,
    )  # fmt: skip
