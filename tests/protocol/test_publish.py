"""What is committed is what the records say; and how it is written."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import pytest
from matplotlib.figure import Figure

from featherweight.errors import UsageError
from featherweight.experiments.experiment import find, ids, ladder_of
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import read_record, write_record
from featherweight.experiments.rules import RULES
from featherweight.report import figures
from docs.build import publish, rung_curves
from docs.build.front_pictures import front_of, fronts_digest
from docs.build.ladder_pages import NOT_RUN
from docs.build.pictures import digest
from made import record
from proving import bare_tree

ROOT = Path(__file__).parents[2]


def test_every_committed_text_is_what_the_records_say() -> None:
    texts = publish.generated(ROOT)
    # 34 rungs and sixteen records, the index, the README, eight ladders' pages, the overview of all and what is stated
    # of them, the page on exports, seventeen records' pages (f3 is one), the overview of those of each of three
    # sets, the public names and the guide to fit.
    assert len(texts) == 34 + 16 + 1 + 1 + 8 + 1 + 1 + 1 + 17 + 3 + 1 + 1
    stale = [str(path.relative_to(ROOT)) for path, text in texts.items() if path.read_text(encoding="utf-8") != text]
    assert stale == []


def test_every_committed_picture_is_of_the_records() -> None:
    pictures = publish.pictures(ROOT)
    with_records = {ladder_of(id) for id in ids() if publish.records_of(id, ROOT)} - {"records"}
    assert {path.stem for path in pictures} == with_records | {"f3"}
    for path, records in pictures.items():
        assert digest(records) in path.read_text(encoding="utf-8"), path.name
    rungs_drawn = publish.rung_pictures(ROOT)
    drawn = [id for id in ids() if ladder_of(id) in with_records and publish.records_of(id, ROOT)]
    assert len(rungs_drawn) == len(drawn) >= 34
    for path, records in rungs_drawn.items():
        assert rung_curves.digest(records) in path.read_text(encoding="utf-8"), path.name
    assert all(
        fronts_digest(publish.measured(ROOT, data), data) in (ROOT / "docs/records" / front_of(data)).read_text()
        for data in RULES
    )


def test_every_shipped_network_s_steps_are_those_of_its_weights() -> None:
    steps = publish.folded(ROOT)
    assert len(steps) == 8
    assert [path for path, content in steps.items() if path.read_bytes() != content] == []


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


# ------------------------------------------------------------------------------------------- docstrings


@pytest.mark.parametrize("id", ids())
def test_a_docstring_has_each_part_once_in_its_order_and_nothing_else(id: str) -> None:
    lines = find(id).text.splitlines()
    labels = [
        line.split(":")[0] for line in lines if line.startswith(("Target:", "Why:", "Open:", "Result:", "Analysis:"))
    ]
    allowed = ["Target", "Why", "Open", "Result", "Analysis"]
    assert labels == [label for label in allowed if label in labels]
    assert ("Result" in labels) == bool(publish.records_of(id, ROOT))
    begins = [line for before, line in pairwise(["", *lines]) if not before and line]
    assert [line.split(":")[0] for line in begins[1:]] == [label for label in labels if label != "Why"]


FILE = '"""Title.\n\nTarget: t\nWhy: w\n\nAnalysis: a\n"""\n\nrest = """\nAnalysis: not this\n"""\n'


def test_a_result_comes_before_the_analysis_and_nothing_else_moves() -> None:
    once = publish.with_part(FILE, "Result", "99 %.")
    assert once == FILE.replace("Why: w\n\n", "Why: w\n\nResult: 99 %.\n\n")
    assert publish.with_part(once, "Result", "99 %.") == once
    assert publish.with_part(once, "Result", "98 %.") == once.replace("99", "98")
    assert publish.with_part(once, "Analysis", "b.") == once.replace("Analysis: a", "Analysis: b.")
    bare = '"""Title.\n\nTarget: t\n"""\n'
    assert publish.with_part(bare, "Result", "x") == '"""Title.\n\nTarget: t\n\nResult: x\n"""\n'


def test_long_parts_are_wrapped_and_hyphens_kept() -> None:
    # "Result: " and 53 words of one letter leave room for "one-", but not for all of "one-cycle".
    text = publish.with_part('"""Title.\n\nTarget: t\n"""\n', "Result", "x " * 53 + "one-cycle")
    assert text.splitlines()[4:] == [f"Result: {'x ' * 53}".rstrip(), "one-cycle", '"""']


