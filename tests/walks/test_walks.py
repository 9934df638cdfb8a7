"""Ten walks, one a file: what somebody types in an empty folder, having read the pages, and what must come of it.

`$` begins a command, `|` a line of Python for it, `=` its exit status (0 unless it stands there), `>` what it says.
"""

import os
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from forks import forks

HERE = Path(__file__).parent
WALKS = sorted(HERE.glob("*.walk"))


@dataclass(kw_only=True)
class Command:
    """One command of a walk."""

    words: str
    code: list[str] = field(default_factory=list)
    status: int = 0
    says: list[str] = field(default_factory=list)


def commands(text: str) -> Iterator[Command]:
    found: list[Command] = []
    for line in text.splitlines():
        mark, rest = line[:1], line[2:]
        if mark == "$":
            found.append(Command(words=rest))
        elif mark == "|":
            found[-1].code.append(rest)
        elif mark == "=":
            found[-1].status = int(rest)
        elif mark == ">":
            found[-1].says.append(rest)
        else:
            assert mark == "#", f"a walk has no line {line!r}"
    yield from found


def test_there_are_ten_walks_of_four_kinds_of_people() -> None:
    assert len(WALKS) == 10
    assert {path.stem.split("_")[0] for path in WALKS} == {"student", "teacher", "engineer", "researcher"}
    assert all(len(list(commands(path.read_text()))) >= 1 and "\n>" in path.read_text() for path in WALKS)


@pytest.mark.parametrize("path", WALKS, ids=lambda path: path.stem)
def test_a_walk(path: Path, tmp_path: Path, alone: Path) -> None:
    around = {name: os.environ[name] for name in ("PATH", "LANG", "SYSTEMROOT", "PYTHONPATH") if name in os.environ}
    around |= {"HOME": str(alone), "COLUMNS": "200", "OMP_NUM_THREADS": "1", "MPLBACKEND": "agg",
               "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}  # fmt: skip
    with forks(tmp_path, around) as python:
        for command in commands(path.read_text(encoding="utf-8")):
            program, *words = shlex.split(command.words)
            if program == "mkdir":
                (tmp_path / words[0]).mkdir()
                continue
            typed = ["-c", "\n".join(command.code)] if program == "python" else ["-m", "featherweight", *words]
            done = python(*typed)
            told = re.sub(r"\s+", " ", done.stdout + done.stderr)
            assert done.returncode == command.status, f"{command.words}: {told}"
            for part in command.says:
                assert re.sub(r"\s+", " ", part) in told, f"{command.words} does not say {part!r}: {told}"
