"""The bench: its networks are the published ones, turns are fair, ratios are against eager PyTorch."""

import itertools

import pytest
import torch

from featherweight import bench, engine


def test_networks_have_the_published_counts():
    counts = {name: sum(p.numel() for p in make().parameters()) for name, make in bench.NETWORKS.items()}
    assert counts == {"c3": 6136, "f3": 7570}


def test_every_run_takes_as_many_steps_and_the_first_stretch_is_not_counted():
    ran = {"native": itertools.count(), "eager PyTorch": itertools.count()}
    rows = bench._in_turn("f3", {(kind, 1): run for kind, run in ran.items()}, 16, 128, 28)
    assert [(row.engine, row.threads, row.batch) for row in rows] == [("native", 1, 128), ("eager PyTorch", 1, 128)]
    assert [next(run) for run in ran.values()] == [18, 18]  # 8 stretches and one before, of 2 steps


def test_ratios_are_against_eager_on_the_same_threads():
    def row(kind, threads, seconds):
        return {"network": "c3", "engine": kind, "threads": threads, "batch": 128, "side": 28, "seconds": seconds}

    found = {
        "environment": {"processor": "P", "torch": "T"},
        "peak": {"1": 58e9},
        "epochs": [row("native", 1, 2.0), row("eager PyTorch", 1, 15.0), row("eager PyTorch", 2, 9.0)],
        "convolutions": [{"network": "c3", "threads": 1, "seconds": 0.005, "plain": 1.2, "executed": 0.6}],
        "scaling": [],
        "cuda": None,
    }
    lines = bench.table(found).splitlines()
    assert [line.split()[-2:] for line in lines if line.startswith("c3 ")] == [
        ["2.00", "7.50"], ["15.00", "1.00"], ["9.00", "1.00"],
    ]  # fmt: skip
    assert "c3, convolutions alone, 1 thread(s): 5.00 ms a step, 120% of peak as defined, 60% as executed" in lines
    assert lines[-1] == "CUDA: no GPU at hand, not measured"


@pytest.mark.skipif(engine.peak(1, 0.01) == 0, reason="the native kernels are not built here")
def test_multiply_adds_are_counted_by_hand():
    network = torch.nn.Sequential(torch.nn.Conv2d(1, 4, 3), torch.nn.Conv2d(4, 5, 3), torch.nn.Flatten())
    found = engine.convolutions(network, shape=(1, 8, 8), batch=16, threads=1, seconds=0.01)
    # First, 6 x 6 outputs of 9 taps, 4 channels, forward and weights; then 4 x 4 of 9 taps, 4 x 5 channels, and inputs.
    assert found.plain == 16 * (2 * 36 * 9 * 4 + 3 * 16 * 9 * 20)
    assert 0 < found.seconds < 1
    if engine.native.library().featherweight_lanes() == 16:
        # A row of four outputs has 6 points; one of six, four and two, 10. Forward, two pairs of rows take 4 tap rows
        # each; weights 3 for each of 4 rows; back to the input, rows 1-2 and 3-4 are pairs and 0 and 5 see one row.
        assert found.executed == 16 * (2 * 36 * 9 * 4 + (6 * 8 + 6 * 12 + 10 * 10) * 20)
