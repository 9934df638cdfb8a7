import pytest

from featherweight.errors import BudgetError, UsageError
from featherweight.experiments.budget import Budget, judge


def test_every_one_of_the_last_epochs_decides() -> None:
    held = [97.0, 99.40, 99.41, 99.40, 99.52, 99.40]
    verdict = judge(Budget(), 7999, held)
    assert (verdict.passed, verdict.last, verdict.worst_of_last, verdict.best) == (True, 99.40, 99.40, 99.52)
    one_short = [97.0, 99.40, 99.41, 99.39, 99.52, 99.40]
    assert not judge(Budget(), 7999, one_short).passed
    assert judge(Budget(), 7999, one_short).reason == "1 of the last 5 epochs are below 99.40 % (worst 99.39 %)"


def test_an_epoch_before_the_last_ones_does_not_decide() -> None:
    assert judge(Budget(held=2), 10, [10.0, 99.9, 99.4, 99.4]).passed


def test_exactly_the_limit_of_parameters_fails() -> None:
    good = [99.5] * 5
    assert judge(Budget(), 7999, good).passed
    assert not judge(Budget(), 8000, good).passed


def test_too_many_and_too_few_epochs_fail() -> None:
    assert not judge(Budget(), 10, [99.5] * 16).passed
    few = judge(Budget(), 10, [99.5] * 4)
    assert not few.passed
    assert few.reason == "only 4 epochs, and the target must be held for 5"


def test_a_run_without_epochs_cannot_be_judged() -> None:
    with pytest.raises(UsageError, match="without a finished epoch"):
        judge(Budget(), 10, [])


def test_over_budget_is_refused_with_count_limit_and_largest_layers() -> None:
    largest = [("3.0", 4000), ("1.0", 3000), ("0.0", 1000)]
    with pytest.raises(BudgetError) as caught:
        Budget().check_before_training(8000, largest, 15)
    for part in ("8,000 parameters", "fewer than 8,000", "3.0 (4,000), 1.0 (3,000), 0.0 (1,000)"):
        assert part in str(caught.value)
    assert caught.value.exit_status == 2
    with pytest.raises(BudgetError, match="16 epochs, but the budget allows 15"):
        Budget().check_before_training(7999, largest, 16)
    Budget().check_before_training(7999, largest, 15)


def test_a_budget_is_spelled_out_clause_by_clause() -> None:
    budget = Budget(parameters=500, epochs=3, accuracy=99.0, held=2, macs=7000, seconds=1.5)
    spelled = budget.costs(499, 4, 1.504, 7000) + budget.targets([99.5, 98.99, 99.0])
    assert [(clause.name, clause.allowed, clause.measured, clause.holds) for clause in spelled] == [
        ("parameters", "fewer than 500", "499", True),
        ("MACs an image", "fewer than 7,000", "7,000", False),
        ("epochs", "at most 3", "4", False),
        ("training", "at most 1.5 s", "1.50 s", False),
        ("accuracy, epoch 2", "at least 99.00 %", "98.99 %", False),
        ("accuracy, epoch 3", "at least 99.00 %", "99.00 %", True),
    ]
    short = budget.targets([99.5])
    assert [(clause.name, clause.measured, clause.holds) for clause in short] == [
        ("accuracy, epoch 1", "99.50 %", True), ("epochs to judge by", "1", False)
    ]  # fmt: skip
