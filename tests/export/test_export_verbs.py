"""The verbs that hand a network to others: what they write, say and refuse."""

import hashlib
import json
import shutil
import sys
import webbrowser
from pathlib import Path
from typing import Any

import pytest
from docs.build.export_tables import MARKS, with_figures
from torch import nn

from commands import Run
from featherweight.errors import UsageError
from featherweight.experiments.experiment import Experiment
from featherweight.export.source import calibration_of, pictures_at_hand
from featherweight.training.runs.trained import FOLDER, load_any, load_pretrained, save_weights
from made import record

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("form", "files"),
    [("onnx", ["f3.onnx"]), ("c", ["f3/f3.h", "f3/f3.c", "f3/f3.ino", "f3/example/main.c"]), ("page", ["f3.html"])],
)
def test_export_writes_proves_and_lists_its_files(run: Run, alone: Path, form: str, files: list[str]) -> None:
    status, out, _ = run("export", "f3", "--to", form, "--out", "there")
    assert status == 0
    # MNIST is not to be had here, and nothing is downloaded for a check.
    assert out.startswith("mnist is not on this machine; the digits embedded in the package stand in for it.")
    manifest = json.loads(Path(f"there/f3-{form}.json").read_text())
    found = manifest["experiment"], manifest["parameters"], list(manifest["files"])
    assert found == ("f3", 7864, [*files, "f3-card.md"])
    card = Path("there/f3-card.md").read_text(encoding="utf-8")
    # 99.49 % of 10,000: the interval by Wilson's formula, worked out apart.
    assert "| 99.49 % of 10,000 test images of MNIST (95 % interval 99.33 to 99.61) |" in card
    assert "| Parameters | 7,864 |" in card and "9,864 bytes of flash" in card
    for name, about in manifest["files"].items():
        content = (Path("there") / name).read_bytes()
        assert (about["bytes"], about["sha256"]) == (len(content), hashlib.sha256(content).hexdigest())
        assert f"wrote there/{name}\n" in out
    assert manifest["proof"]["pictures"] == 360 and manifest["proof"]["accuracy"] > 90
    if form == "c":
        assert "RAM: " in out and "flash: " in out
        assert manifest["proof"]["compiled"] == manifest["proof"].get("same_bytes", False)
    else:
        assert manifest["proof"]["different_answers"] == 0 and manifest["proof"]["largest_difference"] < 1e-4


def test_export_json_is_the_manifest_and_the_same_again(run: Run, alone: Path) -> None:
    status, out, _ = run("export", "f3", "--to", "page", "--json")
    assert status == 0 and json.loads(out) == json.loads(Path("exports/f3-page.json").read_text())
    assert run("export", "f3", "--to", "page", "--json")[1] == out


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("f3", "--to", "tflite"), r"Unknown form 'tflite'; there are: onnx, c, page, arduino, .*, cmake\."),
        (("f4", "--to", "c"), r"no run folder 'f4' and no such network in the package; did you mean f3\?"),
        (("runs/f9-seed0", "--to", "c"), "There is no run at runs/f9-seed0"),
    ],
)
def test_wrong_use_is_one_sentence_and_status_2(run: Run, words: tuple[str, ...], says: str) -> None:
    import re

    status, out, err = run("export", *words)
    assert (status, out) == (2, "") and re.search(says, err) and err.count("\n") == 1


def run_folder(where: Path, network: str) -> Path:
    """The folder of a finished run of an experiment's file."""
    where.mkdir()
    file = where / "mine.py"
    file.write_text(
        "from torch import nn\nfrom featherweight import Budget, Experiment, Recipe\n"
        f"def network():\n    return {network}\n"
        'experiment = Experiment(id="mine", title="mine", network=network, recipe=Recipe(epochs=1, lr=0.1),'
        " budget=Budget(parameters=9000))\n"
    )
    from featherweight.experiments.experiment import find
    from featherweight.experiments.record import write_record
    from featherweight.networks.checks import fingerprint
    from featherweight.training.runs.restore import architecture_of

    experiment: Experiment = find(str(file))
    found = record("f3", [50.0])
    about = {**found.data, "mean": [0.1], "std": [0.3]}
    made: nn.Module = experiment.build()
    values: dict[str, Any] = {"experiment": experiment.name, "data": about, "parameters": 7850}
    values |= {"network": fingerprint(made), "architecture": architecture_of(made)}
    done = type(found)(**{**vars(found), **values})
    save_weights(made, done, where / "weights.safetensors")
    write_record(done, where / "record.json")
    return where


