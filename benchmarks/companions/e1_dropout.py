"""`e1` with dropout of 0.05 after each batch norm.

Target: to see what dropout alone does.
Why: `e2` changes four things at once.
"""

from dataclasses import replace

from torch import nn

import featherweight as fw

e1 = fw.find("e1")


def network() -> nn.Sequential:
    """The layers of `e1`, with dropout after each norm."""
    layers: list[nn.Module] = []
    for layer in e1.build():
        layers += [layer, nn.Dropout(0.05)] if isinstance(layer, nn.BatchNorm2d) else [layer]
    return nn.Sequential(*layers)


experiment = replace(
    e1, id="e1_dropout", parent="e1", title="e1 with dropout", network=network, claims=(), claimed=None
)
