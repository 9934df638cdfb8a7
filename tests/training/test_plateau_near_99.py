"""A plateau's threshold is a part of the best figure so far: near 99 %, 0.001 is a tenth of a point."""

import pytest
import torch

from featherweight.experiments.recipe import Plateau, Recipe
from featherweight.experiments.record import Row
from featherweight.training.schedule import rate


def rates(accuracies: list[float], patience: int) -> list[float]:
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
    assert rates([99.00, 99.05, 99.09, 99.099], patience=2) == pytest.approx([0.1, 0.1, 0.1, 0.01])
    assert rates([99.00, 99.05, 99.10, 99.10], patience=2) == pytest.approx([0.1, 0.1, 0.1, 0.1])
    # The wait begins anew at 99.10, and then 99.19 is short of 99.1991.
    assert rates([99.00, 99.10, 99.19, 99.19], patience=1) == pytest.approx([0.1, 0.1, 0.1, 0.01])
    assert rates([99.00, 99.10, 99.19, 99.20], patience=1) == pytest.approx([0.1, 0.1, 0.1, 0.1])


def test_it_is_torch_s_rule_on_accuracies_of_a_rung() -> None:
    draws = torch.Generator().manual_seed(3)
    accuracies = [99 + 0.4 * float(torch.rand((), generator=draws)) for _ in range(40)]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, "max", patience=1, threshold=0.001, min_lr=0)
    expected = []
    for accuracy in accuracies:
        scheduler.step(accuracy)
        expected.append(optimizer.param_groups[0]["lr"])
    found = rates(accuracies, patience=1)
    early = [(ours, theirs) for ours, theirs in zip(found, expected, strict=True) if theirs > 1e-7]
    assert len(early) > 10 and len({theirs for _, theirs in early}) > 3
    assert all(ours == pytest.approx(theirs) for ours, theirs in early)
