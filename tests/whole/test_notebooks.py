"""The notebooks: committed as they are generated, with outputs, and each runs top to bottom."""

import importlib.util
import re
import sys
import tomllib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from featherweight.experiments.record import read_record
from featherweight.experiments.statistics import accuracy_interval

nbformat = pytest.importorskip("nbformat", reason="pip install '.[test]'")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
STEPS = ("step_1", "step_2", "step_3")
TRAINED = ("quick_start", *STEPS)
NAMES = (*TRAINED, "ladder", "ladder_e", "own_pictures")
SETTING = "FEATHERWEIGHT_NOTEBOOK_"
EXECUTED = {
    **{name: (name, {"EPOCHS": "1", "DATA": "digits"}) for name in TRAINED},
    "ladder c": ("ladder", {"LADDER": "c", "RESULTS": str(ROOT / "results")}),
    "ladder f": ("ladder", {"LADDER": "f", "RESULTS": str(ROOT / "results")}),
    "ladder_e": ("ladder_e", {"EPOCHS": "1"}),
    "own_pictures": ("own_pictures", {"PICTURES": "mine", "EPOCHS": "2"}),
}
"""What is run: the folder, the notebook, and its settings in the environment."""


def _make() -> Any:
    spec = importlib.util.spec_from_file_location("notebooks_make", FOLDER / "make.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def _committed(name: str) -> Any:
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def _outputs(name: str) -> list[Any]:
    return [output for cell in _committed(name).cells for output in cell.get("outputs", [])]


def _text(name: str) -> str:
    """Everything that the outputs of a notebook show as text."""
    said = [output.get("text", "") for output in _outputs(name)]
    shown = [output.get("data", {}) for output in _outputs(name)]
    return "\n".join([*said, *(str(data.get(kind, "")) for data in shown for kind in ("text/plain", "text/markdown"))])


def test_there_are_these_notebooks_and_no_others() -> None:
    assert sorted(path.stem for path in FOLDER.glob("*.ipynb")) == sorted(NAMES) == sorted(_make().notebooks())


@pytest.mark.parametrize("name", NAMES)
def test_the_committed_cells_are_the_generated_ones(name: str) -> None:
    made = _make()
    expected = made.built(name, made.notebooks()[name])
    nbformat.validate(_committed(name))
    assert len(expected.cells) >= 8

    def plain(notebook: Any) -> list[tuple[str, str, str]]:
        return [(cell.id, cell.cell_type, cell.source) for cell in notebook.cells]

    assert plain(_committed(name)) == plain(expected)
    assert _committed(name).metadata == expected.metadata


@pytest.mark.parametrize("name", NAMES)
def test_committed_outputs_are_of_a_whole_run_and_hold_no_error_no_warning_and_no_path(name: str) -> None:
    notebook, outputs = _committed(name), _outputs(name)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1)) and len(outputs) > 6
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert not re.search(r"/(?:home|root|work|tmp|Users|usr|content)/|[A-Z]:\\", _text(name))
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 1_000_000
    # What a run gave stands in outputs alone: no percent, and no count of parameters or seconds, in the prose.
    prose = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    assert len(prose) >= 3
    assert not re.search(r"\d\s*%|\d[\d,.]*\s+(?:parameters|seconds|epochs|minutes)", "\n".join(prose))


@pytest.mark.parametrize(("name", "on", "images", "epochs", "pictures"), [
    *((name, "mnist: 60,000 training images and 10,000 test images", 10_000, 15, 5) for name in STEPS),
    ("quick_start", "digits: 1,437 training images and 360 test images", 360, 10, 6),
])  # fmt: skip
def test_the_verdict_of_a_committed_run_has_the_interval_of_its_last_epoch(
    name: str, on: str, images: int, epochs: int, pictures: int
) -> None:
    text = _text(name)
    assert on in text and len(re.findall(r"^ {3,4}\d+ .* %  .* %", text, re.MULTILINE)) == epochs
    verdict = rf"(?:PASSED|FAILED|UNDECIDED) on \w+ \({images:,} test images\).* Last epoch (\S+) % \((.*?)\)"
    ((last, interval),) = set(re.findall(verdict, text))
    low, high = accuracy_interval(round(float(last) * images / 100), images)
    assert interval == f"95 % interval {low:.2f} to {high:.2f}"
    assert sum("image/png" in output.get("data", {}) for output in _outputs(name)) >= pictures


