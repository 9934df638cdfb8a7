"""The exported C on emulated processors of all kinds, the committed figures, and those that others send."""

import json
from pathlib import Path

import msgspec
import pytest
from benchmarks import boards, cortex_m
from docs.build.export_tables import Sent, with_boards

from featherweight.errors import FileError

ROOT = Path(__file__).parents[2]
PROCESSORS = sorted(cortex_m.BOARDS | cortex_m.OTHERS)


@pytest.mark.skipif(bool(cortex_m.MISSING), reason=cortex_m.HOW_TO_GET)
def test_a_candidate_gives_the_same_scores_on_every_processor_within_the_promised_ram() -> None:
    row = boards.measured(boards.candidate(3), [cpu for cpu in PROCESSORS if not cortex_m.lacking(cpu)])
    assert {"cortex-m0plus", "cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33"} <= row["processors"].keys()
    taken = {cpu: one["ram"] for cpu, one in row["processors"].items()}
    assert 0.9 * row["promised_ram"] < taken["cortex-m0plus"] <= row["promised_ram"]
    assert taken["cortex-m4"] <= taken["cortex-m3"] <= row["promised_ram"]
    fewest = 10 * row["macs"]  # at least an instruction a multiply-add, for each of the ten pictures
    assert all(one["check_instructions"] > fewest for one in row["processors"].values())


def test_the_committed_figures_keep_the_promise() -> None:
    rows = json.loads(boards.RESULT.read_text(encoding="utf-8"))
    names = [row["network"] for row in rows]
    assert names[: len(boards.RECORDS)] == [*boards.RECORDS] and len(names) == len(boards.RECORDS) + boards.CANDIDATES
    assert sum("cortex-m0plus" in row["processors"] for row in rows) >= 54
    for row in rows:
        assert row["processors"].keys() >= {"cortex-m3", "cortex-m4", "cortex-m7", "cortex-m33", "riscv32"}
        for cpu, one in row["processors"].items():
            assert one["ram"] <= row["promised_ram"] + 64 * (cpu == "riscv32"), (row["network"], cpu)


def test_figures_that_are_sent_are_shown_and_others_refused(tmp_path: Path) -> None:
    for folder in ("device", "boards"):
        (tmp_path / "results" / folder).mkdir(parents=True)
    (tmp_path / "results" / "device" / "boards.json").write_bytes(boards.RESULT.read_bytes())
    page = (ROOT / "docs" / "boards.md").read_text(encoding="utf-8")
    assert with_boards(page, ROOT) == page
    form = page.split("```json\n")[1].split("```")[0]
    (tmp_path / "results" / "boards" / "one.json").write_text(form)
    sent = msgspec.json.decode(form, type=Sent)
    assert f"| {sent.board} | {sent.processor} | 80.0 | `f3` |" in with_boards(page, tmp_path)
    (tmp_path / "results" / "boards" / "two.json").write_text(form.replace('"by"', '"bye"'))
    with pytest.raises(FileError, match=r"two\.json"):
        with_boards(page, tmp_path)
