"""Networks as plain data: every allowed layer and every experiment there and back, and what is refused."""

import json
from collections import OrderedDict
from typing import Any

import pytest
import torch
from torch import nn

from featherweight.errors import UsageError
from featherweight.experiments.experiment import find, ids
from featherweight.networks.architecture import Layer, describe_network, from_json, layer, make, to_json
from featherweight.networks.checks import fingerprint
from featherweight.networks.layers import MOST_WEIGHTS, kind_of, kinds
from featherweight.networks.layers.blocks import (
    CONTAINERS,
    Residual,
    Sum,
    conv_norm_relu,
    residual_norm_relu,
    separable_norm_relu,
    squeeze_excite,
)
from featherweight.networks.layers.preprocessing import Crop, Deskew

EXAMPLES: dict[str, nn.Module] = {
    "conv_norm_relu": conv_norm_relu(3, 5, kernel=7, padding=2, dropout=0.25, stride=2),
    "separable_norm_relu": separable_norm_relu(3, 5, kernel=5, padding=1, stride=2),
    "residual_norm_relu": residual_norm_relu(3, 5, stride=2),
    "Crop": Crop(2),
    "Deskew": Deskew(),
    "nn.Conv2d": nn.Conv2d(6, 10, (3, 5), stride=(2, 1), padding=1, dilation=3, groups=2, padding_mode="reflect"),
    "nn.Linear": nn.Linear(11, 13, bias=False),
    "nn.BatchNorm1d": nn.BatchNorm1d(7, momentum=None),
    "nn.BatchNorm2d": nn.BatchNorm2d(7, eps=1e-3, affine=False),
    "nn.GroupNorm": nn.GroupNorm(3, 21),
    "nn.LayerNorm": nn.LayerNorm((3, 5, 7), eps=1e-3, bias=False),
    "nn.MaxPool2d": nn.MaxPool2d((2, 3), stride=1, ceil_mode=True),
    "nn.AvgPool2d": nn.AvgPool2d(3, padding=1, count_include_pad=False, divisor_override=5),
    "nn.AdaptiveAvgPool2d": nn.AdaptiveAvgPool2d((None, 5)),
    "nn.AdaptiveMaxPool2d": nn.AdaptiveMaxPool2d(3),
    "nn.ZeroPad2d": nn.ZeroPad2d((1, 2, 3, 5)),
    "nn.ReflectionPad2d": nn.ReflectionPad2d(2),
    "nn.ReplicationPad2d": nn.ReplicationPad2d((2, 3, 5, 7)),
    "nn.ConstantPad2d": nn.ConstantPad2d(1, 0.5),
    "nn.Flatten": nn.Flatten(1, 3),
    "nn.Unflatten": nn.Unflatten(1, (3, 5, 7)),
    "nn.Softmax": nn.Softmax(dim=1),
    "nn.Softmin": nn.Softmin(dim=1),
    "nn.LogSoftmax": nn.LogSoftmax(dim=-1),
    "nn.ELU": nn.ELU(0.7),
    "nn.CELU": nn.CELU(0.7, inplace=True),
    "nn.LeakyReLU": nn.LeakyReLU(0.2),
    "nn.PReLU": nn.PReLU(5, init=0.1),
    "nn.GELU": nn.GELU(approximate="tanh"),
    "nn.Hardtanh": nn.Hardtanh(-2.0, 3.0),
    "nn.Softplus": nn.Softplus(2.0, 10.0),
    "nn.Softshrink": nn.Softshrink(0.3),
    "nn.Hardshrink": nn.Hardshrink(0.3),
    "nn.Threshold": nn.Threshold(0.1, 5.0),
    **{f"nn.{name}": getattr(nn, name)(inplace=True) for name in
       ("ReLU", "ReLU6", "SELU", "SiLU", "Mish", "Hardswish", "Hardsigmoid")},
    **{f"nn.{name}": getattr(nn, name)(0.3) for name in
       ("Dropout", "Dropout1d", "Dropout2d", "AlphaDropout", "FeatureAlphaDropout")},
    **{f"nn.{name}": getattr(nn, name)() for name in
       ("Identity", "Sigmoid", "Tanh", "Softsign", "LogSigmoid", "Tanhshrink")},
}  # fmt: skip
"""One of each with settings that are not its usual ones."""


