"""The notebooks: committed as they are generated, with outputs, and each runs top to bottom."""

import importlib.util
import re
import sys
from pathlib import Path
from typing import Any

import pytest

nbformat = pytest.importorskip("nbformat", reason="pip install 'featherweight[test]'")

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "notebooks"
NAMES = ("quick_start", "step_1", "step_2", "step_3")


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
    assert len(expected.cells) > 8

    def plain(notebook: Any) -> list[tuple[str, str, str]]:
        return [(cell.id, cell.cell_type, cell.source) for cell in notebook.cells]

    assert plain(_committed(name)) == plain(expected)
    assert _committed(name).metadata == expected.metadata


@pytest.mark.parametrize("name", NAMES)
def test_they_are_committed_with_the_outputs_of_a_whole_run_on_mnist(name: str) -> None:
    code = [cell for cell in _committed(name).cells if cell.cell_type == "code"]
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    epochs = 3 if name == "quick_start" else 15
    text = _text(name)
    assert "mnist: 60,000 training images and 10,000 test images" in text
    assert len(re.findall(r"^ {3,4}\d+ .* %  .* %", text, re.MULTILINE)) == epochs
    assert re.search(r"(PASSED|FAILED) on mnist \(10,000 test images\)", text)
    pictures = [output.data for output in _outputs(name) if "image/png" in output.get("data", {})]
    assert len(pictures) >= 5
    assert (FOLDER / f"{name}.ipynb").stat().st_size < 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_outputs_hold_no_error_no_warning_and_no_path(name: str) -> None:
    outputs = _outputs(name)
    assert len(outputs) > 8
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    assert not re.search(r"/(?:home|root|work|tmp|Users|usr|content)/|[A-Z]:\\", _text(name))


@pytest.mark.parametrize("name", NAMES)
def test_a_notebook_runs_top_to_bottom(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One epoch of the embedded digits, in an empty folder."""
    pytest.importorskip("nbclient", reason="pip install 'featherweight[test]'")
    pytest.importorskip("ipykernel", reason="pip install 'featherweight[test]'")
    made = _make()
    monkeypatch.setenv("FEATHERWEIGHT_NOTEBOOK_EPOCHS", "1")
    monkeypatch.setenv("FEATHERWEIGHT_NOTEBOOK_DATA", "digits")
    done = made.executed(made.built(name, made.notebooks()[name]), tmp_path)
    outputs = [output for cell in done.cells for output in cell.get("outputs", [])]
    assert len(outputs) > 8 and not [one for one in outputs if one.get("name") == "stderr"]
    shown = "\n".join(str(one.get("data", {}).get("text/plain", "")) for one in outputs)
    assert shown.count("[██") == 0 and "FAILED on digits (360 test images): only 1 epochs" in shown
    assert [path.name[:2] for path in (tmp_path / "runs").iterdir()] == [
        f"f{name[-1]}" if name != "quick_start" else "f3"
    ]
    assert sum("image/png" in one.get("data", {}) for one in outputs) >= 5


def test_the_first_cell_installs_only_what_is_not_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From a checkout beside the notebook where there is one, else by name; and nothing where the package is there."""
    asked: list[list[str]] = []
    monkeypatch.setattr("subprocess.run", lambda words, **settings: asked.append(words))
    source = _make().INSTALL
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
    assert asked == [[*install, str(tmp_path / "project")], [*install, "featherweight"]]


@pytest.mark.parametrize("name", NAMES)
def test_no_figure_is_typed_into_the_text(name: str) -> None:
    """What a run gave stands in outputs alone: no percent, and no count of parameters or seconds, in the prose."""
    text = [cell.source for cell in _committed(name).cells if cell.cell_type == "markdown"]
    assert len(text) > 3
    assert not re.search(r"\d\s*%|\d[\d,.]*\s+(?:parameters|seconds|epochs|minutes)", "\n".join(text))
