"""The runs on which a claim is decided, and the tests that decide: of each seed, against the parent, within an error.

`claims` has the predicates that are made of them. Needs no torch.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from statistics import fmean, variance
from typing import Literal

from featherweight.experiments.record import Record
from featherweight.experiments.schema import require

Outcome = Literal["borne out", "not borne out", "undecided"]
OUTCOMES: dict[bool | None, Outcome] = {True: "borne out", False: "not borne out", None: "undecided"}
Decision = tuple[bool | None, str]
"""Whether the sentence holds (None: the data does not decide), and the figures that show it."""
STUDENT_95 = (12.706, 4.303, 3.182, 2.776, 2.571, 2.447, 2.365, 2.306, 2.262, 2.228)
"""Half of the two-sided 95 % interval in standard errors, at 1 to 10 degrees of freedom; the last serves for more."""


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """The runs on which a predicate decides. Raises UsageError if they are not comparable."""

    records: tuple[Record, ...]
    """Finished runs of the rung, one per seed."""
    parent: tuple[Record, ...] = ()
    """Finished runs of its parent rung, one per seed; empty if there are none."""

    def __post_init__(self) -> None:
        data = {run.data_set[:4] for run in self.records + self.parent}
        require(len(data) < 2, f"Claims compare runs on the same data; given {sorted(data)}.")
        for runs in filter(None, (self.records, self.parent)):
            # Compared as JSON, in which the tuples of a new record and the lists of one read back are equal.
            kinds = {(run.experiment, json.dumps(run.recipe, sort_keys=True), len(run.rows)) for run in runs}
            alike = len(kinds) == 1 and len({run.seed for run in runs}) == len(runs)
            done = all(run.finished and run.rows and run.clean_train_accuracy is not None for run in runs)
            wrong = f"Claims need finished runs of one rung and recipe, one per seed; {runs[0].experiment}'s are not."
            require(alike and done, wrong)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What records say of a claim: the outcome, and the figures that decided it."""

    outcome: Outcome
    figures: str
    """The figures that decided, as text."""


@dataclass(frozen=True, kw_only=True)
class Predicate:
    """A test of one kind of sentence: called with Evidence, it returns a Finding. Two with the same rule are equal."""

    rule: str
    """When the sentence is borne out and when it is undecided, in words."""
    decide: Callable[[Evidence], Decision] = field(compare=False, repr=False)
    epochs: int = 1
    """The minimum number of epochs that the runs must have."""
    negated: Callable[[Evidence], Decision] | None = field(default=None, compare=False, repr=False)
    """The test of the opposite sentence; None if that is borne out exactly where this one is not."""

    def __call__(self, evidence: Evidence) -> Finding:
        """The finding on this evidence; undecided if there is too little of it."""
        there = len(evidence.records[0].rows) if evidence.records else 0
        if there < self.epochs:
            return Finding(outcome="undecided", figures=f"epochs: {there}, where {self.epochs} or more are needed")
        decision, figures = self.decide(evidence)
        where = "; on held-out images" if evidence.records[0].data["holdout"] else ""
        return Finding(outcome=OUTCOMES[decision], figures=figures + where)


def standard_error(accuracy: float, images: int) -> float:
    """The error within which a claim is undecided: of an accuracy over n images, in points, 100 √(p (1 - p) / n)."""
    return math.sqrt(accuracy * (100 - accuracy) / images)


