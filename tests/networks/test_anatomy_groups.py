"""Multiply-adds of convolutions in groups, written out."""

import pytest
from torch import nn

from featherweight.networks.anatomy import dissect


@pytest.mark.parametrize(
    ("inputs", "outputs", "kernel", "groups", "macs"),
    [
        # On 11 x 7 pixels without padding a 3 x 3 kernel gives 9 x 5 places.
        (6, 10, 3, 1, 10 * 9 * 5 * 6 * 9),
        (6, 10, 3, 2, 10 * 9 * 5 * 3 * 9),
        (6, 12, 3, 6, 12 * 9 * 5 * 1 * 9),
        (6, 6, 3, 6, 6 * 9 * 5 * 1 * 9),
        (15, 10, 1, 5, 10 * 11 * 7 * 3 * 1),
    ],
)
def test_an_output_takes_the_inputs_of_its_own_group(
    inputs: int, outputs: int, kernel: int, groups: int, macs: int
) -> None:
    network = nn.Sequential(nn.Conv2d(inputs, outputs, kernel, groups=groups, bias=False))
    (row,) = dissect(network, (inputs, 11, 7)).rows
    assert row.macs == macs
    assert row.parameters == outputs * (inputs // groups) * kernel**2


def test_a_convolution_in_two_steps_costs_the_sum_of_both() -> None:
    in_two = nn.Sequential(nn.Conv2d(13, 13, 3, groups=13, bias=False), nn.Conv2d(13, 17, 1, bias=False))
    assert dissect(in_two, (13, 11, 7)).macs == 9 * 5 * (13 * 9 + 13 * 17)
