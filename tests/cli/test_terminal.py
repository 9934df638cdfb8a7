"""What people see: at 80 columns nothing is broken where it should not be, at 40 nothing is lost, and waits show."""

import io
import re
import sys
from pathlib import Path

import pytest

from featherweight.cli.safe_output import wrap

make = pytest.importorskip("docs.pictures.make", reason="needs a terminal of POSIX", exc_type=ImportError)
RUN = [sys.executable, "-m", "featherweight"]
SENTENCE = "PASSED on digits (360 test images): every one of the last 5 epochs is at 99.40 % or more (worst 99.49 %)."


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def written(columns: int, folder: Path, *words: object) -> list[str]:
    """Every line that a command writes to a terminal of so many columns, those that it wipes out again included."""
    text = make.in_a_terminal([*RUN, *map(str, words)], columns, folder)
    return [line.rstrip() for line in re.split(r"[\r\n]+", re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", text))]


@pytest.mark.parametrize("columns", [30, 40, 80, SENTENCE.index(" %")])
def test_a_sentence_is_broken_between_words_and_keeps_them_all(monkeypatch: pytest.MonkeyPatch, columns: int) -> None:
    monkeypatch.setenv("COLUMNS", str(columns))
    lines = wrap(SENTENCE, Terminal()).split("\n")
    assert max(map(len, lines)) <= columns and len(lines) > 1
    assert " ".join(line.strip() for line in lines) == SENTENCE
    assert not any(line.strip().startswith("%") for line in lines)
    assert wrap(SENTENCE, io.StringIO()) == SENTENCE
    assert wrap("a table\n  of  two", Terminal()) == "a table\n  of  two"


def test_a_training_at_80_columns(toy_file: Path, tmp_path: Path) -> None:
    lines = written(80, tmp_path, "train", toy_file, "--data", "digits", "--epochs", 3)
    assert max(map(len, lines)) <= 80 and not any("…" in line for line in lines)
    assert sum(line.startswith("epoch     rate") for line in lines) == 1
    assert [line.split()[0] for line in lines if re.match(r" *\d/3 ", line)] == ["1/3", "2/3", "3/3"]
    assert any(re.match(r"whole run ━+ ?╸?[━ ]*100 % .*left", line) for line in lines)
    assert any(re.match(r"epoch \d/3 .*loss \d\.\d{3}  [\d.]+ %  \d+ steps/s .*left", line) for line in lines)
    assert "Next: featherweight report runs/own-seed0" in lines


def test_seeds_at_40_columns_lose_no_figure(toy_file: Path, tmp_path: Path) -> None:
    lines = written(40, tmp_path, "train", toy_file, "--data", "digits", "--epochs", 2, "--seeds", 2)
    assert not any("…" in line for line in lines)
    bars = [line for line in lines if line.startswith("all runs")]
    assert bars and max(map(len, bars)) <= 40 and re.search(r"100 %, 2/2 +00:00", bars[-1])
    assert sum(bool(re.match(r"my own [01] +\d/2 +0\.\d", line)) for line in lines) == 4
    assert "Next: featherweight report runs/own-seed0 runs/own-seed1" in lines
    ended = " ".join(line.strip() for line in lines)
    said = r"\d of 2 seeds passed\. Last epoch: mean [\d.]+ %, standard deviation [\d.]+, worst [\d.]+ %;"
    assert re.search(said, ended) and ended.count("training: mean over the epoch's steps") == 1


@pytest.mark.parametrize("words", [["list"], ["show", "f3"]], ids=" ".join)
def test_lists_and_tables_fit_80_columns(words: list[str], tmp_path: Path) -> None:
    lines = written(80, tmp_path, *words)
    assert len(lines) > 15 and max(map(len, lines)) <= 80


def test_what_takes_seconds_says_what_it_does(toy_file: Path, tmp_path: Path) -> None:
    lines = written(80, tmp_path, "find-lr", toy_file, "--data", "digits", "--steps", 50)
    assert any(re.search(r"sweeping 50 rates \d:\d\d:\d\d", line) for line in lines)
    assert max(map(len, lines)) <= 80
