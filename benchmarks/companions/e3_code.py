"""`e3` at a rate of 0.03 and with less dropout, as its code has it.

Target: to see what the write-up's rate of 0.3 does.
Why: its notebook and log have a tenth of it, and its network no dropout after three of its layers.
"""

from dataclasses import replace

from torch import nn

import featherweight as fw

e3 = fw.find("e3")


def network() -> nn.Sequential:
    """The network of `e2` as its code has it: no dropout after the first convolution and the 1 x 1 layers."""
    layers = list(e3.build())
    for place in (-4, 9, 3):
        assert isinstance(layers.pop(place), nn.Dropout)
    return nn.Sequential(*layers)


experiment = replace(
    e3,
    id="e3_code",
    parent="e3",
    title="e3 as its code has it",
    network=network,
    recipe=replace(e3.recipe, lr=0.03),
    claims=(),
    claimed=None,
)
