"""C libraries that are loaded before all others, so that a call of the system fails where a test wants it to."""

import shutil
import subprocess
from pathlib import Path

COMPILER = shutil.which("gcc") or shutil.which("cc")


def library(name: str, folder: Path) -> Path:
    """The library of NAME.c, compiled into this folder."""
    assert COMPILER is not None, "callers skip without a compiler"
    made = folder / f"{name}.so"
    source = Path(__file__).with_name(f"{name}.c")
    subprocess.run([COMPILER, "-shared", "-fPIC", "-O1", "-o", made, source, "-ldl"], check=True)
    return made
