"""Installing: a library for each instruction set, for every Python; and it goes on where there is no compiler."""

import os
import platform
import runpy
import subprocess
import sys
from contextlib import chdir
from pathlib import Path
from unittest.mock import patch

import pytest
import torch

from featherweight.engine import native

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
    assert "native engine" in done.stderr and "g++" in done.stderr


@pytest.mark.skipif(os.name != "posix", reason="the compiler is a shell script")
def test_libraries_are_built_apart_and_named_for_no_python(tmp_path):
    """All at once from one source: with one object file, one would be linked with another's code."""
    log, compiler = tmp_path / "log", tmp_path / "compiler"
    compiler.write_text(
        f'#!/bin/sh\necho "$@" >> {log}\nwhile [ "$1" != -o ]; do shift; done\nmkdir -p "${{2%/*}}"; : > "$2"\n'
    )
    compiler.chmod(0o755)
    done = built(
        tmp_path / "build", CC=str(compiler), CXX=str(compiler), LDSHARED=str(compiler), LDCXXSHARED=str(compiler)
    )
    assert done.returncode == 0 and "native engine" not in done.stderr, done.stderr
    compiled = [line.split() for line in log.read_text().splitlines() if " -c " in line]
    sets = ["avx2", "avx512", "base"] if platform.machine() in ("x86_64", "AMD64") else ["base"]
    assert len({words[words.index("-o") + 1] for words in compiled}) == len(compiled) == len(sets)
    assert sorted(path.name for path in tmp_path.rglob("*.so")) == [f"_native_{name}.so" for name in sets]


def test_windows_gets_the_same_arithmetic_from_clang_cl():
    with patch("setuptools.setup"), chdir(ROOT):
        setup = runpy.run_path("setup.py")
    flags = setup["compiled_with"](setup["X86"]["avx512"], "win32")
    assert all(f"/clang:{flag}" in flags for flag in ("-ffp-contract=fast", "-mprefer-vector-width=512", "-mavx512f"))
    assert "-DFW_LANES=16" in flags and not [flag for flag in flags if flag.startswith(("-f", "-m", "-O"))]


@pytest.mark.parametrize(
    ("kept", "taken"), [(["avx2"], "avx2"), (["avx2", "base"], "avx2"), (["base"], "base"), ([], "")]
)
def test_the_best_library_that_the_processor_may_run_is_taken(kept, taken, tmp_path, monkeypatch):
    """An AVX2 machine; of one set, the newest file."""
    monkeypatch.setattr(torch.backends.cpu, "get_cpu_capability", lambda: "AVX2")
    monkeypatch.setattr(native, "__file__", str(tmp_path / "native.py"))
    for at, name in enumerate(["avx512", *kept]):
        for age, ending in ((9, ".cpython-311-x86_64-linux-gnu.so"), (0, ".so")):
            file = tmp_path / f"_native_{name}{ending}"
            file.write_bytes(b"")
            os.utime(file, (1_000 - age - at, 1_000 - age - at))
    found = native._kernel_file()
    assert (found.name if found else "") == (f"_native_{taken}.so" if taken else "")
