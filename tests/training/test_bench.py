"""The bench: its networks are the published ones, turns are fair, ratios are against eager PyTorch."""

import pytest
import torch

from featherweight import engine
from featherweight.errors import UsageError
from featherweight.experiments.experiment import find
from featherweight.networks.anatomy import dissect
from featherweight.training import bench


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


def test_any_experiment_is_timed_in_turns(monkeypatch):
    """With a clock that every step moves on: 0.01 s a native step, 0.05 s an eager one."""
    clock = [0.0]

    def steps(kind, network, recipe, threads, shape):
        while True:
            clock[0] += {bench.NATIVE: 0.01, bench.EAGER: 0.05}[kind]
            yield

    monkeypatch.setattr(bench, "training_steps", steps)
    monkeypatch.setattr(bench.time, "perf_counter", lambda: clock[0])
    monkeypatch.setattr(bench.time, "monotonic", lambda: clock[0])
    monkeypatch.setattr(bench, "available", lambda: bench.KINDS)
    monkeypatch.setattr(bench.engines, "peak", lambda threads, seconds: 50e9)
    engines = (bench.NATIVE, bench.EAGER)
    events = list(bench.timings([find("smallest")], kinds=engines, threads=[1], seconds=3.0))
    rows = [event for event in events if isinstance(event, bench.Timed)]
    # Batches of 64: an epoch is 937.5 steps. 415,982 multiply-adds forward, three times that in a step.
    assert [(row.engine, round(row.seconds, 6)) for row in rows] == [(bench.NATIVE, 9.375), (bench.EAGER, 46.875)]
    assert rows[0].share == pytest.approx(3 * 415_982 * 60_000 / 9.375 / 50e9)
    # Four steps each before; then turns of 0.3 s until 3 s are over: (3 - 0.24) / 0.6, rounded up.
    assert {row.stretches for row in rows} == {5}
    shares = [event.share for event in events if isinstance(event, bench.Underway)]
    assert shares == sorted(shares) and len(shares) == 2 + 5 * 2 and shares[-1] <= 1
    lines = bench.timing_lines(rows)
    assert lines[1].split() == ["smallest", "native", "1", "9.38", "5.00", "5.00", "16%", "1.00"]
    counted = list(bench.timings([find("smallest")], kinds=engines, threads=[1], seconds=0.1, steps=200))
    # 20 steps a stretch, but 0.3 s at most, which are 6 of 0.05 s.
    assert [event.stretches for event in counted if isinstance(event, bench.Timed)] == [10, 34]
    with pytest.raises(UsageError, match="Unknown engine 'nativ'; did you mean native"):
        list(bench.timings([find("f3")], kinds=["nativ"], threads=[1], seconds=1))


def test_a_network_for_colour_is_timed_on_pictures_of_its_own_set():
    """h1 reads CIFAR-10: 3 x 32 x 32."""
    if bench.NATIVE not in bench.available():
        pytest.skip("the native kernels are not built here")
    data = bench._pixels(20, find("h1").shape)
    assert data.train.images.shape == (20, 3, 32, 32) and data.mean == (0.5, 0.5, 0.5)
    run = bench._open_run(find("h1"), bench.NATIVE, 1)
    assert run.macs == dissect(find("h1").build(), (3, 32, 32)).macs
    for _ in range(2):
        next(run.steps)


def test_every_way_of_pytorch_takes_the_same_step():
    """The same scores and gradients: to float32's rounding, or to bfloat16's."""
    recipe = find("f3").recipe
    images, labels = torch.rand(16, 1, 28, 28), torch.arange(16) % 10
    found = {}
    for kind in (bench.EAGER, bench.LAST, bench.LAST_BF16):
        torch.manual_seed(0)
        network = find("f3").build()
        bound = bench.engine_of(kind, network, recipe, 16, (1, 28, 28), 1, bench.CPU)
        loss, _ = bound.step(images, labels, 0)
        gradient = torch.cat([parameter.grad.flatten() for parameter in network.parameters()])
        found[kind] = float(loss), gradient
    loss, gradient = found[bench.EAGER]
    assert found[bench.LAST][0] == pytest.approx(loss, rel=1e-5)
    assert torch.allclose(found[bench.LAST][1], gradient, atol=1e-4)
    assert 0 < abs(found[bench.LAST_BF16][0] - loss) < 0.05 * loss
    assert torch.nn.functional.cosine_similarity(found[bench.LAST_BF16][1], gradient, dim=0) > 0.95


@pytest.mark.parametrize("id", ["f3", "c3"])  # the second has two sets of changes, one after the other
def test_pytorch_is_timed_without_augmentation(monkeypatch, id):
    taken = {}

    def kept(state, data, recipe, *others):
        taken[len(taken)] = recipe.augment
        yield

    monkeypatch.setattr(bench, "fit", kept)
    recipe = find(id).recipe
    for kind in (bench.LAST, bench.NATIVE if bench.NATIVE in bench.available() else bench.EAGER):
        next(bench.training_steps(kind, find(id).build(), recipe, 1))
    assert taken[0] == type(recipe.augment)() != recipe.augment
    assert taken[1] == (recipe.augment if bench.NATIVE in bench.available() else taken[0])
