"""Anatomy against arithmetic written out; against random networks it is held in its own file."""

import json
import random

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import prune
from torch.nn.utils.parametrizations import weight_norm

from featherweight.errors import UsageError
from featherweight.networks.anatomy import dissect
from featherweight.networks.layers import effects
from featherweight.networks.layers.blocks import Residual, Sum, conv_norm_relu, squeeze_excite


def chain(*layers: nn.Module) -> nn.Sequential:
    return nn.Sequential(*layers)


def a10() -> nn.Sequential:
    def conv(inputs: int, outputs: int, padding: int) -> list[nn.Module]:
        convolution = nn.Conv2d(inputs, outputs, 3, padding=padding)
        return [convolution, nn.ReLU(), nn.BatchNorm2d(outputs), nn.Dropout2d(0.1)]

    return chain(
        *conv(1, 8, 1), *conv(8, 8, 1), nn.MaxPool2d(2),
        *conv(8, 16, 1), *conv(16, 16, 1), *conv(16, 32, 0), nn.MaxPool2d(2),
        *conv(32, 32, 0), nn.Conv2d(32, 10, 1), nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    )  # fmt: skip


class Stack(nn.Module):
    """The published ladder B's network, written with functions as its source does."""

    def __init__(self, *c: int) -> None:
        super().__init__()
        inputs = (1, *c[:4])
        self.big = nn.ModuleList(nn.Conv2d(i, o, 3, padding=1, bias=False) for i, o in zip(inputs, c[:5], strict=True))
        self.small = nn.Conv2d(c[4], c[5], 1, bias=False)
        self.last = nn.Conv2d(c[5], c[6], 1)

    def forward(self, x: Tensor) -> Tensor:
        for index, layer in enumerate(self.big):
            x = F.relu(layer(x))
            if index in (1, 3):
                x = F.max_pool2d(x, 2)
        x = F.avg_pool2d(x, x.shape[2:])
        x = self.last(F.relu(self.small(x)))
        return F.log_softmax(x.view(-1, 10), dim=1)


def c3() -> nn.Sequential:
    return chain(
        conv_norm_relu(1, 8, dropout=0.05), conv_norm_relu(8, 16, dropout=0.05), nn.MaxPool2d(2),
        conv_norm_relu(16, 8, kernel=1), conv_norm_relu(8, 8, dropout=0.05),
        conv_norm_relu(8, 12, dropout=0.05), conv_norm_relu(12, 12, dropout=0.05),
        conv_norm_relu(12, 16, dropout=0.05), nn.AvgPool2d(4),
        nn.Conv2d(16, 10, 1, bias=False), nn.Flatten(), nn.LogSoftmax(dim=1),
    )  # fmt: skip


def d1() -> nn.Sequential:
    return chain(
        conv_norm_relu(1, 4), conv_norm_relu(4, 8), conv_norm_relu(8, 12),
        conv_norm_relu(12, 16), nn.MaxPool2d(2),
        conv_norm_relu(16, 12, kernel=1), conv_norm_relu(12, 8, kernel=1), conv_norm_relu(8, 12),
        conv_norm_relu(12, 16), conv_norm_relu(16, 20), conv_norm_relu(20, 16, kernel=1), nn.AvgPool2d(4),
        nn.Conv2d(16, 10, 1, bias=False), nn.Flatten(),
    )  # fmt: skip


# ------------------------------------------------------------------ networks whose figures are published


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        (c3(), 6_136),
        (a10(), 18_594),
        (d1(), 9_404),
        (Stack(9, 10, 16, 16, 16, 32, 10), 7_781),
        (Stack(32, 32, 64, 64, 128, 256, 10), 173_866),
    ],
)
def test_published_parameter_counts(network: nn.Module, parameters: int) -> None:
    anatomy = dissect(network)
    assert anatomy.parameters == parameters == sum(row.parameters for row in anatomy.rows)
    assert anatomy.rows[-1].output == (10,)


