"""Every number of the table of results counted again from the files under `results/`, by other means.

Records are read as JSON, means and intervals are written out, and networks are counted by PyTorch's own hooks: nothing
of what makes the table is used but the experiments themselves.
"""

import json
import math
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from scipy import stats
from torch import nn
from torch.utils.flop_counter import FlopCounterMode

from featherweight.experiments.experiment import find
from featherweight.experiments.record import read_record

ROOT = Path(__file__).parents[2]
RECORDS = (
    "f3",
    "f4",
    "fastest",
    "leanest",
    "leanest-150k",
    "leanest-deskewed-cropped",
    "reader",
    "relaxed",
    "smallest",
    "smallest-2200",
    "smallest-deskewed",
)
MISSED = {"leanest-deskewed-cropped": "2 of 10", "smallest-deskewed": "6 of 10"}
"""Those whose bar, of 8 and 9 seeds within budget, was not cleared."""
HEADINGS = ["record", "parameters", "buffers", "MACs", "epochs", "hard images", "seconds, threads",
            "last epoch %, mean ± sd", "95 % interval", "held out %", "worst of last 5 %", "within budget",
            "test-set evaluations", "bar"]  # fmt: skip


def rows() -> list[list[str]]:
    lines = (ROOT / "docs" / "records" / "README.md").read_text().splitlines()
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]


def row_of(id: str, below: int = 0) -> list[str]:
    """The record's row, or the one so many lines below it."""
    at = next(at for at, row in enumerate(rows()) if row[0].startswith(f"[`{id}`]"))
    return rows()[at + below]


def read(folder: str) -> list[dict[str, Any]]:
    return [json.loads(path.read_text()) for path in (ROOT / "results" / folder).glob("seed*.json")]


def quoted(id: str) -> list[dict[str, Any]]:
    """The runs whose figures the table has: of fresh seeds once these have run."""
    return read(f"confirm/{id}") or read(id)


def asked_seeds(id: str) -> list[int]:
    """The seeds of these runs."""
    bar = find(id).bar
    assert bar is not None
    return [*range(bar.seeds, bar.seeds + bar.confirming)] if read(f"confirm/{id}") else [*range(bar.seeds)]


def standing(id: str) -> str:
    """What the last column says of a record whose bar is cleared."""
    bar = find(id).bar
    fresh = [read_record(path) for path in (ROOT / "results" / "confirm" / id).glob("seed*.json")]
    assert bar is not None
    held = not bar.unconfirmed(fresh)
    if id in MISSED:
        assert row_of(id)[11] == MISSED[id] and not fresh
        return "**not cleared**"
    return ("confirmed" if held else "**not confirmed**") if fresh else "cleared, not yet confirmed on fresh seeds"


def accuracies(run: dict[str, Any]) -> list[float]:
    return [row["test_accuracy"] for row in run["epochs"]]


def spread(values: list[float]) -> tuple[float, float, float]:
    """Mean, deviation by n - 1, and half of Student's 95 % interval."""
    mean = math.fsum(values) / len(values)
    deviation = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (len(values) - 1))
    return mean, deviation, float(stats.t.ppf(0.975, len(values) - 1)) * deviation / math.sqrt(len(values))


def test_the_table_has_these_columns_and_no_row_that_is_not_counted() -> None:
    found = rows()
    assert found[0] == HEADINGS
    shown = [row[0] for row in found[2:]]
    assert [re.match(r"\[`([\w-]+)`\]", name)[1] for name in shown if name.startswith("[")] == list(RECORDS)  # type: ignore[index]
    rest = [name for name in shown if not name.startswith("[")]
    assert sum(name == "the same, with test-time augmentation" for name in rest) == 11
    assert sum(name.startswith("*") for name in rest) == 8 and len(shown) == 30


@pytest.mark.parametrize("id", RECORDS)
def test_sizes_are_pytorch_s_own_counts(id: str) -> None:
    network = find(id).build().eval()
    row = row_of(id)
    assert row[1] == f"{sum(p.numel() for p in network.parameters()):,}"
    assert row[2] == f"{sum(b.numel() for b in network.buffers()):,}"
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        network(torch.zeros(1, 1, 28, 28))
    assert counter.get_total_flops() % 2 == 0
    upright = 4 * 28 * 28 + 4 * 28 if "deskewed" in id else 0  # which is no layer that the counter knows
    assert row[3] == f"{counter.get_total_flops() // 2 + upright:,}"


