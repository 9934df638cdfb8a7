"""The trials of tests/faults in a shorter form, the page that quotes them, and what must not be used."""

import ast
import json
import os
import random
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

from faults import (
    concurrent_runs,
    corrupt_files,
    coverage_fuzz,
    full_disk,
    killed_verbs,
    made_folders,
    mutated_files,
    page,
    random_kills,
    resume_every_step,
)
from faults.harness import apart
from faults.mutations import flipped, mutated, signed
from featherweight.training.runs.tensors import is_intact, pack_tensors

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_killed_runs_end_as_if_never_killed(engine: str) -> None:
    found = random_kills.trial(4, engine, seed=1)
    assert (found["kills"], found["identical"]) == (4, 4)


@pytest.mark.skipif(sys.platform != "linux", reason="processes are forked")
@pytest.mark.parametrize(
    ("verb", "kills"), [("export", 2), *(pytest.param(verb, 50, marks=pytest.mark.slow) for verb in killed_verbs.VERBS)]
)
def test_a_killed_verb_leaves_the_old_or_the_new_whole(verb: str, kills: int) -> None:
    words = [sys.executable, "-m", "tests.faults.killed_verbs", verb, "--kills", str(kills), "--seed", "2"]
    around = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT / "tests"), *sys.path]), "OMP_NUM_THREADS": "1"}
    done = subprocess.run(words, cwd=ROOT, env=around, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert json.loads(done.stdout.splitlines()[-1])["kills"] == kills


@pytest.mark.slow
def test_a_search_in_any_folder_ends_in_a_network_or_a_sentence() -> None:
    found = made_folders.trial(8, seed=3)
    assert found["networks"] + found["refused"] == found["folders"] == 8 and found["networks"] >= 6


@pytest.mark.parametrize("engine", ["native", "torch"])
def test_every_step_can_be_left(engine: str) -> None:
    assert len(list(resume_every_step.recipes())) == 3 * 7 * 2 * 2
    found = resume_every_step.trial(engine, every=23)
    assert (found["recipes"], found["places"], found["identical"]) == (4, 40, 40)


def test_nothing_damaged_is_loaded() -> None:
    state, weights, fallen_back = corrupt_files.trial(flips=60, truncations=20)
    for row in (state, weights):
        assert (row["refused"], row["loaded"]) == (80, 0)
    assert fallen_back["one before used"] == 40


def test_a_full_disk_leaves_a_state_that_loads() -> None:
    found = full_disk.trial(levels=3)
    assert found["stopped with a sentence"] + found.get("had room", 0) == 3
    assert found["last good state loads"] + found["no state was written yet"] == 3
    assert found["last good state loads"] >= 1
    assert found["identical in the end"] == 3


@pytest.mark.parametrize("times", [1, pytest.param(40, marks=pytest.mark.slow)])
def test_mutated_files_raise_the_project_s_own_errors_alone(times: int) -> None:
    """500 of them, or 20,000, always the same."""
    counts = {"idx": 150, "pictures": 60, "weights": 90, "records": 60, "states": 60, "texts": 80}
    assert sum(counts.values()) == 500 and counts.keys() == mutated_files.KINDS.keys()
    rows = mutated_files.trial(**{kind: times * count for kind, count in counts.items()})
    assert [row["files"].lower() for row in rows] == list(counts)
    for row in rows:
        assert row["read"] + row["refused"] == row["tried"] and row["other errors"] == 0, row
        assert row["refused"] > row["tried"] / 4 and row["growth_mb"] < (100 if row["files"] == "records" else 50), row


def test_runs_that_start_at_once_share_one_download_and_no_folder() -> None:
    found = apart(lambda: concurrent_runs.trial(3))
    assert found == {"started": 3, "ended well": 3, "whole records": 3, "folders": 3, "files": 4, "requests": 4,
                     "other files in the cache": 0}  # fmt: skip


@pytest.mark.parametrize("reader", coverage_fuzz.READERS)
def test_fuzzed_readers_raise_the_project_s_own_errors_alone(reader: str) -> None:
    found = coverage_fuzz.trial(reader, inputs=20, seed=3)
    assert found["inputs"] == 20 and found["lines"] > 10 and found["other errors"] == 0


def test_mutations_change_and_signing_makes_good(tmp_path: Path) -> None:
    import torch

    draws = random.Random(5)
    content = pack_tensors({"a": torch.arange(7.0)}, {"note": ""})
    assert sum(a != b for a, b in zip(content, flipped(content, draws), strict=True)) == 1
    assert len({mutated(content, draws) for _ in range(50)}) > 40
    (tmp_path / "x").write_bytes(content[:-1] + b"\1")
    assert not is_intact(tmp_path / "x")
    (tmp_path / "x").write_bytes(signed(content[:-1] + b"\1"))
    assert is_intact(tmp_path / "x")


# ------------------------------------------------------------------------------------------- what is committed


def test_the_page_s_figures_are_those_of_the_records() -> None:
    written = page.PAGE.read_text(encoding="utf-8")
    assert page.text(written) == written
    assert len([line for line in page.figures().splitlines() if line.startswith("| ")]) > 12


def test_the_committed_figures_are_what_is_promised() -> None:
    found = {file.stem: json.loads(file.read_text())["rows"] for file in page.RESULTS.glob("*.json")}
    assert {"damage", "full_disk", "hostile", "crowd", "saving", "fuzz"} <= found.keys() <= page.WRITERS.keys()
    for row in found.get("kills", []):
        assert row["kills"] == row["identical"] == (100 if row["disk"] == "memory" else 40), row["engine"]
    for row in found.get("steps", []):
        assert row["places"] == row["identical"] == 840, row["engine"]
    assert [(row["refused"], row["loaded"]) for row in found["damage"][:2]] == [(1200, 0)] * 2
    assert found["full_disk"][0]["levels"] == found["full_disk"][0]["identical in the end"] == 20
    assert [row["tried"] for row in found["hostile"]] == [10_000, 2000, 2000, 4000, 4000]
    for row in found["hostile"]:
        pages = row["files"] == "records"  # of those that are read, one in fifty is drawn as a page
        assert row["other errors"] == 0 and row["slowest_ms"] < (2000 if pages else 100)
        assert row["growth_mb"] < (100 if pages else 50)
    harm = [row[what] for row in found["attacks"] for what in ("executed", "over bounds", "hangs", "tracebacks")]
    assert harm == [0] * 40 and sum(row["tried"] for row in found["attacks"]) > 2500
    for row in found.get("commands", []):
        whole = (row["kills"], row["identical"]) == (25, 25) if "engine" in row else row["left"] == row["ended"] == 5
        assert whole, row
    for row in found["verbs"] + found["renames"]:
        assert row["kills"] == row["whole"] == row["identical"] >= 2 and row["workers_left"] == 0, row
    assert [(row["verb"], row["kills"]) for row in found["verbs"]] == [(verb, 50) for verb in killed_verbs.VERBS]
    assert [row["verb"] for row in found["renames"]] == [*killed_verbs.RENAMING]
    for row in found.get("folders", []):
        assert row["networks"] + row["refused"] == row["folders"] == 100 and row["networks"] > 90
    assert [row["other errors"] for row in found["fuzz"]] == [0] * len(coverage_fuzz.READERS)
    assert (found["crowd"][0]["whole records"], found["crowd"][0]["requests"]) == (24, 4)


# ------------------------------------------------------------------------------------------- what must not be used


@cache
def _sources() -> dict[Path, ast.Module]:
    folders = (ROOT / "src", ROOT / "benchmarks")
    sources = {path: ast.parse(path.read_text()) for folder in folders for path in sorted(folder.rglob("*.py"))}
    assert len(sources) > 80
    return sources


PICKLES = {"pickle", "cPickle", "_pickle", "dill", "cloudpickle", "joblib", "shelve", "marshal"}


def _pickling(tree: ast.AST) -> list[str]:
    """What reads or writes pickles in a module."""
    found: list[str] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.split(".")[0] in PICKLES]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] in PICKLES:
            found.append(str(node.module))
        elif isinstance(node, ast.Attribute) and ast.unparse(node) in (
            "torch.load",
            "torch.save",
            "np.load",
            "np.save",
        ):
            found.append(ast.unparse(node))
        elif isinstance(node, ast.ImportFrom) and node.module in ("torch", "numpy"):
            found += [f"{node.module}.{alias.name}" for alias in node.names if alias.name in ("load", "save")]
        elif isinstance(node, ast.keyword) and node.arg == "allow_pickle":
            found.append("allow_pickle")
    return found


