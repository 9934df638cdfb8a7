"""Anybody's ladder: a folder of experiments, trained in the order of their parents, resumed, and written up."""

import json
import re
from pathlib import Path

import pytest

from commands import Run
from data_files import picture_folder
from featherweight.errors import UsageError
from featherweight.experiments.record import read_record
from featherweight.protocol.ladder import folder_ladder
from featherweight.protocol.ledger import read_ledger
from featherweight.training.runs.task import Task, open_run, run_task
from proving import trained_in_process

RUNG = '''"""{id}.

Target: 50 %, with <b>few</b> weights.

Why: {why}.

Analysis: it is what it is.
"""
from torch import nn
import featherweight as fw

def network(channels=1, classes=10):
    return nn.Sequential(nn.AdaptiveAvgPool2d({side}), nn.Flatten(), nn.Linear({side} * {side} * channels, classes))

experiment = fw.Experiment(network=network, recipe=fw.Recipe(epochs=1, lr=0.05), parent={parent!r},
                           title="{id} | a <i>step",
                           budget=fw.Budget(parameters=1000, epochs=5, accuracy={accuracy}, held=1),
                           claims=(fw.Claim("It is better.", fw.claims.beats_parent()),))
'''


def write(folder: Path, id: str, parent: str | None, side: int = 7, accuracy: float = 30, why: str = "so") -> None:
    folder.mkdir(exist_ok=True)
    (folder / f"{id}.py").write_text(RUNG.format(id=id, parent=parent, side=side, accuracy=accuracy, why=why))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    return trained_in_process(monkeypatch)


@pytest.fixture
def mine(tmp_path: Path) -> Path:
    """Three rungs whose files are not in the order of their parents."""
    folder = tmp_path / "mine"
    write(folder, "a", "b", 2)
    write(folder, "b", "z", 4)
    write(folder, "z", None)
    return folder


def labels(trained: list[Task]) -> list[tuple[str, int]]:
    done = [(Path(task.experiment).stem, task.seed) for task in trained]
    trained.clear()
    return done


def test_a_ladder_is_trained_in_order_resumed_and_written_up(run: Run, mine: Path, trained: list[Task]) -> None:
    words = ("ladder", "mine", "--data", "digits", "--seeds", 2)
    begun = Task(experiment=str(mine / "z.py"), data="digits", threads=1)
    stopped = run_task(begun, open_run(begun))
    next(stopped), next(stopped)
    stopped.close()
    status, _, err = run(*words)
    assert status == 0, err
    assert [task.resume for task in trained] == [Path("runs/z-seed0"), *[None] * 5]
    assert labels(trained) == [("z", 0), ("z", 1), ("b", 0), ("b", 1), ("a", 0), ("a", 1)]
    page = Path("runs/mine.md").read_text()
    assert re.findall(r'^## <a id="(\w+)">', page, re.MULTILINE) == ["z", "b", "a"]
    assert "**Changed from `b`:**" in page and "16 to 10" in page  # the layers' difference
    for id in "zba":
        record = read_record(Path(f"runs/{id}-seed1"))
        verdict = "passed" if record.verdict.passed else "failed"
        figures = (record.verdict.best, record.verdict.last, record.verdict.worst_of_last)
        assert f"| 1 | {' | '.join(f'{one:.2f}' for one in figures)} |" in page and f"| {verdict}: " in page
        assert f"(mine-{id}.svg)" in page and "</svg>" in Path(f"runs/mine-{id}.svg").read_text()
    assert page.count("| It is better. | ") == 3 and "(seeds: 2, parent 2)" in page and "## Rules" in page
    assert "z \\| a <i>step" in page and "**Analysis.** It is what it is." in page
    assert "Not checked" not in page
    html = Path("runs/mine.html").read_text()
    assert "a &lt;i&gt;step" in html and "a <i>step" not in html
    assert "&lt;b&gt;few&lt;/b&gt;" in html and "<b>few</b>" not in html and html.count("<svg") == 4
    assert not re.search(r'(?:src|href)="(?!#|data:)', html)
    noted = [(Path(one.experiment).stem, one.seeds) for one in read_ledger(Path("runs/test_evaluations.jsonl"))]
    assert noted == [("z", (0, 1)), ("b", (0, 1)), ("a", (0, 1))]

    assert run(*words)[0] == 0 and labels(trained) == []
    assert Path("runs/mine.md").read_text() == page
    assert run(*words[:-1], 3)[0] == 0
    assert labels(trained) == [("z", 2), ("b", 2), ("a", 2)]


def test_a_rung_that_has_changed_is_trained_again_and_no_other(run: Run, mine: Path, trained: list[Task]) -> None:
    words = ("ladder", mine, "--data", "digits")
    assert run(*words)[0] == 0 and len(labels(trained)) == 3
    write(mine, "b", "z", 1)
    text = (mine / "a.py").read_text()
    (mine / "a.py").write_text(text.replace("lr=0.05", "lr=0.06"))
    assert run(*words)[0] == 0 and labels(trained) == [("b", 0), ("a", 0)]
    # What is asked for and why change no weight: it is judged anew.
    write(mine, "z", None, accuracy=100, why="because")
    assert run(*words)[0] == 0 and labels(trained) == []
    page = Path("runs/mine.md").read_text()
    assert "failed: the last epoch is below 100.00 %" in page and "**Why.** Because" in page


