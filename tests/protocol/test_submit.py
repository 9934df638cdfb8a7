"""The page for those who submit a network: its file is an experiment, its commands run, and it says what they write."""

import json
import re
from pathlib import Path

import pytest

from commands import Run
from featherweight.experiments.experiment import find
from featherweight.networks.anatomy import dissect
from featherweight.training.runs.task import Task
from proving import ROOT, trained_in_process

PAGE = (ROOT / "docs" / "records" / "submit.md").read_text()
[FILE] = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
COMMANDS = [line for block in re.findall(r"```sh\n(.*?)```", PAGE, re.DOTALL) for line in block.splitlines()]
QUICK = {
    "epochs=15": "epochs=5",
    "accuracy=98.5": "accuracy=1",
    "fw.Bar(mean=99.0, passed=9)": "fw.Bar(seeds=2, confirming=2, mean=1.0, passed=1)",
}


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    return trained_in_process(monkeypatch)


def test_the_file_on_the_page_is_within_its_budget(tmp_path: Path) -> None:
    (tmp_path / "their.py").write_text(FILE)
    their = find(str(tmp_path / "their.py"))
    # 1 to 8 and 8 to 16 channels, 3 x 3 each, two numbers a channel for the norms, and a linear layer to 10 classes.
    assert dissect(their.build()).parameters == 72 + 16 + 1152 + 32 + 170 < their.budget.parameters
    assert their.bar is not None and their.bar.sentence().startswith("over seeds 0 to 9: 99.00 % or more")
    imports = re.findall(r"^(?:from|import) (\w+)", FILE, re.MULTILINE)
    assert set(imports) == {"torch", "featherweight"}


def test_every_command_on_the_page_does_what_it_says(run: Run, tmp_path: Path, in_process: list[Task]) -> None:
    assert len(COMMANDS) == 7
    quick = FILE
    for slow, fast in QUICK.items():
        assert slow in quick
        quick = quick.replace(slow, fast)
    (tmp_path / "their.py").write_text(quick)
    said: dict[str, str] = {}
    for command in COMMANDS:
        words = command.removeprefix("featherweight ").replace("--holdout 5000 --seeds 3", "--holdout 119").split()
        trains = words[0] in ("train", "prove")
        status, out, err = run(*words, *(["--data", "digits"] if trains else []))
        assert status == 0, (command, out, err)
        said[command] = out
    runs = tmp_path / "runs"
    named = re.findall(r"^  (\S+)", PAGE.split("runs/\n")[1].split("```")[0], re.MULTILINE)
    assert named == ["test_evaluations.jsonl", "heldout/", "their-seed0/", "confirm/their/"]
    assert all((runs / name).exists() for name in named)
    assert sorted(path.name for path in (runs / "confirm/their").iterdir()) == ["their-seed2", "their-seed3"]
    kinds = {path.suffix for path in tmp_path.rglob("*") if path.is_file() and not path.name.startswith(".")}
    assert kinds == {".py", ".json", ".jsonl", ".csv", ".safetensors"}

    told = json.loads(said["featherweight prove their.py --confirm --json --out again"])
    assert told["confirmed"] is True and told["touches"] == 2 and told["held_out"]["seeds"] == 3
    assert {"mean", "standard_deviation", "interval", "worst_of_last", "passed"} <= set(told["confirming"])
    assert all(f"`{name}`" in PAGE for name in ("confirming", "held_out", "touches", "confirmed", "passed"))
    assert "numbers in buffers" in said["featherweight show their.py"]
    # Trained again, every accuracy is the same.
    compared = said["featherweight compare runs/confirm/their again/confirm/their"]
    assert "are equal on each of 2 seeds" in compared


def test_the_page_is_found_from_the_records_and_in_the_site_s_navigation() -> None:
    assert "](submit.md)" in (ROOT / "docs/records/README.md").read_text()
    nav = (ROOT / "docs/site/zensical.toml").read_text()
    pages = re.findall(r'"(records/[\w-]+)\.md"', nav)
    assert "records/submit" in pages
    files = [ROOT / "docs" / f"{page.replace('/index', '/README')}.md" for page in pages]
    assert len(files) == 4 and all(file.exists() for file in files)
