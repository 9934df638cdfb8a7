"""`c2` without dropout after its 1 x 1 layer, as its code has it.

Target: to see what dropout on that layer does.
Why: the write-up says that all layers have it, the code that this one has none.
"""

from dataclasses import replace

from torch import nn

import featherweight as fw

c2 = fw.find("c2")


def network() -> nn.Sequential:
    """The layers of `c2`, with no dropout after the 1 x 1 layer."""
    layers = list(c2.build())
    layers[3] = fw.conv_norm_relu(16, 8, kernel=1)
    return nn.Sequential(*layers)


experiment = replace(
    c2, id="c2_code", parent="c2", title="c2 as its code has it", network=network, claims=(), claimed=None
)
