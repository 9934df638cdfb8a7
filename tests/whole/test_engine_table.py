"""The table of engines and other frameworks: its networks are the published ones, turns are fair, peers learn."""

import itertools
import json

import numpy
import pytest
import torch
from benchmarks import engine as table_of_engines
from benchmarks import peers
from benchmarks.engine import NETWORKS, PAGE, RESULT, page

import featherweight as fw
from featherweight.errors import UsageError


def test_networks_have_the_published_counts():
    counts = {name: sum(p.numel() for p in one.build().parameters()) for name, one in NETWORKS.items()}
    assert counts == {"f3": 7864, "smallest": 3352, "relaxed": 18_510, "leanest": 6983, "c3": 6136, "cifar-78k": 77_226}
    assert sum(p.numel() for p in table_of_engines.wider(1).parameters()) == 7570
    # The stack's kernels grow with the square of the width but for the first, which sees one channel: 72 of them.
    assert table_of_engines.wider(2)[0][0].weight.numel() == 2 * 72
    assert sum(p.numel() for p in table_of_engines.wider(2).parameters() if p.ndim == 4) == 2 * 72 + 4 * 7200


def test_peers_get_the_same_layers():
    found = peers.layers_of(NETWORKS["c3"].build())
    convolutions = [layer[1:4] for layer in found if layer[0] == "conv"]
    assert convolutions == [
        (1, 8, 3), (8, 16, 3), (16, 8, 1), (8, 8, 3), (8, 12, 3), (12, 12, 3), (12, 16, 3), (16, 10, 1),
    ]  # fmt: skip
    assert [layer[0] for layer in found].count("dropout") == 6
    assert ("maximum", 2) in found and found[-2:] == [("average",), ("conv", 16, 10, 1, False, 0, 1)]
    depthwise = [layer for layer in peers.layers_of(NETWORKS["smallest"].build()) if layer[0] == "conv"][1]
    assert depthwise == ("conv", 12, 12, 3, False, 1, 12)
    summed = [layer[0] for layer in peers.layers_of(NETWORKS["cifar-78k"].build())]
    block = ["fork", "conv", "conv", "norm", "relu", "sum"]
    assert summed[7:14] == [*block, "maximum"] and summed.count("fork") == summed.count("sum") == 6
    for other in (torch.nn.Sigmoid(), fw.squeeze_excite(8, 2)):
        with pytest.raises(UsageError, match=f"no counterpart for {type(other).__name__}"):
            peers.layers_of(torch.nn.Sequential(other))


@pytest.mark.parametrize("make, needs", [(peers.keras_step, peers.KERAS), (peers.jax_step, peers.JAX)])
@pytest.mark.parametrize("network", ["c3", "smallest", "cifar-78k"])
def test_a_peer_learns(make, needs, network):
    if needs not in peers.installed():
        pytest.skip(f"{needs} is not installed; pip install tensorflow jax")
    step = make(peers.layers_of(NETWORKS[network].build()), NETWORKS[network].shape)
    labels = numpy.arange(32, dtype=numpy.int32) % 10
    channels, height, width = NETWORKS[network].shape
    images = numpy.zeros((32, height, width, channels), numpy.float32)
    images[numpy.arange(32), labels] = 3.0
    losses = [step(images, labels) for _ in range(40)]
    assert losses[0] == pytest.approx(2.4, abs=0.5)  # log 10 and what random weights add
    assert losses[-1] < 0.7 * losses[0]  # Keras tells the mean of all so far


def test_every_run_takes_as_many_steps_and_the_first_stretch_is_not_counted():
    ran = {"native": itertools.count(), "eager PyTorch": itertools.count()}
    rows = table_of_engines._in_turn("stack", {(kind, 1): run for kind, run in ran.items()}, 16, 128, 28)
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
    lines = table_of_engines.table(found).splitlines()
    assert [line.split()[-2:] for line in lines if line.startswith("c3 ")] == [
        ["2.00", "7.50"], ["15.00", "1.00"], ["9.00", "1.00"],
    ]  # fmt: skip
    assert "c3, convolutions alone, 1 thread(s): 5.00 ms a step, 120% of peak as defined, 60% as executed" in lines
    assert lines[-1] == "CUDA: no GPU at hand, not measured"


def test_the_page_holds_the_table_of_the_record():
    text = PAGE.read_text(encoding="utf-8")
    found = json.loads(RESULT.read_text(encoding="utf-8"))
    assert page(text, found) == text
    engines = {_key(row) for row in found["epochs"]}
    assert len(engines) == len(found["epochs"]) >= 12
    seconds = {_key(row): row["seconds"] for row in found["epochs"]}
    # "Several times as fast", says the README.
    assert all(seconds[name, "eager PyTorch", 2] > 3 * seconds[name, "native", 2] for name in NETWORKS)


def _key(row):
    return row["network"], row["engine"], row["threads"]
