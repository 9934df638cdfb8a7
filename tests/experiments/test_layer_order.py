"""The networks whose layers a source prints: every layer in its place, not only the right number of parameters."""

import pytest
from torch import nn

from featherweight.experiments.experiment import find

B = {
    "b1": "C32 R C32 R P C64 R C64 R P C128 R G K256 R K10+",
    "b2": "C9 R C10 R P C16 R C16 R P C16 R G K32 R K10+",
    "b3": "C9 R N C10 R P N C16 R N C16 R P N C16 R G N K32 R N K10+",
    **dict.fromkeys(
        ("b4", "b5", "b6"),
        "C9 D R N C10 D R P N C16 D R N C16 D R P N C16 D R G N K32 D R N K10+",
    ),
}
"""Convolutions of 3 x 3 that keep the size (C) and of 1 x 1 (K), each with its channels and + where it has a bias; R is
ReLU, N batch norm, D dropout, P a pool of 2, G the average of the whole map, A of 4 x 4."""
PRINTED = {
    "a10": "C8+ R N D C8+ R N D P C16+ R N D C16+ R N D V32+ R N D P V32+ R N D K10+ G",
    **B,
    "c3": "V8 N R D V16 N R D P K8 N R V8 N R D V12 N R D V12 N R D V16 N R D A K10",
    "d1": "V4 N R D V8 N R D V12 N R D V16 N R D P K12 N R K8 N R V12 N R D V16 N R D V20 N R K16 N R A K10",
}
"""V is a convolution of 3 x 3 without padding."""
DROPPED = {"b4": 0.01, "b5": 0.01, "b6": 0.01, "c3": 0.05}


def token(layer: nn.Module) -> str:
    """The layer in the notation above; empty for what neither learns nor changes a number but its shape or scale."""
    if isinstance(layer, nn.Conv2d):
        kinds = {((1, 1), (0, 0)): "K", ((3, 3), (1, 1)): "C", ((3, 3), (0, 0)): "V"}
        assert layer.stride == (1, 1) and layer.groups == 1 and isinstance(layer.padding, tuple)
        return kinds[layer.kernel_size, layer.padding] + str(layer.out_channels) + "+" * (layer.bias is not None)
    if isinstance(layer, nn.MaxPool2d):
        assert (layer.kernel_size, layer.stride) == (2, 2)
        return "P"
    if isinstance(layer, nn.AvgPool2d):
        assert layer.kernel_size == 4
        return "A"
    kinds_of = {nn.ReLU: "R", nn.BatchNorm2d: "N", nn.Dropout: "D", nn.Dropout2d: "D", nn.AdaptiveAvgPool2d: "G"}
    return "" if isinstance(layer, nn.Flatten | nn.LogSoftmax) else kinds_of[type(layer)]


@pytest.mark.parametrize("id", PRINTED)
def test_every_layer_stands_where_its_source_has_it(id: str) -> None:
    layers = [one for one in find(id).build().modules() if not list(one.children())]
    assert " ".join(filter(None, map(token, layers))) == PRINTED[id]
    rates = {one.p for one in layers if isinstance(one, nn.Dropout | nn.Dropout2d)}
    assert rates == {DROPPED[id]} if id in DROPPED else len(rates) <= 1


def test_the_norms_and_the_dropout_add_what_the_source_counts() -> None:
    assert len(PRINTED) == 9
    # 99 channels are normed, two parameters each; dropout has none.
    assert 7_781 + 2 * (9 + 10 + 16 + 16 + 16 + 32) == 7_979
    for id in ("b3", "b4", "b5", "b6"):
        assert sum(p.numel() for p in find(id).build().parameters()) == 7_979
