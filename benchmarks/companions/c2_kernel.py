"""`c2` with a 6 x 6 kernel that reads the map off, in place of 1 x 1 scores and their average.

Target: to see what the average saves and what it loses.
Why: its source says that it saves parameters and loses nothing.
"""

from dataclasses import replace

from torch import nn

import featherweight as fw

c2 = fw.find("c2")


def network() -> nn.Sequential:
    """The layers of `c2`, with one big kernel at the end."""
    layers = list(c2.build())
    layers[-3:-1] = [nn.Conv2d(16, 10, 6, bias=False)]
    return nn.Sequential(*layers)


experiment = replace(
    c2,
    id="c2_kernel",
    parent="c2",
    title="c2 with a 6 x 6 kernel for the average",
    network=network,
    claims=(),
    claimed=None,
    budget=fw.Budget(parameters=20_000),
)
