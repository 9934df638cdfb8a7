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
from featherweight.experiments.experiment import find


def test_networks_have_the_published_counts():
    counts = {name: sum(p.numel() for p in find(name).build().parameters()) for name in NETWORKS}
    assert counts == {"f3": 7864, "smallest": 3352, "relaxed": 18_510, "leanest": 6983, "c3": 6136, "cifar-78k": 77_226}


def test_peers_get_the_same_layers():
    found = peers.layers_of(find("c3").build())
    convolutions = [layer[1:4] for layer in found if layer[0] == "conv"]
    assert convolutions == [
        (1, 8, 3), (8, 16, 3), (16, 8, 1), (8, 8, 3), (8, 12, 3), (12, 12, 3), (12, 16, 3), (16, 10, 1),
    ]  # fmt: skip
    assert [layer[0] for layer in found].count("dropout") == 6
    assert ("maximum", 2) in found and found[-2:] == [("average",), ("conv", 16, 10, 1, False, 0, 1)]
    depthwise = [layer for layer in peers.layers_of(find("smallest").build()) if layer[0] == "conv"][1]
    assert depthwise == ("conv", 12, 12, 3, False, 1, 12)
    summed = [layer[0] for layer in peers.layers_of(find("cifar-78k").build())]
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
    step = make(peers.layers_of(find(network).build()), find(network).shape)
    labels = numpy.arange(32, dtype=numpy.int32) % 10
    channels, height, width = find(network).shape
    images = numpy.zeros((32, height, width, channels), numpy.float32)
    images[numpy.arange(32), labels] = 3.0
    losses = [step(images, labels) for _ in range(40)]
    assert losses[0] == pytest.approx(2.4, abs=0.5)  # log 10 and what random weights add
    assert losses[-1] < 0.7 * losses[0]  # Keras tells the mean of all so far


def test_every_run_takes_as_many_steps_and_the_first_stretch_is_not_counted():
    ran = {"native": itertools.count(), "JAX": itertools.count()}
    times = table_of_engines.in_turns(dict(ran))
    assert {kind: len(taken) for kind, taken in times.items()} == {"native": 8, "JAX": 8}
    assert [next(run) for run in ran.values()] == [27, 27]  # 8 stretches and one before, of 3 steps


def test_the_fastest_way_of_pytorch_is_bold_and_what_native_is_compared_with():
    seconds = {"native": 2.0, "eager PyTorch": 15.0, "channels_last": 8.0, "channels_last bf16": 6.0,
               "torch.compile": 7.0, "torch.compile bf16": 9.0, "native_bf16": 1.5}  # fmt: skip
    rows = [
        {"network": "c3", "engine": kind, "threads": 1, "seconds": taken, "spread": 1.25, "stretches": 10, "share": 0.4}
        for kind, taken in seconds.items()
    ]
    narrow = [{"network": "c3", "engine": kind, "threads": 1, "seconds": taken}
              for kind, taken in (("native", 4.0), ("channels_last", 10.0))]  # fmt: skip
    peer = [{"network": "c3", "engine": kind, "threads": 1, "seconds": taken}
            for kind, taken in (("native", 2.0), ("JAX", 30.0))]  # fmt: skip
    found = {
        "environment": {"processor": "P", "torch": "T", "family": 26, "model": 2, "caches": ["L2 1024K"], "peers": {}},
        "steps": 200, "peak": {"1": 58e9}, "epochs": rows, "avx2": narrow, "peers": peer,
        "convolutions": [{"network": "c3", "threads": 1, "plain": 1.2, "executed": 0.6}],
    }  # fmt: skip
    lines = [line for line in table_of_engines.table(found).splitlines() if line.startswith("| `c3`")]
    # 7 / 2 among those of float32, 6 / 1.5 of all, 15 / 2 of PyTorch as it is.
    assert lines == [
        "| `c3`, 1 | 15.00 | 8.00 | **6.00** | 7.00 | 9.00 | 2.00 | 1.50 | 3.5 | 4.0 | 7.5 | 40% | 1.2 |",
        "| `c3`, 1 | 4.00 | 2.5 | – | 15.0 | 120 % | 60 % |",
    ]


def test_figures_of_networks_that_were_not_measured_are_kept():
    def of(name, seconds):
        row = {"network": name, "engine": "native", "threads": 1, "seconds": seconds}
        return {part: [row] for part in ("epochs", "avx2", "peers", "convolutions")} | {"steps": seconds}

    found = table_of_engines.merged(of("c3", 1), of("f3", 2))
    assert [row["network"] for row in found["epochs"]] == ["f3", "c3"] and found["steps"] == 2
    assert [row["seconds"] for row in table_of_engines.merged(found, of("f3", 3))["epochs"]] == [3, 1]


def test_the_page_holds_the_table_of_the_record():
    text = PAGE.read_text(encoding="utf-8")
    found = json.loads(RESULT.read_text(encoding="utf-8"))
    assert page(text, found) == text
    keys = [(row["network"], row["engine"], row["threads"]) for row in found["epochs"]]
    assert len(set(keys)) == len(keys) == 6 * 7 * 2 and {name for name, _, _ in keys} == set(NETWORKS)
