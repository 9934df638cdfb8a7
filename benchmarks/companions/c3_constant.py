"""`c3` at a constant rate.

Target: to see what the changed images do without the schedule.
Why: `c3` changes images and rate at once.
"""

from dataclasses import replace

import featherweight as fw

c3 = fw.find("c3")
experiment = replace(
    c3,
    id="c3_constant",
    parent="c3",
    title="c3 at a constant rate",
    recipe=replace(c3.recipe, schedule=fw.Constant()),
    claims=(),
    claimed=None,
)
