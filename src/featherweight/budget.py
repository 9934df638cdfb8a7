"""A budget, and the verdict of a training history against it. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass

from featherweight.errors import BudgetError, UsageError


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a run may cost and must reach. The defaults are the published rule of the exercise.

    >>> Budget().sentence()
    'fewer than 8,000 parameters, at most 15 epochs, at least 99.40 % in each of the last 5 epochs'
    """

    parameters: int = 8000
    """Trained numbers; a network must have **fewer** than this."""
    epochs: int = 15
    """Passes over the training set, counted in images seen; at most this many."""
    accuracy: float = 99.4
    """Percent of the whole test set, 0 to 100; at least this much."""
    held: int = 5
    """How many of the last epochs must each reach the accuracy; 1 judges the last epoch alone."""

    def __post_init__(self) -> None:
        if self.parameters < 1 or self.epochs < 1 or self.held < 1:
            raise UsageError(
                f"A budget's parameters, epochs and held epochs must be 1 or more; given {self.parameters},"
                f" {self.epochs} and {self.held}."
            )
        if not 0 <= self.accuracy <= 100:
            raise UsageError(f"A budget's accuracy is a percent from 0 to 100; given {self.accuracy}.")

    def sentence(self) -> str:
        """The budget as people read it."""
        span = "at the last epoch" if self.held == 1 else f"in each of the last {self.held} epochs"
        return (
            f"fewer than {self.parameters:,} parameters, at most {self.epochs} epochs,"
            f" at least {self.accuracy:.2f} % {span}"
        )

    def check_before_training(self, parameters: int, largest: Sequence[tuple[str, int]], epochs: int) -> None:
        """Refuse what cannot pass: `largest` are (layer, parameters) of the network's biggest layers.

        Raises BudgetError, naming count, limit and those layers.
        """
        if parameters >= self.parameters:
            layers = ", ".join(f"{name} ({count:,})" for name, count in largest)
            raise BudgetError(
                f"The network has {parameters:,} parameters and its budget allows fewer than {self.parameters:,};"
                f" its largest layers are {layers}. Make one of them narrower, or raise the experiment's budget."
            )
        if epochs > self.epochs:
            raise BudgetError(
                f"The recipe trains for {epochs} epochs and the budget allows {self.epochs};"
                " lower the recipe's epochs, or raise the experiment's budget."
            )


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """A budget held against what a run did. Accuracies are percents of the whole test set."""

    passed: bool
    last: float
    """Test accuracy at the last epoch: the result of the run."""
    worst_of_last: float
    """The lowest of the last `budget.held` epochs: the figure that decides."""
    best: float
    """The best epoch, for comparison with what others publish; it decides nothing."""
    reason: str
    """The sentence that says by which figure the run passed or failed."""


def judge(budget: Budget, parameters: int, accuracies: Sequence[float]) -> Verdict:
    """The verdict on a run with so many parameters and these test accuracies (percent, one an epoch).

    >>> judge(Budget(held=2), 7999, [98.1, 99.4, 99.41]).reason
    'every one of the last 2 epochs is at 99.40 % or more (worst 99.40 %)'
    >>> judge(Budget(held=2), 8000, [99.5, 99.5]).passed
    False
    """
    if not accuracies:
        raise UsageError("A run without a single finished epoch cannot be judged; train it for one epoch or more.")
    tail = accuracies[-budget.held :]
    worst = min(tail)
    span = "the last epoch" if budget.held == 1 else f"every one of the last {budget.held} epochs"
    if parameters >= budget.parameters:
        passed, reason = (
            False,
            f"{parameters:,} parameters, where fewer than {budget.parameters:,} are allowed",
        )
    elif len(accuracies) > budget.epochs:
        passed, reason = False, f"{len(accuracies)} epochs, where {budget.epochs} are allowed"
    elif len(tail) < budget.held:
        passed, reason = (
            False,
            f"only {len(accuracies)} epochs, and the target must be held for {budget.held}",
        )
    elif worst < budget.accuracy:
        short = sum(accuracy < budget.accuracy for accuracy in tail)
        of = "the last epoch is" if budget.held == 1 else f"{short} of the last {budget.held} epochs are"
        passed, reason = False, f"{of} below {budget.accuracy:.2f} % (worst {worst:.2f} %)"
    else:
        passed, reason = True, f"{span} is at {budget.accuracy:.2f} % or more (worst {worst:.2f} %)"
    return Verdict(passed=passed, last=accuracies[-1], worst_of_last=worst, best=max(accuracies), reason=reason)
