"""`d1` without dropout.

Target: to see whether dropout with batch norm works against overfitting.
Why: its source says so, and has one run.
"""

from dataclasses import replace

from torch import nn

import featherweight as fw

d1 = fw.find("d1")


def network() -> nn.Sequential:
    """The layers of `d1` without dropout."""
    return nn.Sequential(*(block[:3] if isinstance(block, nn.Sequential) else block for block in d1.build()))


experiment = replace(
    d1, id="d1_plain", parent="d1", title="d1 without dropout", network=network, claims=(), claimed=None
)
