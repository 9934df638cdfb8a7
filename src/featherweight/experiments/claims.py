"""Claims: sentences of an analysis that records can check, and the predicates that decide them. Needs no torch.

    claims = (Claim("Overfits from epoch 5 on.", overfits(from_epoch=5)), opinion("Needs batch norm."))

A difference counts only beyond its error; one in the claimed direction but within the error is undecided, and so is a
claim that holds for only some seeds. `no` negates a predicate: no(fluctuates()) means that the accuracy is stable.

Accuracies are percentages and epochs count from 1. Train accuracies are measured during training (augmented images,
dropout on) unless called clean. The standard error of a test accuracy is that of sampling the test images; all seeds
share these images, so more seeds do not reduce it.
"""

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise
from statistics import fmean, variance
from typing import Literal

from featherweight.errors import UsageError
from featherweight.experiments.budget import Budget
from featherweight.experiments.record import Record

Outcome = Literal["borne out", "not borne out", "undecided"]
OUTCOMES: dict[bool | None, Outcome] = {True: "borne out", False: "not borne out", None: "undecided"}
Decision = tuple[bool | None, str]
"""Whether the sentence holds (None: the data does not decide), and the figures that show it."""
RULE = Budget()
"""The published rule; predicates default to its figures, whatever the rung's own budget."""
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
        _require(len(data) < 2, f"Claims compare runs on the same data; given {sorted(data)}.")
        for runs in filter(None, (self.records, self.parent)):
            # Compared as JSON, in which the tuples of a new record and the lists of one read back are equal.
            kinds = {(run.experiment, json.dumps(run.recipe, sort_keys=True), len(run.rows)) for run in runs}
            alike = len(kinds) == 1 and len({run.seed for run in runs}) == len(runs)
            done = all(run.finished and run.rows and run.clean_train_accuracy is not None for run in runs)
            wrong = f"Claims need finished runs of one rung and recipe, one per seed; {runs[0].experiment}'s are not."
            _require(alike and done, wrong)


@dataclass(frozen=True, kw_only=True)
class Finding:
    """The outcome of checking a claim."""

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

    def __call__(self, evidence: Evidence) -> Finding:
        """The finding on this evidence; undecided if there is too little of it."""
        there = len(evidence.records[0].rows) if evidence.records else 0
        if there < self.epochs:
            return Finding(outcome="undecided", figures=f"epochs: {there}, where {self.epochs} or more are needed")
        decision, figures = self.decide(evidence)
        where = "; on held-out images" if evidence.records[0].data["holdout"] else ""
        return Finding(outcome=OUTCOMES[decision], figures=figures + where)


@dataclass(frozen=True)
class Claim:
    """A sentence of an analysis, and the predicate that decides it."""

    says: str
    by: Predicate | None
    """None marks an opinion."""


def opinion(says: str) -> Claim:
    """A claim that no record of the rung or its parent can decide: a cause, a plan, a rung that was never run."""
    return Claim(says, None)


def check(claim: Claim, evidence: Evidence) -> Finding:
    """The finding on the claim. An opinion is undecided, and its figures say that it is one."""
    if claim.by is None:
        return Finding(outcome="undecided", figures="an opinion; no record decides it")
    return claim.by(evidence)


def no(predicate: Predicate) -> Predicate:
    """The negation of a predicate: borne out where that is not, and vice versa; undecided where that is.

    >>> no(reaches(99.4)).rule
    'Not so: for every seed, the best epoch is at 99.40 % or above in test accuracy. Undecided if seeds differ.'
    """

    def decide(evidence: Evidence) -> Decision:
        decision, figures = predicate.decide(evidence)
        return None if decision is None else not decision, figures

    return replace(predicate, rule=f"Not so: {predicate.rule[0].lower()}{predicate.rule[1:]}", decide=decide)


def overfits(from_epoch: int | None = None) -> Predicate:
    """Train accuracy above test accuracy at every epoch from this one on; by default at the last epoch only."""
    return _gap("above", 1, from_epoch)


def underfits() -> Predicate:
    """Train accuracy below test accuracy at the last epoch, which is what the published analyses call underfitting."""
    return _gap("below", -1, None)


