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

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from statistics import fmean
from typing import TYPE_CHECKING

from featherweight.experiments.budget import Budget
from featherweight.experiments.evidence import (
    Decision,
    Evidence,
    Finding,
    Predicate,
    against_parent,
    at_least,
    at_most,
    beyond,
    counted_epoch,
    difference_to_parent,
    epoch_means,
    gap,
    mean_clean,
    of_each_seed,
    percent_words,
    standard_error,
)
from featherweight.experiments.record import Record

if TYPE_CHECKING:
    from featherweight.experiments.experiment import Experiment

Found = Mapping[str, Sequence[Record]]
"""Records of finished runs, one per seed, by the id of their experiment."""
NOT_RUN = "not run yet"
RULE = Budget()
"""The published rule; predicates default to its figures, whatever the rung's own budget."""
MARGIN = 0.1
"""Accuracy in points by which what is "no worse" may be worse, its error included."""


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
    return gap("above", 1, from_epoch)


def underfits() -> Predicate:
    """Clean train accuracy below test accuracy at the last epoch.

    The published analyses call it underfitting when the accuracy during training is below; augmentation and dropout
    make it so whatever the network has learned.
    """
    return gap("below", -1, None)


def needs_capacity(accuracy: float = RULE.accuracy) -> Predicate:
    """The saved weights reach less than this accuracy even on unaugmented training images."""

    def decide(evidence: Evidence) -> Decision:
        clean = mean_clean(evidence)
        error = standard_error(clean, evidence.records[0].data["train"])
        words = f"clean train {clean:.2f} % where {accuracy:.2f} % is asked; {epoch_means(evidence)[-1][3]}"
        return beyond(accuracy - clean, error), words

    rule = f"Mean clean train accuracy is below {percent_words(accuracy)} by more than its standard error."
    return Predicate(rule=f"{rule} Undecided if off by no more than that.", decide=decide)


def holds(accuracy: float = RULE.accuracy, last: int = RULE.held, from_epoch: int | None = None) -> Predicate:
    """Test accuracy at or above this value in each of the last epochs; with `from_epoch`, at every epoch from it on."""
    start, epochs = (-counted_epoch(last), last) if from_epoch is None else (counted_epoch(from_epoch) - 1, from_epoch)
    which = f"lowest of the last {last} epochs" if from_epoch is None else f"lowest epoch from {from_epoch} on"
    return at_least(accuracy, which, lambda tests: min(tests[start:]), epochs)


def reaches(accuracy: float = RULE.accuracy) -> Predicate:
    """Test accuracy at or above this value at one epoch or more."""
    return at_least(accuracy, "best epoch", max, 1)


def fluctuates(last: int = RULE.held) -> Predicate:
    """Test accuracy changes from epoch to epoch by more than its standard error."""

    def ask(tests: list[float], images: int) -> tuple[bool, str]:
        change = fmean(abs(after - before) for before, after in pairwise(tests[-last - 1 :]))
        error = standard_error(fmean(tests[-last - 1 :]), images)
        return change > error, f"changes by {change:.3f} points an epoch, standard error {error:.3f}"

    rule = f"test accuracy changes into the last {last} epochs, in the mean of absolute values, by more than its"
    return of_each_seed(f"{rule} standard error", ask, counted_epoch(last) + 1)


def stalls(after_epoch: int) -> Predicate:
    """No gain in test accuracy after this epoch."""

    def decide(evidence: Evidence) -> Decision:
        means = epoch_means(evidence)
        before, after = (max(mean[1] for mean in part) for part in (means[:after_epoch], means[after_epoch:]))
        words = f"best up to epoch {after_epoch} {before:.2f} %, after it {after:.2f} %; {means[-1][3]}"
        return at_most(after - before, means[-1][2], MARGIN), words

    rule = f"The best mean test accuracy after epoch {after_epoch} is above the best up to it by less than {MARGIN}"
    rule += " points, the standard error included. Refuted if above by more than the standard error; undecided between."
    return Predicate(rule=rule, decide=decide, epochs=counted_epoch(after_epoch) + 1)


def beats_parent() -> Predicate:
    """Test accuracy at the last epoch above the parent's by more than the spread over seeds."""
    return against_parent("last test accuracy in %", "above", lambda run, _: run.rows[-1].test_accuracy)


def no_worse_than_parent(margin: float = MARGIN) -> Predicate:
    """Test accuracy at the last epoch below the parent's by less than a margin in points (non-inferiority)."""

    def decide(evidence: Evidence) -> Decision:
        compared = difference_to_parent(evidence, "last test accuracy in %", lambda run, _: run.rows[-1].test_accuracy)
        if isinstance(compared, str):
            return None, compared
        difference, error, words = compared
        return at_most(-difference, error, margin), words

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

    compared = against_parent(f"number of epochs to {percent_words(accuracy)}", "below", needed)
    return replace(compared, rule=f"{compared.rule} Never, in the epochs that both have, counts as one epoch more.")


def too_many_parameters(limit: int = RULE.parameters) -> Predicate:
    """At least this many parameters, where fewer are required."""
    rule = f"The network has {limit:,} parameters or more."
    return Predicate(rule=rule, decide=lambda on: ((has := on.records[0].parameters) >= limit, f"{has:,} parameters"))


def findings(rung: "Experiment", found: Found) -> list[tuple[Claim, str, str]]:
    """Each claim of a rung's analysis, with its outcome on the records and the figures that decided it."""
    records, parent = found.get(rung.id, ()), found.get(rung.parent or "", ())
    rows = []
    for claim in rung.claims:
        if claim.by is None:
            rows.append((claim, "opinion", ""))
        elif not records:
            rows.append((claim, NOT_RUN, ""))
        else:
            finding = check_claim(claim, Evidence(records=tuple(records), parent=tuple(parent)))
            rows.append((claim, finding.outcome, finding.figures))
    return rows
