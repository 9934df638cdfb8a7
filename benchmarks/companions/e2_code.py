"""`e2` without dropout after the first convolution and the 1 x 1 layers, as its code has it.

Target: to see what dropout at these three does.
Why: the write-up says that each layer has it, the code that these have none.
"""

from dataclasses import replace

from torch import nn

import featherweight as fw

e2 = fw.find("e2")


def network() -> nn.Sequential:
    """The layers of `e2` without the three."""
    layers = list(e2.build())
    for place in (-4, 9, 3):
        assert isinstance(layers.pop(place), nn.Dropout)
    return nn.Sequential(*layers)


experiment = replace(
    e2, id="e2_code", parent="e2", title="e2 as its code has it", network=network, claims=(), claimed=None
)
