"""The first networks of a search: the committed list follows from the committed figures, and those from arithmetic."""

import json
import math

import pytest
from benchmarks import prior as learning

from featherweight.search.fit import prior
from featherweight.search.fit.candidate import Candidate


def row(name, flash, error):
    return {"from": name, "genes": Candidate().to_json(), "flash": {"cats": flash}, "error": {"cats": error}}


def test_the_worth_of_a_list_is_the_mean_over_limits_of_the_best_within():
    rows = [row("small", 7_000, 0.2), row("large", 20_000, 0.1)]
    # Limits of 6, 8, 12, 16, 24, 32, 48 and 64 kB: nothing, three times the small one, four times the large one.
    expected = (math.log(0.5) + 3 * math.log(0.2) + 4 * math.log(0.1)) / 8
    assert learning.worth(rows, ["cats"]) == pytest.approx(expected)


def test_the_list_begins_with_the_first_and_goes_on_with_what_helps_most(monkeypatch):
    rows = [row("first", 10_000, 0.3), row("useless", 11_000, 0.4), row("large", 40_000, 0.1), row("tiny", 5_000, 0.35)]
    monkeypatch.setattr(learning, "LENGTH", 3)
    # The tiny one helps with two limits by log(0.5 / 0.35) each, the large one with two by log(0.3 / 0.1) each.
    assert [one["from"] for one in learning.chosen(rows, ["cats"])] == ["first", "large", "tiny"]


def test_the_committed_list_follows_from_the_committed_figures():
    kept = json.loads(learning.FILE.read_text(encoding="utf-8"))
    assert json.loads(prior.FILE.read_text(encoding="utf-8")) == learning.prior_of(kept)
    assert len(prior.networks()) == learning.LENGTH and len(kept["sets"]) == 4
    for name in kept["sets"]:
        others = [other for other in kept["sets"] if other != name]
        unseen = learning.worth(learning.chosen(kept["networks"], others), [name])
        assert kept["unseen"][name]["learned"] == pytest.approx(unseen, abs=1e-4)
