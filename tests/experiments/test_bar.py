"""What seeds must reach together, and limits on multiply-adds and seconds."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize

import toy
from featherweight.cli.console import verdict_table
from featherweight.errors import BudgetError, UsageError
from featherweight.experiments.bar import Bar
from featherweight.experiments.budget import Budget, judge
from featherweight.experiments.experiment import Experiment, contenders
from featherweight.experiments.record import Record, read_record, write_record
from featherweight.experiments.verdicts import summarise
from featherweight.networks.anatomy import dissect, parameters_by_layer
from featherweight.training.runs.prepare import prepare
from made import record

RUNS = [
    record("f3", [99.5] * 11 + [99.45, 99.5, 99.5, last], seed, train_seconds=10.0 + seed)
    for seed, last in enumerate((99.5, 99.6, 99.3))
]
"""Means of the last epochs 99.4667; the third fails the rule; 10, 11 and 12 s."""


@pytest.mark.parametrize(
    ("bar", "shortfalls"),
    [
        (Bar(seeds=3, mean=99.46, worst_of_last=99.3, passed=2, seconds=12, threads=1), []),
        (Bar(seeds=3, mean=99.47), ["asked are 99.47 % or more in the mean of the last epochs, reached 99.467 %"]),
        (Bar(seeds=3, worst_of_last=99.31),
         ["asked are 99.31 % or more in every judged epoch of every seed, reached 99.30 %"]),
        (Bar(seeds=3, passed=3), ["asked are 3 of 3 seeds within budget, reached 2"]),
        (Bar(seeds=3, seconds=11.5), ["asked are 11.5 s of training or less on every seed, reached 12.00 s"]),
        (Bar(seeds=4, mean=1), ["seeds 0, 1, 2, where 0 to 3 are asked for"]),
        (Bar(seeds=2, mean=1), ["seeds 0, 1, 2, where 0 to 1 are asked for"]),
    ],
)  # fmt: skip
def test_a_bar_names_each_thing_that_falls_short(bar: Bar, shortfalls: list[str]) -> None:
    assert bar.shortfalls(RUNS) == shortfalls


def test_a_mean_that_is_the_bar_but_for_its_last_bit_clears_it() -> None:
    runs = [record("f3", [last] * 15, seed) for seed, last in enumerate((99.08, 99.10, 99.66))]  # 99.28
    assert summarise(runs).mean < 99.28
    assert Bar(seeds=3, mean=99.28).shortfalls(runs) == []
    assert len(Bar(seeds=3, mean=99.281).shortfalls(runs)) == 1


def test_a_bar_for_programs_in_c_takes_their_mean_and_needs_every_seed_s() -> None:
    in_c = [replace(run, c_accuracy=accuracy) for run, accuracy in zip(RUNS, (99.40, 99.42, 99.23), strict=True)]
    assert Bar(seeds=3, mean_in_c=99.35).shortfalls(in_c) == []  # (99.40 + 99.42 + 99.23) / 3
    asked = "asked are 99.36 % or more in the mean of the programs in 8-bit C, reached"
    assert Bar(seeds=3, mean_in_c=99.36).shortfalls(in_c) == [f"{asked} 99.350 %"]
    assert Bar(seeds=3, mean_in_c=99.36).shortfalls([*in_c[:2], RUNS[2]]) == [f"{asked} not measured on every seed"]


def test_a_bar_that_asks_for_nothing_needs_the_seeds_all_the_same() -> None:
    assert Bar(seeds=3).shortfalls(RUNS) == []
    assert Bar(seeds=3).shortfalls(RUNS[:2]) == ["seeds 0, 1, where 0 to 2 are asked for"]


def test_runs_on_more_threads_than_the_seconds_allow_fall_short() -> None:
    fast = [record("f3", [99.5] * 15, seed, environment={"threads": 16}) for seed in (0, 1)]
    assert Bar(seeds=2, threads=2).shortfalls(fast) == ["asked are 2 threads or fewer, reached 16"]


FRESH = [record("f3", [99.5] * 14 + [last], seed) for seed, last in enumerate((99.50, 99.56, 99.38, 99.52), start=3)]
"""Seeds 3 to 6: mean 99.49, deviation 0.0775, and half of the interval 3.1824 x 0.0775 / √4 = 0.1233; one fails."""


@pytest.mark.parametrize(
    ("asked", "missed"),
    [
        ({"mean": 99.36}, []),  # the interval begins at 99.3667
        ({"mean": 99.37}, ["asked are 99.37 % or more at the lower end of the 95 % interval of the mean of the last"
                           " epochs, reached 99.367 % (mean 99.490 %)"]),
        ({"passed": 2}, []),  # two thirds of four, rounded up, are three
        ({"passed": 3}, ["asked are 4 of 4 seeds within budget, reached 3"]),
        ({"worst_of_last": 99.38}, []),
        ({"worst_of_last": 99.39}, ["asked are 99.39 % or more in every judged epoch of every seed, reached 99.38 %"]),
    ],
)  # fmt: skip
def test_fresh_seeds_confirm_a_bar_by_their_interval_and_by_their_share(asked: Any, missed: list[str]) -> None:
    bar = Bar(seeds=3, confirming=4, **asked)
    assert bar.fresh == range(3, 7) and bar.unconfirmed(FRESH) == missed


def test_the_share_of_fresh_seeds_is_rounded_up() -> None:
    fresh = [*FRESH[:3], record("f3", [99.5] * 14 + [99.3], 6)]  # two of four are within budget
    bar = Bar(seeds=3, confirming=4, passed=2)
    assert bar.unconfirmed(fresh) == ["asked are 3 of 4 seeds within budget, reached 2"]


def test_other_seeds_than_the_fresh_ones_confirm_nothing() -> None:
    bar = Bar(seeds=3, confirming=4, mean=1)
    assert bar.unconfirmed(FRESH[:3]) == ["seeds 3, 4, 5, where 3 to 6 are asked for"]
    assert bar.unconfirmed(RUNS) == ["seeds 0, 1, 2, where 3 to 6 are asked for"]
    assert bar.unconfirmed([]) == ["seeds none, where 3 to 6 are asked for"]
    with pytest.raises(UsageError, match=r"Bar\.confirming .* 2 .*; given 1"):
        Bar(confirming=1)


def test_the_mean_of_programs_in_c_is_confirmed_by_its_interval_too() -> None:
    in_c = [replace(run, c_accuracy=run.verdict.last - 0.1) for run in FRESH]  # mean 99.39, from 99.2667 on
    assert Bar(seeds=3, confirming=4, mean_in_c=99.26).unconfirmed(in_c) == []
    assert len(Bar(seeds=3, confirming=4, mean_in_c=99.27).unconfirmed(in_c)) == 1
    assert (
        "not measured on every seed" in Bar(seeds=3, confirming=4, mean_in_c=99.0).unconfirmed([*in_c[:3], FRESH[3]])[0]
    )


def test_a_bar_that_nobody_could_clear_is_refused() -> None:
    with pytest.raises(UsageError, match=r"Bar\.passed .* 0 to its 10 seeds.*; given 11"):
        Bar(passed=11)


def test_the_bars_and_budgets_of_the_records() -> None:
    bars = {one.id: one.bar.to_json() for one in contenders() if one.bar}
    assert bars == {
        "f3": {"seeds": 10, "confirming": 20, "mean": 99.56, "worst_of_last": 99.45, "passed": 10},
        "f4": {"seeds": 10, "confirming": 20, "mean": 99.6, "worst_of_last": 99.45, "passed": 10},
        "fastest": {"seeds": 10, "confirming": 20, "mean": 99.39, "seconds": 15, "threads": 2},
        "leanest": {"seeds": 10, "confirming": 20, "passed": 8},
        "leanest-150k": {"seeds": 10, "confirming": 20, "passed": 8},
        "leanest-deskewed-cropped": {"seeds": 10, "confirming": 20, "passed": 8},
        "reader": {"seeds": 10, "confirming": 20, "mean": 99.5},
        "relaxed": {"seeds": 10, "confirming": 20, "mean": 99.62},
        "smallest": {"seeds": 10, "confirming": 20, "passed": 9},
        "smallest-2200": {"seeds": 10, "confirming": 20, "passed": 9},
        "smallest-deskewed": {"seeds": 10, "confirming": 20, "passed": 9},
    }
    limits = {one.id: (one.budget.parameters, one.budget.macs, one.budget.seconds) for one in contenders()}
    assert limits == {"f3": (8000, None, None), "f4": (8000, None, None), "fastest": (8000, None, 15),
                      "leanest": (8000, 250_000, None), "leanest-150k": (8000, 150_000, None),
                      "leanest-deskewed-cropped": (8000, 100_000, None), "reader": (8000, None, None),
                      "relaxed": (20_000, None, None), "smallest": (3500, None, None),
                      "smallest-2200": (2200, None, None), "smallest-deskewed": (2000, None, None)}  # fmt: skip


# ------------------------------------------------------------------------------------------- multiply-adds, seconds


def test_seconds_and_multiply_adds_decide_a_verdict() -> None:
    budget, good = Budget(held=1, seconds=15, macs=1000), [99.5]
    assert judge(budget, 10, good, 15.0, 999).passed
    for seconds, macs, reason in (
        (15.01, 999, "15.01 s of training, where at most 15 s are allowed"),
        (1.0, 1000, "1,000 MACs an image, where fewer than 1,000 are allowed"),
        (1.0, None, "MACs an image not counted, where fewer than 1,000 are allowed"),
    ):
        verdict = judge(budget, 10, good, seconds, macs)
        assert (verdict.passed, verdict.reason) == (False, reason)


def test_too_many_multiply_adds_are_refused_before_training_with_the_costliest_layers() -> None:
    # 3 x 3 of 11 x 13 onto 5 of 9 x 11; pooled to 4 x 5, onto 7 of 2 x 3; then 7 to 4.
    macs = [9 * 11 * 5 * 9, 2 * 3 * 7 * 45, 28]
    budget = Budget(parameters=1000, epochs=50, accuracy=60, held=1, macs=sum(macs))
    with pytest.raises(BudgetError) as caught:
        prepare(toy.experiment(budget=budget), toy.data(), engine="torch")
    told = (
        f"takes {sum(macs):,} MACs an image, but its budget allows fewer than {sum(macs):,}; its costliest layers are"
    )
    assert told in str(caught.value)
    first, second = sorted(macs)[:0:-1]
    assert f"({first:,})" in str(caught.value) and f"({second:,})" in str(caught.value)
    fits = Budget(parameters=1000, epochs=50, accuracy=60, held=1, macs=sum(macs) + 1)
    assert prepare(toy.experiment(budget=fits), toy.data(), engine="torch").macs == sum(macs)


def test_a_record_keeps_its_multiply_adds_and_one_without_reads_as_before(tmp_path: Path) -> None:
    limited: Record = record("leanest", [99.5] * 15, macs=217_740, train_seconds=3.0)
    for one, there in ((limited, True), (record("c3", [99.5] * 15), False)):
        write_record(one, tmp_path / "record.json")
        text = json.loads((tmp_path / "record.json").read_text())
        assert ("macs" in text) is there is ("macs" in text["budget"])
        assert read_record(tmp_path).macs == one.macs and read_record(tmp_path).verdict.passed
    table = verdict_table(limited)
    assert list(table.columns[0].cells)[:3] == ["parameters", "MACs an image", "epochs"]
    assert list(table.columns[2].cells)[1] == "217,740"
    timed = verdict_table(record("fastest", [99.5] * 5, train_seconds=15.2))
    assert list(timed.columns[0].cells)[2] == "training" and list(timed.columns[3].cells)[2] == "NO"


class Twice(nn.Module):
    """One convolution used two times."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 3, padding=1, bias=False)
        self.again = self.conv

    def forward(self, x):  # type: ignore[no-untyped-def]
        return self.again(self.conv(x))


