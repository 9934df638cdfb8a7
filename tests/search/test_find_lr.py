"""The range test: what it leaves alone, what it measures, what it suggests."""

import importlib.util
import json
import math
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from itertools import islice, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

import toy
from commands import Run
from featherweight import engine as engines
from featherweight.data.augment import augment
from featherweight.engine import native
from featherweight.errors import UsageError
from featherweight.experiments.experiment import find
from featherweight.experiments.recipe import Augment, Distil, Recipe
from featherweight.networks.layers.blocks import conv_norm_relu
from featherweight.search import learning_rate as module
from featherweight.search.learning_rate import (
    HIGHEST,
    LOWEST,
    Point,
    Sweep,
    draw_sweep,
    find_lr,
    rate_curve,
    sweep_table,
)
from featherweight.training.loop import fit
from featherweight.training.state import State, draw_seed, initial_state

NATIVE = pytest.param("native", marks=pytest.mark.skipif(native.library() is None, reason="no kernels built here"))
ENGINES = pytest.mark.parametrize("engine", ["torch", NATIVE])


@pytest.fixture(autouse=True)
def _one_thread() -> Iterator[None]:
    """Also after tests that set another number: the tensors here are too small to be shared."""
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(1)


def _network() -> nn.Sequential:
    """As the toy's, but for a last layer that both engines execute."""
    return nn.Sequential(
        conv_norm_relu(1, 5, dropout=0.1), nn.MaxPool2d(2), conv_norm_relu(5, 7), nn.Flatten(), nn.Linear(7 * 2 * 3, 4)
    )


def _under_way(engine: str, steps: int = 6) -> tuple[State, Iterator[State]]:
    """A run after so many steps: it has momentum, gradients, batch-norm statistics and an average."""
    torch.manual_seed(2)
    state = initial_state(_network(), toy.RECIPE, torch.device("cpu"))
    course = fit(state, toy.data(), toy.RECIPE, 0, *toy.engines_of(state, toy.RECIPE, engine))
    assert len(list(islice(course, steps))) == steps
    return state, course


def _tensors(state: State) -> dict[str, Tensor]:
    """Every tensor that a run has, gradients included; by reference."""
    assert state.averaged is not None
    found = {f"network.{name}": value for name, value in state.network.state_dict().items()}
    found |= {f"gradient.{name}": p.grad for name, p in state.network.named_parameters() if p.grad is not None}
    found |= {f"averaged.{name}": value for name, value in state.averaged.state_dict().items()}
    for index, slots in state.optimizer.state_dict()["state"].items():
        found |= {f"optimizer.{index}.{name}": value for name, value in slots.items()}
    return found


def _generators() -> list[Any]:
    kind, keys, *rest = np.random.get_state()
    return [random.getstate(), kind, keys.tolist(), rest, torch.get_rng_state().tolist(), torch.get_num_threads()]


@contextmanager
def _unchanged(state: State) -> Iterator[None]:
    """Checks that nothing of the run, and no generator, has another bit or another place in memory afterwards."""
    before = {name: (value.data_ptr(), value.clone()) for name, value in _tensors(state).items()}
    assert len(before) == 2 * 14 + 8 + 2 and any("running_var" in name for name in before)
    modes = [part.training for part in state.network.modules()]
    groups, generators = [dict(group) for group in state.optimizer.param_groups], _generators()
    yield
    after = _tensors(state)
    assert after.keys() == before.keys()
    for name, (place, value) in before.items():
        assert after[name].data_ptr() == place, name
        assert after[name].numpy().tobytes() == value.numpy().tobytes(), name
    assert [part.training for part in state.network.modules()] == modes
    plain = [{name: value for name, value in group.items() if name != "params"} for group in groups]
    assert plain == [{n: v for n, v in group.items() if n != "params"} for group in state.optimizer.param_groups]
    assert _generators() == generators


def _sweep(state: State, engine: str, **given: Any) -> Sweep:
    return find_lr(state.network, toy.RECIPE, toy.data(), engine=engine, **{"steps": 60, "seed": 3, **given})