Executed = tuple[Path, dict[str, list[Any]]]
"""The folder of all, and the outputs of each."""


def _begin(folder: Path, settings: dict[str, str]) -> Any:
    """A cell that forgets every name and setting of the notebook before."""
    named = {SETTING + name: value for name, value in settings.items()}
    lines = (
        "%reset -f",
        "import os",
        f"for name in [name for name in os.environ if name.startswith({SETTING!r})]: del os.environ[name]",
        f"os.environ |= {named!r}; os.chdir({str(folder)!r})",
        "%reset -f",
    )
    return nbformat.v4.new_code_cell("\n".join(lines))


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Executed:
    """The outputs of each notebook, run top to bottom in a folder of its own; all in one kernel, since one takes
    seconds to start."""
    pytest.importorskip("nbclient", reason="pip install '.[test]'")
    pytest.importorskip("ipykernel", reason="pip install '.[test]'")
    made, place = _make(), tmp_path_factory.mktemp("notebooks")
    notebooks = {name: made.built(source, made.notebooks()[source]) for name, (source, _) in EXECUTED.items()}
    cells = []
    for name, (_, settings) in EXECUTED.items():
        (place / name).mkdir()
        cells += [_begin(place / name, settings), *notebooks[name].cells]
    _four_classes(place / "own_pictures" / "mine")
    for at, cell in enumerate(cells):
        cell.id = f"cell-{at}"
    made.executed(nbformat.v4.new_notebook(cells=cells, metadata=notebooks["quick_start"].metadata), place)
    return place, {
        name: [output for cell in notebook.cells for output in cell.get("outputs", [])]
        for name, notebook in notebooks.items()
    }


def _four_classes(folder: Path) -> None:
    """Pictures of one's own."""
    draws = np.random.default_rng(7)
    for at, name in enumerate(("ant", "bee", "cat", "dog")):
        (folder / name).mkdir(parents=True)
        for number in range(12):
            pixels = draws.integers(0, 60, (17, 19), dtype=np.uint8)
            pixels[:, 4 * at : 4 * at + 4] += 180
            Image.fromarray(pixels).save(folder / name / f"{number}.png")


@pytest.mark.parametrize("name", TRAINED)
def test_the_notebooks_run_top_to_bottom(name: str, executed: Executed) -> None:
    """One epoch of the embedded digits, in empty folders."""
    place, done = executed
    outputs = done[name]
    assert len(outputs) > 8 and not [one for one in outputs if one.get("name") == "stderr"]
    shown = "\n".join(str(one.get("data", {}).get("text/plain", "")) for one in outputs)
    rung = "f3" if name == "quick_start" else f"f{name[-1]}"
    judged = "only 1 epoch," if rung == "f3" else "the last epoch is "  # the first two ask for the last epoch alone
    assert shown.count("[██") == 0 and f"FAILED on digits (360 test images): {judged}" in shown
    assert [path.name[:2] for path in (place / name / "runs").iterdir()] == [rung]
    assert sum("image/png" in one.get("data", {}) for one in outputs) >= 5


