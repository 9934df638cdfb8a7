"""Blocks against the operators they are made of, and what the registry knows of each kind of layer."""

import re
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from exported import lively
from featherweight.api.summary import summary
from featherweight.networks import layers
from featherweight.networks.anatomy import dissect
from featherweight.networks.layers import kinds, lacking
from featherweight.networks.layers.activations import CURVES
from featherweight.networks.layers.blocks import Sum, residual_norm_relu, squeeze_excite


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


class Doubled(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return 2 * x


def test_the_layers_that_lack_a_kernel_or_a_form_are_named_with_their_settings() -> None:
    network = nn.Sequential(
        nn.Conv2d(1, 4, 3), nn.Mish(), nn.MaxPool2d(3, 2, padding=1), nn.GroupNorm(2, 4), nn.GELU(), nn.GELU("tanh"),
        squeeze_excite(4, 2), nn.Sequential(Doubled()), nn.Conv2d(4, 4, (1, 3)), nn.Tanh(), nn.AdaptiveAvgPool2d(1),
        nn.Flatten(), nn.LayerNorm(4), nn.Linear(4, 3),
    )  # fmt: skip
    before = [len(module._forward_pre_hooks) for module in network.modules()]
    assert lacking(network.eval(), (1, 12, 12)) == {
        "native kernel": [
            "1 (Mish)", "2 (MaxPool2d)", "4 (GELU)", "7.0 (Doubled)", "8 (Conv2d)", "9 (Tanh)",
        ],
        "C, page or plain ONNX": ["1 (Mish)", "4 (GELU)", "6 (Gated)", "7.0 (Doubled)"],
    }  # fmt: skip
    assert [len(module._forward_pre_hooks) for module in network.modules()] == before
    said = summary(network, (1, 12, 12)).lacking_sentence()
    assert said.startswith("No native kernel: 1 (Mish), 2 (MaxPool2d)") and "9 (Tanh). No C" in said


def test_a_network_whose_layers_lack_nothing_says_nothing_of_it() -> None:
    network = nn.Sequential(residual_norm_relu(1, 4), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(4, 3))
    assert summary(network, (1, 8, 8)).lacking == {} and "No native" not in repr(summary(network, (1, 8, 8)))


def test_a_norm_of_each_picture_is_named_where_the_field_becomes_the_map() -> None:
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.GroupNorm(2, 4), nn.Conv2d(4, 4, 3))
    assert "From 2 (GroupNorm) on, it is the whole map's" in dissect(network, (1, 12, 12)).sentence()
    assert "whole map" not in dissect(network[:2], (1, 12, 12)).sentence()


def test_every_name_of_an_activation_leads_to_the_same_function() -> None:
    """numpy and PyTorch; the page, ONNX and C are compared where they are exported."""
    assert len(CURVES) == 6 and len(kinds()) == 52
    images = torch.linspace(-9, 9, 721)
    for kind, curve in CURVES.items():
        assert curve.curve is not None
        found = torch.from_numpy(curve.curve(images.numpy()))
        made = kinds()[f"nn.{curve.module}"].make(**curve.form)
        assert found.dtype == torch.float32, kind
        assert (found - made(images)).abs().max() < 2e-6 and torch.equal(curve.function(images), made(images)), kind


def test_a_new_activation_stands_in_one_file_and_one_kernel() -> None:
    """Hard swish, for one: whoever else wants it asks the registry."""
    root = Path(layers.__file__).parents[2]
    inner = [path for path in root.rglob("*") if not {"ladders", "records", "spaces"} & set(path.parts)]
    texts = {path.name: path.read_text() for path in inner if path.suffix in (".py", ".hpp", ".cpp", ".js", ".h", ".c")}
    assert len(texts) > 100
    named = {name for name, text in texts.items() if re.search("hard_?swish", text, re.IGNORECASE)}
    assert named == {"activations.py", "norm_act_pool.hpp"}
