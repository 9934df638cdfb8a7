"""One trial, trained where a pool has room: it knows no study, reports each epoch, and stops when it is asked to."""

import platform
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from featherweight.errors import TrainingError
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.record import Row
from featherweight.networks.architecture import build_layers
from featherweight.parallel.transfer import Packed, unpack
from featherweight.search.space import Proposal
from featherweight.training.loop import fit
from featherweight.training.runs.prepare import prepare

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