def there_and_back(network: nn.Module) -> nn.Module:
    told, foreign = describe_network(network)
    assert told is not None, foreign
    again = make(from_json(json.loads(json.dumps(to_json(told)))))
    assert fingerprint(again) == fingerprint(network)
    return again


def settings_of(module: nn.Module) -> dict[str, Any]:
    """What the constructor left on the module, tensors and bookkeeping aside."""
    plain = (int, float, bool, str, tuple, type(None))
    return {name: value for name, value in vars(module).items() if isinstance(value, plain)}


def test_every_allowed_layer_has_an_example() -> None:
    assert set(EXAMPLES) == set(kinds()) and len(EXAMPLES) == 52
    assert set(CONTAINERS) == {"nn.Sequential", "Residual", "Sum", "Gated"}


def test_sums_and_gates_are_told_as_data() -> None:
    network = nn.Sequential(
        nn.Conv2d(3, 4, 3), Sum(nn.Sequential(nn.Conv2d(4, 6, 1), nn.ReLU()), nn.Conv2d(4, 6, 1)), squeeze_excite(6, 2)
    )
    again = there_and_back(network)
    again.load_state_dict(network.state_dict())
    images = torch.rand(2, 3, 9, 9)
    assert torch.equal(again(images), network(images))


def test_a_residual_block_is_bounded_by_all_its_weights() -> None:
    # 9 x 60,000 x 60,000 for the second convolution alone is far over the limit of 2^26.
    with pytest.raises(UsageError, match="at most"):
        make(layer("nn.Sequential", layer("residual_norm_relu", 1, 60_000)))
    block = residual_norm_relu(3, 5, stride=2)
    assert kind_of("residual_norm_relu").weights({"inputs": 3, "outputs": 5}) >= sum(
        v.numel() for v in block.state_dict().values()
    )


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_a_layer_comes_back_with_every_setting(name: str) -> None:
    module = EXAMPLES[name]
    again = there_and_back(module)
    assert [settings_of(part) for part in again.modules()] == [settings_of(part) for part in module.modules()]
    told, _ = describe_network(module)
    assert told is not None and told.make == name


