"""C answers "none of these" where the integers in Python do, in few bytes, and only where it was asked to."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import cortex_m
from numpy.typing import NDArray
from torch import nn

from commands import Run
from exported import lively, lowered, noise, source
from featherweight.experiments.calibration import FILE, Calibration, usual_scores
from featherweight.export import c_source, integers
from featherweight.export.fixed_point import FixedPoint, quantise
from featherweight.export.source import Source

SHAPE, CLASSES = (1, 9, 7), 4
GCC = ["gcc", "-std=c99", "-Wall", "-Wextra", "-Wconversion", "-Werror", "-g", "-fsanitize=address,undefined",
       "-fno-sanitize-recover=all"]  # fmt: skip
MAIN = """#include <stdio.h>
#include "odd.h"
int main(void)
{
    int16_t scores[ODD_CLASSES];
    while (fread(scores, sizeof scores, 1, stdin) == 1) {
        printf("%d\\n", odd_known(scores));
    }
    return 0;
}
"""


@pytest.fixture
def trained(run: Run, toy_file: Path, alone: Path) -> Path:
    """A run that was judged on held-out digits."""
    assert run("train", toy_file, "--data", "digits", "--holdout", 437, "--out", "runs")[0] == 0
    return Path("runs/own-seed0")


def calibrated(table: bool) -> tuple[Source, FixedPoint, NDArray[np.int16]]:
    """A network with a threshold, with or without typical scores; and what it gives 400 pictures."""
    torch.manual_seed(5)
    of = source(
        lively(nn.Sequential(nn.Conv2d(1, 5, 3), nn.ReLU(), nn.Flatten(), nn.Linear(175, CLASSES))), SHAPE, CLASSES
    )
    pictures = noise(400, SHAPE)
    with torch.no_grad():
        fixed = quantise(lowered(of), pictures, of.mean, of.std)
    scores = integers.integer_scores(fixed, pictures)
    plain = scores / 2.0**fixed.score_bits
    usual = usual_scores(plain, plain.argmax(1))
    assert usual.table is not None
    usual = usual if table else replace(usual, table=None)
    middle = float(np.median(usual.margin(plain)))
    known = Calibration(
        temperature=1.5, threshold=middle * usual.evidence, least_probability=0.5, held_out=400, by="itself",
        typical=usual.table, step=usual.step, farthest=usual.distance / middle if table else None,
        refused={"noise */": (200, 400)},
    )  # fmt: skip
    return replace(of, calibration=known), fixed, scores


def in_c(of: Source, fixed: FixedPoint, scores: NDArray[np.int16], where: Path) -> list[int]:
    for name, text in c_source.source_files(of, fixed, "noise").items():
        (where / name).parent.mkdir(parents=True, exist_ok=True)
        (where / name).write_text(text)
    (where / "main.c").write_text(MAIN)
    program = where / "program"
    subprocess.run([*GCC, where / "main.c", where / "odd.c", "-o", program], check=True)
    done = subprocess.run([program], input=scores.tobytes(), capture_output=True, check=True)
    return [int(line) for line in done.stdout.split()]


@pytest.mark.skipif(shutil.which("gcc") is None, reason="needs gcc")
@pytest.mark.parametrize("table", [False, True])
def test_c_refuses_what_the_integers_and_nearly_what_the_scores_refuse(table: bool, tmp_path: Path) -> None:
    of, fixed, scores = calibrated(table)
    known = of.calibration
    assert known is not None
    least, most = integers.limits_in_units(known, fixed.score_bits, CLASSES)
    # Both extremes, and scores at both limits and one beyond.
    edge = -(-least // (CLASSES - 1))
    extremes = [[-32768, -32768, -32768, 32767], [32767] * 4, [0, edge, 0, 0], [0, edge - 1, 0, 0], [5, 5, 4, 3]]
    tried = np.concatenate([scores, np.array(extremes, dtype=np.int16)])
    found = in_c(of, fixed, tried, tmp_path)
    refused = integers.unknown(tried, known, fixed.score_bits)
    assert found == np.where(refused, -1, tried.argmax(1)).tolist()
    assert 150 < sum(answer < 0 for answer in found[:400]) < 250
    if not table:
        assert found[402:404] == [1, -1]
    plain = known.unknown(scores / 2.0**fixed.score_bits)
    assert plain is not None and (plain != refused[:400]).sum() <= 2
    header = (tmp_path / "odd.h").read_text()
    assert f"#define ODD_THRESHOLD {least} " in header and "#define ODD_TEMPERATURE 384\n" in header
    assert (f"#define ODD_FARTHEST {most}\n" in header) == table and "*/:" not in header


def test_without_a_calibration_not_a_byte_changes() -> None:
    of, fixed, _ = calibrated(True)
    plain = c_source.source_files(replace(of, calibration=None), fixed, "noise")
    files = c_source.source_files(of, fixed, "noise")
    assert not any(re.search("known|UNKNOWN|typical", text) for text in plain.values())
    assert files["odd.c"].startswith(plain["odd.c"]) and files["example/main.c"] == plain["example/main.c"]
    added = re.search(r"\n/\* The class by the scores.*odd_known\([^;]*;\n", files["odd.h"], re.DOTALL)
    assert added is not None and files["odd.h"].replace(added[0], "") == plain["odd.h"]


@pytest.mark.skipif(bool(cortex_m.MISSING), reason=cortex_m.HOW_TO_GET)
@pytest.mark.parametrize("cpu", sorted(cortex_m.BOARDS))
def test_it_takes_fewer_than_300_bytes_of_flash(cpu: str, tmp_path: Path) -> None:
    of, fixed, _ = calibrated(True)
    classes = 10
    table = tuple(tuple(range(classes)) for _ in range(classes))
    known = replace(of.calibration, typical=table) if of.calibration else None
    wide = source(lively(nn.Sequential(nn.Conv2d(1, 5, 3), nn.Flatten(), nn.Linear(175, classes))), SHAPE, classes)
    with torch.no_grad():
        fixed = quantise(lowered(wide), noise(50, SHAPE), wide.mean, wide.std)
    for name, text in c_source.source_files(replace(wide, calibration=known), fixed, "noise").items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text)
    program = cortex_m.Program(tmp_path, "odd")
    for level in ("-Os", "-O2"):
        sizes = cortex_m.sizes(program, cpu, level)
        assert 60 < sizes["known"] < 300, sizes


def test_export_asks_for_a_calibration_and_then_says_what_is_refused(run: Run, alone: Path, trained: Path) -> None:
    status, _, err = run("export", trained, "--to", "c", "--unknown", "--out", "there")
    assert status == 2 and "featherweight calibrate" in err and not Path("there").exists()
    status, out, _ = run("calibrate", trained, "--json")
    known = json.loads(out)
    assert status == 0 and known == json.loads((trained / FILE).read_text())
    status, out, _ = run("export", trained, "--to", "c", "--unknown", "--out", "there", "--json")
    about = json.loads(out)
    assert status == 0 and about["calibration"]["threshold"] == known["threshold"]
    refused, of = known["refused"]["held-out images"]
    assert about["proof"]["refused"] == pytest.approx(100 * refused / of, abs=1.5)
    assert about["proof"]["different_refusals"] <= 5
    card = Path("there/my_own-card.md").read_text()
    assert "none of these" in card and f"{100 * refused / of:.1f} % of held-out images" in card
    assert "It\nalways names" not in card
    before = (trained / FILE).read_text()
    assert run("export", trained, "--to", "c", "--out", "plain")[0] == 0
    assert "my_own_known" not in Path("plain/my_own/my_own.h").read_text() and (trained / FILE).read_text() == before
