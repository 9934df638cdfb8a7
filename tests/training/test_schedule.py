"""Rates against PyTorch's own schedulers where it has them, and arithmetic written out where it does not."""

import math

import pytest
import torch

from featherweight.experiments.recipe import (
    Constant,
    Cosine,
    Linear,
    MultiStep,
    OneCycle,
    Plateau,
    Recipe,
    Schedule,
    Step,
)
from featherweight.experiments.record import Row
from featherweight.training.schedule import rate

EPOCHS, STEPS = 7, 11


def _rates(schedule: Schedule, lr: float = 0.3) -> list[float]:
    recipe = Recipe(lr=lr, epochs=EPOCHS, schedule=schedule)
    return [rate(recipe, step, STEPS) for step in range(EPOCHS * STEPS)]


def _torch_rates(make: "type", every_step: bool, **settings: object) -> list[float]:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.3)
    scheduler = make(optimizer, **settings)
    rates = []
    for _ in range(EPOCHS):
        for _ in range(STEPS):
            rates.append(optimizer.param_groups[0]["lr"])
            optimizer.step()
            if every_step:
                scheduler.step()
        if not every_step:
            scheduler.step()
    return rates


def test_constant() -> None:
    assert _rates(Constant()) == [0.3] * (EPOCHS * STEPS)


def test_step_is_torch_s() -> None:
    theirs = _torch_rates(torch.optim.lr_scheduler.StepLR, False, step_size=2, gamma=0.3)
    assert _rates(Step(every_epochs=2, factor=0.3)) == pytest.approx(theirs, rel=1e-12)


def test_multi_step_is_torch_s_with_epochs_counted_from_one() -> None:
    theirs = _torch_rates(torch.optim.lr_scheduler.MultiStepLR, False, milestones=[2, 5], gamma=0.1)
    assert _rates(MultiStep(at_epochs=(3, 6))) == pytest.approx(theirs, rel=1e-12)


def test_one_cycle_is_torch_s() -> None:
    total = EPOCHS * STEPS
    theirs = _torch_rates(
        torch.optim.lr_scheduler.OneCycleLR,
        True,
        max_lr=0.3,
        total_steps=total + 1,
        pct_start=0.25,
        div_factor=25,
        final_div_factor=400,
        cycle_momentum=False,
    )[:total]
    # PyTorch reaches the peak at pct_start * total_steps - 1 and the end at total_steps - 1.
    ours = _rates(OneCycle(peak_at=(0.25 * (total + 1) - 1) / (total - 1), start=1 / 25, floor=1 / (25 * 400)))
    assert ours[: total // 5] == pytest.approx(theirs[: total // 5], rel=1e-9)
    assert ours[0] == pytest.approx(0.3 / 25)
    assert ours[-1] == pytest.approx(0.3 / 10_000)
    assert max(ours) == pytest.approx(0.3, rel=2e-3)


def test_one_cycle_with_its_peak_at_either_end() -> None:
    assert _rates(OneCycle(peak_at=0.0, floor=0.5))[0] == pytest.approx(0.3)
    assert _rates(OneCycle(peak_at=1.0, start=0.5))[-1] == pytest.approx(0.3)


def test_cosine_and_linear_end_exactly_at_their_floor() -> None:
    cosine, linear = _rates(Cosine(floor=0.1)), _rates(Linear(floor=0.1))
    assert (cosine[0], linear[0]) == (0.3, 0.3)
    assert cosine[-1] == pytest.approx(0.03) and linear[-1] == pytest.approx(0.03)
    middle = (EPOCHS * STEPS - 1) // 2
    assert cosine[middle] == pytest.approx(0.3 * (0.1 + 0.9 * (1 + math.cos(math.pi / 2)) / 2))
    assert linear[middle] == pytest.approx(0.3 * 0.55)


@pytest.mark.parametrize(
    "schedule",
    [
        Constant(warmup_epochs=1.5),
        Step(every_epochs=9, warmup_epochs=1.5),
        MultiStep(at_epochs=(9,), warmup_epochs=1.5),
        Plateau(warmup_epochs=1.5),
        OneCycle(peak_at=0, warmup_epochs=1.5),
        Cosine(warmup_epochs=1.5),
        Linear(warmup_epochs=1.5),
    ],
)
def test_every_schedule_warms_up_by_step(schedule: Schedule) -> None:
    rates = _rates(schedule)
    warm = 1.5 * STEPS  # 16.5 steps
    assert rates[:16] == pytest.approx([0.3 * (step + 1) / warm for step in range(16)])
    assert rates[17] == pytest.approx(0.3, rel=1e-2)


def _row(epoch: int, loss: float, accuracy: float) -> Row:
    figures = {"lr": 0.1, "seconds": 1.0, "test_loss": loss, "test_accuracy": accuracy}
    return Row(epoch=epoch, train_loss=loss, train_accuracy=accuracy, **figures)


@pytest.mark.parametrize(("patience", "kind"), [(2, "relative"), (0, "relative"), (0, "absolute"), (1, "absolute")])
@pytest.mark.parametrize(("quantity", "mode"), [("train_loss", "min"), ("test_accuracy", "max")])
def test_plateau_is_torch_s(quantity: str, mode: str, patience: int, kind: str) -> None:
    values = [1.0, 0.5, 0.4999, 0.4998, 0.49, 0.4899, 0.4899, 0.4899, 0.6, 0.7, 0.8, 0.2, 0.2, 0.2, 0.2]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, mode=mode, factor=0.5, patience=patience, threshold=0.01, threshold_mode=kind[:3]
    )
    schedule = Plateau(  # type: ignore[arg-type]
        quantity=quantity, factor=0.5, patience_epochs=patience, threshold=0.01, threshold_mode=kind
    )
    recipe = Recipe(lr=0.1, epochs=len(values), schedule=schedule)
    rows: list[Row] = []
    changes = set()
    for epoch, value in enumerate(values):
        ours = rate(recipe, epoch * STEPS, STEPS, rows)
        assert ours == pytest.approx(optimizer.param_groups[0]["lr"]), epoch
        changes.add(ours)
        scheduler.step(value)
        rows.append(_row(epoch + 1, value, value))
    assert len(changes) >= 3  # it did lower the rate, more than once


