"""`e3` at a constant rate of 0.01.

Target: to see whether a rate of 0.3 trains faster.
Why: its source says so, and shows neither.
"""

from dataclasses import replace

import featherweight as fw

e3 = fw.find("e3")
experiment = replace(
    e3,
    id="e3_slow",
    parent="e3",
    title="e3 at a constant rate of 0.01",
    recipe=replace(e3.recipe, lr=0.01, schedule=fw.Constant()),
    claims=(),
    claimed=None,
)
