"""Budgets, and the verdict on a training history. Needs no torch."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum
from typing import Any

from featherweight.errors import BudgetError, UsageError
from featherweight.experiments.schema import Count, Epochs, Percent, Positive, check_fields, documented, to_plain
from featherweight.experiments.statistics import accuracy_interval, images_to_decide


class Limit(str, Enum):
    """What a budget limits. A network must have fewer parameters and MACs than allowed; the others may be reached."""

    PARAMETERS = "parameters"
    MACS = "macs"
    EPOCHS = "epochs"
    SECONDS = "seconds"
    ACCURACY = "accuracy"
    HELD = "held"

    __str__ = str.__str__


@dataclass(frozen=True, kw_only=True)
class Clause:
    """One clause of a budget: a limit, the value measured, and whether the limit is met."""

    of: Limit | None = None
    """What it limits, if a budget says so."""
    name: str
    """As shown in tables."""
    allowed: str
    measured: str
    holds: bool
    limit: str = ""
    """The limit, phrased as part of a sentence."""
    fault: str = ""
    """The verdict's reason if the limit is not met."""


@documented
@dataclass(frozen=True, kw_only=True)
class Budget:
    """What a run may cost and what it must reach. The defaults are the published rule of the exercise.

    >>> Budget().sentence()
    'fewer than 8,000 parameters, at most 15 epochs, at least 99.40 % in each of the last 5 epochs'
    >>> Budget(epochs=5, held=1, macs=250_000, seconds=15).sentence().split(", at least")[0]
    'fewer than 8,000 parameters, fewer than 250,000 MACs an image, at most 5 epochs, at most 15 s of training'
    """

    parameters: Count = 8000
    """Trainable parameters; a network must have **fewer** than this."""
    epochs: Epochs = 15
    """Maximum number of passes over the training set, counted in images seen."""
    accuracy: Percent = 99.4
    """Minimum accuracy on the whole test set, in percent."""
    held: Epochs = 5
    """How many of the last epochs must each reach the accuracy; 1 judges the last epoch alone."""
    macs: Count | None = None
    """Multiply-adds per image, as `anatomy` counts them; a network must have **fewer**. None sets no limit."""
    seconds: Positive | None = None
    """Maximum wall time of training in seconds, first step to last weights, without evaluation. None: no limit."""
    flash: Count | None = None
    """Maximum bytes of code, weights and tables of the 8-bit C program on a Cortex-M0+, as the export plans them. This,
    `ram` and `cycles` are checked before training, and a network that cannot go to C is refused. None: no limit."""
    ram: Count | None = None
    """Maximum bytes of RAM of the same program, stack included, without the picture. None: no limit."""
    cycles: Count | None = None
    """Maximum cycles of a Cortex-M4 per image, as the export estimates them. None: no limit."""

    def __post_init__(self) -> None:
        check_fields(self)

    def sentence(self) -> str:
        """The budget as a sentence."""
        span = "at the last epoch" if self.held == 1 else f"in each of the last {self.held} epochs"
        limits = [clause.limit for clause in self.costs(0, 0)]
        limits += [_of_chip(name, value) for name, value in self.on_chip().items()]
        return ", ".join([*limits, f"at least {self.accuracy:.2f} % {span}"])

    def on_chip(self) -> dict[str, int]:
        """The limits that are set on a microcontroller's resources, by name.

        >>> Budget(ram=8192).on_chip()
        {'ram': 8192}
        """
        limits = {"flash": self.flash, "ram": self.ram, "cycles": self.cycles}
        return {name: value for name, value in limits.items() if value is not None}

    def costs(self, parameters: int, epochs: int, seconds: float = 0.0, macs: int | None = None) -> list[Clause]:
        """Each cost limit with what the run used, in the order in which a verdict checks them; unset limits are left
        out."""
        used = {
            Limit.PARAMETERS: (parameters, self.parameters),
            Limit.MACS: (macs, self.macs),
            Limit.EPOCHS: (epochs, self.epochs),
            Limit.SECONDS: (seconds, self.seconds),
        }
        return [_cost(of, value, most) for of, (value, most) in used.items() if most is not None]

    def targets(self, accuracies: Sequence[float]) -> list[Clause]:
        """The target of each judged epoch with the accuracy it reached, from test accuracies (percent, one per epoch).

        If there are too few epochs, a final clause fails.
        """
        first = max(0, len(accuracies) - self.held)
        clauses = [
            Clause(of=Limit.ACCURACY, name=f"accuracy, epoch {number}", allowed=f"at least {self.accuracy:.2f} %",
                   measured=f"{accuracy:.2f} %", holds=accuracy >= self.accuracy)
            for number, accuracy in enumerate(accuracies[first:], start=first + 1)
        ]  # fmt: skip
        if len(accuracies) < self.held:
            clauses.append(
                Clause(of=Limit.HELD, name="epochs to judge by", allowed=f"at least {self.held}",
                       measured=f"{len(accuracies)}", holds=False)
            )  # fmt: skip
        return clauses

    def to_json(self) -> dict[str, Any]:
        """The fields as a dictionary; unset limits are left out, as in records that predate them."""
        return to_plain(self)

    def check_before_training(
        self,
        parameters: int,
        largest: Sequence[tuple[str, int]],
        epochs: int,
        macs: int = 0,
        costliest: Sequence[tuple[str, int]] = (),
    ) -> None:
        """Raise BudgetError if the run cannot pass, naming the count, the limit and the layers responsible.

        `largest` lists (layer, parameters) of the network's largest layers. `macs` and `costliest`, a list of
        (layer, MACs), matter only if the budget limits MACs.
        """
        biggest, dearest = (
            ", ".join(f"{name} ({count:,})" for name, count in layers) for layers in (largest, costliest)
        )
        sentences = {
            Limit.PARAMETERS: "The network has {0} parameters, but its budget allows {1}; its largest layers are"
            f" {biggest}. Make one of them narrower, or raise the experiment's budget.",
            Limit.MACS: "The network takes {0} MACs an image, but its budget allows {1}; its costliest layers are"
            f" {dearest}. Make one narrower or pool before it, or raise the experiment's budget.",
            Limit.EPOCHS: f"The recipe trains for {epochs} epochs, but the budget allows {self.epochs};"
            " lower the recipe's epochs, or raise the experiment's budget.",
        }
        for clause in self.costs(parameters, epochs, macs=macs):
            if clause.of and not clause.holds:
                raise BudgetError(sentences[clause.of].format(clause.measured, clause.allowed))