@ENGINES
def test_everything_is_bit_for_bit_as_before(engine: str) -> None:
    state, _ = _under_way(engine)
    random.seed(5)
    np.random.seed(6)
    torch.manual_seed(7)
    torch.set_num_threads(2)
    with _unchanged(state):
        sweep = _sweep(state, engine)
    assert len(sweep.points) > 30 and sweep.points[0].smoothed > 1.5 * min(point.smoothed for point in sweep.points)


@ENGINES
def test_a_run_goes_on_as_if_nothing_had_happened(engine: str) -> None:
    _, alone = _under_way(engine)
    *_, undisturbed = alone
    state, course = _under_way(engine)
    _sweep(state, engine)
    for _ in course:
        pass
    expected = _tensors(undisturbed)
    assert all(torch.equal(value, expected[name]) for name, value in _tensors(state).items())
    assert [replace(row, seconds=0) for row in state.rows] == [replace(row, seconds=0) for row in undisturbed.rows]


class _Drawing(nn.Module):
    """Draws from every global generator."""

    def forward(self, images: Tensor) -> Tensor:
        return images + 0.01 * (random.random() + float(np.random.rand()) + torch.rand(()))


def test_generators_that_the_network_draws_from_are_put_back() -> None:
    network = nn.Sequential(_Drawing(), nn.Flatten(), nn.Linear(11 * 13, 4))
    before = _generators()
    find_lr(network, toy.RECIPE, toy.data(), engine="torch", steps=50)
    assert _generators() == before


@ENGINES
@pytest.mark.parametrize("problem", [KeyboardInterrupt, RuntimeError])
def test_an_interrupted_sweep_leaves_nothing_behind(
    engine: str, problem: type[BaseException], monkeypatch: pytest.MonkeyPatch
) -> None:
    build: Callable[..., engines.Engine] = engines.build_engine

    def building(*given: Any, **settings: Any) -> engines.Engine:
        bound, steps = build(*given, **settings), iter(range(100))

        def step(images: Tensor, labels: Tensor, seed: int) -> tuple[Tensor, Tensor]:
            if next(steps) == 7:
                raise problem
            return bound.step(images, labels, seed)

        return replace(bound, step=step)

    state, _ = _under_way(engine)
    torch.set_num_threads(2)
    monkeypatch.setattr(engines, "build_engine", building)
    with _unchanged(state), pytest.raises(problem):
        _sweep(state, engine)