def test_nothing_reads_or_writes_a_pickle() -> None:
    assert {path.name: found for path, tree in _sources().items() if (found := _pickling(tree))} == {}
    for text in (
        "import pickle",
        "from joblib import load",
        "torch.load('x')",
        "from torch import save",
        "import shelve",
    ):
        assert len(_pickling(ast.parse(text))) == 1, text


def test_no_clock_that_can_be_set_back_is_asked() -> None:
    dated = {
        ROOT / "src" / "featherweight" / "report" / "trackers" / "services.py"
    }  # MLflow dates its figures; nothing is counted from those dates
    sources = _sources()
    assert dated < set(sources)
    for path in set(sources) - dated:
        named = {ast.unparse(node) for node in ast.walk(sources[path]) if isinstance(node, ast.Attribute)}
        assert not named & {"time.time", "datetime.now", "datetime.datetime.now", "time.localtime"}, path


def test_every_promise_of_the_security_page_names_tests_that_exist() -> None:
    _, *tables = (ROOT / "docs" / "security.md").read_text().split("held by, in `tests/` |")
    rows = [line for table in tables for line in table.split("\n\n")[0].splitlines()[2:]]
    assert len(rows) == 22
    for row in rows:
        named = re.findall(r"`([\w/]+\.py)`", row.rsplit(" | ", 1)[1])
        assert named and all((ROOT / "tests" / name).is_file() for name in named), row