def test_other_pictures_of_the_same_name_are_trained_on_again(run: Run, mine: Path, trained: list[Task]) -> None:
    pictures = picture_folder(Path("pictures"))
    assert run("ladder", mine, "--data", pictures)[0] == 0 and len(labels(trained)) == 3
    assert run("ladder", mine, "--data", pictures)[0] == 0 and labels(trained) == []
    first, second = sorted(pictures.rglob("*.png"))[:2]
    first.write_bytes(second.read_bytes())
    assert run("ladder", mine, "--data", pictures)[0] == 0 and len(labels(trained)) == 3


def test_a_ladder_to_begin_with_works_on_any_pictures(run: Run, trained: list[Task]) -> None:
    pictures = picture_folder(Path("pictures"))
    status, out, _ = run("new", "--ladder", "first", "--data", pictures)
    assert status == 0 and f"Next: featherweight ladder first --data {pictures} --seeds 3" in out
    for words in (("--data", pictures), ("--data", "digits", "--out", "digits")):
        status, _, err = run("ladder", "first", *words, "--epochs", 1)
        assert status == 0, err
        assert [id for id, _ in labels(trained)] == ["step1", "step2", "step3"]
    for name in ("step1", "step2", "step3"):
        text = Path(f"first/{name}.py").read_text()
        assert all(f"\n{part}: " in text for part in ("Target", "Why", "Result", "Analysis"))
    status, _, err = run("new", "--ladder", "first")
    assert status == 2 and "first exists" in err
    assert run("new")[0] == run("new", "x.py", "--ladder", "y")[0] == 2


def test_a_letter_and_a_folder_of_that_name_are_told_apart(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "f", "q", None)
    assert [rung.id for rung in folder_ladder(tmp_path / "f").rungs] == ["q"]
    status, _, err = run("ladder", "./f", "--data", "digits", "--seeds", 0)
    assert status == 2 and "--seeds" in err


@pytest.mark.parametrize(
    ("files", "sentence"),
    [
        ({}, "holds no experiment"),
        ({"a.py": "x = 1\n"}, "does not define `experiment`"),
        ({"a.py": "raise ValueError('no')\n"}, "failed with ValueError"),
        ({"a.py": RUNG.format(id="a", parent="gone", side=5, accuracy=30, why="so")}, "The parent of a is 'gone'"),
        ({"a.py": RUNG.format(id="a", parent="a", side=5, accuracy=30, why="so")}, r"a \(parent a\) form a circle"),
        (
            {id + ".py": RUNG.format(id=id, parent=parent, side=5, accuracy=30, why="so")
             for id, parent in (("a", "b"), ("b", "a"), ("c", None))},
            r"a \(parent b\), b \(parent a\) form a circle",
        ),
        (
            {name: RUNG.format(id="a", parent=None, side=5, accuracy=30, why="so").replace(
                "fw.Experiment(", "fw.Experiment(id='a', ") for name in ("a.py", "b.py")},
            "are both called a",
        ),
    ],
)  # fmt: skip
def test_a_folder_that_is_no_ladder_is_refused_in_words(
    run: Run, tmp_path: Path, files: dict[str, str], sentence: str
) -> None:
    folder = tmp_path / "mine"
    folder.mkdir()
    for name, text in files.items():
        (folder / name).write_text(text)
    with pytest.raises(UsageError, match=sentence):
        folder_ladder(folder)
    status, out, err = run("ladder", folder, "--data", "digits")
    assert (status, out) == (2, "") and "Traceback" not in err and not (tmp_path / "runs").exists()


def test_a_parent_may_be_an_experiment_of_the_package(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "mine", "a", "f3")
    ladder = folder_ladder(tmp_path / "mine")
    assert ladder.parents["f3"].id == "f3" and [rung.id for rung in ladder.rungs] == ["a"]


def test_rungs_of_two_sets_need_one_to_be_named(run: Run, mine: Path) -> None:
    text = (mine / "a.py").read_text()
    (mine / "a.py").write_text(text.replace("parent=", "data='cifar10', parent="))
    status, _, err = run("ladder", mine)
    assert status == 2 and "mnist and cifar10" in err and "--data" in err


def test_a_network_over_budget_is_refused_before_anything_is_trained(run: Run, mine: Path, trained: list[Task]) -> None:
    write(mine, "a", "b", 14)
    status, _, err = run("ladder", mine, "--data", "digits")
    assert status != 0 and "1,970 parameters" in err and labels(trained) == []
    assert not Path("runs").exists()


def test_a_layer_that_cannot_be_measured_does_not_cost_the_page(run: Run, mine: Path, trained: list[Task]) -> None:
    write(mine, "b", "z", 5)  # windows of unlike sizes, of 28 x 28
    status, _, err = run("ladder", mine, "--data", "digits")
    assert status == 0 and len(labels(trained)) == 3, err
    page = Path("runs/mine.md").read_text()
    assert "260 parameters. Layer 0 (AdaptiveAvgPool2d) cannot be measured" in page and page.count("| layer |") == 2
    assert "cannot be measured" in Path("runs/mine.html").read_text()


def test_a_record_without_a_digest_is_called_unchecked(run: Run, mine: Path, trained: list[Task]) -> None:
    words = ("ladder", "mine", "--data", "digits", "--seeds", 2)
    assert run(*words)[0] == 0
    file = Path("runs/b-seed1/record.json")
    values = json.loads(file.read_text())
    del values["digest"]
    file.write_text(json.dumps(values))
    assert run(*words)[0] == 0
    for page in ("runs/mine.md", "runs/mine.html"):
        assert Path(page).read_text().count("Not checked: 1 of 2 records carry no digest.") == 1
