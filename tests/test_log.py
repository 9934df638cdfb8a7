"""The log of trials says what its records say."""

import json
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_log_s_figures_are_those_of_the_trials() -> None:
    runs = json.loads((ROOT / "results" / "trials" / "f3_holdout.json").read_text())
    trials = list(dict.fromkeys(run["trial"] for run in runs))
    lines = [line for line in (ROOT / "docs" / "log.md").read_text().splitlines() if line.startswith("| ")][1:]
    assert len(trials) == len(lines) == 10
    for trial, line in zip(trials, lines, strict=True):
        of_it = [run for run in runs if run["trial"] == trial]
        mean, worst = sum(run["last"] for run in of_it) / len(of_it), min(run["worst5"] for run in of_it)
        cells = [cell.strip() for cell in line.strip("|").split("|")][1:]
        assert cells == [f"{of_it[0]['params']:,}", str(len(of_it)), f"{mean:.2f}", f"{worst:.2f}"]
