"""The notebooks: paired with their scripts, committed with the outputs of a whole run, and each runs top to bottom."""

import importlib.util
import re
import sys
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

import featherweight as fw
from featherweight.experiments.statistics import accuracy_interval

nbformat = pytest.importorskip("nbformat", reason="pip install '.[test]'")
pytest.importorskip("jupytext", reason="pip install '.[test]'")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
RUNGS = {"a": 9, "b": 6, "c": 3, "d": 1, "e": 3}
"""How many rungs the notebook of a ladder has; a's tenth is of an earlier exercise of its source."""
LADDERS = tuple(f"ladder_{letter}" for letter in RUNGS)
NAMES = (*LADDERS, "own_pictures", "quick_start")


def _runner() -> Any:
    spec = importlib.util.spec_from_file_location("notebooks_run", FOLDER / "run.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _script(name: str) -> str:
    return (FOLDER / f"{name}.py").read_text(encoding="utf-8")


def _code(notebook: Any) -> list[Any]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def _text(notebook: Any) -> str:
    """Everything that the outputs of a notebook show as text."""
    outputs = [output for cell in _code(notebook) for output in cell.outputs]
    assert not [one for one in outputs if one.output_type == "error" or one.get("name") == "stderr"]
    return "\n".join(f"{one.get('text', '')}{one.get('data', {}).get('text/plain', '')}" for one in outputs)


def _committed(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def test_there_are_these_notebooks_and_no_others() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES)
    assert sorted(path.stem for path in FOLDER.glob("*.py")) == sorted([*NAMES, "run"])


@pytest.mark.parametrize("name", NAMES)
def test_each_notebook_is_its_script_with_the_outputs_of_a_whole_run(name: str) -> None:
    runner, notebook = _runner(), _committed(name)
    nbformat.validate(notebook)
    script = _script(name)
    assert script == runner.addressed(script, name, runner.repository())
    expected = runner.built(name, script)
    assert len(expected.cells) >= 8 and notebook.metadata == expected.metadata
    assert [(cell.id, cell.cell_type, cell.source) for cell in notebook.cells] == [
        (cell.id, cell.cell_type, cell.source) for cell in expected.cells
    ]
    code, text = _code(notebook), _text(notebook)
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)) and len(text) > 1_000
    assert not re.search(r"/(?:home|root|work|tmp|Users|usr|content)/|[A-Z]:\\", text)
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 1_000_000


def test_the_ladders_share_their_first_cells() -> None:
    """What all of them need is written five times, since a notebook is opened alone, and is the same five times."""
    shared = [re.split(r"^# %%.*\n", _script(name), flags=re.MULTILINE)[2:6] for name in LADDERS]
    assert len(shared[0]) == 4 and all("def run_epoch" in cells[2] for cells in shared)
    one, *others = [
        [cell.replace("from itertools import pairwise\n", "").strip() for cell in cells[:4]] for cells in shared
    ]
    assert all(cells == one for cells in others)


@pytest.mark.parametrize("letter", RUNGS)
def test_a_ladder_has_every_rung_in_plain_pytorch_and_through_featherweight(letter: str) -> None:
    notebook = _committed(f"ladder_{letter}")
    ids = [f"{letter}{number + 1}" for number in range(RUNGS[letter])]
    source = "\n".join(cell.source for cell in _code(notebook))
    assert re.findall(r'^through_featherweight\("(\w+)", network, rows\)$', source, re.MULTILINE) == ids
    assert source.count("\nrows = fit(network, optimizer") == source.count("torch.optim.SGD(") == len(ids)
    plain, _, _ = source.partition("def through_featherweight")
    assert plain.count("fw.") == 2 and source.count("fw.") == 6  # the pictures; then twin, table, training and claim
    text = _text(notebook)
    for id in ids:
        assert f" {fw.dissect(fw.find(id).build(), (1, 28, 28)).parameters:,}" in text
    assert "mnist: 12,000 images to train on, judged on 2,000 training images set aside" in text
    rows = re.findall(r"^(\w\d)\s+(\d+\.\d\d) %\s+(\d+\.\d\d) %\s+(\d+\.\d\d) %$", text, re.MULTILINE)
    assert [row[0] for row in rows] == ids
    assert [float(row[3]) for row in rows] == [fw.find(id).claimed for id in ids]
    for before, after in pairwise(rows):  # a step that is worse is not left without a word
        assert (float(after[1]) < float(before[1])) == (f"{after[0]} is " in text)
    pictures = [one for cell in _code(notebook) for one in cell.outputs if "image/png" in one.get("data", {})]
    assert len(pictures) == 2 * len(ids)
    words = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert sum("**Target:**" in text for text in words) == len(ids)
    assert sum("**Result**" in text and "**Analysis**" in text for text in words) == len(ids)


def test_the_committed_quick_start_ends_with_the_interval_of_its_last_epoch() -> None:
    text = _text(_committed("quick_start"))
    assert "digits: 1,437 training images and 360 test images" in text
    ((last, interval),) = set(re.findall(r"Last epoch (\S+) % \((.*?)\)", text))
    low, high = accuracy_interval(round(float(last) * 360 / 100), 360)
    assert interval == f"95 % interval {low:.2f} to {high:.2f}"