@pytest.mark.parametrize("id", RECORDS)
def test_accuracies_are_those_of_the_files(id: str) -> None:
    runs, row = quoted(id), row_of(id)
    assert sorted(run["seed"] for run in runs) == asked_seeds(id)
    assert row[4] == str(len(runs[0]["epochs"])) and len({len(run["epochs"]) for run in runs}) == 1
    mean, deviation, half = spread([accuracies(run)[-1] for run in runs])
    assert row[7] == f"{mean:.3f} ± {deviation:.3f}"
    assert row[8] == f"{mean - half:.3f} to {mean + half:.3f}"
    assert row[10] == f"{min(min(accuracies(run)[-5:]) for run in runs):.2f}"
    seconds = math.fsum(run["train_seconds"] for run in runs) / len(runs)
    assert row[6] == f"{seconds:.1f}, {runs[0]['environment']['threads']}"
    assert len({run["environment"]["threads"] for run in runs}) == 1


@pytest.mark.parametrize("id", RECORDS)
def test_seeds_within_budget_are_judged_anew(id: str) -> None:
    runs, passed = quoted(id), 0
    for run in runs:
        asked = run["budget"]
        good = run["parameters"] < asked["parameters"] and len(run["epochs"]) <= asked["epochs"]
        good = good and all(test >= asked["accuracy"] for test in accuracies(run)[-asked["held"] :])
        good = good and run["train_seconds"] <= asked.get("seconds", math.inf)
        passed += good and run.get("macs", 0) < asked.get("macs", math.inf)
    of = f"{passed} of {len(runs)}"
    told = {5: of, 1: f"{of}, by the last epoch alone: not under the rule of 5"}
    assert row_of(id)[11] == told[runs[0]["budget"]["held"]]
    assert (runs[0]["budget"]["held"] == 1) == (id == "fastest")


@pytest.mark.parametrize("id", RECORDS)
def test_held_out_figures_and_looks_are_counted_in_their_files(id: str) -> None:
    held = [run["epochs"][-1]["test_accuracy"] for run in read(f"heldout/{id}")]
    assert len(held) == 3 and row_of(id)[9] == f"{math.fsum(held) / 3:.3f}"
    ledger = (ROOT / "results" / "touches.json").read_text()
    assert row_of(id)[12] == str(ledger.count(f'"experiment": "{id}",'))
    assert row_of(id)[13] == standing(id)


def test_readings_in_five_places_are_the_records_own() -> None:
    seen = 0
    for id in RECORDS:
        row = row_of(id, below=1)
        if row[0] != "the same, with test-time augmentation":
            continue
        mean, deviation, half = spread([run["shifted_accuracy"] for run in quoted(id)])
        assert row[7:9] == [f"{mean:.3f} ± {deviation:.3f}", f"{mean - half:.3f} to {mean + half:.3f}"]
        assert int(row[3].replace(",", "")) == 5 * int(row_of(id)[3].replace(",", ""))
        assert row[13] == "decides nothing"
        seen += 1
    assert seen == 11


@pytest.mark.parametrize("id", RECORDS)
def test_what_the_rule_for_hard_images_does_is_what_was_counted(id: str) -> None:
    recipe = read(id)[0]["recipe"]
    cell = row_of(id)[5]
    if not recipe.get("hard"):
        assert cell == "–"
        return
    assert cell.split(";")[0] == f"{recipe['epochs'] - recipe['plain_epochs'] - 1} looks"
    counted = {one["experiment"]: one for one in json.loads((ROOT / "results/bench/hard_draws.json").read_text())}
    if id in counted:
        looks = counted[id]["looks"]
        assert counted[id]["same_training"] and len(looks) == recipe["epochs"] - recipe["plain_epochs"] - 1
        draws, images, most = ([look[name] for look in looks] for name in ("draws", "distinct", "most"))
        assert set(draws) == {60_000}
        told = f"60,000 draws of {min(images):,} to {max(images):,} images, one up to {max(most)} times"
        assert cell.split("; ")[1] == told
    assert "f3" in counted


