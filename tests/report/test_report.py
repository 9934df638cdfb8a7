"""What a report says, from runs that were trained and from records made by hand; its files; what it says of gaps."""

import ast
import csv
import json
import re
import shlex
import shutil
from dataclasses import replace
from pathlib import Path

import pytest
from jinja2 import meta
from typer.testing import CliRunner, Result

from featherweight.cli import app
from featherweight.errors import FeatherweightError, FileError, UsageError
from featherweight.experiments.experiment import find
from featherweight.experiments.record import Record, read_record, write_record
from featherweight.experiments.settings import overridden, parsed
from featherweight.export.estimate import deployed
from featherweight.networks.anatomy import dissect
from featherweight.report.analysis import mistakes
from featherweight.report.page import Story, blocks, page, read_story, sections
from featherweight.report.page.blocks import Card, FigureBlock, Headline, Section, Table, Tiles, blocks_of
from featherweight.report.page.cards import command
from featherweight.report.page.experiment_sections import mistakes_section
from featherweight.report.page.tables import blocks_table
from featherweight.report.templating import environment, texts
from made import record

EVERY = ["accuracy", "loss", "learning-rate", "fields-1-f3", "kernels-1-f3", "classes-1-f3", "confusion-1-f3",
         "calibration-1-f3", "evidence-1-f3", "seen-1-f3"]  # fmt: skip


def kept(folder: Path, *records: Record) -> list[Path]:
    """Run folders of records alone."""
    paths = []
    for number, one in enumerate(records):
        path = folder / f"run{number}"
        path.mkdir(parents=True)
        write_record(one, path / "record.json")
        paths.append(path)
    return paths


def call(*words: object) -> Result:
    return CliRunner().invoke(app, ["report", *map(str, words)])


Drawn = tuple[Story, list[Section]]


def drawn(*paths: Path) -> Drawn:
    """The runs in these folders, and the sections of their page."""
    story = read_story(paths)
    return story, sections(story)


def names(of: Drawn, kind: type) -> list[str]:
    return [block.name for block in blocks_of(of[1], kind)]


@pytest.fixture(scope="module")
def one(short_runs: list[Path]) -> Drawn:
    return drawn(short_runs[0])


@pytest.fixture(scope="module")
def both(short_runs: list[Path]) -> Drawn:
    return drawn(*short_runs)


# ------------------------------------------------------------------------------------------ of whole runs


def test_a_finished_run_has_every_picture_and_every_mistake(one: Drawn) -> None:
    story, parts = one
    assert [one.name for one in blocks_of(parts, FigureBlock)] == EVERY
    assert story.missing == []
    (group,) = story.groups
    wrong = mistakes(group.answers[0])
    tiles = {one.name: one for one in blocks_of(parts, Tiles)}["mistakes-1-f3-run1"]
    assert len(tiles.images) == len(wrong) > 3
    assert [int(alt.split()[-1]) for alt in tiles.alts] == [one.index for one in wrong]
    assert tiles.captions[0][0] == f"{wrong[0].truth} → {wrong[0].chosen}"
    html = page(story, parts)
    assert html.count("<img ") == sum(len(one.images) for one in blocks_of(parts, Tiles))
    assert html.count("<figure ") == html.count("<svg ") == len(EVERY)
    assert "digits (360 test images): only 3 epochs" in html and ">failed</strong>" in html
    assert ">100 − recall<" in html and ">recall</th>" in html
    assert not re.search(r"missed|taken for it|confidence earned", html)


def test_several_seeds_are_overlaid_compared_and_pooled(both: Drawn) -> None:
    story, parts = both
    assert sorted(one.name for one in blocks_of(parts, FigureBlock)) == sorted([*EVERY, "spread"])
    tables = {one.name: one for one in blocks_of(parts, Table)}
    differing = {str(row[0]): row[1:] for row in tables["differences"].rows}
    assert differing["seed"] == (0, 1)
    assert not [name for name in differing if name.startswith(("recipe", "budget", "data", "environment"))]
    assert sum(int(row[1]) for row in tables["classes-1-f3"].rows) == 2 * 360  # type: ignore[arg-type]
    assert len(tables["mistakes-1-f3"].rows) == sum(len(mistakes(one)) for one in story.groups[0].answers)
    tiles = {one.name: one for one in blocks_of(parts, Tiles)}
    assert (tiles["mistakes-1-f3-run1"].folded, tiles["mistakes-1-f3-run2"].folded) == (False, True)
    shared = set.intersection(*({one.index for one in mistakes(answers)} for answers in story.groups[0].answers))
    assert len(tiles["mistakes-1-f3-shared"].images) == len(shared) > 0


