"""What is committed is what the records say; and how it is written."""

import csv
import json
import math
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
import torch
from docs.build import docstrings, ladders, publish, records
from docs.build.candidate_record import gather
from docs.build.committed import DIGESTS, require_unchanged
from docs.build.fits_table import fits_of
from docs.build.fronts import Point, pareto_fronts
from docs.build.pictures import ladder_drawing
from docs.build.records import IN_README
from docs.build.tables import tables_of
from matplotlib.figure import Figure
from scipy import stats
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from featherweight.errors import FileError, UsageError
from featherweight.experiments.budget import Budget
from featherweight.experiments.claims import NOT_RUN, Found
from featherweight.experiments.experiment import contenders, find, ids, rungs
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import read_record, write_record
from featherweight.protocol import records as kept_records
from featherweight.report import figures
from made import record
from proving import bare_tree

ROOT = Path(__file__).parents[2]


def test_everything_that_quotes_a_record_is_what_the_records_say() -> None:
    """`python -m docs.build` would change nothing: no page, docstring, index, picture or shipped network."""
    assert len(publish.generated(ROOT)) >= 80 and len(publish.folded(ROOT)) == 8
    assert len(publish.pictures(ROOT)) + len(publish.run_pictures(ROOT)) >= 40
    assert [str(path.relative_to(ROOT)) for path in publish.outdated(ROOT)] == []


def test_every_committed_record_is_of_the_experiment_as_it_is() -> None:
    files = sorted((ROOT / "results").glob("*/seed*.json"))
    assert {file.parent.name for file in files} <= set(ids())
    for file in files:
        record, experiment = read_record(file), find(file.parent.name)
        assert (record.experiment, f"seed{record.seed}") == (experiment.id, file.stem)
        assert Recipe.from_json(record.recipe) == experiment.recipe, file
        assert record.parameters == sum(p.numel() for p in experiment.build().parameters())
        assert record.finished and len(record.rows) == experiment.recipe.epochs
        assert (record.data["name"], record.data["test"], record.data["holdout"]) == (experiment.data, 10_000, 0)


def test_every_committed_record_is_as_it_was_written(tmp_path: Path) -> None:
    """By its own digest, or by that in results/digests.json."""
    files = sorted((ROOT / "results").glob("**/seed*.json"))
    assert require_unchanged(ROOT) == len(files) > 600
    folder = tmp_path / "results" / "c1"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / DIGESTS, tmp_path / DIGESTS)
    shutil.copy(ROOT / "results" / "smallest" / "seed1.json", folder)
    with pytest.raises(FileError, match=r"c1/seed1\.json"):  # that of another run
        require_unchanged(tmp_path)
    folder.rename(folder.with_name("smallest"))
    assert require_unchanged(tmp_path) == 1
    file = folder.with_name("smallest") / "seed1.json"
    file.write_text(file.read_text().replace('"test_accuracy": 9', '"test_accuracy": 8', 1))
    with pytest.raises(FileError, match=r"smallest/seed1\.json"):
        require_unchanged(tmp_path)


# ------------------------------------------------------------------------------------------- docstrings


@pytest.mark.parametrize("id", ids())
def test_a_docstring_has_each_part_once_in_its_order_and_nothing_else(id: str) -> None:
    lines = find(id).text.splitlines()
    labels = [
        line.split(":")[0] for line in lines if line.startswith(("Target:", "Why:", "Open:", "Result:", "Analysis:"))
    ]
    allowed = ["Target", "Why", "Open", "Result", "Analysis"]
    assert labels == [label for label in allowed if label in labels]
    assert ("Result" in labels) == bool(kept_records.records_of(id, ROOT))
    begins = [line for before, line in pairwise(["", *lines]) if not before and line]
    assert [line.split(":")[0] for line in begins[1:]] == [label for label in labels if label != "Why"]


FILE = '"""Title.\n\nTarget: t\nWhy: w\n\nAnalysis: a\n"""\n\nrest = """\nAnalysis: not this\n"""\n'


def test_a_result_comes_before_the_analysis_and_nothing_else_moves() -> None:
    once = docstrings.with_part(FILE, "Result", "99 %.")
    assert once == FILE.replace("Why: w\n\n", "Why: w\n\nResult: 99 %.\n\n")
    assert docstrings.with_part(once, "Result", "99 %.") == once
    assert docstrings.with_part(once, "Result", "98 %.") == once.replace("99", "98")
    assert docstrings.with_part(once, "Analysis", "b.") == once.replace("Analysis: a", "Analysis: b.")
    bare = '"""Title.\n\nTarget: t\n"""\n'
    assert docstrings.with_part(bare, "Result", "x") == '"""Title.\n\nTarget: t\n\nResult: x\n"""\n'