def test_c3_row_by_row() -> None:
    rows = dissect(c3()).blocks()
    assert [row.parameters for row in rows] == [
        72 + 16, 8 * 16 * 9 + 32, 0, 16 * 8 + 16, 8 * 8 * 9 + 16, 8 * 12 * 9 + 24, 12 * 12 * 9 + 24,
        12 * 16 * 9 + 32, 0, 160, 0, 0,
    ]  # fmt: skip
    assert [row.macs for row in rows] == [
        26 * 26 * 8 * 9, 24 * 24 * 16 * 72, 0, 12 * 12 * 8 * 16, 10 * 10 * 8 * 72, 8 * 8 * 12 * 72,
        6 * 6 * 12 * 108, 4 * 4 * 16 * 108, 0, 160, 0, 0,
    ]  # fmt: skip
    assert [row.output for row in rows[:3]] == [(8, 26, 26), (16, 24, 24), (16, 12, 12)]
    # 3, +2, +1 (pool), then +4 a convolution at jump 2, and 3 x 2 for the pool of 4
    assert [row.field for row in rows] == [3, 5, 6, 6, 10, 14, 18, 22, 28, 28, 28, 28]
    assert [row.jump for row in rows] == [1, 1, 2, 2, 2, 2, 2, 2, 8, 8, 8, 8]
    assert rows[1].kind == "Conv2d 3x3 + BatchNorm2d + ReLU + Dropout"


def test_field_of_ladder_b_ends_at_48_and_exceeds_the_image() -> None:
    anatomy = dissect(Stack(9, 10, 16, 16, 16, 32, 10))
    sliding = [row for row in anatomy.rows if row.kind not in ("relu", "view", "log_softmax")]
    assert [row.name for row in sliding] == [
        "big.0", "big.1", "max_pool2d", "big.2", "big.3", "max_pool2d#2", "big.4", "avg_pool2d", "small", "last",
    ]  # fmt: skip
    assert [row.field for row in sliding] == [3, 5, 6, 10, 14, 16, 24, 48, 48, 48]
    assert [row.jump for row in sliding] == [1, 1, 2, 2, 2, 4, 4, 28, 28, 28]
    assert anatomy.field == 48
    assert anatomy.exceeds_image
    assert str(anatomy).endswith(
        "The receptive field of 48 px exceeds the image's 28 px: what lies beyond the image is padding."
    )
    assert not dissect(c3()).exceeds_image
    assert dissect(c3()).sentence() == "The receptive field of 28 px is within the image's 28 px."


# ------------------------------------------------------------------ the parts, by hand