# --------------------------------------------------------------------------------- what is read first


def told(paths: list[Path]) -> dict[str, tuple[str, str]]:
    """The headline's tiles: value and detail by label."""
    (one,) = blocks_of(drawn(*paths)[1], Headline)
    assert len(one.tiles) == 5
    return {tile.label: (tile.value, tile.detail) for tile in one.tiles}


def test_the_headline_s_figures_are_the_record_s(tmp_path: Path) -> None:
    tests = [97.0] * 10 + [99.5, 99.4, 99.6, 99.45, 99.42]
    (run,) = kept(tmp_path, record("f3", tests, train_seconds=73.4))
    tiles = told([run])
    # Wilson's interval of 9,942 of 10,000 by hand: centre 0.994011, half width 0.001501.
    assert tiles["Accuracy"] == ("99.42 %", "95 % interval 99.25 to 99.55, 10,000 test images")
    assert tiles["Verdict"][0] == "Passed"
    assert tiles["Verdict"][1] == "worst judged epoch 99.40 %; asked: 99.40 % in each of the last 5 epochs"
    assert tiles["Parameters"] == ("7,864", "budget: fewer than 8,000")
    smallest = deployed(find("f3").build().eval(), (1, 28, 28))
    assert tiles["Flash and RAM"][0] == f"{smallest.flash / 1000:.1f} kB + {smallest.ram / 1000:.1f} kB"
    assert tiles["Training"] == ("73 s", "15 epochs, 1 thread")


def test_the_headline_of_seeds_is_their_mean_and_of_an_unfinished_run_what_is_done(tmp_path: Path) -> None:
    runs = kept(tmp_path / "a", *(record("f3", [99.0] * 14 + [last], n) for n, last in enumerate((99.5, 99.3))))
    tiles = told(runs)
    # The mean of two is 99.4, their deviation 0.1414; t(1) is 12.706, so half the interval is 12.706 * 0.1.
    assert tiles["Accuracy"][0] == "99.40 %"
    assert tiles["Accuracy"][1].startswith("mean of 2 runs, 95 % interval 98.13 to 100.00, worst 99.30;")
    assert tiles["Verdict"][0] == "0 of 2 passed"
    (started,) = kept(tmp_path / "b", record("f3", [98.0] * 3, finished=False))
    tiles = told([started])
    assert tiles["Verdict"][0] == "Unfinished" and tiles["Verdict"][1].startswith("3 of 15 epochs are done;")
    assert tiles["Accuracy"][1].startswith("after epoch 3;") and tiles["Training"] == ("–", "not finished")


