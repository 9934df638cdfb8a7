"""The rival of `fit` and how the two are compared: within the limits, by the same integers, in pairs."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from benchmarks import rival

from featherweight.data.dataset import Data
from featherweight.export.estimate import deployed


def test_the_rival_is_as_wide_as_the_limits_allow_and_judged_by_its_integers() -> None:
    pixels = np.random.default_rng(0).integers(0, 256, (60, 12, 12), dtype=np.uint8)
    data = Data.from_arrays(pixels, np.arange(60) % 2, test=(pixels[:20], np.arange(20) % 2))
    network = rival.widest(data, 12_000, 6_000)
    cost = deployed(network, (1, 12, 12))
    assert 9_000 < cost.flash <= 12_000 and cost.ram <= 6_000
    torch.manual_seed(0)
    assert rival.trained(network, data, data.train.images, data.train.labels, 0.3, True) >= 1
    right = rival.in_integers(network, data, 8)
    assert right.shape == (20,) and right.dtype == bool
    floating = rival._right_of(network, data, data.test.images, data.test.labels)
    assert (right == floating).mean() >= 0.8


def test_the_interval_of_a_difference_is_paired_over_pictures() -> None:
    draws = np.random.default_rng(1)
    hard = draws.random(2000) < 0.2
    ours = [~hard | (draws.random(2000) < 0.5) for _ in range(3)]
    theirs = [~hard | (draws.random(2000) < 0.3) for _ in range(3)]
    difference, low, high = rival.compared(ours, theirs)
    assert low < 4.0 < high and low > 0 and difference == pytest.approx(4.0, abs=1.0)
    assert high - low < 3.0  # unpaired, the interval of one seed's difference would be 5 points wide
    _, low, high = rival.compared(ours, ours)
    assert low <= 0 <= high


def test_the_table_is_made_of_the_records_that_are_there(tmp_path: Path) -> None:
    for way, wrong in (("fit", 10), ("rival", 20)):
        for seed in (0, 1):
            right = np.arange(100) >= wrong
            row = {"set": "usps", "way": way, "seed": seed, "accuracy": 100 * right.mean(), "images": 100,
                   "right": np.packbits(right).tobytes().hex(), "load": [0.5, 3.0]}  # fmt: skip
            (tmp_path / f"usps-{way}-{seed}.json").write_text(json.dumps(row))
    (row,) = rival.table(tmp_path).splitlines()[2:]
    assert row.startswith("| `usps` | 5,000, any, 6 | 2 | 90.00 | 80.00 | +10.00 (") and "0.5 to 3.0" in row
    (tmp_path / "usps-fit-0.json").unlink()
    assert "1 and 2" in rival.table(tmp_path)