def test_a_run_folder_is_exported_under_its_experiment_s_name(run: Run, alone: Path) -> None:
    folder = run_folder(Path("run").resolve(), "nn.Sequential(nn.Flatten(), nn.Linear(784, 10))")
    status, _, _ = run("export", folder, "--to", "page")
    assert status == 0 and Path("exports/mine.html").is_file()


def test_a_layer_without_a_form_is_named_with_status_2(run: Run, alone: Path) -> None:
    folder = run_folder(Path("run").resolve(), "nn.Sequential(nn.Flatten(), nn.ELU(), nn.Linear(784, 10))")
    status, _, err = run("export", folder, "--to", "c")
    assert status == 2 and "Layer 1 (ELU) is of a kind that has no exported form" in err
    assert not Path("exports").exists()


def test_without_the_packages_onnx_names_the_command(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnx", None)
    status, _, err = run("export", "f3", "--to", "onnx")
    assert status == 2 and "pip install --upgrade onnx onnxruntime" in err


def test_a_program_that_nobody_can_compile_here_is_said_not_to_be(
    run: Run,
    alone: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(shutil, "which", lambda name: None)
    status, out, _ = run("export", "f3", "--to", "c")
    assert status == 0 and "not compiled here, since there is no C compiler" in out
    assert json.loads(Path("exports/f3-c.json").read_text())["proof"]["compiled"] is False


def test_draw_writes_the_page_and_opens_it(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    opened: list[str] = []
    monkeypatch.setattr(webbrowser, "open", lambda url: opened.append(url) or True)
    status, out, _ = run("draw")
    [url] = opened
    assert status == 0 and out == f"wrote {url.removeprefix('file://')}\n"
    assert "Draw a digit" in Path(url.removeprefix("file://")).read_text()
    status, out, _ = run("draw", "--run", "f3", "--out", "mine.html", "--no-open")
    assert (status, out, len(opened)) == (0, "wrote mine.html\n", 1)
    monkeypatch.setattr(webbrowser, "open", lambda url: False)
    assert "No browser could be opened" in run("draw")[1]


def test_pictures_at_hand_are_the_run_s_or_those_that_fit(alone: Path) -> None:
    trained = load_pretrained("f3")
    data = pictures_at_hand(trained.record)
    assert data.name == "digits" and "stand in" in data.note
    pictures, called = calibration_of(data, 100)
    assert len(pictures) == 100 and called == "100 of the 1,437 training images of digits"
    other = type(trained.record)(**{**vars(trained.record), "data": {**trained.record.data, "shape": [3, 28, 28]}})
    with pytest.raises(UsageError, match=r"none were found: mnist is not on this machine; .* --data-dir"):
        pictures_at_hand(other)


def test_the_pretrained_network_is_that_of_the_committed_record() -> None:
    files = (FOLDER / "f3-seed0" / "record.json", ROOT / "results" / "f3" / "seed0.json")
    ours, committed = (json.loads(file.read_text()) for file in files)
    accuracies = [[epoch["test_accuracy"] for epoch in found["epochs"]] for found in (ours, committed)]
    assert accuracies[0] == accuracies[1] and ours["seed"] == committed["seed"] == 0
    assert load_any("f3").record == load_pretrained("f3-seed0").record


def test_docs_quote_the_records_and_records_hold_what_is_promised() -> None:
    text = (ROOT / "docs" / "export.md").read_text()
    assert text == with_figures(text, ROOT)
    with pytest.raises(UsageError, match="lacks the marks"):
        with_figures(text.replace(MARKS[0], ""), ROOT)
    assert "| [found by `fit`](fit.md) | 4 | 5,846 | 99.52 | 5 |" in text  # (99.50 + 99.57 + 99.48 + 99.46 + 99.60) / 5
    found = json.loads((ROOT / "results" / "export" / "f3.json").read_text())
    onnx, c, page = found["onnx"], found["c"], found["page"]
    assert onnx["pictures"] == c["pictures"] == 10_000 and page["pictures"] == 1000
    assert onnx["different_answers"] == page["different_answers"] == 0
    assert max(onnx["largest_difference"], page["largest_difference"]) < 1e-4
    assert c["same_bytes"] and c["network_accuracy"] - c["accuracy"] <= 0.05
    assert page["bytes"] <= 66_000 and page["milliseconds_median"] < page["milliseconds_95"] < 16
    assert sorted(found["cortex_m"]) == ["cortex-m0plus", "cortex-m4"]
    for levels in found["cortex_m"].values():
        for it in levels.values():
            assert it["flash"] + it["normalise"] <= 16_000 and it["ram"] + it["stack"] <= 8_000
            assert it["digits"] == [7, 2, 1, 0, 4, 1, 4, 9, 5, 9, 0, 6, 9, 0, 1, 5, 9, 7, 3, 4]
