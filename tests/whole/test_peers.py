"""The page that sets four libraries side by side: its lines are counted, and those of this library are run."""

import ast
import io
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from safetensors.torch import load_file
from sklearn.datasets import load_digits

from featherweight.errors import BudgetError

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "peers.md").read_text(encoding="utf-8")
LIBRARIES = ("featherweight", "Keras", "Lightning", "Ultralytics")
TEXTS = {"featherweight": PAGE} | {
    name: (ROOT / "benchmarks" / "ten_tasks" / f"{name.lower()}.md").read_text(encoding="utf-8")
    for name in LIBRARIES[1:]
}
"""The text that holds the blocks of each library."""
WIDTH = 100
HALVES = ("train", "test", "train", "train")
"""Where each of four pictures goes."""


def _blocks() -> Iterator[tuple[int, str, str, list[str]]]:
    """Number of the thing, library, language and lines of each block of code."""
    for library, text in TEXTS.items():
        for thing, language, lines in _blocks_in(text):
            yield thing, library, language, lines


def _blocks_in(text: str) -> Iterator[tuple[int, str, list[str]]]:
    thing, language = 0, ""
    lines: list[str] | None = None
    for line in text.splitlines():
        if lines is not None and line == "```":
            yield thing, language, lines
            lines = None
        elif lines is not None:
            lines.append(line)
        elif found := re.match(r"## (\d+)\. ", line):
            thing = int(found[1])
        elif line.startswith("```"):
            language, lines = line.removeprefix("```"), []


BLOCKS = {(thing, library): (language, lines) for thing, library, language, lines in _blocks()}


def _count(lines: list[str]) -> int:
    return sum(bool(line.strip()) and not line.strip().startswith("#") for line in lines)


def test_every_library_does_all_ten_things_once() -> None:
    assert len(list(_blocks())) == 40
    assert BLOCKS.keys() == {(thing, library) for thing in range(1, 11) for library in LIBRARIES}


def test_the_table_is_what_is_counted_and_ours_are_fewest_or_equal_on_eight_or_more() -> None:
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in PAGE.splitlines() if line[:3] > "| 0"]
    told = {int(row[0].split(".")[0]): list(map(int, row[1:])) for row in rows if re.match(r"\d+\. ", row[0])}
    counted = {thing: [_count(BLOCKS[thing, library][1]) for library in LIBRARIES] for thing in range(1, 11)}
    assert told == counted
    assert sum(ours <= min(theirs) for ours, *theirs in counted.values()) >= 8
    for text in TEXTS.values():
        assert re.findall(r"(?m)^## (\d+)\. (.*)$", text) == [tuple(row[0].split(". ", 1)) for row in rows[-10:]]


@pytest.mark.parametrize("thing", range(1, 11))
def test_lines_are_as_a_formatter_leaves_them(thing: int) -> None:
    """Nobody's lines are made fewer by making them longer, or more by breaking them up."""
    for library in LIBRARIES:
        language, lines = BLOCKS[thing, library]
        assert max(map(len, lines)) <= WIDTH, library
        if language == "python":
            text = "\n".join(lines) + "\n"
            statements = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.stmt)]
            assert len({node.lineno for node in statements}) == len(statements), library
            words = [sys.executable, "-m", "ruff", "format", "--isolated", f"--line-length={WIDTH}", "-"]
            done = subprocess.run(words, input=text, capture_output=True, text=True, check=True)
            assert done.stdout == text, library


@pytest.fixture
def pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The embedded digits as files, as the page says that they lie, in the current folder."""
    digits = load_digits()
    for at, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        folder = tmp_path / "pictures" / HALVES[at % 4] / str(label)
        folder.mkdir(parents=True, exist_ok=True)
        Image.fromarray((image * 15).astype(np.uint8)).resize((28, 28)).save(folder / f"{at}.png")
    Image.fromarray((digits.images[600] * 15).astype(np.uint8)).resize((28, 28)).save(tmp_path / "photo.png")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_ours_run_as_they_stand(pictures: Path) -> None:
    pytest.importorskip("onnxruntime", reason="pip install '.[onnx]'")
    known: dict[str, Any] = {}

    def told(thing: int) -> str:
        language, lines = BLOCKS[thing, "featherweight"]
        if language == "bash":
            around = os.environ | {"PATH": f"{pictures}:{os.environ['PATH']}"}
            words = ["bash", "-e", "-c", "\n".join(lines)]
            done = subprocess.run(words, capture_output=True, text=True, check=False, env=around)
            assert done.returncode == 0, done.stderr
            return done.stdout
        with redirect_stdout(io.StringIO()) as said:
            exec(compile("\n".join(lines), f"thing {thing}", "exec"), known)
        return said.getvalue()

    program = pictures / "featherweight"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m featherweight "$@"\n')
    program.chmod(0o755)

    accuracy = float(told(1))
    assert accuracy == known["model"].record.rows[-1].test_accuracy > 50
    mean = float(told(2))
    assert mean == pytest.approx(np.mean([one.record.rows[-1].test_accuracy for one in known["models"]]))
    with pytest.raises(BudgetError, match="1,442 parameters, but its budget allows fewer than 1,000"):
        told(3)

    run = pictures / "runs" / "sequential-pictures-seed0"
    whole = load_file(run.rename(run.with_name("whole")) / "weights.safetensors")
    known["stop"] = _stopped_at(7)
    with pytest.raises(KeyboardInterrupt):
        exec('fw.train(network, "pictures", on_epoch=stop)', known)
    assert not (run / "weights.safetensors").exists()
    told(4)
    again = load_file(run / "weights.safetensors")
    assert again.keys() == whole.keys() and all((again[name] == whole[name]).all() for name in whole)

    summary = told(5)
    assert "1,442 parameters" in summary and "The receptive field of 28 px is within" in summary
    assert told(6).startswith("Suggested peak rate: 0.")
    told(7)
    told(8)
    assert (pictures / "exports" / "sequential.onnx").is_file() and (
        pictures / "exports/sequential/sequential.c"
    ).is_file()
    assert re.fullmatch(r"\d \(\d+\.\d %\)\n", told(9))

    exec('fw.train(network, "pictures", seeds=range(3), settings={"recipe.lr": 0.2}, out="fast")', known)
    compared = told(10)
    assert "3 seeds" in compared and {"slow", "fast"} <= set(re.findall(r"slow|fast", compared))
    assert (pictures / "report.html").stat().st_size > 10_000


def _stopped_at(epoch: int) -> Any:
    def stop(row: Any) -> None:
        if row.epoch == epoch:
            raise KeyboardInterrupt

    return stop