def welch(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """Difference of the means of two samples of two or more values, and half of its 95 % interval (Welch, 1947)."""
    a, b = variance(ours) / len(ours), variance(theirs) / len(theirs)
    spread = a**2 / (len(ours) - 1) + b**2 / (len(theirs) - 1)
    freedom = int((a + b) ** 2 / spread + 1e-9) if spread else 1  # down, the wide side; 1e-9 is for 3.9999...
    return fmean(ours) - fmean(theirs), STUDENT_95[min(freedom, len(STUDENT_95)) - 1] * math.sqrt(a + b)


def epoch_means(evidence: Evidence) -> list[tuple[float, float, float, str]]:
    """Of each epoch: mean train and test accuracy in percent, the standard error of the latter, and all in words."""
    means = []
    for rows in zip(*(run.rows for run in evidence.records), strict=True):
        train, test = fmean(row.train_accuracy for row in rows), fmean(row.test_accuracy for row in rows)
        error = standard_error(test, evidence.records[0].data["test"])
        words = f"epoch {rows[0].epoch}: train {train:.2f} %, test {test:.2f} %, standard error {error:.3f} points"
        means.append((train, test, error, f"{words} (seeds: {len(rows)})"))
    return means


def mean_clean(evidence: Evidence) -> float:
    """Mean accuracy in percent of the final weights on unaugmented training images."""
    return fmean(run.clean_train_accuracy or 0.0 for run in evidence.records)  # never None in Evidence


def gap(where: str, sign: int, from_epoch: int | None) -> Predicate:
    """Clean train accuracy above (`sign` 1) or below (-1) test accuracy at the last epoch, and from an epoch on."""

    def decide(evidence: Evidence) -> Decision:
        means, clean = epoch_means(evidence), mean_clean(evidence)
        _, test, error, words = means[-1]
        found = beyond(sign * (clean - test), error)
        words = f"clean train {clean:.2f} %; {words}"
        # What training measures is lowered by augmentation and dropout, so it can bear a gap out and not refute it.
        for train, test, error, earlier in [] if from_epoch is None else means[from_epoch - 1 : -1]:
            if found and not sign * (train - test) > error:
                return None, f"{words}; {earlier}"
        return found, words

    rule = f"Mean clean train accuracy is {where} mean test accuracy by more than the test's standard error"
    if from_epoch is not None:
        rule += f", and at every epoch from {from_epoch} on so is the accuracy during training"
    epochs = 1 if from_epoch is None else counted_epoch(from_epoch)
    return Predicate(rule=f"{rule}. Undecided if off by no more than that.", decide=decide, epochs=epochs)


def _of_seeds(runs: Sequence[Record], found: Sequence[tuple[bool, str]], wanted: bool) -> str:
    """The figures of each seed; of more than three, how many agree, and those of one, of the first that does not."""
    told = [f"seed {run.seed}: {text}" for run, (_, text) in zip(runs, found, strict=True)]
    if len(told) <= 3:
        return "; ".join(told)
    agrees = [answer == wanted for answer, _ in found]
    if all(agrees):
        return f"so on all {len(told)} seeds, such as {told[0]}"
    return f"so on {sum(agrees)} of {len(told)} seeds, but not on {told[agrees.index(False)]}"


def of_each_seed(rule: str, ask: Callable[[list[float], int], tuple[bool, str]], epochs: int) -> Predicate:
    """A predicate on every seed; `ask` answers for one, from its test accuracies and the number of test images."""

    def decided(wanted: bool) -> Callable[[Evidence], Decision]:
        def decide(evidence: Evidence) -> Decision:
            found = [ask([row.test_accuracy for row in run.rows], run.data["test"]) for run in evidence.records]
            return all(answer == wanted for answer, _ in found), _of_seeds(evidence.records, found, wanted)

        return decide

    rule = f"For every seed, {rule}. One other seed refutes it."
    return Predicate(rule=rule, decide=decided(True), negated=decided(False), epochs=epochs)


def at_least(accuracy: float, which: str, pick: Callable[[list[float]], float], epochs: int) -> Predicate:
    """A figure of every seed at or above an accuracy; `pick` takes it from the test accuracies."""

    def ask(tests: list[float], _: int) -> tuple[bool, str]:
        return (figure := pick(tests)) >= accuracy, f"{which} {figure:.2f} %, last epoch {tests[-1]:.2f} %"

    return of_each_seed(f"the {which} is at {percent_words(accuracy)} or above in test accuracy", ask, epochs)


def against_parent(what: str, where: str, measure: Callable[[Record, int], float]) -> Predicate:
    """What a run measures is "above" or "below" that of the parent's by more than the spread over seeds.

    `measure` takes a run and the number of epochs that both sides have; `what` names its figure and unit.
    """

    def decide(evidence: Evidence) -> Decision:
        compared = difference_to_parent(evidence, what, measure)
        if isinstance(compared, str):
            return None, compared
        difference, error, words = compared
        return beyond(difference if where == "above" else -difference, error), words

    rule = f"Mean {what} is {where} the parent's by more than half of Welch's 95 % interval over seeds."
    return Predicate(rule=f"{rule} Undecided if the difference is within that.", decide=decide)


def difference_to_parent(
    evidence: Evidence, what: str, measure: Callable[[Record, int], float]
) -> tuple[float, float, str] | str:
    """Rung minus parent with half of its interval, and in words; a sentence alone where there are too few seeds."""
    both = (evidence.records, evidence.parent)
    seeds = f"seeds: {len(both[0])}, parent {len(both[1])}"
    if min(map(len, both)) < 2:
        return f"{seeds}, where a spread needs two or more of each"
    epochs = min(len(run.rows) for runs in both for run in runs)
    ours, theirs = ([measure(run, epochs) for run in runs] for runs in both)
    difference, error = welch(ours, theirs)
    words = f"{what}: {fmean(ours):.2f}, parent {fmean(theirs):.2f}, difference {difference:+.3f} ± {error:.3f}"
    return difference, error, f"{words} ({seeds})"


def beyond(difference: float, error: float) -> bool | None:
    """Whether something is larger: yes or no only beyond the error; without any spread, as it is."""
    difference = round(difference, 9)  # means of equal percentages may differ in their last bits
    if error == 0:
        return difference > 0
    return True if difference > error else False if difference < -error else None


def at_most(difference: float, error: float, margin: float) -> bool | None:
    """Whether something is larger by less than a margin: yes if its error is within the margin as well, no if it is
    larger beyond its error."""
    difference = round(difference, 9)
    return True if difference + error < margin else False if difference > error else None


def percent_words(accuracy: float) -> str:
    """An accuracy in a claim as text; UsageError unless it is a percentage."""
    require(1 <= accuracy <= 100, f"An accuracy in a claim is a percentage from 1 to 100; given {accuracy}.")
    return f"{accuracy:.2f} %"


def counted_epoch(count: int) -> int:
    """The epoch, or number of epochs; UsageError unless it is 1 or more."""
    require(count >= 1, f"Epochs in a claim count from 1; given {count}.")
    return count