def _executed(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch, **settings: str) -> Any:
    pytest.importorskip("nbclient", reason="pip install '.[test]'")
    pytest.importorskip("ipykernel", reason="pip install '.[test]'")
    for key, value in settings.items():
        monkeypatch.setenv(f"FEATHERWEIGHT_NOTEBOOK_{key}", value)
    runner = _runner()
    return runner.executed(runner.built(name, _script(name)), folder)


@pytest.mark.parametrize(
    "name", ["ladder_d", *(pytest.param(name, marks=pytest.mark.slow) for name in LADDERS if name != "ladder_d")]
)
def test_the_ladders_run_top_to_bottom(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One epoch of the embedded digits, in an empty folder."""
    text = _text(_executed(name, tmp_path, monkeypatch, EPOCHS="1", DATA="digits"))
    assert "digits: 1,437 images to train on, judged on 360 test images" in text
    runs = sorted(path.name for path in (tmp_path / "runs").iterdir())
    assert runs == [f"{name[-1]}{number + 1}-seed0" for number in range(RUNGS[name[-1]])]


@pytest.mark.slow
def test_the_quick_start_runs_top_to_bottom(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    text = _text(_executed("quick_start", tmp_path, monkeypatch, EPOCHS="1", DATA="digits"))
    assert "FAILED on digits (360 test images): only 1 epoch," in text


def test_own_pictures_become_a_c_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Four classes of a folder of one's own; and the committed outputs are those of a run that met its budget."""
    draws = np.random.default_rng(7)
    for at, name in enumerate(("ant", "bee", "cat", "dog")):
        (tmp_path / "mine" / name).mkdir(parents=True)
        for number in range(12):
            pixels = draws.integers(0, 60, (17, 19), dtype=np.uint8)
            pixels[:, 4 * at : 4 * at + 4] += 180
            Image.fromarray(pixels).save(tmp_path / "mine" / name / f"{number}.png")
    text = _text(_executed("own_pictures", tmp_path, monkeypatch, EPOCHS="2", PICTURES="mine"))
    assert "4 classes, 40 training images, 8 test images" in text and "| the folder says ant" in text
    assert len(list((tmp_path / "runs" / "exports").rglob("*.c"))) >= 2
    kept = _text(_committed("own_pictures"))
    assert "10 classes" in kept and "the last epoch is at 95.00 % or more" in kept
    assert "compiled here, the program gives the same scores" in kept and "different answers" in kept


def test_the_first_cell_installs_only_what_is_not_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """From the address, else a wheel beside the notebook, else a checkout; never by name, and never an exception."""
    asked: list[str] = []
    monkeypatch.setattr("subprocess.run", lambda words, **settings: asked.append(words))
    runner = _runner()
    cells = {name: _code(runner.built(name, _script(name)))[0].source for name in NAMES}
    assert len({cell.split("\n", 1)[1] for cell in cells.values()}) == 1  # but for the comment on its first line
    cell = cells["ladder_c"]
    exec(cell, {})
    assert asked == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    monkeypatch.chdir(tmp_path)
    exec(cell, {})
    assert asked == [] and "SOURCE" in capsys.readouterr().out
    install = [sys.executable, "-m", "pip", "install", "--quiet"]
    (tmp_path / "setup.py").write_text("")
    exec(cell, {})
    (tmp_path / "featherweight-9-py3-none-any.whl").write_text("")
    exec(cell, {})
    exec(_code(runner.built("c", runner.addressed(_script("ladder_c"), "c", "https://h.example/me/it")))[0].source, {})
    sources = [str(tmp_path), "featherweight-9-py3-none-any.whl", "git+https://h.example/me/it"]
    assert asked == [[*install, source] for source in sources]


def test_a_ladder_runs_in_plain_pytorch_where_featherweight_is_missing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("matplotlib.pyplot.show", lambda: None)
    monkeypatch.setenv("FEATHERWEIGHT_NOTEBOOK_EPOCHS", "1")
    monkeypatch.chdir(tmp_path)
    found = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None if name == "featherweight" else found(name))
    exec(compile(_script("ladder_d"), "ladder_d.py", "exec"), {"__name__": "ladder_d"})
    said = capsys.readouterr().out
    assert "digits: 1,437 images to train on" in said and "featherweight is not installed; the first cell" in said
    assert re.search(r"^d1 +\d+\.\d\d %$", said, re.MULTILINE) and not list(tmp_path.iterdir())


def test_an_address_gives_the_badge_and_what_is_installed(tmp_path: Path) -> None:
    runner, script = _runner(), _script("ladder_c")
    file = tmp_path / "pyproject.toml"
    file.write_text('[tool.featherweight]\nrepository = "https://github.com/me/it"\n')
    address = runner.repository(file)
    badged = runner.addressed(script, "ladder_c", address)
    assert "https://colab.research.google.com/github/me/it/blob/main/notebooks/ladder_c.ipynb" in badged
    assert badged.count("git+https://github.com/me/it") == 1 and badged.count("Open in Colab") == 1
    assert runner.addressed(badged, "ladder_c", address) == badged  # twice is once
    assert runner.addressed(badged, "ladder_c", "") == runner.addressed(script, "ladder_c", "")
    assert "colab" not in runner.addressed(script, "ladder_c", "https://h.example/me/it")
