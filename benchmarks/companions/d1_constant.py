"""`d1` at a constant rate.

Target: to see whether a lower rate gets a frozen accuracy moving.
Why: its source says so, and has one run.
"""

from dataclasses import replace

import featherweight as fw

d1 = fw.find("d1")
experiment = replace(
    d1,
    id="d1_constant",
    parent="d1",
    title="d1 at a constant rate",
    recipe=replace(d1.recipe, schedule=fw.Constant()),
    claims=(),
    claimed=None,
)
