"""A cluster that `--on ray` begins by itself, which takes work from nobody else."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="Ray is tested on Linux")]

BEGUN = """
import os, subprocess, sys
from featherweight.parallel.ray_cluster import connect

ray = connect("ray")
address = ray.get_runtime_context().gcs_address
foreign = "import ray; ray.init(address=sys.argv[1], logging_level=40); print('let in')"
for mode, token in (("disabled", ""), ("token", "0" * 32), ("token", None)):
    given = os.environ | {"RAY_AUTH_MODE": mode} | ({} if token is None else {"RAY_AUTH_TOKEN": token})
    words = [sys.executable, "-c", "import sys; " + foreign, address]
    done = subprocess.run(words, env=given, capture_output=True, text=True, timeout=240)
    print(mode, token, "let in" in done.stdout)
ray.shutdown()
"""


def test_a_stranger_without_its_token_is_not_let_in(tmp_path: Path) -> None:
    short = Path(tempfile.mkdtemp())  # the path of a socket has at most 107 letters
    pytest.importorskip("ray")
    around = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    around |= {"HOME": str(tmp_path), "RAY_TMPDIR": str(short)}
    done = subprocess.run(
        [sys.executable, "-c", BEGUN], env=around, capture_output=True, text=True, check=False, timeout=900
    )
    shutil.rmtree(short, ignore_errors=True)
    assert done.stdout.splitlines() == ["disabled  False", f"token {'0' * 32} False", "token None True"], done.stderr
