"""A study shared by processes and machines: its settings, and the outcomes of its trials.

A trial's attributes: `worker` identifies the process that asked for it, and `beat` shows that it is being trained;
`proposal` is what is tried, `end` the outcome and `result` the figures. Everything else is Optuna's.
"""

import json
import logging
import time
import warnings
from collections import Counter
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from msgspec import Meta
from typing_extensions import Required, TypedDict

from featherweight.data.dataset import Data
from featherweight.errors import UsageError
from featherweight.experiments.schema import CountOrZero
from featherweight.json_files import LONGEST_TEXT, Schema
from featherweight.search.space import Space
from featherweight.search.storage import reachable, redacted, storage_of

if TYPE_CHECKING:
    import optuna
    from optuna.trial import FrozenTrial

STARTUP = 20
"""Random trials before the sampler starts to learn; refused ones count, since it learns from those too."""
TRAINED_FIRST = 8
"""Trials that must have finished before any is stopped early; the median of fewer means little."""
WARM_UP = 30
"""Percent of a trial's epochs before it can be stopped; earlier, the rate still rises and ranks mean little."""
SILENT_SECONDS = 120.0
"""A trial without a sign for this long is declared lost, and another takes its place."""
ABOUT_SECONDS = 5.0
"""The process that creates a study stores its settings immediately; others wait this long for them."""


LongText = Annotated[str, Meta(max_length=LONGEST_TEXT)]


@dataclass(frozen=True, kw_only=True)
class Job:
    """A search, described by values that can be sent to another process."""

    space: str
    storage: str
    """The path of a journal, or the URL of a database, which may contain a password; print it through `shown`."""
    name: str
    """Name of the study within the storage."""
    trials: int
    """Total number of trials to train, over all workers; refused and repeated proposals do not count."""
    data: str = "auto"
    data_dir: Path | None = None
    holdout: int = 5000
    seeds: int = 1
    seed: int = 0
    """Seed of the sampler."""
    engine: str = "auto"
    device: str = "auto"


def about(space: Space, data: Data, job: Job) -> dict[str, Any]:
    """The settings of a study, stored in it, which everyone who joins it must share."""
    summary = data.summary()
    return {
        "space": space.name,
        "space's file": space.digest(),
        "budget": asdict(space.budget),
        "data": summary["name"],
        "data's digests": summary["digests"],
        "holdout": data.holdout,
        "seeds": job.seeds,
    }


class _Proposal(TypedDict, total=False):
    """What is noted of a proposal, beside its network and recipe."""

    key: Required[LongText]
    parameters: CountOrZero
    macs: CountOrZero
    epochs: CountOrZero
    field: tuple[CountOrZero, CountOrZero]


class _Trial(TypedDict, total=False):
    """A trial's attributes; the figures of its result are checked where they are read."""

    proposal: _Proposal
    end: Literal["finished", "early", "diverged", "refused", "repeated", "lost", "surplus"]
    result: dict[str, Any]


_TRIAL = Schema(kind=_Trial, what="one of a search", advice="use a new study")
_ABOUT = Schema(kind=dict[LongText, Any], what="that of a search", advice="use a new study")


def open_study(job: Job, expected: dict[str, Any], sampler_seed: int = 0) -> "optuna.Study":
    """The study with the job's name, created if there is none.

    Raises UsageError if the study has another space, budget, data set or holdout.
    """
    import optuna

    quiet()
    storage = storage_of(job.storage)
    with reachable(job.storage), warnings.catch_warnings():
        warnings.simplefilter("ignore", optuna.exceptions.ExperimentalWarning)
        # `group`: a space may use some parameters in only some of its proposals.
        sampler = optuna.samplers.TPESampler(
            n_startup_trials=STARTUP, multivariate=True, group=True, constant_liar=True, seed=sampler_seed
        )
        pruner = optuna.pruners.MedianPruner(n_startup_trials=TRAINED_FIRST, n_warmup_steps=WARM_UP)
        try:
            study = optuna.create_study(
                storage=storage, study_name=job.name, direction="maximize", sampler=sampler, pruner=pruner
            )
            study.set_user_attr("about", expected)
        except optuna.exceptions.DuplicatedStudyError:
            study = optuna.load_study(storage=storage, study_name=job.name, sampler=sampler, pruner=pruner)
            for trial in trials_of(study):
                _TRIAL.check(trial.user_attrs, f"Trial {trial.number} of the study {job.name!r}")
    _require_same(study, expected, job)
    return study


