"""The log of trials says what its records say."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from benchmarks import sixths
from benchmarks.sixths import held_out_sixth
from benchmarks.trials import cifar, fashion, ideas, preprocessing, separable, smaller, wider
from torch import nn

from featherweight import data as datasets
from featherweight.data.dataset import Data
from featherweight.experiments.recipe import Distil, Recipe
from featherweight.experiments.record import read_record
from featherweight.experiments.statistics import paired
from featherweight.networks.anatomy import dissect

ROOT = Path(__file__).parents[2]


def _rows(section: str) -> list[str]:
    """The lines of a section's table, without its head."""
    text = (ROOT / "docs" / "log.md").read_text().split(f"## {section}\n")[1].split("\n## ")[0]
    return [line for line in text.splitlines() if line.startswith("| ")][1:]


def test_the_log_s_figures_are_those_of_the_trials() -> None:
    runs = json.loads((ROOT / "results" / "trials" / "f3_holdout.json").read_text())
    trials = list(dict.fromkeys(run["trial"] for run in runs))
    lines = _rows("f3")
    assert len(trials) == len(lines) == 10
    for trial, line in zip(trials, lines, strict=True):
        of_it = [run for run in runs if run["trial"] == trial]
        mean, worst = sum(run["last"] for run in of_it) / len(of_it), min(run["worst5"] for run in of_it)
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        assert cells == [of_it[0]["title"], f"{of_it[0]['params']:,}", str(len(of_it)), f"{mean:.2f}", f"{worst:.2f}"]


def test_the_ladders_figures_are_those_of_the_trials() -> None:
    runs = json.loads((ROOT / "results" / "trials" / "ladders_holdout.json").read_text())
    trials = list(dict.fromkeys((run["experiment"], run["trial"]) for run in runs))
    assert len(trials) == len(_rows("Ladders")) == 21
    for (experiment, trial), line in zip(trials, _rows("Ladders"), strict=True):
        ends = [run["test_accuracy"][-3:] for run in runs if (run["experiment"], run["trial"]) == (experiment, trial)]
        mean, worst = sum(map(sum, ends)) / (3 * len(ends)), min(map(min, ends))
        title = next(run["title"] for run in runs if run["trial"] == trial)
        expected = [f"`{experiment}`", title, str(len(ends)), f"{mean:.2f}", f"{worst:.2f}"]
        assert [cell.strip() for cell in line.strip("|").split("|")] == expected


def test_the_records_figures_are_those_of_the_trials() -> None:
    found = json.loads((ROOT / "results" / "trials" / "records_holdout.json").read_text())
    for how, count in (("one by one", 45), ("together", 7)):
        runs = [run for run in found if run["held_out"] == how]
        trials, lines = list(dict.fromkeys(run["trial"] for run in runs)), _rows(f"Records, digits held out {how}")
        assert len(trials) == len(lines) == count
        for trial, line in zip(trials, lines, strict=True):
            of_it = [run for run in runs if run["trial"] == trial]
            assert len({(run["parameters"], run["macs"], run["layers"]) for run in of_it}) == 1
            last, loss = (sum(run[name][-1] for run in of_it) / len(of_it) for name in ("test_accuracy", "test_loss"))
            worst = min(min(run["test_accuracy"][-5:]) for run in of_it)
            sizes = [f"{of_it[0]['parameters']:,}", f"{round(of_it[0]['macs'] / 1000)} k", str(len(of_it))]
            expected = [of_it[0]["title"], *sizes, f"{last:.2f}", f"{worst:.2f}", f"{loss:.4f}"]
            assert [cell.strip() for cell in line.strip("|").split("|")] == expected


def test_what_is_said_of_the_gentle_images_is_what_their_records_say() -> None:
    folder = ROOT / "results" / "trials" / "leanest_gentle"
    records = [read_record(folder / f"seed{seed}.json") for seed in range(6)]
    text = " ".join((ROOT / "docs" / "log.md").read_text().split())
    mean = sum(record.verdict.last for record in records) / 6
    clean = sum(record.clean_train_accuracy or 0 for record in records) / 6
    assert f"Its first six seeds then reached {mean:.2f} % on the test set, and only one met the rule" in text
    assert sum(record.verdict.passed for record in records) == 1
    assert f"It classified {clean:.2f} % of its training digits correctly." in text
    narrow = ROOT / "results" / "trials" / "leanest_narrow"
    proved = [read_record(narrow / f"seed{seed}.json") for seed in range(10)]
    held = [read_record(narrow / "heldout" / f"seed{seed}.json") for seed in range(3)]
    harder = sum(record.verdict.last for record in proved) / 10 - sum(record.verdict.last for record in held) / 3
    assert f"harder than the test set, by {harder:.2f} points for `leanest`" in text