@pytest.mark.parametrize("id", ids())
def test_every_experiment_comes_back(id: str) -> None:
    experiment = find(id)
    network = experiment.build()
    again = there_and_back(network)
    again.load_state_dict(network.state_dict())
    images = torch.rand(3, *experiment.shape, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(again.eval()(images), network.eval()(images))


def test_the_flagship_is_told_in_few_words() -> None:
    told, foreign = describe_network(find("f3").build())
    assert foreign == "" and told is not None
    assert [str(part) for part in told.given[:3]] == [
        "conv_norm_relu(1, 8)", "nn.MaxPool2d(2)", "conv_norm_relu(8, 9, padding=1)"
    ]  # fmt: skip


def test_sums_and_named_layers_come_back() -> None:
    body = Residual(conv_norm_relu(5, 5, padding=1), nn.Sequential(), nn.Identity())
    network = nn.Sequential(OrderedDict(stem=nn.Conv2d(3, 5, 3), body=body, head=nn.Flatten()))
    again = there_and_back(network)
    assert list(again.state_dict()) == list(network.state_dict()) and isinstance(again.get_submodule("body"), Residual)


def test_describing_draws_no_random_number() -> None:
    torch.manual_seed(7)
    before = torch.random.get_rng_state()
    network = nn.Flatten()
    assert describe_network(network)[0] is not None and torch.equal(torch.random.get_rng_state(), before)


class Swish(nn.Module):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x * x.sigmoid()


def shared() -> nn.Module:
    one = nn.Conv2d(3, 3, 3)
    return nn.Sequential(one, nn.ReLU(), one)


def tied() -> nn.Module:
    network = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    network[1].weight = network[0].weight
    return network


def hooked() -> nn.Module:
    network = nn.Sequential(nn.ReLU())
    network[0].register_forward_hook(lambda *_: None)
    return network


def frozen() -> nn.Module:
    network = nn.Sequential(nn.Linear(3, 3))
    network[0].weight.requires_grad = False
    return network


def buffered() -> nn.Module:
    network = nn.Sequential(nn.ReLU())
    network.register_buffer("scale", torch.ones(3))
    return network


@pytest.mark.parametrize(
    ("network", "says"),
    [
        (nn.Sequential(nn.ReLU(), nn.Sequential(Swish())), "layer 1.0 (Swish)"),
        (Swish(), "the network itself (Swish)"),
        (shared(), "layer 2 (Conv2d), which is used twice"),
        (tied(), "layer 1 (Linear), which is used twice"),
        (hooked(), "layer 0 (ReLU), which has hooks or a forward of its own"),
        (frozen(), "layer 0 (Linear), which is frozen or not of float32"),
        (nn.Sequential(nn.Linear(3, 3)).double(), "layer 0 (Linear), which is frozen or not of float32"),
        (buffered(), "the network itself, which has more to it than its layers"),
        (nn.Sequential(nn.Dropout(), nn.Softplus(2e6)), "layer 1 (Softplus): The beta of nn.Softplus is a number"),
    ],
)
def test_what_is_not_told_as_data_is_named(network: nn.Module, says: str) -> None:
    told, foreign = describe_network(network)
    assert told is None and foreign.startswith(says)


@pytest.mark.parametrize(
    ("values", "says"),
    [
        (["nn.Module", [], {}], "Unknown layer 'nn.Module'"),
        (["os.system", ["true"], {}], "Unknown layer 'os.system'"),
        (["nn.Linear", [3, 5], {"device": "cuda"}], "each of these arguments once: in_features, out_features, bias"),
        (["nn.Linear", [3, 5], {"in_features": 3}], "given 'in_features' as well"),
        (["nn.Linear", [3, 5, True, 7], {}], "nn.Linear takes 3 arguments; given 4"),
        (["nn.Linear", [0, 5], {}], "The in_features of nn.Linear is a whole number from 1 to 65,536; given 0"),
        (["nn.Linear", [True, 5], {}], "given True"),
        (["nn.Linear", [1e3, 5], {}], "given 1000.0"),
        (["nn.Conv2d", [1, 1, [3, 3, 3]], {}], r"one or two whole numbers from 1 to 1,024; given \(3, 3, 3\)"),
        (["nn.Dropout", [], {"p": 1.5}], "a number from 0 to 1; given 1.5"),
        (["nn.Dropout", [], {"p": float("nan")}], "given nan"),
        (["nn.Sequential", [3], {}], "nn.Sequential holds layers, each with a name"),
        (["nn.Sequential", [], {"a.b": ["nn.ReLU", [], {}]}], "given 'a.b'"),
        (["nn.Sequential", [["nn.ReLU", [], {}]], {"0": ["nn.ReLU", [], {}]}], "have the same name"),
        (["nn.ReLU", []], r"A layer is \[name, \[arguments\], {arguments by name}\]"),
        ({"nn.ReLU": 1}, "A layer is"),
    ],
)  # fmt: skip
def test_what_is_not_allowed_is_refused(values: Any, says: str) -> None:
    with pytest.raises(UsageError, match=says):
        from_json(values)


def test_what_would_take_too_much_memory_is_refused_before_it_is_made() -> None:
    assert (
        kind_of("nn.Conv2d").weights({"in_channels": 12, "out_channels": 16, "kernel_size": (3, 5)})
        >= 12 * 16 * 15 + 16
    )
    assert kind_of("conv_norm_relu").weights({"inputs": 3, "outputs": 5}) >= 3 * 5 * 9 + 4 * 5
    wide = Layer("nn.Linear", (1 << 13, 1 << 13))
    assert MOST_WEIGHTS == (1 << 26)
    with pytest.raises(UsageError, match=r"at most 4,096 layers and 67,108,864 weights; this one has more"):
        make(Layer("nn.Sequential", (wide, wide)))
    with pytest.raises(UsageError, match="at most 4,096 layers"):
        make(Layer("nn.Sequential", (layer("nn.ReLU"),) * 4096))
    deep: Any = ["nn.ReLU", [], {}]
    for _ in range(20):
        deep = ["nn.Sequential", [deep], {}]
    with pytest.raises(UsageError, match="A layer is"):
        from_json(deep)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_no_layer_holds_more_than_arithmetic_allows_it(name: str) -> None:
    told, _ = describe_network(EXAMPLES[name])
    assert told is not None
    named = dict(zip(kind_of(name).ranges, told.given, strict=False)) | dict(told.settings)
    held = EXAMPLES[name].state_dict().values()
    assert kind_of(name).weights(named) >= sum(tensor.numel() for tensor in held if tensor.ndim)
