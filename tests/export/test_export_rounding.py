"""The integer network's rounding and its limits, by arithmetic: no compiler is needed."""

import numpy as np
import pytest
import torch
from torch import nn

from featherweight.errors import UsageError
from featherweight.export import integers
from featherweight.export.fixed_point import TOP, WIDE_TOP, Stage, _scaled_stage, quantise
from featherweight.export.lowering import Step, lower

STEP = Step(kind="convolution", name="layer 7")


def stage(offset: float, ratio: float, reach: int, top: int = WIDE_TOP) -> Stage:
    weights = np.zeros((1, 1, 1, 1), np.int64)
    return _scaled_stage(STEP, 0, top, weights, np.array([offset]), np.array([ratio]), np.array([reach]))


def mean_error(made: Stage, ratio: float, reach: int) -> float:
    """Of all sums from 0 to `reach`, evenly spaced: what the stage gives less what it should."""
    sums = torch.arange(0, reach, max(1, reach // 100_003), dtype=torch.float64)
    found = integers._rescale(sums + float(made.bias[0]), made.before, int(made.multipliers[0]), made)
    return float((found - ratio * sums).mean())


def test_the_last_shift_rounds_and_does_not_cut_off() -> None:
    made = stage(0.0, 0.1, 2550, TOP)
    assert made.before == 0 and made.bias[0] == 5  # half a unit of the result is five units of the sum
    assert abs(mean_error(made, 0.1, 2550)) < 0.06  # cut off, it would be -0.45


def test_the_first_shift_is_made_up_for() -> None:
    # Sums up to 2^20 lose 4 bits so that 16 are left: 7.5 of each sum on average, a third of a unit of the result.
    ratio = 0.0437
    made = stage(0.0, ratio, 2**20 - 64)
    assert made.before == 4
    assert made.bias[0] == round(0.5 / 0.0437 + 7.5) == 19  # half a unit for the last shift, and the first one's mean
    assert (
        abs(mean_error(made, ratio, 2**20 - 64)) < 0.1
    )  # without the first shift's it would be -0.33, without any -0.83


def test_results_stop_at_the_top_and_at_zero() -> None:
    made = stage(0.0, 0.5, 1020, TOP)
    sums = torch.tensor([-900.0, 0.0, 511.0, 1020.0], dtype=torch.float64)
    assert integers._rescale(sums, made.before, int(made.multipliers[0]), made).tolist() == [0, 0, 255, 255]


@pytest.mark.parametrize(
    ("offset", "ratio", "reach"),
    [
        (2.0**30, 2.0**-15, 0),  # a bias of 31 bits
        (-(2.0**30) - 2**17, 2.0**-15, 0),  # likewise below zero
        (0.0, 2.0**-40, 255),  # the last shift would be 32 bits or more
        (0.0, 2.0**17, 255),  # the multiplier would have more than 16 bits
    ],
)
def test_what_does_not_fit_32_bits_is_refused_by_name(offset: float, ratio: float, reach: int) -> None:
    with pytest.raises(UsageError, match="Layer layer 7 has numbers too large or too small for 8 bits"):
        stage(offset, ratio, reach)


def test_what_just_fits_is_taken() -> None:
    made = stage(2.0**30 - 2**17, 2.0**-15, 0)
    assert abs(int(made.bias[0])) < 2**30 and 0 <= made.after < 32
    assert (int(made.bias[0]) >> made.before) * int(made.multipliers[0]) < 2**32


def test_no_sum_of_a_picture_can_leave_32_bits() -> None:
    for reach in (255, 65_535, 10**6, 2**24):
        made = stage(0.0, 255 / reach, reach, TOP)
        highest = (int(made.bias[0]) + reach) >> made.before
        assert highest < 2**16 + 1 and highest * int(made.multipliers[0]) < 2**32
        assert highest * int(made.multipliers[0]) >> made.after in (255, 256)


@pytest.mark.parametrize("tiny", [0.0, 1e-6, 1e-12, 1e-30])
def test_a_channel_that_training_has_brought_to_nothing_is_exported_as_nothing(tiny: float) -> None:
    torch.manual_seed(0)
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3, groups=4), nn.ReLU(), nn.Conv2d(4, 3, 1), nn.ReLU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 2),
    ).eval()  # fmt: skip
    with torch.no_grad():
        for at in (0, 2, 4):
            network[at].weight[1] *= tiny
            network[at].bias[1] *= tiny
    pictures = torch.randint(0, 256, (64, 1, 9, 9), dtype=torch.uint8)
    program = quantise(lower(network, (1, 9, 9), 8), pictures, (0.5,), (0.3,))
    exact = network((pictures / 255 - 0.5) / 0.3).detach().numpy()
    scores = integers.integer_scores(program, pictures)
    gained = np.polyfit(exact.ravel(), scores.ravel().astype(float), 1)
    off = np.abs(np.polyval(gained, exact) - scores) / gained[0]
    assert off.max() < 0.05 * np.ptp(exact)
