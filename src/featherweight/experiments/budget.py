"""A budget, and the verdict of a training history against it. Needs no torch."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from featherweight.errors import BudgetError, UsageError
from featherweight.experiments.statistics import accuracy_interval, images_to_decide


@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a run may cost and must reach. The defaults are the published rule of the exercise.

    >>> Budget().sentence()
    'fewer than 8,000 parameters, at most 15 epochs, at least 99.40 % in each of the last 5 epochs'
    >>> Budget(epochs=5, held=1, macs=250_000, seconds=15).sentence().split(", at least")[0]
    'fewer than 8,000 parameters, fewer than 250,000 MACs a digit, at most 5 epochs, at most 15 s of training'
    """

    parameters: int = 8000
    """Trained numbers; a network must have **fewer** than this."""
    epochs: int = 15
    """Passes over the training set, counted in images seen; at most this many."""
    accuracy: float = 99.4
    """Percent of the whole test set, 0 to 100; at least this much."""
    held: int = 5
    """How many of the last epochs must each reach the accuracy; 1 judges the last epoch alone."""
    macs: int | None = None
    """Multiply-adds for one image, as `anatomy` counts them; a network must have **fewer**. None: any number."""
    seconds: float | None = None
    """Wall time of training, from the first step to the weights, evaluation left out; at most this much. None: any."""

    def __post_init__(self) -> None:
        if self.parameters < 1 or self.epochs < 1 or self.held < 1:
            raise UsageError(
                f"A budget's parameters, epochs and held epochs must be 1 or more; given {self.parameters},"
                f" {self.epochs} and {self.held}."
            )
        if not (self.macs is None or self.macs >= 1) or not (self.seconds is None or self.seconds > 0):
            raise UsageError(
                f"A budget's MACs are 1 or more and its seconds above 0, or None for no limit; given {self.macs} and"
                f" {self.seconds}."
            )
        if not 0 <= self.accuracy <= 100:
            raise UsageError(f"A budget's accuracy is a percent from 0 to 100; given {self.accuracy}.")

    def sentence(self) -> str:
        """The budget as people read it."""
        span = "at the last epoch" if self.held == 1 else f"in each of the last {self.held} epochs"
        clauses = [
            f"fewer than {self.parameters:,} parameters",
            *([f"fewer than {self.macs:,} MACs a digit"] if self.macs is not None else []),
            f"at most {self.epochs} epochs",
            *([f"at most {self.seconds:g} s of training"] if self.seconds is not None else []),
            f"at least {self.accuracy:.2f} % {span}",
        ]
        return ", ".join(clauses)

    def to_json(self) -> dict[str, Any]:
        """Its fields; limits that are not set are left out, as in records that are older than they."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def check_before_training(
        self,
        parameters: int,
        largest: Sequence[tuple[str, int]],
        epochs: int,
        macs: int = 0,
        costliest: Sequence[tuple[str, int]] = (),
    ) -> None:
        """Refuse what cannot pass: `largest` are (layer, parameters) of the network's biggest layers.

        `macs` and `costliest`, (layer, MACs), count where the budget limits MACs. Raises BudgetError, naming count,
        limit and those layers.
        """
        if parameters >= self.parameters:
            layers = ", ".join(f"{name} ({count:,})" for name, count in largest)
            raise BudgetError(
                f"The network has {parameters:,} parameters and its budget allows fewer than {self.parameters:,};"
                f" its largest layers are {layers}. Make one of them narrower, or raise the experiment's budget."
            )
        if self.macs is not None and macs >= self.macs:
            layers = ", ".join(f"{name} ({count:,})" for name, count in costliest)
            raise BudgetError(
                f"The network takes {macs:,} MACs a digit and its budget allows fewer than {self.macs:,}; its costliest"
                f" layers are {layers}. Make one narrower or pool before it, or raise the experiment's budget."
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
    interval: tuple[float, float] | None = None
    """The 95 % interval of the last epoch's accuracy, low and high, given the number of test images; None where that is
    not known."""
    decided: bool = True
    """False where the test images are too few to show the target: even all of them right would leave it in the
    interval, and what was measured does."""
    images_needed: int | None = None
    """Where it is not decided: how many test images it would take at the accuracy that was measured."""


def judge(
    budget: Budget,
    parameters: int,
    accuracies: Sequence[float],
    seconds: float = 0.0,
    macs: int | None = None,
    tested: int | None = None,
) -> Verdict:
    """The verdict on a run with so many parameters and these test accuracies (percent, one an epoch).

    `seconds` of training and `macs` count where the budget limits them; MACs that it limits must be known. `tested` is
    the number of test images, from which follows how sure the figures are.

    >>> judge(Budget(held=2), 7999, [98.1, 99.4, 99.41]).reason
    'every one of the last 2 epochs is at 99.40 % or more (worst 99.40 %)'
    >>> judge(Budget(held=2), 8000, [99.5, 99.5]).passed
    False
    >>> judge(Budget(held=1, seconds=15), 7999, [99.5], seconds=15.04).reason
    '15.04 s of training, where at most 15 s are allowed'
    >>> verdict = judge(Budget(held=1), 7999, [100.0], tested=50)
    >>> verdict.passed, verdict.decided, verdict.images_needed
    (True, False, 637)
    """
    if not accuracies:
        raise UsageError("A run without a single finished epoch cannot be judged; train it for one epoch or more.")
    tail = accuracies[-budget.held :]
    worst = min(tail)
    span = "the last epoch" if budget.held == 1 else f"every one of the last {budget.held} epochs"
    fault = cost = _cost_fault(budget, parameters, len(accuracies), seconds, macs)
    if not fault and len(tail) < budget.held:
        fault = f"only {len(accuracies)} epochs, and the target must be held for {budget.held}"
    elif not fault and worst < budget.accuracy:
        short = sum(accuracy < budget.accuracy for accuracy in tail)
        of = "the last epoch is" if budget.held == 1 else f"{short} of the last {budget.held} epochs are"
        fault = f"{of} below {budget.accuracy:.2f} % (worst {worst:.2f} %)"
    reason = fault or f"{span} is at {budget.accuracy:.2f} % or more (worst {worst:.2f} %)"
    verdict = Verdict(passed=not fault, last=accuracies[-1], worst_of_last=worst, best=max(accuracies), reason=reason)
    if not tested:
        return verdict
    open_to_doubt = not cost and len(tail) == budget.held
    return _as_sure_as_it_is(verdict, budget.accuracy, tested, open_to_doubt)


def _as_sure_as_it_is(verdict: Verdict, target: float, tested: int, open_to_doubt: bool) -> Verdict:
    """The verdict with the interval of its accuracy, and undecided where so few images cannot show the target."""
    interval, worst = (
        accuracy_interval(round(tested * share / 100), tested) for share in (verdict.last, verdict.worst_of_last)
    )
    enough = target == 100 or accuracy_interval(tested, tested)[0] >= target
    if not open_to_doubt or enough or not worst[0] < target <= worst[1]:
        return replace(verdict, interval=interval)
    needed = images_to_decide(verdict.worst_of_last, target)
    return replace(verdict, interval=interval, decided=False, images_needed=needed)


def _cost_fault(budget: Budget, parameters: int, epochs: int, seconds: float, macs: int | None) -> str:
    """What a run cost more of than its budget allows, in words; empty where nothing."""
    if parameters >= budget.parameters:
        return f"{parameters:,} parameters, where fewer than {budget.parameters:,} are allowed"
    if budget.macs is not None and macs is None:
        return f"MACs that nobody counted, where fewer than {budget.macs:,} are allowed"
    if budget.macs is not None and macs is not None and macs >= budget.macs:
        return f"{macs:,} MACs a digit, where fewer than {budget.macs:,} are allowed"
    if epochs > budget.epochs:
        return f"{epochs} epochs, where {budget.epochs} are allowed"
    if budget.seconds is not None and seconds > budget.seconds:
        return f"{seconds:.2f} s of training, where at most {budget.seconds:g} s are allowed"
    return ""