def test_shared_weights_count_once_and_each_use_of_them_is_paid_for() -> None:
    network = Twice()
    anatomy = dissect(network, (3, 5, 7))
    assert anatomy.parameters == 81 == sum(count for _, count in parameters_by_layer(network))
    assert anatomy.macs == 2 * 81 * 5 * 7
    assert anatomy.costliest(1) == [("conv", 81 * 35)]
    tied = nn.Sequential(nn.Linear(5, 5, bias=False), nn.Linear(5, 5, bias=False))
    tied[1].weight = tied[0].weight
    assert sum(count for _, count in parameters_by_layer(tied)) == 25


class Product(nn.Module):
    """A matrix as the product of two, which are trained in its place."""

    def forward(self, first: Tensor, second: Tensor) -> Tensor:
        return first @ second

    def right_inverse(self, weight: Tensor) -> tuple[Tensor, Tensor]:
        return weight.clone(), torch.eye(weight.shape[1])


def factorised(channels: int = 1, classes: int = 4) -> nn.Sequential:
    """11 x 13, pooled to 5 x 6; a linear layer whose 4 x 30 weights are the product of 4 x 30 and 30 x 30."""
    layer = nn.Linear(30, classes)
    parametrize.register_parametrization(layer, "weight", Product())
    return nn.Sequential(nn.MaxPool2d(2), nn.Flatten(), layer)