def test_a_file_without_a_docstring_is_refused() -> None:
    with pytest.raises(UsageError, match="begins with a docstring of several lines"):
        publish.with_part("x = 1\n", "Result", "y")


def test_sentences_of_a_result() -> None:
    runs = [record("c3", [99.5, last], seed) for seed, last in enumerate((99.4, 99.3))]
    said = publish.result_sentences(find("c3"), runs)
    assert said.startswith(
        "99.35 % of the test set at the last epoch, on average over 2 seeds (standard deviation 0.07, worst 99.30)."
        " Worst of any last 5 epochs 99.30; 0 of 2 within budget. Training images as they are: 99.00 %."
    )
    assert said.endswith("Best epoch, which decides nothing: 99.50 on average, where 99.43 is claimed.")
    assert publish.result_sentences(find("f3"), [record("f3", [99.5])]).endswith("nothing: 99.50 on average.")


def test_sentences_of_an_analysis() -> None:
    c2 = find("c2")
    plain = " ".join(claim.says for claim in c2.claims)
    assert publish.analysis_sentences(c2, {}) == plain
    said = publish.analysis_sentences(c2, {"c2": [record("c2", [99.1] * 15)]})
    assert said.startswith(
        "It is over 99 % from epoch 11 on (10, counted from 0) (borne out). It falls short of 99.40 %"
    )
    assert "a schedule of the rate (opinion). Ours: it beats the rung before (undecided)." in said


# ------------------------------------------------------------------------------------------- writing


def keep(tree: Path, id: str, last: float, seed: int = 0) -> None:
    publish.keep_record(record(id, [99.0] * (find(id).recipe.epochs - 1) + [last], seed), tree)


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
        "docs/records/fronts.svg",
        "src/featherweight/experiments/ladders/records.json.gz",
    }  # fmt: skip
    assert publish.write(tree) == []
    assert "\n\nResult: 99.25 % of the test set" in (tree / "src/featherweight/experiments/ladders/b/b2.py").read_text()
    entries = {e["id"]: e for e in json.loads((tree / "src/featherweight/experiments/ladders/index.json").read_text())}
    assert entries["b2"] | {"title": ""} == {"id": "b2", "title": "", "parameters": 7781, "epochs": 15, "claimed": 98.9,
                                             "measured": 99.25, "passed": False, "rule": False, "seeds": 1}  # fmt: skip


def test_a_picture_is_drawn_anew_when_a_figure_changes(tree: Path) -> None:
    keep(tree, "d1", 99.25)
    publish.write(tree)
    picture = tree / "docs/ladders/d.svg"
    before = picture.read_text()
    assert "<svg" in before and digest(publish.records_of("d1", tree)) in before
    picture.unlink()
    publish.write(tree)
    assert picture.read_text() == before
    keep(tree, "d1", 99.26)
    assert picture in publish.write(tree)
    assert picture.read_text() != before


def test_records_are_kept_by_seed(tree: Path) -> None:
    for seed in (10, 2):
        keep(tree, "c3", 99.3, seed)
    keep(tree, "c3", 99.4, 2)
    kept = publish.records_of("c3", tree)
    assert [(one.seed, one.rows[-1].test_accuracy) for one in kept] == [(2, 99.4), (10, 99.3)]
    assert publish.records_of("c2", tree) == []


def test_a_stale_record_is_not_hidden(tree: Path) -> None:
    one = record("c3", [99.0] * 15)
    publish.keep_record(one, tree)
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