def needs_capacity(accuracy: float = RULE.accuracy) -> Predicate:
    """The saved weights reach less than this accuracy even on unaugmented training images, and do not overfit them."""

    def decide(evidence: Evidence) -> Decision:
        _, test, error, words = _means(evidence)[-1]
        clean = fmean(run.clean_train_accuracy or 0.0 for run in evidence.records)  # never None in Evidence
        short = _beyond(accuracy - clean, standard_error(clean, evidence.records[0].data["train"]))
        gap = _beyond(clean - test, error)
        decision = False if short is False or gap else None if short is None or gap is None else True
        return decision, f"clean train {clean:.2f} % where {accuracy:.2f} % is asked; {words}"

    rule = f"Mean clean train accuracy is below {_percent(accuracy)} by more than its standard error, and not above"
    return Predicate(rule=f"{rule} mean test accuracy. Undecided if off by no more than that.", decide=decide)


def holds(accuracy: float = RULE.accuracy, last: int = RULE.held, from_epoch: int | None = None) -> Predicate:
    """Test accuracy at or above this value in each of the last epochs; with `from_epoch`, at every epoch from it on."""
    start, epochs = (-_epoch(last), last) if from_epoch is None else (_epoch(from_epoch) - 1, from_epoch)
    which = f"lowest of the last {last} epochs" if from_epoch is None else f"lowest epoch from {from_epoch} on"
    return _at_least(accuracy, which, lambda tests: min(tests[start:]), epochs)


def reaches(accuracy: float = RULE.accuracy) -> Predicate:
    """Test accuracy at or above this value at one epoch or more."""
    return _at_least(accuracy, "best epoch", max, 1)


def fluctuates(last: int = RULE.held) -> Predicate:
    """Test accuracy changes from epoch to epoch by more than its standard error."""

    def ask(tests: list[float], images: int) -> tuple[bool, str]:
        change = fmean(abs(after - before) for before, after in pairwise(tests[-last - 1 :]))
        error = standard_error(fmean(tests[-last - 1 :]), images)
        return change > error, f"changes by {change:.3f} points an epoch, standard error {error:.3f}"

    rule = f"test accuracy changes into the last {last} epochs, in the mean of absolute values, by more than its"
    return _of_each_seed(f"{rule} standard error", ask, _epoch(last) + 1)


def stalls(after_epoch: int) -> Predicate:
    """No gain in test accuracy after this epoch."""

    def decide(evidence: Evidence) -> Decision:
        means = _means(evidence)
        before, after = (max(mean[1] for mean in part) for part in (means[:after_epoch], means[after_epoch:]))
        gains = _beyond(after - before, means[-1][2])
        words = f"best up to epoch {after_epoch} {before:.2f} %, after it {after:.2f} %; {means[-1][3]}"
        return None if gains is None else not gains, words

    rule = f"The best mean test accuracy after epoch {after_epoch} is not above the best up to it. Undecided if above"
    return Predicate(rule=f"{rule} within the standard error.", decide=decide, epochs=_epoch(after_epoch) + 1)


def beats_parent() -> Predicate:
    """Test accuracy at the last epoch above the parent's by more than the spread over seeds."""
    return _against_parent("last test accuracy in %", "above", lambda run, _: run.rows[-1].test_accuracy)


def lowers_train_accuracy() -> Predicate:
    """Train accuracy at the last epoch below the parent's by more than the spread over seeds."""
    return _against_parent("last train accuracy in %", "below", lambda run, _: run.rows[-1].train_accuracy)


def overfits_less() -> Predicate:
    """Train minus test accuracy at the last epoch below the parent's by more than the spread over seeds."""
    what = "last train minus test accuracy in points"
    return _against_parent(what, "below", lambda run, _: run.rows[-1].train_accuracy - run.rows[-1].test_accuracy)


def converges_faster(accuracy: float) -> Predicate:
    """Fewer epochs than the parent to reach this test accuracy, by more than the spread over seeds."""

    def needed(run: Record, epochs: int) -> int:
        return next((row.epoch for row in run.rows[:epochs] if row.test_accuracy >= accuracy), epochs + 1)

    compared = _against_parent(f"number of epochs to {_percent(accuracy)}", "below", needed)
    return replace(compared, rule=f"{compared.rule} Never, in the epochs that both have, counts as one epoch more.")


def too_many_parameters(limit: int = RULE.parameters) -> Predicate:
    """At least this many parameters, where fewer are required."""
    rule = f"The network has {limit:,} parameters or more."
    return Predicate(rule=rule, decide=lambda on: ((has := on.records[0].parameters) >= limit, f"{has:,} parameters"))


def standard_error(accuracy: float, images: int) -> float:
    """Standard error of an accuracy over n images, in percentage points: 100 √(p (1 - p) / n), p from 0 to 1."""
    return math.sqrt(accuracy * (100 - accuracy) / images)


