"""Every block of every page, as it would be pasted: commands in a shell, Python as a script, in an empty folder."""

import contextlib
import io
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from PIL import Image

import featherweight as fw
from featherweight import cli

ROOT = Path(__file__).parents[2]
ELSEWHERE = {"peers.md", "api.md"}
"""Pages whose blocks have a test of their own: other libraries, and the examples of docstrings."""
PAGES = [
    ROOT / "README.md", ROOT / "CONTRIBUTING.md", ROOT / "notebooks" / "README.md",
    *sorted(path for path in (ROOT / "docs").rglob("*.md") if path.name not in ELSEWHERE),
]  # fmt: skip
BLOCKS = [
    (path, language, text)
    for path in PAGES
    for language, text in re.findall(
        r"^```(\w+)\n(.*?)^```$", path.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE
    )
]
OTHERS = (
    "pip",
    "python",
    "pytest",
    "ruff",
    "mypy",
    "pre-commit",
    "jupyter",
    "ray",
    "srun",
    "scontrol",
    "sleep",
    "helm",
    "kubectl",
)
"""Programs that pages call beside ours; in a pasted block they do nothing."""


def _ids(blocks: list[tuple[Path, str, str]]) -> list[str]:
    return [f"{path.name}-{text[:30].strip()}" for path, _, text in blocks]


SHELL = [block for block in BLOCKS if block[1] in ("sh", "bash")]
PYTHON = [block for block in BLOCKS if block[1] == "python"]


def test_there_are_blocks_in_every_language() -> None:
    assert len(SHELL) >= 12 and len(PYTHON) >= 6
    assert {language for _, language, _ in BLOCKS} <= {"sh", "bash", "python", "yaml", "dockerfile", "text", "json"}


@pytest.fixture
def recorded(tmp_path: Path) -> dict[str, str]:
    """An environment in which `featherweight` writes down its words, one a line, and other programs do nothing."""
    programs = tmp_path / "bin"
    programs.mkdir()
    for name in ("featherweight", *OTHERS):
        told = f"printf '%s\\n' \"$@\" --END-- >> {tmp_path}/words" if name == "featherweight" else ":"
        (programs / name).write_text(f"#!/bin/sh\n{told}\n")
        (programs / name).chmod(0o755)
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    (tmp_path / ".venv" / "bin" / "activate").touch()
    return {**os.environ, "PATH": f"{programs}:{os.environ['PATH']}"}


@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
@pytest.mark.parametrize("block", SHELL, ids=_ids(SHELL))
def test_a_pasted_shell_block_calls_verbs_and_options_that_there_are(
    block: tuple[Path, str, str], recorded: dict[str, str], tmp_path: Path
) -> None:
    done = subprocess.run(
        ["bash", "-euc", block[2]], cwd=tmp_path, env=recorded, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0 and not done.stderr, done.stderr
    words = (tmp_path / "words").read_text().split("--END--\n")[:-1] if (tmp_path / "words").exists() else []
    assert len(words) >= len(re.findall(r"^(?:[A-Z_]+=\S+ )?featherweight ", block[2], re.MULTILINE))
    group: Any = typer.main.get_command(cli.app)
    for call in words:
        verb, *rest = call.splitlines()
        command = group.get_command(typer.Context(group), verb)
        assert command is not None, f"no verb {verb}"
        values = command.make_context(verb, rest).params  # raises for an unknown option or a value of the wrong kind
        for name in [values.get("experiment"), values.get("base"), *(values.get("experiments") or ())]:
            if name and not str(name).endswith(".py") and "/" not in str(name):
                fw.find(str(name))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory, short_runs: list[Path]) -> Path:
    """What pages take for granted: a photo, a folder of pictures, a finished run."""
    place = tmp_path_factory.mktemp("pasted")
    shutil.copytree(short_runs[0], place / "runs" / "f3-seed0")
    digit = np.zeros((28, 28), np.uint8)
    digit[4:24, 13:16] = 255
    for name in ("photo.jpg", "one.png"):
        Image.fromarray(255 - digit).resize((280, 280)).save(place / name)
    draws = np.random.default_rng(1)
    for part, count in (("train", 24), ("test", 12)):
        for shade in (40, 200):
            inside = place / "pictures" / part / f"shade{shade}"
            inside.mkdir(parents=True)
            for at in range(count):
                pixels = draws.integers(0, 30, (20, 20), dtype=np.uint8) + shade
                Image.fromarray(pixels.astype(np.uint8)).save(inside / f"{at}.png")
    return place


@pytest.mark.parametrize("block", PYTHON, ids=_ids(PYTHON))
def test_a_pasted_python_block_runs_as_a_script(
    block: tuple[Path, str, str], folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    monkeypatch.setenv("MPLBACKEND", "agg")
    monkeypatch.setenv("FEATHERWEIGHT_DATA", os.environ.get("FEATHERWEIGHT_DATA", ""))
    load, sweep, fit = fw.load_data, fw.find_lr, fw.fit

    def small(name: str = "auto", **how: Any) -> fw.Data:
        return load("digits" if name in ("auto", "mnist") else name, **how)

    monkeypatch.setattr(fw, "load_data", small, raising=False)  # MNIST is not everywhere
    monkeypatch.setattr(fw, "find_lr", lambda *args, steps: sweep(*args, steps=60), raising=False)
    monkeypatch.setattr(
        fw,
        "fit",
        lambda data, **how: fit(
            data, **how | {"minutes": 5.0, "trials": 2, "size": (20, 20), "flash": "64k", "ram": None}
        ),
        raising=False,
    )
    with contextlib.redirect_stdout(io.StringIO()):
        exec(compile(block[2], str(block[0]), "exec"), {"__name__": "__main__"})


def test_what_is_wrong_in_a_block_is_noticed(recorded: dict[str, str], tmp_path: Path) -> None:
    group: Any = typer.main.get_command(cli.app)
    with pytest.raises(Exception, match="--sedes"):
        group.get_command(typer.Context(group), "train").make_context("train", ["f3", "--sedes", "2"])
    joined = "featherweight report a # one\ncompares several runs"
    done = subprocess.run(["bash", "-euc", joined], cwd=tmp_path, env=recorded, capture_output=True, check=False)
    assert done.returncode == 127
