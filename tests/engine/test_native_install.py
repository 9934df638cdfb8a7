"""Installing goes on where there is no C++ compiler: the extensions are optional."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def built(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    words = [sys.executable, "setup.py", "-q", "build", "--build-base", str(folder)]
    return subprocess.run(
        words, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize("nowhere", ["/nowhere/compiler", "false"])
def test_a_build_without_a_compiler_succeeds_without_kernels(tmp_path, nowhere):
    done = built(tmp_path, CC=nowhere, CXX=nowhere, LDSHARED=nowhere)
    assert done.returncode == 0, done.stderr
    installed = sorted(path.name for path in tmp_path.rglob("*") if "engine" in str(path.parent))
    assert "native.py" in installed and not [name for name in installed if name.endswith(".so")]