def test_a_file_without_a_docstring_is_refused() -> None:
    with pytest.raises(UsageError, match="begins with a docstring of several lines"):
        docstrings.with_part("x = 1\n", "Result", "y")


# ------------------------------------------------------------------------------------------- writing


def keep(tree: Path, id: str, last: float, seed: int = 0) -> None:
    kept_records.keep_record(record(id, [99.0] * (find(id).recipe.epochs - 1) + [last], seed), tree)


def test_write_brings_everything_up_to_date_once(tmp_path: Path) -> None:
    tree = bare_tree(tmp_path)
    publish.write(tree)
    assert "cortex-m4" not in (tree / "docs/export.md").read_text()  # there is no record of it
    assert publish.write(tree) == []
    assert NOT_RUN in (tree / "docs/ladders/b.md").read_text()
    keep(tree, "b2", 99.25)
    changed = {str(path.relative_to(tree)) for path in publish.write(tree)}
    assert changed == {
        "src/featherweight/experiments/ladders/b/b2.py", "src/featherweight/experiments/ladders/index.json",
        "docs/ladders/b.md",
        "docs/ladders/README.md", "docs/ladders/statements.md", "docs/ladders/b.svg", "docs/ladders/b2.svg",
        "docs/records/fronts.svg", "src/featherweight/experiments/ladders/records.json.gz",
        *(f"results/b2/{name}.csv" for name in ("epochs", "seeds", "answers")),
    }  # fmt: skip
    assert publish.write(tree) == []
    assert "\n\nResult: 99.25 % of the test set" in (tree / "src/featherweight/experiments/ladders/b/b2.py").read_text()
    entries = {e["id"]: e for e in json.loads((tree / "src/featherweight/experiments/ladders/index.json").read_text())}
    assert entries["b2"] | {"title": ""} == {"id": "b2", "title": "", "parameters": 7781, "epochs": 15, "claimed": 98.9,
                                             "measured": 99.25, "passed": False, "rule": False, "seeds": 1}  # fmt: skip


def test_a_picture_is_drawn_anew_when_a_figure_changes(tmp_path: Path) -> None:
    picture, runs = tmp_path / "d.svg", [record("d1", [99.0] * 20)]
    one = ladder_drawing(picture, runs)
    assert not one.is_current()
    one.write()
    assert one.is_current() and "<svg" in picture.read_text()
    assert not ladder_drawing(picture, [record("d1", [99.0] * 19 + [99.01])]).is_current()


def test_records_are_kept_by_seed(tmp_path: Path) -> None:
    for seed in (10, 2):
        keep(tmp_path, "c3", 99.3, seed)
    keep(tmp_path, "c3", 99.4, 2)
    kept = kept_records.records_of("c3", tmp_path)
    assert [(one.seed, one.rows[-1].test_accuracy) for one in kept] == [(2, 99.4), (10, 99.3)]
    assert kept_records.records_of("c2", tmp_path) == []


def test_a_stale_record_is_not_hidden(tmp_path: Path) -> None:
    tree = bare_tree(tmp_path)
    one = record("c3", [99.0] * 15)
    kept_records.keep_record(one, tree)
    write_record(replace(one, seed=1, recipe=find("f3").recipe.to_json()), tree / "results" / "c3" / "seed1.json")
    with pytest.raises(UsageError, match="Claims need finished runs of one rung and recipe"):
        publish.generated(tree)


def test_panels_of_a_ladder() -> None:
    runs = [record(id, [99.0] * 15, seed) for id in ("c1", "c2", "c3") for seed in (0, 1)]
    panels = figures.ladder(*runs).axes
    assert [axes.get_title() for axes in panels] == ["c1", "c2", "c3"]
    # The target, and for each of two seeds a line of training and one of testing.
    assert [len(axes.lines) for axes in panels] == [5, 5, 5]
    many = [record(f"a{n}", [99.0] * 20) for n in range(1, 11)]
    assert [axes.get_title() for axes in figures.ladder(*many).axes] == [one.experiment for one in many]


@pytest.mark.filterwarnings("error::UserWarning")
@pytest.mark.parametrize("curves", [figures.accuracy, figures.ladder])
def test_a_run_below_the_axis_leaves_the_picture_its_size(curves: Callable[..., Figure]) -> None:
    assert "</svg>" in figures.svg(curves(record("d1", [60.0 + n for n in range(20)], train=50.0)))


# ------------------------------------------------------------------------------------------- figures, by other means