class Excite(nn.Module):
    """Squeeze and excitation (Hu et al., 2018) with a directly used parameter, and one that nothing uses."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(channels, 2), nn.Linear(2, channels)
        self.scale = nn.Parameter(torch.ones(channels, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        weight = torch.sigmoid(self.up(F.relu(self.down(x.mean((2, 3))))))
        return x * weight[:, :, None, None] * self.scale


def test_rows_of_functions_parameters_shared_ones_and_names() -> None:
    shared = nn.Conv2d(3, 3, 3, padding=1)
    network = chain(nn.Conv2d(1, 3, 3), shared, Residual(shared, nn.ReLU()), Excite(3), nn.Identity())
    network.spare = nn.Parameter(torch.zeros(7))  # type: ignore[assignment]
    anatomy = dissect(network, (1, 13, 11))
    assert [(row.name, row.kind, row.parameters) for row in anatomy.rows] == [
        ("0", "Conv2d 3x3", 30), ("1", "Conv2d 3x3", 84),
        ("2.0", "Conv2d 3x3", 0), ("2.1", "ReLU", 0), ("2.add", "add", 0), ("3.mean", "mean", 0),
        ("3.down", "Linear", 8), ("3.relu", "relu", 0), ("3.up", "Linear", 9), ("3.sigmoid", "sigmoid", 0),
        ("3.getitem", "getitem", 0), ("3.mul", "mul", 0), ("3.mul#2", "mul", 3), ("4", "Identity", 0),
    ]  # fmt: skip
    assert anatomy.parameters == 30 + 84 + 8 + 9 + 3 + 7
    assert anatomy.unused == 7
    assert "7 of the parameters are used by no row." in anatomy.table()
    # 11 x 9 units of field 7 (start -2): the mean's window is 10 + 7 high and 8 + 7 wide
    assert anatomy.rows[5].field == (17, 15)
    assert anatomy.rows[5].jump == (11, 9)
    assert anatomy.field == (17, 15)
    assert anatomy.rows[-1].jump == 1
    assert anatomy.largest() == [("1", 84), ("0", 30), ("3.up", 9)]
    assert [block.parameters for block in anatomy.blocks()] == [30, 84, 0, 20, 0]


def test_sums_of_branches_and_gates_are_measured() -> None:
    short = nn.Sequential(nn.Conv2d(5, 7, 1, stride=2, bias=False), nn.BatchNorm2d(7))
    body = nn.Sequential(nn.Conv2d(5, 7, 3, stride=2, padding=1, bias=False), nn.PReLU(7), nn.Hardswish())
    network = chain(nn.Conv2d(3, 5, 3, dilation=2), nn.ReLU6(), Sum(body, short), squeeze_excite(7, 2))
    anatomy = dissect(network, (3, 15, 13))
    assert [(row.name, row.kind, row.output, row.parameters, row.macs) for row in anatomy.rows] == [
        ("0", "Conv2d 3x3", (5, 11, 9), 5 * 27 + 5, 5 * 27 * 99), ("1", "ReLU6", (5, 11, 9), 0, 0),
        ("2.0.0", "Conv2d 3x3", (7, 6, 5), 315, 315 * 30), ("2.0.1", "PReLU", (7, 6, 5), 7, 0),
        ("2.0.2", "Hardswish", (7, 6, 5), 0, 0), ("2.1.0", "Conv2d 1x1", (7, 6, 5), 35, 35 * 30),
        ("2.1.1", "BatchNorm2d", (7, 6, 5), 14, 0), ("2.add", "add", (7, 6, 5), 0, 0),
        ("3.0", "AdaptiveAvgPool2d", (7, 1, 1), 0, 0), ("3.1", "Conv2d 1x1", (2, 1, 1), 16, 14),
        ("3.2", "ReLU", (2, 1, 1), 0, 0), ("3.3", "Conv2d 1x1", (7, 1, 1), 21, 14), ("3.4", "Sigmoid", (7, 1, 1), 0, 0),
        ("3.mul", "mul", (7, 6, 5), 0, 0),
    ]  # fmt: skip
    # 5 from the dilated kernel, 2 more from the next; the gate sees all 6 x 5 units, 2 px apart
    assert [anatomy.rows[i].field for i in (0, 7, 8, 13)] == [5, 7, (17, 15), (17, 15)]


def test_a_block_gives_what_its_end_gives() -> None:
    network = chain(chain(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Conv2d(2, 5, 3, stride=2)), nn.ReLU())
    first, second = dissect(network).blocks()
    assert (first.name, first.kind) == ("0", "Conv2d 3x3 + ReLU + Conv2d 3x3")
    assert (first.output, first.field, first.jump) == ((5, 12, 12), 5, 2)
    assert (first.parameters, first.macs) == (20 + 95, 2 * 9 * 26 * 26 + 5 * 18 * 12 * 12)
    assert (second.name, second.parameters, second.macs, second.field) == ("1", 0, 0, 5)


@pytest.mark.parametrize(
    ("network", "field", "jump"),
    [
        (nn.Conv2d(1, 1, 3, dilation=3), 7, 1),
        (nn.Conv2d(1, 1, (4, 3), stride=(2, 1), padding=(1, 0)), (4, 3), (2, 1)),
        (chain(nn.Conv2d(1, 1, 1, stride=3), nn.Conv2d(1, 1, 2)), 4, 3),
        (chain(nn.MaxPool2d(3, 2, dilation=2), nn.AvgPool2d(2)), 7, 4),
        (chain(nn.AdaptiveAvgPool2d(7)), 4, 4),
        (chain(nn.ZeroPad2d((1, 0, 2, 0)), nn.Conv2d(1, 1, 3, padding=1, padding_mode="reflect")), 3, 1),
        (chain(nn.Conv2d(1, 2, 5), nn.Flatten(), nn.ReLU()), 5, 1),
        (chain(nn.Conv2d(1, 2, 5), nn.Flatten(), nn.Linear(2 * 24 * 24, 3), nn.Softmax(1)), 28, 1),
        (chain(nn.Conv2d(1, 2, 5), nn.Flatten(), nn.Softmax(1)), 28, 1),
        (chain(nn.Conv2d(1, 2, 5), nn.Softmax(1)), 5, 1),
        (chain(nn.Conv2d(1, 2, 5), nn.Softmax(2)), (28, 5), 1),
        (chain(nn.Conv2d(1, 2, 5), nn.GroupNorm(1, 2)), 28, 1),
        (chain(nn.Conv2d(1, 2, 5), nn.LayerNorm((2, 24, 24))), 28, 1),
        (chain(nn.Conv2d(1, 2, 5), nn.LayerNorm((24, 24))), 28, 1),
        (chain(nn.Conv2d(1, 2, 5), nn.LayerNorm(24)), (5, 28), 1),
        (chain(nn.Conv2d(1, 2, 5), nn.Flatten(), nn.LayerNorm(2 * 24 * 24)), 28, 1),
        (chain(nn.Conv2d(1, 2, 5, stride=2), nn.Flatten(2), nn.Flatten(1), nn.Linear(288, 1)), 27, 2),
    ],
)
def test_field_and_jump_by_hand(network: nn.Module, field: object, jump: object) -> None:
    last = dissect(network).rows[-1]
    assert (last.field, last.jump) == (field, jump)


class Told(nn.Module):
    """A convolution, then whatever a test wants to call."""

    def __init__(self, then: object) -> None:
        super().__init__()
        self.conv, self.then = nn.Conv2d(1, 4, 3), then

    def forward(self, x: Tensor) -> object:
        return self.then(self.conv(x))  # type: ignore[operator]


@pytest.mark.parametrize(
    ("then", "shape", "field", "jump"),
    [
        # branches of one jump and different offsets: columns 0 to 2 and 2 to 4
        (lambda x: F.pad(x, (2, 0, 0, 0)) + F.pad(x, (0, 2, 0, 0)), (4, 26, 28), (3, 5), 1),
        (lambda x: torch.cat([x, F.max_pool2d(x, 3, 1, 1)], dim=-3), (8, 26, 26), 5, 1),
        (lambda x: x.flatten(2).mean(-1), (4,), 28, 26),
        (lambda x: x.mean(dim=[2, 3], keepdim=True).squeeze(-1).squeeze(-1), (4,), 28, 26),
        (lambda x: x.amax(3, keepdim=True), (4, 26, 1), (3, 28), (1, 26)),
        (lambda x: x * x.mean(1, keepdim=True), (4, 26, 26), 3, 1),
        (lambda x: x * F.adaptive_max_pool2d(x, 1).expand_as(x), (4, 26, 26), 28, 1),
        (lambda x: 1 - x / 2 + (x if x.shape[1] == 4 else 0), (4, 26, 26), 3, 1),
        (lambda x: x.view(x.size(0), 4, -1).softmax(2).view(-1, 4, 26, 26).add_(1), (4, 26, 26), 28, 1),
        # every unit sees the whole image; the convolution's own 13 pixels lie inside it, but for units near a border
        (lambda x: F.conv2d(x * x.mean((2, 3), keepdim=True), torch.ones(1, 4, 11, 11), padding=5), (1, 26, 26), 28, 1),
        (lambda x: F.dropout(F.pad(x, (-3, -3, -3, -3)).clone().relu_()), (4, 20, 20), 3, 1),
    ],
)
def test_functions_by_hand(then: object, shape: object, field: object, jump: object) -> None:
    last = dissect(Told(then)).rows[-1]
    assert (last.output, last.field, last.jump) == (shape, field, jump)


@pytest.mark.parametrize(
    ("network", "beginning"),
    [
        (
            chain(nn.Conv2d(1, 1, 3), nn.Upsample(scale_factor=2)),
            "Layer 1 (Upsample) cannot be measured: its windows",
        ),
        (
            chain(chain(nn.LPPool2d(2, 2))),
            "Layer 0.0 (LPPool2d) cannot be measured: its windows are not known",
        ),
        (nn.ConvTranspose2d(1, 1, 3), "The network itself (ConvTranspose2d) cannot be measured: its windows"),
        (
            chain(nn.AdaptiveAvgPool2d(5)),
            "Layer 0 (AdaptiveAvgPool2d) cannot be measured: it pools 28 x 28 units into 5",
        ),
        (chain(nn.Linear(28, 3)), "Layer 0 (Linear) cannot be measured: it is given 4 dimensions"),
        (
            chain(nn.BatchNorm2d(1, track_running_stats=False)),
            "Layer 0 (BatchNorm2d) cannot be measured: it takes its",
        ),
        (
            chain(nn.InstanceNorm2d(1)),
            "Layer 0 (InstanceNorm2d) cannot be measured: its windows are not known",
        ),
        (
            chain(nn.Conv2d(1, 1, 3, padding=1, padding_mode="circular")),
            "Layer 0 (Conv2d) cannot be measured: it pads",
        ),
        (chain(nn.LazyConv2d(2, 3)), "The network has a lazy layer, whose size is not known yet"),
        (
            chain(nn.Conv2d(3, 1, 3)),
            "The network cannot be run on an image of 1 x 28 x 28: layer 0 (Conv2d) says",
        ),
        (
            Told(lambda x: x.transpose(2, 3)),
            "In the network itself (Told), transpose cannot be measured: its windows",
        ),
        (
            chain(Told(lambda x: x.chunk(2, 1)[0])),
            "In layer 0 (Told), chunk cannot be measured: its windows are not",
        ),
        (
            Told(lambda x: x[:, :2]),
            "In the network itself (Told), getitem cannot be measured: it takes a part",
        ),
        (
            Told(lambda x: x.view(1, -1)),
            "In the network itself (Told), view cannot be measured: it mixes the images",
        ),
        (
            Told(lambda x: x.view(-1, 8, 26, 13)),
            "In the network itself (Told), view cannot be measured: it gives 8 x 26",
        ),
        (Told(lambda x: x.mean()), "In the network itself (Told), mean cannot be measured: it reduces more"),
        (
            Told(lambda x: torch.cat([x, x], 2)),
            "In the network itself (Told), cat cannot be measured: it joins along",
        ),
        (
            Told(lambda x: torch.cat([x.flatten(1), x.mean((2, 3))], 1)),
            "In the network itself (Told), cat cannot be",
        ),
        (
            Told(lambda x: x + F.pad(x[...][:, :, :].clone(), (0, 0)) @ x),
            "In the network itself (Told), matmul cannot",
        ),
        (
            Told(lambda x: F.max_pool2d(x, 2) + F.pad(x, (0, -13, 0, -13))),
            "In the network itself (Told), add cannot be",
        ),
        (
            Told(lambda x: F.conv2d(x, x[...][:, :, :])),
            "In the network itself (Told), conv2d cannot be measured: its wei",
        ),
        (Told(lambda x: x.__setitem__(..., 0)), "In the network itself (Told), setitem cannot be measured"),
        (Told(lambda x: x if x.max() > 0 else -x), "In the network itself (Told), max cannot be measured"),
        (Told(lambda x: x if x.numpy()[0] else -x), "In the network itself (Told), numpy cannot be measured: it reads"),
        (Told(lambda x: x if x.tolist() else -x), "In the network itself (Told), tolist cannot be measured: it re"),
        (Told(lambda x: sum(part for part in x)), "In the network itself (Told), unbind cannot be measured"),
        (Told(lambda x: (x, x)), "The network returns a tuple that was not computed from the image"),
        (
            Told(lambda x: torch.zeros(2, 3)),
            "The network returns a Tensor that was not computed from the image",
        ),
    ],
)
def test_refused_by_name(network: nn.Module, beginning: str) -> None:
    with pytest.raises(UsageError) as caught:
        dissect(network)
    assert str(caught.value).startswith(beginning), str(caught.value)


def test_every_refusal_of_an_operator_says_what_is_measured() -> None:
    with pytest.raises(UsageError, match=r"Supported are Conv2d, Linear, .*; build the network from these\.$"):
        dissect(chain(nn.Upsample(scale_factor=2)))
    with pytest.raises(UsageError, match=r"each 1 or more; given \(1, 0, 28\)"):
        dissect(c3(), (1, 0, 28))


def test_every_rule_is_an_operator_of_torch() -> None:
    assert len(effects()) > 80
    homes = (torch, Tensor, F)
    spelled = {
        "iadd",
        "radd",
        "isub",
        "rsub",
        "imul",
        "rmul",
        "idiv",
        "truediv",
        "itruediv",
        "rtruediv",
        "getitem",
        "deskewed",  # its own
    }
    unknown = {name for name in effects() if not any(hasattr(home, name) for home in homes)}
    assert unknown <= spelled


# ------------------------------------------------------------------ nothing is changed


class Random(nn.Module):
    """Draws random numbers in evaluation mode, too."""

    def forward(self, x: Tensor) -> Tensor:
        return F.dropout(x, 0.5, training=True)


def test_the_network_is_left_as_it_was() -> None:
    network = chain(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), Random(), weight_norm(nn.Conv2d(3, 5, 3))).train()
    network[2].eval()
    calls: list[int] = []
    network[0].register_forward_hook(lambda *_: calls.append(1))
    before = {name: tensor.clone() for name, tensor in network.state_dict().items()}
    identities = [id(tensor) for tensor in [*network.parameters(), *network.buffers()]]
    state, python_state = torch.get_rng_state(), random.getstate()
    anatomy = dissect(network)
    assert anatomy.parameters == 30 + 6 + 3 * 5 * 9 + 5 + 5  # weight norm keeps a length for each of 5 filters
    assert anatomy.unused == 0
    assert anatomy.buffers == 3 + 3 + 1
    assert torch.equal(torch.get_rng_state(), state)
    assert random.getstate() == python_state
    assert [module.training for module in network] == [True, True, False, True]
    assert list(before) == list(network.state_dict())
    assert all(torch.equal(before[name], tensor) for name, tensor in network.state_dict().items())
    assert identities == [id(tensor) for tensor in [*network.parameters(), *network.buffers()]]
    assert not calls
    assert len(network[0]._forward_hooks) == 1
    assert not network[0]._forward_pre_hooks


def test_weights_that_a_hook_computes() -> None:
    network = chain(nn.Conv2d(1, 2, 3))
    prune.l1_unstructured(network[0], "weight", 0.5)  # the weight is a plain tensor now, of a parameter and a mask
    anatomy = dissect(network)
    assert (anatomy.parameters, anatomy.unused, anatomy.buffers) == (20, 18, 18)
    assert (anatomy.macs, anatomy.field) == (18 * 26 * 26, 3)


# ------------------------------------------------------------------ text and JSON


def test_table_is_aligned_and_json_has_the_promised_keys() -> None:
    anatomy = dissect(Stack(32, 32, 64, 64, 128, 256, 10))
    lines = anatomy.table().splitlines()
    assert repr(anatomy) == str(anatomy) == anatomy.table()
    assert len(lines) == len(anatomy.rows) + 5
    assert max(map(len, lines)) <= 100
    assert len({len(line) for line in lines[:-2]}) == 1
    assert lines[-2] == f"173,866 parameters, {anatomy.macs:,} MACs, 0 numbers in buffers."
    document = json.loads(json.dumps(anatomy.to_json()))
    assert list(document) == ["parameters", "macs", "layers"]
    assert len(document["layers"]) == len(anatomy.rows) > 15
    assert document["layers"][0] == {
        "name": "big.0", "output": [32, 28, 28], "parameters": 288, "macs": 288 * 784, "field": 3, "jump": 1,
    }  # fmt: skip
    oblong = dissect(nn.Conv2d(1, 1, (3, 1), stride=(1, 2))).to_json()["layers"][0]
    assert (oblong["field"], oblong["jump"]) == ([3, 1], [1, 2])


def test_long_names_are_cut_to_fit() -> None:
    deep: nn.Module = nn.Conv2d(1, 2, 3)
    for _ in range(20):
        deep = chain(deep)
    lines = dissect(deep).table().splitlines()
    assert lines[2].startswith("…0" + ".0" * 10 + "  Conv2d 3x3")
    assert max(map(len, lines)) <= 100
