"""`c2` without dropout.

Target: to see what dropout of 0.05 does.
Why: its source says that it regularises, and the rung before differs in three things.
"""

from dataclasses import replace

from torch import nn

import featherweight as fw

c2 = fw.find("c2")


def network() -> nn.Sequential:
    """The layers of `c2` without dropout."""
    return nn.Sequential(*(block[:3] if isinstance(block, nn.Sequential) else block for block in c2.build()))


experiment = replace(
    c2, id="c2_plain", parent="c2", title="c2 without dropout", network=network, claims=(), claimed=None
)