@pytest.mark.parametrize(
    ("section", "file", "count"),
    [
        ("Records, a sixth held out together", "sixths_holdout", 55),
        ("Depthwise-separable convolutions", "separable", 39),
        ("Ideas for a narrow network", "ideas", 17),
        ("Fashion-MNIST", "fashion", len(fashion.TRIALS)),
        ("CIFAR-10", "cifar", len(cifar.TRIALS)),
        ("Cropped and deskewed pictures", "preprocessing", 13),
        ("A wider separable network", "wider", 2),
        ("Smaller separable networks", "smaller", len(smaller.TRIALS)),
    ],
)
def test_the_figures_of_sixths_are_those_of_the_trials(section: str, file: str, count: int) -> None:
    found = json.loads((ROOT / "results" / "trials" / f"{file}.json").read_text())
    trials = list(dict.fromkeys((run["record"], run["trial"]) for run in found))
    lines = _rows(section)
    assert len(trials) == len(lines) == count
    for (record, trial), line in zip(trials, lines, strict=True):
        runs = [run for run in found if (run["record"], run["trial"]) == (record, trial)]
        assert len({run["seed"] for run in runs}) == len(runs) and all(run["block"] == run["seed"] % 6 for run in runs)
        assert len({(run["parameters"], run["macs"]) for run in runs}) == 1
        last, worst, loss, own = (
            sum(run[name] for run in runs) / len(runs) for name in ("last", "worst", "loss", "train")
        )
        sizes = [f"{runs[0]['parameters']:,}", f"{round(runs[0]['macs'] / 1000)} k", str(len(runs))]
        expected = [f"`{record}`", runs[0]["title"], *sizes, f"{last:.2f}", f"{worst:.2f}", f"{loss:.4f}", f"{own:.2f}"]
        assert [cell.strip() for cell in line.strip("|").split("|")] == expected


@pytest.mark.parametrize(
    ("file", "trials"),
    [
        ("separable", separable.TRIALS),
        ("ideas", ideas.TRIALS),
        ("fashion", fashion.TRIALS),
        ("wider", wider.TRIALS),
        ("smaller", smaller.TRIALS),
    ],
)
def test_the_trials_are_those_that_their_file_defines(file: str, trials: dict[str, sixths.Trial]) -> None:
    found = json.loads((ROOT / "results" / "trials" / f"{file}.json").read_text())
    assert [(name, one.title, seed) for name, one in trials.items() for seed in range(one.seeds)] == [
        (run["trial"], run["title"], run["seed"]) for run in found
    ]
    for name, one in trials.items():
        network = one.network()
        costs = {(run["parameters"], run["macs"], run["record"]) for run in found if run["trial"] == name}
        assert costs == {(sum(p.numel() for p in network.parameters()), dissect(network, (1, 28, 28)).macs, one.record)}


def test_the_trials_of_preprocessing_cost_what_is_written() -> None:
    costs = {}
    for name, one in preprocessing.TRIALS.items():
        anatomy = dissect(one.network(), (1, 28, 28))
        costs[name] = (anatomy.parameters, anatomy.macs)
    # The first convolution of stride 2 on 26 x 26 pixels gives 12 x 12, each block 2 x 2 fewer; its kernels take 9
    # multiply-adds an input, its sums one for each input and output. Deskewing takes 4 x 28 x 28 + 4 x 28.
    widths = {"36": (8, 12, 16, 24, 32, 36), "44": (10, 14, 20, 28, 38, 44)}

    def macs(side: int, wide: tuple[int, ...]) -> int:
        blocks = zip(wide, wide[1:], range(side - 2, 0, -2), strict=False)
        return side**2 * 9 * wide[0] + sum(n * n * one * (9 + two) for one, two, n in blocks) + 10 * wide[-1]

    assert costs["leanest-deskewed-cropped-36"] == (4118, macs(12, widths["36"]) + 3248) == (4118, 90_488)
    assert costs["leanest-deskewed-36"] == (4118, macs(13, widths["36"]) + 3248) == (4118, 123_836)
    assert costs["leanest-cropped-44"] == (5554, macs(12, widths["44"])) == (5554, 118_136)
    assert costs["smallest-seven-13-deskewed"] == (2081, costs["smallest-seven-13"][1] + 3248)
    assert costs["smallest-seven-13"][0] == 2081
    assert costs["fastest-cropped"] == costs["fastest-cropped-4-epochs"] == (6516, 331_368)
    assert [preprocessing.TRIALS[f"fastest-cropped{more}"].recipe.epochs for more in ("", "-4-epochs")] == [5, 4]


