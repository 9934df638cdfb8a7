"""What so many test images can show: Wilson's interval, and verdicts that stay undecided."""

import math
from dataclasses import replace

import pytest
from scipy import stats

import toy
from featherweight.experiments.budget import Budget, judge
from featherweight.experiments.record import Record, Row
from featherweight.experiments.statistics import accuracy_interval, images_to_decide
from featherweight.experiments.verdicts import run_json, verdict_sentence

EVERY = [(0, 1), (1, 1), (0, 23), (11, 23), (23, 23), (47, 50), (50, 50), (357, 360), (9940, 10_000), (9_999, 10_007)]


@pytest.mark.parametrize(("correct", "total"), EVERY)
def test_the_interval_of_an_accuracy_is_wilson_s(correct: int, total: int) -> None:
    oracle = stats.binomtest(correct, total).proportion_ci(0.95, method="wilson")
    assert accuracy_interval(correct, total) == pytest.approx((100 * oracle.low, 100 * oracle.high), abs=1e-9)


@pytest.mark.parametrize(("accuracy", "target"), [(100, 99.4), (100, 80), (99.6, 99.4), (98, 99.4), (60, 55)])
def test_the_number_of_images_is_the_first_that_decides(accuracy: float, target: float) -> None:
    """The interval as the score test's inversion: |share - p| > z sqrt(p (1 - p) / n)."""
    needed = images_to_decide(accuracy, target)
    assert needed is not None
    z, p, apart = float(stats.norm.ppf(0.975)), target / 100, abs(accuracy - target) / 100
    assert apart > z * math.sqrt(p * (1 - p) / needed)
    assert apart <= z * math.sqrt(p * (1 - p) / (needed - 1))


def test_all_right_shows_a_target_from_so_many_images_on() -> None:
    needed = images_to_decide(100, 99.4)
    assert needed == 637
    assert accuracy_interval(637, 637)[0] > 99.4 > accuracy_interval(636, 636)[0]
    assert images_to_decide(99.4, 99.4) is None


@pytest.mark.parametrize(
    ("worst", "tested", "decided"),
    [
        (100.0, 50, False),
        (98.0, 50, False),  # 49 of 50: 89.50 to 99.65 %
        (96.0, 50, True),  # 48 of 50: 86.54 to 98.90 %, so 99.4 % is out of reach
        (100.0, 636, False),
        (100.0, 637, True),
        (99.41, 10_000, True),  # the rule is about these very images, and they could have shown more
        (99.39, 10_000, True),
    ],
)
def test_what_cannot_be_shown_is_undecided(worst: float, tested: int, decided: bool) -> None:
    verdict = judge(Budget(held=1), 7999, [worst], tested=tested)
    assert verdict.decided is decided and verdict.passed is (worst >= 99.4)
    assert verdict.interval == accuracy_interval(round(worst * tested / 100), tested)
    assert verdict.images_needed == (None if decided else images_to_decide(worst, 99.4))


def test_what_costs_too_much_is_decided_on_any_images() -> None:
    assert judge(Budget(held=1), 8000, [100.0], tested=50).decided
    assert judge(Budget(held=2), 7999, [100.0], tested=50).decided
    assert judge(Budget(held=1), 7999, [100.0]).interval is None


def record(accuracy: float, tested: int, budget: Budget) -> Record:
    row = Row(
        epoch=1, lr=0.1, train_loss=0.1, train_accuracy=99, test_loss=0.1, test_accuracy=accuracy, seconds=1
    )  # fmt: skip
    data = toy.data().summary() | {"test": tested}
    return Record(
        experiment="bars", seed=0, parameters=300, network="", engine="torch", budget=budget.to_json(),
        recipe=toy.RECIPE.to_json(), data=data, environment={}, rows=(row,),
    )  # fmt: skip


def test_the_sentence_and_the_document_say_it() -> None:
    small = record(100.0, 50, Budget(held=1))
    assert verdict_sentence(small) == (
        "UNDECIDED on bars (50 test images): the last epoch is at 99.40 % or more (worst 100.00 %); but 50 images"
        " cannot show 99.40 %: at 100.00 % it would take 637. Last epoch 100.00 % (95 % interval 92.87 to 100.00)."
    )
    from pathlib import Path

    told = run_json(small, Path("run"))["verdict"]
    assert (told["decided"], told["images_needed"]) == (False, 637)
    assert told["interval"] == pytest.approx([92.865, 100.0], abs=1e-3)
    assert small.to_json()["verdict"]["decided"] is False
    large = record(99.5, 10_000, Budget(held=1))
    assert verdict_sentence(large).startswith("PASSED on bars (10,000 test images): the last epoch is at 99.40 % or")
    assert verdict_sentence(large).endswith("Last epoch 99.50 % (95 % interval 99.34 to 99.62).")
    failed = replace(large, rows=(replace(large.rows[0], test_accuracy=90.0),))
    assert verdict_sentence(failed).startswith("FAILED on bars")
