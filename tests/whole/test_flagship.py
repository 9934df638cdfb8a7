"""What the README says of ladder f, held against the committed records."""

import math
from pathlib import Path

import pytest

from featherweight.experiments.claims import check_claim
from featherweight.experiments.evidence import Evidence
from featherweight.experiments.experiment import find, rungs
from featherweight.experiments.record import Record, read_record
from featherweight.experiments.verdicts import summarise
from featherweight.protocol.records import records_of

ROOT = Path(__file__).parents[2]
SEEDS = 5
"""Of each rung and engine at least; f3 may have more."""


def _records(id: str) -> tuple[Record, ...]:
    return tuple(records_of(id, ROOT))


def test_the_ladder_has_exactly_three_steps_each_from_the_one_before() -> None:
    assert [(rung.id, rung.parent) for rung in rungs("f")] == [("f1", None), ("f2", "f1"), ("f3", "f2")]


@pytest.mark.parametrize("id", ["f1", "f2", "f3"])
def test_the_records_are_of_the_experiment_as_it_is_now(id: str) -> None:
    experiment, records = find(id), _records(id)
    assert [record.seed for record in records] == list(range(max(SEEDS, len(records))))
    parameters = sum(p.numel() for p in experiment.build().parameters())
    for record in records:
        assert record.finished and record.parameters == parameters
        assert type(experiment.recipe).from_json(record.recipe) == experiment.recipe
        assert (record.data["name"], record.data["train"], record.data["test"]) == ("mnist", 60_000, 10_000)
        assert record.data["holdout"] == 0 and len(record.rows) == experiment.recipe.epochs


def test_f3_holds_the_rule_on_every_seed() -> None:
    records = _records("f3")
    assert find("f3").budget.sentence().startswith("fewer than 8,000 parameters, at most 15 epochs, at least 99.40 %")
    for record in records:
        assert record.parameters < 8000 and len(record.rows) == 15
        assert min(row.test_accuracy for row in record.rows[-5:]) >= 99.40
    assert summarise(records).passed == len(records) >= SEEDS


def test_the_readme_promises_what_the_records_hold() -> None:
    line = next(line for line in (ROOT / "README.md").read_text().splitlines() if "featherweight train  " in line)
    assert "under 8,000 weights, 99.5 % on MNIST" in line
    assert summarise(_records("f3")).worst_of_last >= 99.4 and 99.5 <= summarise(_records("f3")).mean < 99.7


@pytest.mark.parametrize("id", ["f1", "f2", "f3"])
def test_every_sentence_of_an_analysis_is_borne_out_or_marked_as_opinion(id: str) -> None:
    experiment = find(id)
    decided = [claim for claim in experiment.claims if claim.by is not None]
    assert len(decided) >= 2
    parent = _records(experiment.parent) if experiment.parent else ()
    for claim in decided:
        finding = check_claim(claim, Evidence(records=_records(id), parent=parent))
        assert finding.outcome == "borne out", (claim.says, finding.figures)


@pytest.mark.parametrize("id", ["f1", "f2", "f3"])
def test_the_text_has_all_three_parts_and_says_each_claim(id: str) -> None:
    experiment = find(id)
    for part in ("Target: ", "Why: ", "Result: ", "Analysis: "):
        assert part in experiment.text, part
    analysis = " ".join(experiment.text.split("Analysis: ")[1].split())
    for claim in experiment.claims:
        assert claim.says.removesuffix(".") in analysis


def test_both_engines_reach_the_same_accuracy() -> None:
    """Five seeds each of an earlier f3: their means differ by less than two standard errors of the difference."""
    folders = [ROOT / "results" / "engines" / f"f3-{engine}" for engine in ("native", "torch")]
    runs = [tuple(read_record(path) for path in sorted(folder.glob("*.json"))) for folder in folders]
    assert len({record.network for of_one in runs for record in of_one}) == 1
    assert [{record.engine for record in of_one} for of_one in runs] == [{"native"}, {"torch"}]
    assert all(record.recipe == runs[0][0].recipe for of_one in runs for record in of_one)
    native, torch = map(summarise, runs)
    assert native.runs == torch.runs == SEEDS
    error = math.sqrt((native.standard_deviation**2 + torch.standard_deviation**2) / SEEDS)
    assert abs(native.mean - torch.mean) < 2 * error