def test_what_has_run_of_preprocessing_is_what_its_file_defines() -> None:
    found = json.loads((ROOT / "results" / "trials" / "preprocessing.json").read_text())
    for run in found:
        one = preprocessing.TRIALS[run["trial"]]
        anatomy = dissect(one.network(), (1, 28, 28))
        assert (run["title"], run["record"]) == (one.title, one.record) and run["seed"] < one.seeds == 6
        assert (run["parameters"], run["macs"]) == (anatomy.parameters, anatomy.macs)


def test_what_has_run_on_cifar10_is_what_its_file_defines() -> None:
    found = json.loads((ROOT / "results" / "trials" / "cifar.json").read_text())
    assert found
    for run in found:
        one = cifar.TRIALS[run["trial"]]
        network = one.network()
        assert (run["title"], run["record"], run["seed"]) == (one.title, one.record, 0)
        assert run["parameters"] == sum(p.numel() for p in network.parameters())
        assert run["macs"] == dissect(network, (3, 32, 32)).macs


@pytest.mark.parametrize(
    ("file", "count"),
    [("f3_holdout", 10), ("ladders_holdout", 21), ("records_holdout", 52), ("sixths_holdout", 55), ("separable", 39),
     ("ideas", 17)],
)  # fmt: skip
def test_a_trial_has_one_title_that_stands_alone(file: str, count: int) -> None:
    runs = json.loads((ROOT / "results" / "trials" / f"{file}.json").read_text())
    titles = {run["trial"]: run["title"] for run in runs}
    assert len(titles) == len({(run["trial"], run["title"]) for run in runs}) == len(set(titles.values())) == count
    relative = r"^(that|those|the same|as the|chosen|with them|all)\b|likewise"
    assert [title for title in titles.values() if re.search(relative, title)] == []
    assert [slug for slug in titles if not re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", slug)] == []


def test_a_trial_holds_out_digits_that_stand_in_a_row_in_each_class() -> None:
    labels = torch.tensor([0, 1, 1] * 12)
    parts = [held_out_sixth(labels, number) for number in range(6)]
    assert torch.stack(parts).sum(0).eq(1).all()  # each digit once
    assert parts[1].nonzero().flatten().tolist() == [6, 7, 8, 9, 10, 11]


def test_a_trial_trains_without_its_sixth(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,437 digits, of each class a sixth rounded down at both ends: 1,198 are trained on and 239 held out."""
    monkeypatch.setattr(sixths, "_whole", lambda name: datasets.load("digits"))
    network = next(iter(ideas.TRIALS.values())).network
    trial = sixths.Trial(record="r", network=network, recipe=Recipe(epochs=2, lr=0.05, batch=64))
    row = sixths.run("t", trial, 1)
    data = sixths.without_sixth(1)
    assert (row["seed"], row["block"], row["parameters"]) == (1, 1, 3366)
    assert len(data.train) + len(data.test) == 1437 and abs(len(data.test) - 1437 / 6) <= 5
    assert 100 >= row["last"] >= row["worst"] > 15 and row["train"] > 15  # chance is 10
    assert sixths.run("t", trial, 1) == row


def test_a_trial_s_teachers_and_last_step_have_their_effect(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sixths, "_whole", lambda name: datasets.load("digits"))
    network = next(iter(ideas.TRIALS.values())).network
    alone = sixths.Trial(record="r", network=network, recipe=Recipe(epochs=2, lr=0.05, batch=64))
    distil = Distil(teacher="f3", share=0.9, temperature=2)
    taught = replace(alone, recipe=replace(alone.recipe, distil=distil), teachers=(alone,))
    plain = sixths.run("t", alone, 0)
    assert sixths.run("t", taught, 0)["loss"] != plain["loss"]

    def forget(kept: nn.Module, data: Data) -> None:
        for parameter in kept.parameters():
            parameter.data.zero_()

    forgotten = sixths.run("t", replace(alone, after=forget), 0)
    # All scores are equal: log 10 in nats, and what is answered is 0.
    assert forgotten["loss"] == pytest.approx(math.log(10), abs=1e-5)
    zeros = sixths.without_sixth(0).test.labels.eq(0).float().mean().item()
    assert forgotten["last"] == pytest.approx(100 * zeros, abs=0.01)


def test_what_is_said_of_the_narrow_network_is_what_its_records_say() -> None:
    folder = ROOT / "results" / "trials" / "smallest_narrow"
    passed = [read_record(folder / f"seed{seed}.json").verdict.passed for seed in range(10)]
    text = " ".join((ROOT / "docs" / "log.md").read_text().split())
    assert f"Of the narrow `smallest`, {sum(passed)} of 10 seeds had met the rule." in text


def test_what_is_said_of_f3_s_stopped_attempt_is_what_its_records_say() -> None:
    records = [read_record(ROOT / "results" / "trials" / "f3_early" / f"seed{seed}.json") for seed in range(6)]
    mean = sum(record.verdict.last for record in records) / 6
    text = " ".join((ROOT / "docs" / "log.md").read_text().split())
    assert f"six seeds reached {mean:.2f} % on the test set on average" in text


def test_a_candidate_is_told_by_its_paired_difference_to_the_record_itself() -> None:
    own, better = [99.50, 99.40, 99.45, 99.35, 99.55, 99.42], [99.54, 99.43, 99.47, 99.36, 99.60, 99.45]
    rows = [
        {"record": "f3", "trial": trial, "seed": seed, "last": last}
        for trial, values in (("f3", own), ("wide", better), ("short", [99.60, 99.30, 99.45]), ("alone", [99.9]))
        for seed, last in enumerate(values)
    ]
    # Differences 0.04, 0.03, 0.02, 0.01, 0.05, 0.03: mean 0.03, deviation √0.0002; 2.5706 x 0.01414 / √6 = 0.01484.
    # Of three, 0.10, -0.10 and 0: deviation 0.1; 4.3027 x 0.1 / √3 = 0.24842.
    assert sixths.differences(rows, {"f3": "f3"}) == [
        "wide against f3: +0.030 points (95 % interval +0.015 to +0.045, 6 sixths): better",
        "short against f3: +0.000 points (95 % interval -0.248 to +0.248, 3 sixths): undecided;"
        " 6 sixths or more are needed to choose",
    ]
    assert sixths.differences(rows, {}) == []


def test_the_record_itself_is_known_among_the_trials() -> None:
    f3 = sixths.itself("f3")
    assert (f3.record, f3.seeds) == ("f3", 6)
    other = replace(f3, recipe=replace(f3.recipe, lr=0.3))
    assert sixths.own_of({"other": other, "own": f3, "again": f3}) == {"f3": "own"}
    assert sixths.own_of({"other": other}) == {}


def test_what_is_said_of_smaller_networks_is_what_their_trials_and_records_say() -> None:
    rows = [
        row
        for file in ("smaller", "preprocessing")
        for row in json.loads((ROOT / "results" / "trials" / f"{file}.json").read_text())
    ]

    def told(one: str, other: str) -> tuple[str, str, str]:
        pair = ([row["last"] for row in rows if row["trial"] == trial] for trial in (one, other))
        found = paired(*pair)
        return f"{found.difference:.3f}", f"{found.low:.3f}", f"{found.high:.3f}"

    text = " ".join((ROOT / "docs" / "log.md").read_text().split())
    by, low, high = told("leanest-40", "leanest-36")
    assert f"It beats the first by {by} points (95 % interval {low} to {high})" in text
    by, low, high = told("leanest-40", "leanest-itself")
    assert f"not told apart from `leanest` itself ({by} more, {low} to {high})" in text
    by, low, high = told("leanest-40-silu", "leanest-40")
    assert f"SiLU changes nothing for it ({by}, {low} to {high})" in text
    by, low, high = told("smallest-four-padded", "smallest-three-padded")
    assert f"neither a fourth padded block ({by}, {low} to {high})" in text
    by, low, high = told("smallest-three-padded-silu", "smallest-three-padded")
    assert f"nor SiLU ({by}, {low} to {high}) is better" in text

    def passed(folder: str, seeds: range) -> int:
        return sum(read_record(ROOT / "results" / folder / f"seed{seed}.json").verdict.passed for seed in seeds)

    held = passed("leanest-150k", range(10)), passed("confirm/leanest-150k", range(10, 30))
    assert "{} of ten seeds hold the rule, and of the twenty fresh ones {}, where 16".format(*held) in text
    held = passed("smallest-2200", range(10)), passed("confirm/smallest-2200", range(10, 30))
    assert "Of its ten seeds {} hold the rule, and of the twenty fresh ones {}, where 18".format(*held) in text