_NOUNS = {
    Limit.PARAMETERS: "parameters", Limit.MACS: "MACs an image", Limit.EPOCHS: "epochs", Limit.SECONDS: "training"
}  # fmt: skip


def _cost(of: Limit, value: float | None, most: float) -> Clause:
    """The clause on a cost; a value of None was not counted, and so does not hold."""
    noun = _NOUNS[of]
    if of is Limit.SECONDS:
        allowed, measured, what = f"at most {most:g} s", f"{value:.2f} s", f"of {noun}"
    elif of is Limit.EPOCHS:
        allowed, measured, what = f"at most {most}", f"{value}", noun
    else:
        allowed, measured, what = f"fewer than {most:,}", "not counted" if value is None else f"{value:,}", noun
    fewer = of in (Limit.PARAMETERS, Limit.MACS)
    holds = value is not None and (value < most if fewer else value <= most)
    used = f"{noun} not counted" if value is None else f"{measured} {what}"
    return Clause(
        of=of, name=noun, allowed=allowed, measured=measured, holds=holds,
        limit=f"{allowed} {what}", fault=f"{used}, where {most if of is Limit.EPOCHS else allowed} are allowed",
    )  # fmt: skip


_CHIP_UNITS = {"flash": "bytes of flash", "ram": "bytes of RAM", "cycles": "cycles"}


def _of_chip(name: str, value: int) -> str:
    return f"at most {value:,} {_CHIP_UNITS[name]}"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """Whether a run met its budget, and by which figures. Accuracies are percentages of the whole test set."""

    passed: bool
    last: float
    """Test accuracy at the last epoch: the result of the run."""
    worst_of_last: float
    """The lowest accuracy of the last `budget.held` epochs: the figure that decides."""
    best: float
    """Accuracy at the best epoch, for comparison with published figures; it does not affect the verdict."""
    reason: str
    """A clause naming the figure by which the run passed or failed."""
    interval: tuple[float, float] | None = None
    """Lower and upper end of the 95 % interval of the last epoch's accuracy, given the number of test images; None if
    that number is not known."""
    decided: bool = True
    """False if there are too few test images to show the target: the target is within the interval of the measured
    accuracy, and would be even if every image were correct."""
    images_needed: int | None = None
    """If it is not decided: how many test images a decision would need at the measured accuracy."""


def judge(
    budget: Budget,
    parameters: int,
    accuracies: Sequence[float],
    seconds: float = 0.0,
    macs: int | None = None,
    tested: int | None = None,
) -> Verdict:
    """The verdict on a run with this many parameters and these test accuracies (percent, one per epoch).

    `seconds` of training and `macs` matter only if the budget limits them; if it limits MACs, they must be given.
    `tested` is the number of test images, which determines how certain the figures are. Raises UsageError if there is
    no finished epoch.

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
        raise UsageError("A run without a finished epoch cannot be judged; train it for at least one epoch.")
    tail = accuracies[-budget.held :]
    worst = min(tail)
    span = "the last epoch" if budget.held == 1 else f"every one of the last {budget.held} epochs"
    targets = budget.targets(accuracies)
    over = [clause for clause in budget.costs(parameters, len(accuracies), seconds, macs) if not clause.holds]
    fault = ""
    if over:
        fault = over[0].fault
    elif len(tail) < budget.held:
        fault = (
            f"only {len(accuracies)} epoch{'s' * (len(accuracies) > 1)}, and the target must be held for {budget.held}"
        )
    elif missed := sum(not clause.holds for clause in targets):
        of = "the last epoch is" if budget.held == 1 else f"{missed} of the last {budget.held} epochs are"
        fault = f"{of} below {budget.accuracy:.2f} % (worst {worst:.2f} %)"
    met = f"{span} is at {budget.accuracy:.2f} % or more (worst {worst:.2f} %)"
    reason = fault or (met if budget.accuracy else "no accuracy is asked for")
    verdict = Verdict(passed=not fault, last=accuracies[-1], worst_of_last=worst, best=max(accuracies), reason=reason)
    if not tested:
        return verdict
    open_to_doubt = not over and len(tail) == budget.held
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
