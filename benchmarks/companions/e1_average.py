"""`e1` with a 1 x 1 layer and an average in place of the big kernel.

Target: to see what the average alone does.
Why: `e2` changes four things at once.
"""

from dataclasses import replace

from torch import nn

import featherweight as fw

e1 = fw.find("e1")


def network() -> nn.Sequential:
    """The layers of `e1`, whose last map is scored place by place and averaged."""
    layers = list(e1.build())
    layers[-3:-2] = [nn.Conv2d(16, 10, 1, bias=False), nn.AdaptiveAvgPool2d(1)]
    return nn.Sequential(*layers)


experiment = replace(
    e1,
    id="e1_average",
    parent="e1",
    title="e1 with an average for the big kernel",
    network=network,
    claims=(),
    claimed=None,
)