def test_the_recipe_card_s_command_trains_the_same_run_again(
    one: Drawn, short_runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cards = {card.name: card for card in blocks_of(one[1], Card)}
    words = shlex.split(cards["recipe"].command)
    assert words[:5] == ["featherweight", "train", "f3", "--seed", "0"] and "--epochs" in words
    monkeypatch.chdir(tmp_path)
    done = CliRunner().invoke(app, [*words[1:], "--threads", "1"])
    assert done.exit_code == 1, done.output  # the verdict: three epochs are too few
    (folder,) = (path for path in tmp_path.rglob("record.json"))
    again, first = read_record(folder), read_record(short_runs[0])
    assert again.recipe == first.recipe and again.budget == first.budget
    assert [(row.train_loss, row.test_accuracy) for row in again.rows] == [
        (row.train_loss, row.test_accuracy) for row in first.rows
    ]
    settings = dict(cards["recipe"].rows)["recipe, where it differs from the defaults"]
    assert "epochs 3, batch 64, lr 0.2" in settings and "momentum" not in settings


def test_settings_that_were_changed_are_in_the_command(tmp_path: Path) -> None:
    changed = overridden(
        find("f3"), {"recipe.lr": 0.3, "recipe.schedule": "linear", "recipe.hard": None, "budget.held": 2}
    )
    one = record("f3", [99.0] * 15, recipe=changed.recipe.to_json(), budget=changed.budget.to_json())
    words = shlex.split(command(one))
    settings = parsed([words[at + 1] for at, word in enumerate(words) if word == "--set"])
    again = overridden(find("f3"), settings)
    assert (again.recipe, again.budget) == (changed.recipe, changed.budget)
    assert command(record("f3", [99.0])) == "featherweight train f3 --seed 0 --data mnist --engine native"


def test_the_deploy_card_exports_a_run_that_has_weights_and_says_why_not(
    one: Drawn, short_runs: list[Path], tmp_path: Path
) -> None:
    deploy = {card.name: card for card in blocks_of(one[1], Card)}["deploy"]
    assert deploy.command == f"featherweight export {'/'.join(short_runs[0].parts[-2:])} --to c"
    cycles = deployed(find("f3").build().eval(), (1, 28, 28), processor="cortex-m4").cycles
    assert f"{cycles / 1e6:.1f} million cycles of a Cortex-M4" in dict(deploy.rows)["time"]
    (bare,) = kept(tmp_path, record("f3", [99.0] * 15))
    deploy = {card.name: card for card in blocks_of(drawn(bare)[1], Card)}["deploy"]
    assert deploy.command == "" and "needs the run's weights" in deploy.note


def test_blocks_hold_every_parameter_and_multiplication_once(tmp_path: Path) -> None:
    for id in ("f3", "b1", "relaxed"):
        anatomy = dissect(find(id).build(), (1, 28, 28))
        table = blocks_table(anatomy, "k")
        assert sum(int(row[3]) for row in table.rows) == anatomy.parameters  # type: ignore[arg-type]
        assert sum(int(row[4]) for row in table.rows) == anatomy.macs  # type: ignore[arg-type]
        assert 5 <= len(table.rows) < len(anatomy.rows) / 2
        assert all(row[4] for row in table.rows)


def test_experiments_are_compared_before_anything_else_by_their_recipes(tmp_path: Path) -> None:
    one, other = record("f3", [99.0] * 15), record("f1", [98.0] * 15)
    _, parts = drawn(*kept(tmp_path, one, other))
    assert [part.id for part in parts[:3]] == ["comparison", "verdict", "training"]
    rows = [str(row[0]) for row in next(table for table in blocks_of(parts, Table) if table.name == "differences").rows]
    last = max(at for at, name in enumerate(rows) if name.startswith("recipe."))
    assert last < rows.index("experiment") < rows.index("last epoch, %") and rows[0].startswith("recipe.")
    assert drawn(*kept(tmp_path / "alone", one))[1][0].id == "verdict"


def test_every_text_of_a_page_is_used_and_gets_the_facts_that_it_names() -> None:
    given: dict[tuple[str, str], set[str | None]] = {}
    for file in Path(blocks.__file__).parent.glob("*.py"):
        for call in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(call, ast.Call) and getattr(call.func, "id", "") in ("figure", "table", "paragraph"):
                names = [one.value for one in ast.walk(call.args[0]) if isinstance(one, ast.Constant)]
                facts = {word.arg for word in call.keywords}
                given |= {(f"{call.func.id}s", str(name)): facts for name in names}  # type: ignore[attr-defined]
    known = {(kind, name): about for kind, of_it in texts().items() for name, about in of_it.items()}
    assert known.keys() == given.keys() and len(known) > 35
    for (kind, name), about in known.items():
        words = (
            [about]
            if isinstance(about, str)
            else [about[part] for part in about if part in ("about", "alt", "caption")]
        )
        asked = set[str]().union(*(meta.find_undeclared_variables(environment().parse(text)) for text in words))
        assert asked <= given[kind, name] or None in given[kind, name], (kind, name)  # None: facts handed on as one


# ----------------------------------------------------------------------------------------------- with gaps


def test_records_alone_give_curves_verdict_and_layers(tmp_path: Path) -> None:
    runs = kept(tmp_path, *(record("f3", [99.5] * 15, seed) for seed in (0, 1)), record("f1", [99.0] * 15))
    of = drawn(*runs)
    assert [(group.name, len(group.runs)) for group in of[0].groups] == [("f3", 2), ("f1", 1)]
    assert names(of, FigureBlock) == ["accuracy", "spread", "loss", "learning-rate"]
    assert {"layers-1-f3", "layers-2-f1"} <= set(names(of, Table))
    html = page(*of)
    assert "f3: 2 of 2 seeds passed" in html and "f1: on mnist" in html
    assert html.count("there are no weights") + html.count("There are no weights") == 2
    assert "From <code>f3</code> to <code>f1</code>" in html
    assert read_story([runs[0] / "record.json"]).runs[0].name == "f3 seed 0"  # a record's file will do


def test_an_unfinished_run_says_so(tmp_path: Path) -> None:
    runs = kept(tmp_path, record("f3", [98.0] * 3, finished=False), record("f3", [], 1, finished=False))
    assert "3 of 15 epochs are done, so there is no verdict yet." in page(*drawn(runs[0]))
    assert names(drawn(runs[1]), FigureBlock) == []
    html = page(*drawn(*runs))
    assert html.count("so there is no verdict yet") == 2 and ">passed</strong>" not in html


def test_weights_without_their_data_give_kernels_and_a_sentence(short_runs: list[Path], tmp_path: Path) -> None:
    shutil.copytree(short_runs[0], tmp_path / "run")
    known = read_record(tmp_path / "run")
    for data, says in (
        ({**known.data, "source": str(tmp_path / "gone")}, "gone does not exist"),
        ({**known.data, "digests": {"train": "other"}}, "are not those of the run any more"),
    ):
        write_record(replace(known, data=data), tmp_path / "run" / "record.json")
        of = drawn(tmp_path / "run")
        assert names(of, FigureBlock) == ["accuracy", "loss", "learning-rate", "kernels-1-f3"] and says in page(*of)


def test_a_figure_that_its_weights_do_not_give_is_no_figure_or_is_called_unchecked(
    one: Drawn, short_runs: list[Path], tmp_path: Path
) -> None:
    folder = tmp_path / "run"
    shutil.copytree(short_runs[0], folder)
    assert one[0].runs[0].checked and one[0].groups[0].unchecked == "" and "Not checked" not in page(*one)
    file = folder / "record.json"
    values = json.loads(file.read_text())
    del values["digest"]  # as earlier versions wrote them, of which nobody knows whether they were changed
    values["epochs"][-1]["test_accuracy"] *= 0.5
    file.write_text(json.dumps(values))
    with pytest.raises(FileError, match="its record says"):
        read_story([folder])
    (folder / "weights.safetensors").unlink()
    of = drawn(folder)
    assert not of[0].runs[0].checked
    assert "Not checked: the accuracy is as recorded, which has no digest" in page(*of)
    shutil.copy(short_runs[0] / "record.json", file)
    [group] = read_story([folder]).groups
    assert group.unchecked == "Not checked: the accuracy is as recorded; nothing was evaluated."
    checked, other = read_story([short_runs[0], *kept(tmp_path / "other", record("f3", [98.0] * 15, 1))]).groups
    assert checked.runs[0].checked and "Not checked" in other.unchecked


def test_an_experiment_that_is_gone_or_has_changed_leaves_a_sentence(tmp_path: Path) -> None:
    gone = record("f3", [99.0] * 15, experiment=str(tmp_path / "mine.py"))
    changed = record("f3", [99.0] * 15, network="0" * 16)
    sentences = ("its record does not hold it", "is no longer the one")
    for run, says in zip(kept(tmp_path, gone, changed), sentences, strict=True):
        of = drawn(run)
        assert names(of, FigureBlock) == ["accuracy", "loss", "learning-rate"]
        assert says in page(*of) and "so its layer table" in page(*of)


def test_damaged_weights_are_an_error_not_a_gap(short_runs: list[Path], tmp_path: Path) -> None:
    shutil.copytree(short_runs[0], tmp_path / "run")
    (tmp_path / "run" / "weights.safetensors").write_bytes(b"nonsense")
    with pytest.raises(FileError, match="does not hold the weights of f3"):
        read_story([tmp_path / "run"])


def test_two_runs_of_one_seed_and_one_experiment_on_two_sets_are_told_apart(tmp_path: Path) -> None:
    one = record("f3", [99.0] * 15)
    other = replace(one, data={**one.data, "name": "digits", "source": "digits"})
    story = read_story(kept(tmp_path, one, other))
    assert [group.name for group in story.groups] == ["f3 on mnist", "f3 on digits"]
    assert len({run.name for run in story.runs}) == len({group.key for group in story.groups}) == 2


def test_a_great_many_mistakes_are_counted_in_full_and_shown_in_part(
    one: Drawn, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("featherweight.report.page.experiment_sections.MOST_TILES", 5)
    story = one[0]
    parts = [part for part in [mistakes_section(story, story.groups[0])] if part]
    tiles = {one.name: one for one in blocks_of(parts, Tiles)}["mistakes-1-f3-run1"]
    wrong = len(mistakes(story.groups[0].answers[0]))
    assert len(tiles.images) == 5 and f"{wrong} of 360 images, the 5 most confident shown" in tiles.title
    assert len(next(one for one in blocks_of(parts, Table) if one.name == "mistakes-1-f3").rows) == wrong


# ------------------------------------------------------------------------------------------ what is written


def test_the_page_asks_for_nothing_and_escapes_everything(tmp_path: Path) -> None:
    nasty = '<script>alert("1")</script>'
    about = record("f3", [99.0] * 15).data | {"name": nasty, "classes": [nasty, "&amp;", *"23456789"], "source": nasty}
    folder = tmp_path / nasty.replace("/", "_")
    folder.mkdir()
    (run,) = kept(folder, record("f3", [99.0] * 15, data=about, environment={
        "torch": nasty, "threads": 1, "device_type": "cpu", nasty: nasty}))  # fmt: skip
    html = page(*drawn(run))
    assert "<script" not in html and "&lt;script&gt;" in html
    assert not re.findall(r'(?:src|href)="(?!data:|#)', html)
    assert not re.findall(r"url\((?!#)", html) and "@import" not in html


def test_figures_and_data_are_written_whole(short_runs: list[Path], tmp_path: Path) -> None:
    done = call(*short_runs, "--out", tmp_path / "page.html", "--figures", tmp_path / "f", "--data-out",
                tmp_path / "d", "--json")  # fmt: skip
    assert done.exit_code == 0, done.output
    said = json.loads(done.stdout)
    assert said["page"] == str(tmp_path / "page.html") and said["bytes"] == (tmp_path / "page.html").stat().st_size
    pictures = {path.name for path in (tmp_path / "f").iterdir()}
    assert {f"{name}.{kind}" for name in [*EVERY, "spread"] for kind in ("png", "svg")} <= pictures
    assert {"mistakes-1-f3-run2.png", "samples-1-f3.svg"} <= pictures
    assert sorted(said["files"]) == sorted(str(p) for p in [*(tmp_path / "f").iterdir(), *(tmp_path / "d").iterdir()])
    document = json.loads((tmp_path / "d" / "report.json").read_text(encoding="utf-8"))
    assert [run["record"]["seed"] for run in document["runs"]] == [0, 1]
    assert set(document["figures"]) == {*EVERY, "spread"}
    assert len(document["figures"]["evidence-1-f3"]["data"]["heat"]) == 10
    for name, table in document["tables"].items():
        with (tmp_path / "d" / f"{name}.csv").open(encoding="utf-8", newline="") as file:
            heading, *rows = csv.reader(file)
        assert heading == table["columns"] and len(rows) == len(table["rows"])
    epochs = document["tables"]["epochs"]
    assert epochs["rows"][0][1:] == list(document["runs"][0]["record"]["epochs"][0].values())


def test_where_the_page_goes(short_runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (run, other) = kept(tmp_path, record("f3", [99.0] * 15), record("f3", [99.0] * 15, 1))
    monkeypatch.chdir(tmp_path)
    assert call(run).exit_code == 0 and (run / "report.html").is_file()
    assert call(run, other).exit_code == 0 and (tmp_path / "report.html").is_file()
    assert call(run, "--out", "a/b/c.html").exit_code == 0 and (tmp_path / "a" / "b" / "c.html").is_file()
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize(("words", "status", "says"), [
    (["nothing"], 2, "There is no run at"), (["."], 2, "There is no run at"), (["damaged"], 4, "damaged"),
    (["good", "--out", "."], 2, "is a folder"), (["good", "--out", "damaged/record.json/x.html"], 2, "be created"),
    (["good", "--figures", "damaged/record.json"], 2, "of --figures cannot be created"),
    (["good", "--data-out", "damaged/record.json"], 2, "of --data-out cannot be created"),
])  # fmt: skip
def test_what_is_no_run_or_no_place_is_a_sentence(
    words: list[str], status: int, says: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (run,) = kept(tmp_path, record("f3", [99.0] * 15))
    run.rename(tmp_path / "good")
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "record.json").write_text("{")
    monkeypatch.chdir(tmp_path)
    problem = call(*words).exception
    assert isinstance(problem, FeatherweightError) and problem.exit_status == status and says in str(problem)
    with pytest.raises(UsageError, match="name one or more"):
        read_story([])
