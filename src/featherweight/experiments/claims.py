"""Claims: sentences of an analysis that records can check, and the predicates that decide them. Needs no torch.

>>> import featherweight as fw
>>> claims = fw.Claim("Overfits from epoch 5 on.", fw.claims.overfits(from_epoch=5)), fw.claims.opinion("Needs luck.")

A difference within its error leaves a claim undecided, whichever way it points. A claim about every seed is refuted by
a single one, and "no more than before" is a test of non-inferiority: difference and error must stay within a margin
(Piaggio et al., "Reporting of noninferiority and equivalence randomized trials", JAMA 2012). `no` negates a predicate:
no(fluctuates()) means that the accuracy of no seed fluctuates.

Accuracies are percentages and epochs count from 1. Train accuracies are measured during training (augmented images,
dropout on) unless called clean. Over- and underfitting are judged by the clean one, which is known of the final
weights; of earlier epochs there is only the other, which augmentation and dropout lower. The standard error of a test
accuracy is that of sampling the test images; all seeds share these images, so more seeds do not reduce it.
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
MARGIN = 0.1
"""Accuracy in points by which what is "no worse" may be worse, its error included."""
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


@dataclass(frozen=True)
class Claim:
    """A sentence of an analysis, and the predicate that decides it."""

    says: str
    by: Predicate | None
    """None marks an opinion."""


def opinion(says: str) -> Claim:
    """A claim that no record of the rung or its parent can decide: a cause, a plan, a rung that was never run."""
    return Claim(says, None)


def check_claim(claim: Claim, evidence: Evidence) -> Finding:
    """The finding on the claim. An opinion is undecided, and its figures say that it is one."""
    if claim.by is None:
        return Finding(outcome="undecided", figures="an opinion; no record decides it")
    return claim.by(evidence)


def no(predicate: Predicate) -> Predicate:
    """The negation of a predicate: borne out where that is not, and vice versa; undecided where that is.

    A claim about every seed is denied of every seed: one that reaches the accuracy refutes "none reaches it".

    >>> no(reaches(99.4)).rule
    'Not so: for every seed, the best epoch is at 99.40 % or above in test accuracy. One other seed refutes it.'
    """

    def decide(evidence: Evidence) -> Decision:
        decision, figures = predicate.decide(evidence)
        return None if decision is None else not decision, figures

    rule = f"Not so: {predicate.rule[0].lower()}{predicate.rule[1:]}"
    return replace(predicate, rule=rule, decide=predicate.negated or decide, negated=predicate.decide)


def overfits(from_epoch: int | None = None) -> Predicate:
    """Clean train accuracy above test accuracy at the last epoch; with `from_epoch`, train accuracy also at every epoch
    from that one on."""
    return _gap("above", 1, from_epoch)


def underfits() -> Predicate:
    """Clean train accuracy below test accuracy at the last epoch.

    The published analyses call it underfitting when the accuracy during training is below; augmentation and dropout
    make it so whatever the network has learned.
    """
    return _gap("below", -1, None)


def needs_capacity(accuracy: float = RULE.accuracy) -> Predicate:
    """The saved weights reach less than this accuracy even on unaugmented training images."""

    def decide(evidence: Evidence) -> Decision:
        clean = _clean(evidence)
        error = standard_error(clean, evidence.records[0].data["train"])
        words = f"clean train {clean:.2f} % where {accuracy:.2f} % is asked; {_epoch_means(evidence)[-1][3]}"
        return _beyond(accuracy - clean, error), words

    rule = f"Mean clean train accuracy is below {_percent(accuracy)} by more than its standard error."
    return Predicate(rule=f"{rule} Undecided if off by no more than that.", decide=decide)


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
        means = _epoch_means(evidence)
        before, after = (max(mean[1] for mean in part) for part in (means[:after_epoch], means[after_epoch:]))
        words = f"best up to epoch {after_epoch} {before:.2f} %, after it {after:.2f} %; {means[-1][3]}"
        return _at_most(after - before, means[-1][2], MARGIN), words

    rule = f"The best mean test accuracy after epoch {after_epoch} is above the best up to it by less than {MARGIN}"
    rule += " points, the standard error included. Refuted if above by more than the standard error; undecided between."
    return Predicate(rule=rule, decide=decide, epochs=_epoch(after_epoch) + 1)


def beats_parent() -> Predicate:
    """Test accuracy at the last epoch above the parent's by more than the spread over seeds."""
    return against_parent("last test accuracy in %", "above", lambda run, _: run.rows[-1].test_accuracy)


def no_worse_than_parent(margin: float = MARGIN) -> Predicate:
    """Test accuracy at the last epoch below the parent's by less than a margin in points (non-inferiority)."""

    def decide(evidence: Evidence) -> Decision:
        compared = _difference(evidence, "last test accuracy in %", lambda run, _: run.rows[-1].test_accuracy)
        if isinstance(compared, str):
            return None, compared
        difference, error, words = compared
        return _at_most(-difference, error, margin), words

    rule = (
        f"Mean last test accuracy is below the parent's by less than {margin:g} points at the lower end of Welch's 95 %"
    )
    rule += " interval over seeds. Refuted if the whole interval is below the parent's; undecided between these."
    return Predicate(rule=rule, decide=decide)


def lowers_train_accuracy() -> Predicate:
    """Train accuracy at the last epoch below the parent's by more than the spread over seeds."""
    return against_parent("last train accuracy in %", "below", lambda run, _: run.rows[-1].train_accuracy)