C3 = [record("c3", [99.0] * 10 + [99.41, 99.40, 99.42, 99.40, last], seed) for seed, last in ((0, 99.45), (1, 99.35))]


def test_figures_of_a_rung_are_arithmetic_written_out() -> None:
    it = ladders.rung_figures(C3, Budget())
    assert (round(it.best, 9), round(it.last, 9), it.worst, it.clean) == (99.435, 99.4, 99.35, 99.0)
    assert round(it.deviation, 9) == round(0.05 * 2**0.5, 9)  # of 99.45 and 99.35, by n - 1
    assert (it.within, it.ruled, it.runs) == (1, 1, 2)


@pytest.mark.parametrize(("best", "met"), [(99.60, True), (99.28, True), (99.27, False), (98.0, False)])
def test_a_claim_is_met_within_0_15_points_or_above(best: float, met: bool) -> None:
    assert ladders.reproduced(99.43, best) is met


def test_a_mean_that_is_the_limit_but_for_its_last_bit_meets_the_claim() -> None:
    runs = [record("c3", [best], seed) for seed, best in enumerate((99.08, 99.10, 99.66))]  # 99.28 in the mean
    best = ladders.rung_figures(runs, Budget()).best
    assert best < 99.28 and ladders.reproduced(99.43, best)


def test_own_budget_and_the_rule_are_judged_apart() -> None:
    good = [99.5] * 20
    runs = {id: [record(id, good)] for id in ("a1", "a5", "a10", "d1")} | {"a9": [record("a9", good[:15])]}
    found = {id: ladders.rung_figures(of_it, find(id).judged_by) for id, of_it in runs.items()}
    assert all(one.within == 1 for one in found.values())
    assert [id for id, one in found.items() if one.ruled] == ["a9"]  # the others are too large or too long


def test_a_run_that_is_too_long_is_judged_by_its_first_epochs() -> None:
    # Of 20 epochs, 15 to 19 are judged; neither the fourteenth nor the twentieth counts.
    for tests, passed, worst in (([99.0] * 14 + [99.5] * 5 + [90.0], 1, 99.5), ([99.0] * 15 + [99.5] * 5, 0, 99.0)):
        page = rung_page("d", {"d1": [record("d1", tests)]})
        assert f"first 19 epochs, {passed} of 1 pass (worst {worst:.2f} %)" in page
    assert "first 15 epochs" not in rung_page("c", {"c3": C3})


def rung_page(letter: str, found: Found) -> str:
    return ladders.ladder_page(letter, found, "", {rung.id: tables_of(rung, found, ()) for rung in rungs(letter)})


def test_a_rung_takes_a_screen_and_no_more_words_for_thirty_seeds_than_for_two() -> None:
    many = [replace(C3[at % 2], seed=at) for at in range(30)]
    pages = [rung_page("c", {"c3": runs}).replace("✓", "").replace("✗", "") for runs in (C3, many)]
    assert len(pages[0].split()) == len(pages[1].split())
    for page in (ROOT / "docs" / "ladders").glob("?.md"):
        for rung in page.read_text().split("\n## ")[1:]:
            assert len(rung.split()) < 400, rung[:20]
    for one in (*contenders(), *contenders("cifar10"), *contenders("fashion-mnist")):
        assert len((ROOT / "docs" / "records" / f"{one.id}.md").read_text().split()) < 700


def test_the_words_of_the_documentation_are_counted() -> None:
    assert sum(len(path.read_text().split()) for path in (ROOT / "docs").rglob("*.md")) <= 58_000


def test_tables_are_beside_the_records_and_name_what_decides() -> None:
    tables = tables_of(find("c3"), {"c3": C3}, ())
    assert [*tables] == ["epochs", "seeds", "answers", "layers"]
    row = dict(zip(tables["epochs"].headings, tables["epochs"].rows[-1], strict=True))
    wanted = {"epoch": "15", "test %": "99.40", "lowest": "99.35", "highest": "99.45", "seed 1": "99.35"}
    assert row | wanted == row and row["source: test"] == "99.4"
    seeds = [dict(zip(tables["seeds"].headings, row, strict=True)) for row in tables["seeds"].rows]
    assert [(one["best %"], one["own budget"][:6]) for one in seeds] == [("99.45", "passed"), ("99.42", "failed")]
    decided = {row[1]: row for row in tables["answers"].rows}["it beats the rung before."]
    assert decided[0] == "ours" and decided[2] == "undecided" and "Welch" in decided[4]
    assert [*tables_of(find("k1"), {}, ())] == ["answers", "layers"]  # what has not run has no figures


def read(folder: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (ROOT / "results" / folder).glob("seed*.json")]