@pytest.mark.parametrize("changes", [Augment(), Augment(rotate_deg=20, shift_px=2)])
def test_the_sweep_is_plain_training_at_rising_rates(changes: Augment) -> None:
    """The losses are those of PyTorch's own optimiser over the layers, the rate set by hand before each step."""
    recipe = replace(toy.RECIPE, augment=changes, nesterov=False)
    torch.manual_seed(11)
    network = toy.network()
    sweep = find_lr(network, recipe, toy.data(), seed=4, engine="torch", steps=50)
    decayed = [p for p in network.parameters() if p.ndim > 1]
    rest = [p for p in network.parameters() if p.ndim == 1]
    optimizer = torch.optim.SGD(
        [{"params": decayed, "weight_decay": 1e-3}, {"params": rest}], lr=1.0, momentum=0.9
    )  # fmt: skip
    train, losses = toy.data().train, []
    for step in range(50):
        epoch, at = divmod(step, 53 // 16)  # three whole batches a pass
        order = torch.randperm(53, generator=torch.Generator().manual_seed(draw_seed(4, "find-lr order", epoch)))
        chosen = order[16 * at : 16 * at + 16]
        torch.manual_seed(draw_seed(4, "find-lr step", step=step))
        mean, std, draws = toy.data().mean, toy.data().std, torch.Generator()
        draws.manual_seed(draw_seed(4, "find-lr step", step=step))
        images = augment(train.images[chosen], changes, draws, mean=mean, std=std)
        loss = F.cross_entropy(network(images), train.labels[chosen])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        for group in optimizer.param_groups:
            group["lr"] = 1e-5 * 10 ** (6 * step / 49)
        optimizer.step()
        losses.append(loss.item())
    assert len(sweep.points) >= 30
    assert [point.loss for point in sweep.points] == pytest.approx(losses[: len(sweep.points)], rel=1e-3)


def test_a_sweep_hears_the_teacher_and_refuses_to_go_without() -> None:
    recipe = replace(toy.RECIPE, distil=Distil(teacher="bars", share=1.0))
    torch.manual_seed(11)
    network = toy.network()
    with pytest.raises(UsageError, match="learns from bars, but no teacher was given"):
        find_lr(network, recipe, toy.data(), engine="torch", steps=50)
    first = {
        answers: find_lr(
            network, recipe, toy.data(), engine="torch", steps=50,
            teacher=lambda images, answers=answers: torch.tensor([answers]).expand(len(images), 4),  # type: ignore[misc]
        ).points[0].loss
        for answers in ((1.0, 0.0, 0.0, 0.0), (0.0, 1.0, 0.0, 0.0), (0.5, 0.5, 0.0, 0.0))
    }  # fmt: skip
    one, other, both = first.values()
    # With the labels' share at 0, the loss is the cross-entropy with the teacher's answers, which is linear in them.
    assert abs(one - other) > 0.01 and both == pytest.approx((one + other) / 2, rel=1e-5)


def test_rates_rise_by_one_factor_and_losses_are_smoothed_from_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    given = [2.0, 1.0, 3.0] + 97 * [2.0]
    monkeypatch.setattr(module, "_losses", lambda *words: iter(given))
    sweep = find_lr(nn.Identity(), Recipe(), toy.data(), steps=100)
    rates = [point.rate for point in sweep.points]
    assert rates[0] == LOWEST and rates[-1] == pytest.approx(HIGHEST)
    assert all(high / low == pytest.approx(1e6 ** (1 / 99)) for low, high in pairwise(rates))
    # Looking back 5 steps: weights 1, 4/5, 16/25 from the newest on, divided by their sum.
    assert sweep.points[1].smoothed == pytest.approx((1.0 + 0.8 * 2.0) / 1.8)
    assert sweep.points[2].smoothed == pytest.approx((3.0 + 0.8 * 1.0 + 0.64 * 2.0) / 2.44)
    assert sweep.diverged is None and sweep.upper == pytest.approx(1.0)


@pytest.mark.parametrize("end", [50.0, math.inf, math.nan])
def test_the_sweep_ends_where_the_loss_diverges(end: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """2 for 40 steps, then down to 1 between steps 41 and 50, then up."""
    given = 40 * [2.0] + [2.0 - 0.1 * step for step in range(1, 11)] + 20 * [1.0] + 30 * [end]
    monkeypatch.setattr(module, "_losses", lambda *words: iter(given))
    sweep = find_lr(nn.Identity(), Recipe(), toy.data(), steps=100)
    assert len(sweep.points) == 70 and sweep.diverged == pytest.approx(1e-5 * 10 ** (6 * 70 / 99))
    assert sweep.fastest is not None
    assert 1e-5 * 10 ** (6 * 43 / 99) < sweep.fastest < 1e-5 * 10 ** (6 * 51 / 99)
    assert sweep.suggestion == float(f"{math.sqrt(sweep.fastest * sweep.diverged / 10):.2g}")
    assert "nan" not in json.dumps(sweep.to_json()).lower()


def test_the_suggestion_is_the_middle_of_the_two_bounds() -> None:
    points = (Point(rate=0.01, loss=2.0, smoothed=2.0),)
    sweep = Sweep(points=points, fastest=0.04, diverged=9.0)
    assert sweep.suggestion == 0.19  # sqrt(0.04 * 0.9) is 0.1897
    assert sweep.sentence() == (
        "Suggested peak rate: 0.19. The smoothed loss falls fastest at 0.04 and diverges at 9; the suggestion is the"
        " middle, on a logarithmic scale, between the rate at which the smoothed loss falls fastest and a tenth of the"
        " rate at which it diverges."
    )
    assert "has not diverged at the highest rate tried, 0.01;" in replace(sweep, diverged=None).sentence()


@pytest.mark.parametrize("end", [math.inf, math.nan])
def test_a_loss_that_is_no_number_at_once_ends_the_sweep_at_once(end: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_losses", lambda *words: iter([2.0, end, *98 * [2.0]]))
    sweep = find_lr(nn.Identity(), Recipe(), toy.data(), steps=100)
    assert len(sweep.points) == 1 and sweep.suggestion is None and sweep.diverged is not None


def test_a_loss_that_never_falls_suggests_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_losses", lambda *words: iter([2 + 0.001 * step for step in range(100)]))
    sweep = find_lr(nn.Identity(), Recipe(), toy.data(), steps=100)
    assert sweep.suggestion is None and "suggests no rate" in sweep.sentence()


def test_too_few_steps_are_refused() -> None:
    with pytest.raises(UsageError, match="50 steps or more; given 49"):
        find_lr(toy.network(), Recipe(), toy.data(), steps=49)


def test_the_figure_marks_what_the_rule_goes_by(tmp_path: Path) -> None:
    points = tuple(Point(rate=10.0**n, loss=2.0, smoothed=2.0) for n in range(-5, 1))
    figure = rate_curve(Sweep(points=points, fastest=0.04, diverged=3.0), 0.1)
    (axes,) = figure.axes
    labels = [text.get_text() for text in figure.legends[0].get_texts()]
    assert labels == ["smoothed loss", "falls fastest: 0.04", "suggested: 0.11", "the recipe's: 0.1", "diverges: 3"]
    assert axes.get_xscale() == "log" and axes.get_ylim() == (0, 2.5)
    draw_sweep(figure, tmp_path / "a.svg")
    draw_sweep(figure, tmp_path / "a.PNG")
    assert "0.00001" in (tmp_path / "a.svg").read_text() and (tmp_path / "a.PNG").read_bytes()[1:4] == b"PNG"


def test_the_table_has_the_first_and_the_last_step() -> None:
    points = tuple(Point(rate=float(n), loss=2.0, smoothed=2.0) for n in range(1, 101))
    lines = sweep_table(Sweep(points=points, fastest=None, diverged=None)).splitlines()
    assert len(lines) == 1 + 20 and [lines[at].split()[0] for at in (1, -1)] == ["1", "100"]


def test_the_verb_prints_a_document_and_draws(run: Run, tmp_path: Path) -> None:
    words = ("find-lr", "f1", "--data", "digits", "--steps", 50, "--out", "lr.svg", "--seed", 1)
    status, out, err = run(*words, "--json")
    found = json.loads(out)
    assert status == 0 and "f1: 50 steps of 128 images of digits, rates from 1e-05 to 10" in err
    assert list(found) == [
        "experiment", "seed", "recipe_lr", "suggestion", "rule", "fastest", "diverged", "rows"
    ]  # fmt: skip
    assert found["rows"][0].keys() == {"rate", "loss", "smoothed"} and found["recipe_lr"] == 0.05
    assert (tmp_path / "lr.svg").read_text().lstrip().startswith("<?xml")
    status, out, _ = run(*words)
    assert status == 0 and f"Suggested peak rate: {found['suggestion']:.2g}." in out and "wrote lr.svg" in out


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--out", "lr.jpg"), "written to an .svg or .png file; given lr.jpg"),
        (("--out", "no/lr.svg"), "There is no folder no to write lr.svg into"),
        (("--steps", "5"), "50 steps or more; given 5"),
    ],
)
def test_wrong_use_is_said_in_a_sentence(words: tuple[str, ...], sentence: str, run: Run) -> None:
    status, _, err = run("find-lr", "f1", "--data", "digits", *words)
    assert status == 2 and sentence in err


def test_the_page_s_table_is_that_of_its_measurements() -> None:
    root = Path(__file__).parents[2]
    found = json.loads((root / "results" / "bench" / "find_lr.json").read_text())
    assert len(found) == 8 * 3 and {one["experiment"] for one in found} >= {"f3", "c3", "e3"}
    text = (root / "docs" / "find_lr.md").read_text()
    spec = importlib.util.spec_from_file_location("measured", root / "benchmarks" / "find_lr.py")
    assert spec is not None and spec.loader is not None
    bench = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(bench)
    assert bench.page(text, found) == text
    for one in found:
        middle = math.sqrt(one["fastest"] * (one["diverged"] or HIGHEST) / 10)
        assert one["suggestion"] == float(f"{middle:.2g}") and one["recipe_lr"] == find(one["experiment"]).recipe.lr