def overfits_less() -> Predicate:
    """Clean train minus test accuracy at the last epoch below the parent's by more than the spread over seeds."""
    what = "clean train minus last test accuracy in points"
    return against_parent(what, "below", lambda run, _: (run.clean_train_accuracy or 0.0) - run.rows[-1].test_accuracy)


def converges_faster(accuracy: float) -> Predicate:
    """Fewer epochs than the parent to reach this test accuracy, by more than the spread over seeds."""

    def needed(run: Record, epochs: int) -> int:
        return next((row.epoch for row in run.rows[:epochs] if row.test_accuracy >= accuracy), epochs + 1)

    compared = against_parent(f"number of epochs to {_percent(accuracy)}", "below", needed)
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


def _epoch_means(evidence: Evidence) -> list[tuple[float, float, float, str]]:
    means = []
    for rows in zip(*(run.rows for run in evidence.records), strict=True):
        train, test = fmean(row.train_accuracy for row in rows), fmean(row.test_accuracy for row in rows)
        error = standard_error(test, evidence.records[0].data["test"])
        words = f"epoch {rows[0].epoch}: train {train:.2f} %, test {test:.2f} %, standard error {error:.3f} points"
        means.append((train, test, error, f"{words} (seeds: {len(rows)})"))
    return means


def _clean(evidence: Evidence) -> float:
    return fmean(run.clean_train_accuracy or 0.0 for run in evidence.records)  # never None in Evidence


def _gap(where: str, sign: int, from_epoch: int | None) -> Predicate:
    def decide(evidence: Evidence) -> Decision:
        means, clean = _epoch_means(evidence), _clean(evidence)
        _, test, error, words = means[-1]
        found = _beyond(sign * (clean - test), error)
        words = f"clean train {clean:.2f} %; {words}"
        # What training measures is lowered by augmentation and dropout, so it can bear a gap out and not refute it.
        for train, test, error, earlier in [] if from_epoch is None else means[from_epoch - 1 : -1]:
            if found and not sign * (train - test) > error:
                return None, f"{words}; {earlier}"
        return found, words

    rule = f"Mean clean train accuracy is {where} mean test accuracy by more than the test's standard error"
    if from_epoch is not None:
        rule += f", and at every epoch from {from_epoch} on so is the accuracy during training"
    epochs = 1 if from_epoch is None else _epoch(from_epoch)
    return Predicate(rule=f"{rule}. Undecided if off by no more than that.", decide=decide, epochs=epochs)


def _of_each_seed(rule: str, ask: Callable[[list[float], int], tuple[bool, str]], epochs: int) -> Predicate:
    def decided(wanted: bool) -> Callable[[Evidence], Decision]:
        def decide(evidence: Evidence) -> Decision:
            found = [ask([row.test_accuracy for row in run.rows], run.data["test"]) for run in evidence.records]
            figures = zip(evidence.records, found, strict=True)
            words = "; ".join(f"seed {run.seed}: {text}" for run, (_, text) in figures)
            return all(answer == wanted for answer, _ in found), words

        return decide

    rule = f"For every seed, {rule}. One other seed refutes it."
    return Predicate(rule=rule, decide=decided(True), negated=decided(False), epochs=epochs)


def _at_least(accuracy: float, which: str, pick: Callable[[list[float]], float], epochs: int) -> Predicate:
    def ask(tests: list[float], _: int) -> tuple[bool, str]:
        return (figure := pick(tests)) >= accuracy, f"{which} {figure:.2f} %, last epoch {tests[-1]:.2f} %"

    return _of_each_seed(f"the {which} is at {_percent(accuracy)} or above in test accuracy", ask, epochs)


def against_parent(what: str, where: str, measure: Callable[[Record, int], float]) -> Predicate:
    """What a run measures is "above" or "below" that of the parent's by more than the spread over seeds.

    `measure` takes a run and the number of epochs that both sides have; `what` names its figure and unit.
    """

    def decide(evidence: Evidence) -> Decision:
        compared = _difference(evidence, what, measure)
        if isinstance(compared, str):
            return None, compared
        difference, error, words = compared
        return _beyond(difference if where == "above" else -difference, error), words

    rule = f"Mean {what} is {where} the parent's by more than half of Welch's 95 % interval over seeds."
    return Predicate(rule=f"{rule} Undecided if the difference is within that.", decide=decide)


def _difference(
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


def _beyond(difference: float, error: float) -> bool | None:
    """Whether something is larger: yes or no only beyond the error; without any spread, as it is."""
    difference = round(difference, 9)  # means of equal percentages may differ in their last bits
    if error == 0:
        return difference > 0
    return True if difference > error else False if difference < -error else None


def _at_most(difference: float, error: float, margin: float) -> bool | None:
    """Whether something is larger by less than a margin: yes if its error is within the margin as well, no if it is
    larger beyond its error."""
    difference = round(difference, 9)
    return True if difference + error < margin else False if difference > error else None


def _percent(accuracy: float) -> str:
    _require(1 <= accuracy <= 100, f"An accuracy in a claim is a percentage from 1 to 100; given {accuracy}.")
    return f"{accuracy:.2f} %"


def _epoch(count: int) -> int:
    _require(count >= 1, f"Epochs in a claim count from 1; given {count}.")
    return count


def _require(so: bool, sentence: str) -> None:
    if not so:
        raise UsageError(sentence)