@pytest.mark.parametrize("id", [one.id for one in contenders()])
def test_the_table_of_records_counted_again_from_the_files(id: str) -> None:
    """By PyTorch's own counter of operations, and with means and intervals written out."""
    with (ROOT / "results" / "mnist.csv").open() as file:
        row = next(row for row in csv.DictReader(file) if row["record"] == id)
    network = find(id).build().eval()
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 1, 28, 28))
    upright = 4 * 28 * 28 + 4 * 28 if "deskewed" in id else 0  # which is no layer that the counter knows
    sizes = sum(p.numel() for p in network.parameters()), sum(b.numel() for b in network.buffers())
    counted = [f"{size:,}" for size in (*sizes, counter.get_total_flops() // 2 + upright)]
    assert [row[name] for name in ("parameters", "buffers", "MACs")] == counted
    runs = read(f"confirm/{id}") or read(id)
    last = [run["epochs"][-1]["test_accuracy"] for run in runs]
    mean = math.fsum(last) / len(last)
    deviation = math.sqrt(math.fsum((one - mean) ** 2 for one in last) / (len(last) - 1))
    half = float(stats.t.ppf(0.975, len(last) - 1)) * deviation / math.sqrt(len(last))
    assert row["mean ± sd, %"] == f"{mean:.3f} ± {deviation:.3f}"
    assert row["95 % interval"] == f"{mean - half:.3f} to {mean + half:.3f}"
    held = [run["epochs"][-1]["test_accuracy"] for run in read(f"heldout/{id}")]
    assert row["held out %"] == f"{math.fsum(held) / 3:.3f}"
    line = next(line for line in (ROOT / "docs/records/README.md").read_text().splitlines() if f"[`{id}`](" in line)
    assert all(f"| {row[name]} |" in line for name in ("parameters", "MACs", "mean ± sd, %", "held out %"))
    readme = [line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith(f"| [`{id}`]")]
    assert len(readme) == (id in IN_README)
    assert all(f"| {mean:.2f} | " in line and f" | {row['parameters']} | " in line for line in readme)


def test_the_numbers_left_after_folding_are_those_of_a_network_that_is_folded() -> None:
    network = find("f3").build().eval()
    folded = 0
    layers = [one for one in network.modules() if not list(one.children())]
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        if isinstance(layer, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
            folded += sum(p.numel() for p in nn.utils.fusion.fuse_conv_bn_eval(layer, after).parameters())
        elif not isinstance(layer, nn.BatchNorm2d):
            folded += sum(p.numel() for p in layer.parameters())
    assert records.folded_parameters(network) == folded < 8_000


def test_test_time_augmentation_is_told_when_every_seed_has_it(tmp_path: Path) -> None:
    ten = [record("f3", [99.5] * 15, seed, shifted_accuracy=99.55 + 0.01 * seed) for seed in range(10)]
    # Mean of 99.55 to 99.64, deviation 0.0303.
    assert records.row_of(gather({"f3": ten}, tmp_path)[0])["five shifts %"] == "99.595 ± 0.030"
    nine = gather({"f3": [*ten[:9], record("f3", [99.5] * 15, 9)]}, tmp_path)
    assert records.row_of(nine[0])["five shifts %"] == "–"


def test_names_in_the_picture_of_fronts_cover_no_other_and_stay_inside() -> None:
    near = [Point(name=f"name {n}", accuracy=99.5 + 0.01 * n, parameters=5000 + 20 * n) for n in range(3)]
    far = [Point(name=f"far {n}", accuracy=99.2, parameters=n) for n in (500, 50_000)]
    figure = pareto_fronts([*near, *far], [], [point.name for point in (*near, *far)])
    figure.draw_without_rendering()
    axes = figure.axes[0]
    boxes = [text.get_window_extent() for text in axes.texts]
    assert len(boxes) == 5
    assert not any(one.overlaps(other) for place, one in enumerate(boxes) for other in boxes[:place])
    assert all(axes.bbox.x0 - 1 <= box.x0 and box.x1 <= axes.bbox.x1 + 1 for box in boxes)


@pytest.mark.parametrize("name", sorted(fits_of(ROOT)))
def test_a_committed_search_agrees_with_itself(name: str) -> None:
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


def test_the_docs_have_fewer_than_45000_words() -> None:
    """Words and numbers; lines of tables and other signs are none."""
    words = [word for page in sorted(ROOT.glob("docs/**/*.md")) for word in page.read_text(encoding="utf-8").split()]
    assert 30_000 < sum(bool(re.search(r"\w", word)) for word in words) < 45_000