# ------------------------------------------------------------------------------------------- the notes


def notes() -> str:
    return (ROOT / "docs" / "records" / "README.md").read_text()


def test_the_numbers_left_after_folding_are_those_of_a_network_that_is_folded() -> None:
    network = find("f3").build().eval()
    folded = 0
    layers = [one for one in network.modules() if not list(one.children())]
    for layer, after in zip(layers, [*layers[1:], None], strict=True):
        if isinstance(layer, nn.Conv2d) and isinstance(after, nn.BatchNorm2d):
            fused = nn.utils.fusion.fuse_conv_bn_eval(layer, after)
            folded += sum(p.numel() for p in fused.parameters())
        elif not isinstance(layer, nn.BatchNorm2d):
            folded += sum(p.numel() for p in layer.parameters())
    whole = sum(value.numel() for value in network.state_dict().values())
    assert f"`f3` and `reader` have {whole:,} numbers with buffers in training, and {folded:,}; `f4` has" in notes()
    assert folded < 8_000 <= whole


def test_what_is_below_on_held_out_digits_is_said_with_its_distance() -> None:
    for id in RECORDS:
        held = math.fsum(accuracies(run)[-1] for run in read(f"heldout/{id}")) / 3
        test = math.fsum(accuracies(run)[-1] for run in quoted(id)) / len(quoted(id))
        told = f"`{id}` by {test - held:.2f} points, to {held:.2f} %"
        assert (told in notes()) == (round(held, 6) < 99.4)


def test_the_seconds_name_their_processor() -> None:
    processors = {run["environment"]["processor"] for id in RECORDS for run in quoted(id)}
    assert len(processors) == 1 and f"Seconds were taken on {processors.pop()}." in notes()


def test_public_runs_have_their_place_and_their_figures() -> None:
    public = {
        "f3": ("vivek-a81/EVA6", "7,496", "at most 15", "99.56 (last five 99.484)", "99.44"),
        "relaxed": ("Shilpaj1994/ERA", "19,972", "at most 20", "99.57 (last five 99.554)", "99.54"),
        "smallest": ("sunpau/ERA_V1_S7", "6,128", "at most 15", "99.44 (last five 99.444)", "99.42"),
    }
    for id, (where, parameters, epochs, last, worst) in public.items():
        row = row_of(id, below=2)
        assert f"[{where}](https://github.com/{where})" in row[0]
        assert [row[1], row[4], row[7], row[10]] == [parameters, epochs, last, worst]
    assert "54 runs under 8,000 parameters" in notes() and "read in November 2026" in notes()


# ------------------------------------------------------------------------------------------- the README's own table


@pytest.mark.parametrize("id", RECORDS)
def test_the_short_table_says_the_same(id: str) -> None:
    text = (ROOT / "README.md").read_text().split("begin: table of results")[1].split("end: table of results")[0]
    line = next(line for line in text.splitlines() if line.startswith(f"| [`{id}`]"))
    row = [cell.strip() for cell in line.strip("|").split("|")]
    last = [accuracies(run)[-1] for run in quoted(id)]
    assert row[1:4] == [f"{math.fsum(last) / len(last):.3f}", f"{min(last):.2f}", row_of(id)[1]]
    assert row[-1] == standing(id) and len(row) == 8


OTHER_SETS = [("cifar", "CIFAR-10"), ("cifar-mcu", "CIFAR-10"), ("fashion", "Fashion-MNIST")]


@pytest.mark.parametrize(("id", "data"), OTHER_SETS)
def test_the_short_table_names_other_sets(id: str, data: str) -> None:
    line = next(line for line in (ROOT / "README.md").read_text().splitlines() if line.startswith(f"| [`{id}`]"))
    row = [cell.strip() for cell in line.strip("|").split("|")]
    last = [accuracies(run)[-1] for run in quoted(id)]
    assert row[0].endswith(f", {data}")
    assert row[1:3] == [f"{math.fsum(last) / len(last):.3f}", f"{min(last):.2f}"]
