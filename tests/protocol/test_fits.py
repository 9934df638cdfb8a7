"""The table of searches: every figure from a committed result, by arithmetic of its own."""

import re
from pathlib import Path

import pytest

from docs.build.fits_table import FITS, MARKS, fits_of, fits_table

ROOT = Path(__file__).parents[2]


def test_the_guide_shows_the_committed_results():
    text = (ROOT / "docs" / "fit.md").read_text(encoding="utf-8")
    table = text.partition(MARKS[0])[2].partition(MARKS[1])[0]
    assert fits_table(fits_of(ROOT)) == table.strip()
    rows = re.findall(r"^\| `([\w-]+)`", table, re.MULTILINE)
    assert rows == [path.stem for path in sorted((ROOT / FITS).glob("*.json"))]


@pytest.mark.parametrize("name", sorted(fits_of(ROOT)))
def test_a_result_agrees_with_itself(name):
    values = fits_of(ROOT)[name]
    c, cost, limits = values["c"], values["cost"], values["asked"]["limits"]
    target = values["asked"]["accuracy"]
    within = all(cost[what] <= most for what, most in limits.items())
    assert values["met"] is (within and (target is None or c["accuracy"] >= target))
    assert c["interval"][0] < c["accuracy"] < c["interval"][1] or c["accuracy"] == 100
    accuracies = [run["test_accuracy"] for run in values["runs"]]
    assert values["mean"] == pytest.approx(sum(accuracies) / len(accuracies)) and values["worst"] == min(accuracies)
    assert c["proved"] and c["float_accuracy"] == pytest.approx(accuracies[0], abs=0.03)
    in_c = values["in_c"]
    assert len(in_c["seeds"]) == len(accuracies) and in_c["seeds"][0] == pytest.approx(c["accuracy"], abs=0.02)
    assert in_c["flash"] <= min(cost["flash"], limits.get("flash", cost["flash"]))
    assert "/" not in values["data"]["source"]
    assert (ROOT / "docs" / "fits" / f"{name}.svg").is_file()
    # The front: dearer ones only where they are better, as far as each was trained.
    by = values["asked"]["minimize"]
    costs = [one[by] for one in values["front"]]
    assert costs == sorted(costs) and len(values["front"]) >= 1


def test_a_row_has_the_figures_in_their_units():
    values = {
        "c": {"accuracy": 95.8, "interval": [94.9, 96.5], "float_accuracy": 95.9}, "met": False,
        "asked": {"accuracy": 95.0, "minimize": "ram", "limits": {"flash": 32768, "macs": 20000}},
        "cost": {"flash": 4190, "ram": 1949, "macs": 123_456}, "search": {"seconds": 90.0, "candidates": 12},
        "chosen": {"held_out_accuracy": 96.456}, "in_c": {"flash": 4110, "seeds": [95.8, 96.2, 95.9]},
    }  # fmt: skip
    assert fits_table({"cats": values}).splitlines()[2] == (
        "| `cats` | 95 %, least ram, flash 32k, macs 20,000 | 1.5 | 12 | 96.46 | 95.80 (94.90 to 96.50) | 95.90 |"
        " 95.97 (3) | 4.1 | 1.9 | 0.12 | **no** |"
    )