def near_99(accuracies: list[float], patience: int) -> list[float]:
    """The rate in force after each of these epochs."""
    schedule = Plateau(quantity="test_accuracy", patience_epochs=patience, threshold=0.001)
    recipe = Recipe(lr=0.1, epochs=len(accuracies) + 1, schedule=schedule)
    rows = [
        Row(epoch=n, lr=0.1, train_loss=0.1, train_accuracy=99, test_loss=0.1, test_accuracy=test, seconds=1)
        for n, test in enumerate(accuracies, start=1)
    ]
    return [rate(recipe, n, 1, rows[:n]) for n in range(1, len(rows) + 1)]


def test_a_rise_by_less_than_a_tenth_of_a_point_is_none() -> None:
    # Of 99.00 a thousandth is 0.099 points: 99.09 is no rise, whatever it would be as an absolute 0.001; 99.10 is.
    assert near_99([99.00, 99.05, 99.09, 99.099], patience=2) == pytest.approx([0.1, 0.1, 0.1, 0.01])
    assert near_99([99.00, 99.05, 99.10, 99.10], patience=2) == pytest.approx([0.1, 0.1, 0.1, 0.1])
    # The wait begins anew at 99.10, and then 99.19 is short of 99.1991.
    assert near_99([99.00, 99.10, 99.19, 99.19], patience=1) == pytest.approx([0.1, 0.1, 0.1, 0.01])
    assert near_99([99.00, 99.10, 99.19, 99.20], patience=1) == pytest.approx([0.1, 0.1, 0.1, 0.1])


def test_it_is_torch_s_rule_on_accuracies_of_a_rung() -> None:
    draws = torch.Generator().manual_seed(3)
    accuracies = [99 + 0.4 * float(torch.rand((), generator=draws)) for _ in range(40)]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=1, threshold=0.001, min_lr=0)
    expected = []
    for accuracy in accuracies:
        scheduler.step(accuracy)
        expected.append(optimizer.param_groups[0]["lr"])
    found = near_99(accuracies, patience=1)
    early = [(ours, theirs) for ours, theirs in zip(found, expected, strict=True) if theirs > 1e-7]
    assert len(early) > 10 and len({theirs for _, theirs in early}) > 3
    assert all(ours == pytest.approx(theirs) for ours, theirs in early)