def test_the_first_cell_installs_only_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a checkout beside the notebook, else from its repository, never by name; and not at all where it is."""
    asked: list[list[str]] = []
    monkeypatch.setattr("subprocess.run", lambda words, **settings: asked.append(words))
    source = _make().install("https://github.com/me/it")
    beside, alone = tmp_path / "project" / "notebooks", tmp_path / "alone"
    for folder in (beside, alone):
        folder.mkdir(parents=True)
    (tmp_path / "project" / "pyproject.toml").write_text("")
    monkeypatch.chdir(beside)
    exec(source, {})
    assert asked == []
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    exec(source, {})
    monkeypatch.chdir(alone)
    exec(source, {})
    install = [sys.executable, "-m", "pip", "install", "--quiet"]
    assert asked == [[*install, str(tmp_path / "project")], [*install, "git+https://github.com/me/it.git"]]
    asked.clear()
    with pytest.raises(SystemExit, match="clone its repository"):
        exec(_make().install(None), {})
    assert asked == []


def test_the_badge_and_the_address_are_those_of_the_project(tmp_path: Path) -> None:
    made = _make()
    declared = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"].get("urls", {})
    assert made.REPOSITORY in (None, *(url.removesuffix(".git") for url in declared.values()))
    assert made.badge("ladder", None) == made.badge("ladder", "https://example.org/it") == ""
    assert "https://colab.research.google.com/github/me/it/blob/main/notebooks/ladder.ipynb" in made.badge(
        "ladder", "https://github.com/me/it"
    )
    file = tmp_path / "pyproject.toml"
    for line, found in (('Repository = "https://github.com/me/it.git"', "https://github.com/me/it"), ("", None)):
        file.write_text(f'[project]\nname = "it"\n[project.urls]\n{line}\n')
        assert made.repository(file) == found


@pytest.mark.parametrize("name", NAMES)
def test_a_badge_stands_where_there_is_an_address_and_no_bare_name_is_installed(name: str) -> None:
    opening, install = _committed(name).cells[:2]
    assert opening.source.startswith(_make().badge(name, _make().REPOSITORY) + "# ")
    assert install.source == _make().INSTALL and '"featherweight")\n' not in install.source


@pytest.mark.parametrize(("letter", "rungs"), [("c", 3), ("f", 4)])  # f4, a record, goes on from f3
def test_any_ladder_can_be_walked_from_its_records(letter: str, rungs: int, executed: Executed) -> None:
    place, done = executed
    outputs = done[f"ladder {letter}"]
    shown = "\n".join(str(one.get("data", {}).get("text/markdown", "")) for one in outputs)
    assert shown.count("\n\nTarget: ") == rungs and shown.count("Changed from ") == rungs - 1
    for number in range(1, rungs + 1):
        records = [read_record(path) for path in sorted((ROOT / "results" / f"{letter}{number}").glob("*.json"))]
        last = sum(record.verdict.last for record in records) / len(records)
        assert re.search(rf"\| {letter}{number} \| .* \| {last:.2f} ± ", shown)
    assert sum("image/png" in one.get("data", {}) for one in outputs) == 2 * rungs
    assert list((place / f"ladder {letter}").iterdir()) == []  # nothing was trained


def test_the_three_steps_of_ladder_e_run_top_to_bottom(executed: Executed) -> None:
    place, done = executed
    assert sorted(path.name for path in (place / "ladder_e/runs").iterdir()) == ["e1-seed0", "e2-seed0", "e3-seed0"]
    outputs = done["ladder_e"]
    assert not [one for one in outputs if one.get("name") == "stderr"]
    shown = "\n".join(str(one.get("data", {}).get("text/markdown", "")) for one in outputs)
    assert shown.count("**Target.**") == 3 and shown.count("**Result on record.**") == 3


def test_own_pictures_become_a_c_program(executed: Executed) -> None:
    """Four classes of a folder of one's own; and the committed outputs are those of a run that met its budget."""
    place, done = executed
    outputs = done["own_pictures"]
    assert not [one for one in outputs if one.output_type == "error"]
    said = "".join(one.get("text", "") for one in outputs)
    assert "4 classes, 40 training images, 8 test images" in said and "| the folder says ant" in said
    assert len(list((place / "own_pictures" / "runs" / "exports").rglob("*.c"))) >= 2
    kept = _text("own_pictures")
    assert "10 classes" in kept and "the last epoch is at 95.00 % or more" in kept
    assert "compiled here, the program gives the same scores" in kept and "different answers" in kept


def test_the_ladders_notebooks_show_every_rung() -> None:
    assert re.search(r"ladder c: c1 \(\d+ seeds\), c2 \(\d+ seeds\), c3 \(\d+ seeds\)", _text("ladder"))
    assert len(re.findall(r"^ {3,4}\d+ .* % .* % ", _text("ladder_e"), re.MULTILINE)) == 3 * 15
    assert "digits: 1,437 training images and 360 test images" in _text("ladder_e")
