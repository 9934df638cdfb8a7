"""`e3` without its schedule: a rate of 0.3 from the first epoch to the last.

Target: to see what the changed images do alone.
Why: `e3` changes images and rate at once.
"""

from dataclasses import replace

import featherweight as fw

e3 = fw.find("e3")
experiment = replace(
    e3,
    id="e3_constant",
    parent="e3",
    title="e3 at a constant rate",
    recipe=replace(e3.recipe, schedule=fw.Constant()),
    claims=(),
    claimed=None,
)