def welch(ours: Sequence[float], theirs: Sequence[float]) -> tuple[float, float]:
    """Difference of the means of two samples of two or more values, and half of its 95 % interval (Welch, 1947)."""
    a, b = variance(ours) / len(ours), variance(theirs) / len(theirs)
    spread = a**2 / (len(ours) - 1) + b**2 / (len(theirs) - 1)
    freedom = int((a + b) ** 2 / spread + 1e-9) if spread else 1  # down, the wide side; 1e-9 is for 3.9999...
    return fmean(ours) - fmean(theirs), STUDENT_95[min(freedom, len(STUDENT_95)) - 1] * math.sqrt(a + b)


def _means(evidence: Evidence) -> list[tuple[float, float, float, str]]:
    means = []
    for rows in zip(*(run.rows for run in evidence.records), strict=True):
        train, test = fmean(row.train_accuracy for row in rows), fmean(row.test_accuracy for row in rows)
        error = standard_error(test, evidence.records[0].data["test"])
        words = f"epoch {rows[0].epoch}: train {train:.2f} %, test {test:.2f} %, standard error {error:.3f} points"
        means.append((train, test, error, f"{words} (seeds: {len(rows)})"))
    return means


def _gap(where: str, sign: int, from_epoch: int | None) -> Predicate:
    def decide(evidence: Evidence) -> Decision:
        means = _means(evidence)[-1 if from_epoch is None else from_epoch - 1 :]
        # The epoch with the smallest gap in standard errors decides for all; the error is 0 only at 100 %.
        train, test, error, words = min(means, key=lambda mean: sign * (mean[0] - mean[1]) / max(mean[2], 1e-9))
        return _beyond(sign * (train - test), error), words

    when = "the last epoch" if from_epoch is None else f"every epoch from {from_epoch} on"
    rule = f"At {when}, mean train accuracy is {where} mean test accuracy by more than the test's standard error."
    epochs = 1 if from_epoch is None else _epoch(from_epoch)
    return Predicate(rule=f"{rule} Undecided if {where} by less.", decide=decide, epochs=epochs)


def _of_each_seed(rule: str, ask: Callable[[list[float], int], tuple[bool, str]], epochs: int) -> Predicate:
    def decide(evidence: Evidence) -> Decision:
        found = [ask([row.test_accuracy for row in run.rows], run.data["test"]) for run in evidence.records]
        words = "; ".join(
            f"seed {run.seed}: {figures}" for run, (_, figures) in zip(evidence.records, found, strict=True)
        )
        return found[0][0] if len({answer for answer, _ in found}) == 1 else None, words

    return Predicate(rule=f"For every seed, {rule}. Undecided if seeds differ.", decide=decide, epochs=epochs)


def _at_least(accuracy: float, which: str, pick: Callable[[list[float]], float], epochs: int) -> Predicate:
    def ask(tests: list[float], _: int) -> tuple[bool, str]:
        return (figure := pick(tests)) >= accuracy, f"{which} {figure:.2f} %, last epoch {tests[-1]:.2f} %"

    return _of_each_seed(f"the {which} is at {_percent(accuracy)} or above in test accuracy", ask, epochs)


def _against_parent(what: str, where: str, measure: Callable[[Record, int], float]) -> Predicate:
    def decide(evidence: Evidence) -> Decision:
        both = (evidence.records, evidence.parent)
        seeds = f"seeds: {len(both[0])}, parent {len(both[1])}"
        if min(map(len, both)) < 2:
            return None, f"{seeds}, where a spread needs two or more of each"
        epochs = min(len(run.rows) for runs in both for run in runs)
        ours, theirs = ([measure(run, epochs) for run in runs] for runs in both)
        difference, error = welch(ours, theirs)
        words = f"{what}: {fmean(ours):.2f}, parent {fmean(theirs):.2f}, difference {difference:+.3f} ± {error:.3f}"
        return _beyond(difference if where == "above" else -difference, error), f"{words} ({seeds})"

    rule = f"Mean {what} is {where} the parent's by more than half of Welch's 95 % interval over seeds."
    return Predicate(rule=f"{rule} Undecided if {where} by less.", decide=decide)


def _beyond(difference: float, error: float) -> bool | None:
    difference = round(difference, 9)  # means of equal percentages may differ in their last bits
    return True if difference > error else None if difference > 0 else False


def _percent(accuracy: float) -> str:
    _require(1 <= accuracy <= 100, f"An accuracy in a claim is a percentage from 1 to 100; given {accuracy}.")
    return f"{accuracy:.2f} %"


def _epoch(count: int) -> int:
    _require(count >= 1, f"Epochs in a claim count from 1; given {count}.")
    return count


def _require(so: bool, sentence: str) -> None:
    if not so:
        raise UsageError(sentence)