def test_parameters_are_counted_as_they_are_trained_not_as_they_are_merged() -> None:
    network, trained = factorised(), 4 * 30 + 30 * 30 + 4
    assert dissect(network, (1, 11, 13)).parameters == trained
    assert sum(count for _, count in parameters_by_layer(network)) == trained
    parametrize.remove_parametrizations(network[2], "weight")
    assert dissect(network, (1, 11, 13)).parameters == 4 * 30 + 4

    def within(limit: int) -> Experiment:
        return replace(toy.experiment(budget=Budget(parameters=limit, epochs=50)), network=factorised)

    with pytest.raises(BudgetError, match=f"{trained:,}"):  # which the merged network would meet
        prepare(within(trained), toy.data(), engine="torch")
    assert prepare(within(trained + 1), toy.data(), engine="torch").parameters == trained


@pytest.mark.parametrize("declared", [True, False])
def test_the_constants_of_a_fixed_filter_are_buffers(declared: bool) -> None:
    fixed = nn.Conv2d(1, 2, 3, bias=False)
    values = fixed.weight.data
    del fixed.weight
    if declared:
        fixed.register_buffer("weight", values)
    else:
        fixed.weight = values  # type: ignore[assignment]
    anatomy = dissect(nn.Sequential(fixed, nn.Conv2d(2, 3, 1)), (1, 5, 7))
    assert (anatomy.parameters, anatomy.buffers) == (2 * 3 + 3, 2 * 9)
    assert anatomy.macs == 3 * 5 * (2 * 9 + 3 * 2)  # its multiply-adds cost what they cost
