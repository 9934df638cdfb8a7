"""`c1` with a batch norm before each ReLU.

Target: to see whether batch norm needs fewer epochs here.
Why: its source says so, and its next rung changes three things at once.
"""

from dataclasses import replace

from torch import nn

import featherweight as fw

c1 = fw.find("c1")


def network() -> nn.Sequential:
    """The layers of `c1`, with a norm between each convolution and its ReLU."""
    layers: list[nn.Module] = []
    for layer in c1.build():
        if isinstance(layer, nn.ReLU) and isinstance(layers[-1], nn.Conv2d):
            layers.append(nn.BatchNorm2d(layers[-1].out_channels))
        layers.append(layer)
    return nn.Sequential(*layers)


experiment = replace(
    c1, id="c1_norm", parent="c1", title="c1 with batch norm", network=network, claims=(), claimed=None
)