def _require_same(study: "optuna.Study", expected: dict[str, Any], job: Job) -> None:
    until = time.monotonic() + ABOUT_SECONDS
    while "about" not in (attributes := study.user_attrs) and time.monotonic() < until:
        time.sleep(0.1)
    where = f"The study {job.name!r} in {redacted(job.storage)}"
    elsewhere = "start a new study with --name"
    if "about" not in attributes:
        raise UsageError(f"{where} was not made by `featherweight search`; {elsewhere}.")
    known, given = _ABOUT.check(attributes["about"], where), json.loads(json.dumps(expected))
    for what, value in given.items():
        if known.get(what) != value:
            difference = "" if "'s " in what else f" (it has {known.get(what)}; given {value})"
            raise UsageError(f"{where} differs in {what}{difference}; {elsewhere}, or use the study's own settings.")


def quiet() -> None:
    """Keep Optuna from logging every trial to standard error; progress is reported by this package."""
    import optuna

    optuna.logging.set_verbosity(logging.ERROR)


@dataclass(frozen=True, kw_only=True)
class TrialCounts:
    """The number of a study's trials by outcome."""

    finished: int
    early: int
    """Stopped before their last epoch because most trials were better."""
    diverged: int
    """Their loss became infinite or NaN."""
    refused: int
    """Proposals over budget, which were never trained."""
    repeated: int
    """Proposals that had been made before and were not trained again."""
    lost: int
    """Abandoned by a process that was stopped or killed; other trials take their places."""
    running: int

    @property
    def ended(self) -> int:
        """The number of trials that have been trained and will not be trained further."""
        return self.finished + self.early + self.diverged


ENDS = ("finished", "early", "diverged", "refused", "repeated", "lost", "running")


def end_of(trial: "FrozenTrial") -> str:
    """The outcome of a trial: one of `ENDS`, or `surplus` if the study already had enough trials."""
    if not trial.state.is_finished():
        return "running"
    given: str = trial.user_attrs.get("outcome", trial.user_attrs.get("end", "lost"))
    return given


def trials_of(study: "optuna.Study") -> "list[FrozenTrial]":
    """All trials of the study, in their current state."""
    return study.get_trials(deepcopy=False)


def counts_of(study: "optuna.Study") -> TrialCounts:
    """The current counts of the study's trials by outcome."""
    counts = Counter(map(end_of, trials_of(study)))
    return TrialCounts(**{end: counts[end] for end in ENDS})


def lose(study: "optuna.Study", number: int) -> None:
    """Declare a running trial of a study lost, which takes it from whoever has it trained."""
    from optuna.exceptions import UpdateFinishedTrialError
    from optuna.trial import TrialState

    with suppress(UpdateFinishedTrialError, ValueError):
        study.tell(number, state=TrialState.FAIL)


class Heartbeats:
    """When each running trial last gave a sign, by this machine's clock alone."""

    def __init__(self) -> None:
        self._heard: dict[int, tuple[Any, float]] = {}

    def silent(self, study: "optuna.Study") -> list[int]:
        """The numbers of running trials that have given no sign for too long."""
        now, silent = time.monotonic(), []
        for trial in trials_of(study):
            if trial.state.is_finished():
                self._heard.pop(trial.number, None)
                continue
            sign = (trial.user_attrs.get("heartbeat", trial.user_attrs.get("beat")), len(trial.intermediate_values))
            before, since = self._heard.get(trial.number, (None, now))
            self._heard[trial.number] = (sign, since if sign == before else now)
            if sign == before and now - since > SILENT_SECONDS:
                silent.append(trial.number)
        return silent
