"""Linter, formatter and strict types, each once over everything."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STEPS = (["mypy", "--no-error-summary"], ["ruff", "check", "."], ["ruff", "format", "--check", "."])


@pytest.mark.parametrize("words", STEPS, ids=" ".join)
def test_is_clean(words: list[str]) -> None:
    done = subprocess.run([sys.executable, "-m", *words], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
