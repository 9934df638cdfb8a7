"""Why 99.6 %: each step against the one before over common seeds, and nothing said of what has not run."""

from pathlib import Path

import pytest
from docs.build import why

from featherweight.experiments.experiment import find
from featherweight.experiments.record import Record
from featherweight.experiments.statistics import paired
from made import record

ROOT = Path(__file__).parents[2]


def runs(id: str, lasts: list[float], first: int = 0) -> list[Record]:
    return [record(id, [99.0] * 14 + [last], first + at) for at, last in enumerate(lasts)]


def test_a_step_is_compared_with_the_one_before_over_the_seeds_that_both_have() -> None:
    found = {"k1": runs("k1", [99.1, 99.2, 99.6]), "k2": runs("k2", [99.3, 99.5]), "k4": runs("k4", [99.4])}
    told = {one.experiment.id: one for one in why.steps(found)}
    assert [*told][:3] == ["k1", "k2", "k3"] and [*told][-3:] == ["k14", "f3", "f4"] and len(told) == 16
    assert (told["k1"].seeds, told["k1"].mean, told["k1"].difference) == (3, pytest.approx(99.3), None)
    test = paired([99.3, 99.5], [99.1, 99.2])
    assert told["k2"].difference == pytest.approx(0.25) == test.difference
    assert (told["k2"].low, told["k2"].high) == (test.low, test.high)
    assert told["k3"].mean is None and told["k3"].difference is None
    assert told["k4"].mean == 99.4 and told["k4"].difference is None  # the step before has not run


def test_of_a_confirmed_record_the_clearing_seeds_pair_and_the_fresh_ones_are_quoted() -> None:
    found = {
        "k14": runs("k14", [99.5, 99.5]),
        "f3": runs("f3", [99.6, 99.6], 10),
        "f3, clearing": runs("f3", [99.4, 99.5]),
    }
    told = next(one for one in why.steps(found) if one.experiment.id == "f3")
    assert told.mean == pytest.approx(99.6) and told.seeds == 2
    assert told.difference == pytest.approx(-0.05)


def test_the_page_claims_nothing_of_what_has_not_run() -> None:
    text = why.page({"k1": runs("k1", [99.1])}, ROOT, "why.svg")
    assert "**1 of 16 steps have been trained**" in text and text.count("not run yet |") == 15 + 11
    assert "points in 15 steps" not in text
    lasts = {
        id: runs(id, [99.1 + 0.04 * at] * 2) for at, id in enumerate([*(f"k{n}" for n in range(1, 15)), "f3", "f4"])
    }
    whole = why.page(lasts, ROOT, "why.svg")
    assert "From 99.10 to 99.70 %, 0.60 points in 15 steps." in " ".join(whole.split())
    assert "the last 2 epochs on plain images (+0.040)" in whole


def test_eleven_parts_are_taken_out_and_the_bars_of_the_plot_add_up() -> None:
    left = why.without({"f3": runs("f3", [99.6, 99.7]), "f3_no_hard": runs("f3", [99.5, 99.5])}, ROOT)
    assert len(left) == 11 and all(one.experiment.parent == "f3" for one in left)
    hard = next(one for one in left if one.experiment.id == "f3_no_hard")
    assert hard.difference == pytest.approx(-0.15)
    found = {f"k{n}": runs(f"k{n}", [99.0 + 0.02 * n * (-1) ** n + 0.1]) for n in (1, 2, 4, 5)}
    bars = list(why.waterfall(why.steps(found)).axes[0].patches)
    ends = [one.get_x() + one.get_width() for one in bars]
    starts = [one.get_x() for one in bars]
    assert len(bars) == 4 and starts[1:] == pytest.approx(ends[:-1])
    assert ends == pytest.approx([found[id][0].rows[-1].test_accuracy for id in found])
    assert find("k14").recipe.to_json() | {"plain_epochs": 2} == find("f3").recipe.to_json()
