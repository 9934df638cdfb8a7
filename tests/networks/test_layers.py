"""Blocks against the operators they are made of."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exported import lively
from featherweight.networks.anatomy import dissect
from featherweight.networks.layers.blocks import Sum, residual_norm_relu


def normed(images: Tensor, norm: nn.BatchNorm2d) -> Tensor:
    mean, variance = norm.running_mean, norm.running_var
    assert mean is not None and variance is not None
    shape = (1, -1, 1, 1)
    scaled = (images - mean.reshape(shape)) / (variance.reshape(shape) + norm.eps).sqrt()
    return scaled * norm.weight.reshape(shape) + norm.bias.reshape(shape)


@pytest.mark.parametrize(("inputs", "outputs", "stride"), [(3, 5, 1), (3, 5, 2), (5, 5, 2), (5, 5, 1)])
def test_a_residual_block_is_he_s(inputs: int, outputs: int, stride: int) -> None:
    torch.manual_seed(1)
    block = lively(residual_norm_relu(inputs, outputs, stride=stride))
    weights = [module.weight for module in block.modules() if isinstance(module, nn.Conv2d)]
    norms = [module for module in block.modules() if isinstance(module, nn.BatchNorm2d)]
    images = torch.randn(2, inputs, 11, 13)
    with torch.no_grad():
        hidden = F.relu(normed(F.conv2d(images, weights[0], stride=stride, padding=1), norms[0]))
        main = normed(F.conv2d(hidden, weights[1], padding=1), norms[1])
        same = inputs == outputs and stride == 1
        shortcut = images if same else normed(F.conv2d(images, weights[2], stride=stride), norms[2])
        torch.testing.assert_close(block(images), F.relu(main + shortcut), atol=1e-5, rtol=1e-5)
    assert len(weights) == len(norms) == (2 if same else 3)
    assert block(images).shape == (2, outputs, -(-11 // stride), -(-13 // stride))


def test_a_sum_s_anatomy_is_that_of_its_widest_term() -> None:
    """The shortcut sees 1 pixel and the two convolutions 3 + 2 * 2 of them, since the first one's stride is 2."""
    anatomy = dissect(nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), residual_norm_relu(4, 6, stride=2)), (3, 13, 13))
    assert anatomy.field == 3 + 2 + 2 * 2 and anatomy.rows[-1].jump == 2
    places = 7 * 7
    assert anatomy.macs == 13 * 13 * 4 * 27 + places * (6 * 4 * 9 + 6 * 6 * 9 + 6 * 4)
    assert anatomy.parameters == 4 * 28 + 6 * 36 + 6 * 54 + 6 * 4 + 3 * 12


def test_a_sum_adds_what_each_layer_makes() -> None:
    images = torch.randn(2, 3, 4, 5)
    layers = [nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1), nn.Conv2d(3, 2, 1)]
    torch.testing.assert_close(Sum(*layers)(images), layers[0](images) + layers[1](images) + layers[2](images))
