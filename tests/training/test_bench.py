"""The bench: its networks are the published ones, turns are fair, ratios are against eager PyTorch."""

import itertools
import json
from dataclasses import replace

import numpy
import pytest
import torch
from benchmarks.engine import PAGE, RESULT, page

import featherweight as fw
from featherweight import engine
from featherweight.errors import UsageError
from featherweight.experiments.experiment import find
from featherweight.networks.anatomy import dissect
from featherweight.training import bench
from featherweight.training.bench import peers, timed


def test_networks_have_the_published_counts():
    counts = {name: sum(p.numel() for p in one.build().parameters()) for name, one in bench.NETWORKS.items()}
    assert counts == {"f3": 7864, "smallest": 3352, "relaxed": 18_510, "leanest": 6983, "c3": 6136, "cifar-78k": 77_226}
    assert sum(p.numel() for p in bench.wider(1).parameters()) == 7570
    # The stack's kernels grow with the square of the width but for the first, which sees one channel: 72 of them.
    assert bench.wider(2)[0][0].weight.numel() == 2 * 72
    assert sum(p.numel() for p in bench.wider(2).parameters() if p.ndim == 4) == 2 * 72 + 4 * 7200


def test_peers_get_the_same_layers():
    found = peers.layers_of(bench.NETWORKS["c3"].build())
    convolutions = [layer[1:4] for layer in found if layer[0] == "conv"]
    assert convolutions == [
        (1, 8, 3), (8, 16, 3), (16, 8, 1), (8, 8, 3), (8, 12, 3), (12, 12, 3), (12, 16, 3), (16, 10, 1),
    ]  # fmt: skip
    assert [layer[0] for layer in found].count("dropout") == 6
    assert ("maximum", 2) in found and found[-2:] == [("average",), ("conv", 16, 10, 1, False, 0, 1)]
    depthwise = [layer for layer in peers.layers_of(bench.NETWORKS["smallest"].build()) if layer[0] == "conv"][1]
    assert depthwise == ("conv", 12, 12, 3, False, 1, 12)
    summed = [layer[0] for layer in peers.layers_of(bench.NETWORKS["cifar-78k"].build())]
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
    step = make(peers.layers_of(bench.NETWORKS[network].build()), bench.NETWORKS[network].shape)
    labels = numpy.arange(32, dtype=numpy.int32) % 10
    channels, height, width = bench.NETWORKS[network].shape
    images = numpy.zeros((32, height, width, channels), numpy.float32)
    images[numpy.arange(32), labels] = 3.0
    losses = [step(images, labels) for _ in range(40)]
    assert losses[0] == pytest.approx(2.4, abs=0.5)  # log 10 and what random weights add
    assert losses[-1] < 0.7 * losses[0]  # Keras tells the mean of all so far


def test_every_run_takes_as_many_steps_and_the_first_stretch_is_not_counted():
    ran = {"native": itertools.count(), "eager PyTorch": itertools.count()}
    rows = bench._in_turn("stack", {(kind, 1): run for kind, run in ran.items()}, 16, 128, 28)
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
    assert found.seconds > 0
    if engine.native.library().featherweight_lanes() == 16:
        # A row of four outputs has 6 points; one of six, four and two, 10. Forward, two pairs of rows take 4 tap rows
        # each; weights 3 for each of 4 rows; back to the input, rows 1-2 and 3-4 are pairs and 0 and 5 see one row.
        assert found.executed == 16 * (2 * 36 * 9 * 4 + (6 * 8 + 6 * 12 + 10 * 10) * 20)


def test_the_page_holds_the_table_of_the_record():
    text = PAGE.read_text(encoding="utf-8")
    found = json.loads(RESULT.read_text(encoding="utf-8"))
    assert page(text, found) == text
    engines = {_key(row) for row in found["epochs"]}
    assert len(engines) == len(found["epochs"]) >= 12
    seconds = {_key(row): row["seconds"] for row in found["epochs"]}
    # "Several times as fast", says the README.
    assert all(seconds[name, "eager PyTorch", 2] > 3 * seconds[name, "native", 2] for name in bench.NETWORKS)


def _key(row):
    return row["network"], row["engine"], row["threads"]


def test_any_experiment_is_timed_in_turns(monkeypatch):
    """With a clock that every step moves on: 0.01 s a native step, 0.05 s an eager one."""
    clock = [0.0]

    def steps(kind, network, recipe, threads, shape):
        while True:
            clock[0] += {bench.NATIVE: 0.01, bench.EAGER: 0.05}[kind]
            yield

    monkeypatch.setattr(bench, "training_steps", steps)
    monkeypatch.setattr(timed.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(timed.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(timed, "kinds", lambda: bench.KINDS)
    monkeypatch.setattr(timed, "peak", lambda threads, seconds: 50e9)
    engines = (bench.NATIVE, bench.EAGER)
    events = list(timed.timings([find("smallest")], engines=engines, threads=[1], seconds=3.0))
    rows = [event for event in events if isinstance(event, timed.Timed)]
    # Batches of 64: an epoch is 937.5 steps. 415,982 multiply-adds forward, three times that in a step.
    assert [(row.engine, round(row.seconds, 6)) for row in rows] == [(bench.NATIVE, 9.375), (bench.EAGER, 46.875)]
    assert rows[0].share == pytest.approx(3 * 415_982 * 60_000 / 9.375 / 50e9)
    # Two steps each before; then turns of 0.3 s until 3 s are over: (3 - 0.12) / 0.6, rounded up.
    assert {row.stretches for row in rows} == {5}
    shares = [event.share for event in events if isinstance(event, timed.Underway)]
    assert shares == sorted(shares) and len(shares) == 2 + 5 * 2 and shares[-1] <= 1
    lines = timed.lines(rows)
    assert lines[1].split() == ["smallest", "native", "1", "9.38", "5.00", "16%", "1.00"]
    with pytest.raises(UsageError, match="Unknown engine 'nativ'; did you mean native"):
        list(timed.timings([find("f3")], engines=["nativ"], threads=[1], seconds=1))


def test_a_peer_without_a_counterpart_is_left_out_with_the_reason(monkeypatch):
    monkeypatch.setattr(timed, "kinds", lambda: (peers.JAX,))
    monkeypatch.setattr(peers, "installed", lambda: (peers.JAX,))
    strided = replace(find("c3"), network=lambda: torch.nn.Sequential(torch.nn.Conv2d(1, 10, 28, stride=2)))
    (skipped,) = timed.timings([strided], engines=[peers.JAX], threads=[1], seconds=1)
    assert (skipped.network, skipped.engine) == ("c3", peers.JAX) and "Conv2d(1, 10" in skipped.why
    assert timed.lines([], [skipped])[1] == f"c3 on JAX: {skipped.why}"


def test_a_network_for_colour_is_timed_on_pictures_of_its_own_set():
    """h1 reads CIFAR-10: 3 x 32 x 32."""
    if bench.NATIVE not in bench.available():
        pytest.skip("the native kernels are not built here")
    data = bench._pixels(20, find("h1").shape)
    assert data.train.images.shape == (20, 3, 32, 32) and data.mean == (0.5, 0.5, 0.5)
    run = timed._run(find("h1"), bench.NATIVE, 1)
    assert run.macs == dissect(find("h1").build(), (3, 32, 32)).macs
    for _ in range(2):
        next(run.steps)
