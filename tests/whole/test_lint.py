"""Linter, formatter, strict types and the oldest Python that the package is for, each once over everything."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
HOME = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
CACHE = HOME / "featherweight-tests" / "mypy"
"""What mypy remembers of every module it has read, PyTorch's above all. It lies outside the checkout, since it serves
every checkout: mypy recognises a file by its contents, wherever it is."""
STEPS = (
    ["mypy", "--no-error-summary", "--cache-dir", str(CACHE)],
    ["ruff", "check", "."],
    ["ruff", "format", "--check", "."],
)


@pytest.mark.parametrize("words", STEPS, ids=lambda words: " ".join(words[:2]))
def test_is_clean(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_package_needs_no_newer_python_than_it_says() -> None:
    words = ["--quiet", "--no-tips", "--violations", "-t=3.10-", "src", "setup.py"]
    code = "from vermin import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
