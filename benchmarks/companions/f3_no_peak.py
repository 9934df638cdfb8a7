"""`f3` with a peak rate of 0.05.

Target: to see what is lost.
Why: its recipe was built up step by step, and a step may be worth more or less beside all the others.
"""

from dataclasses import replace

import featherweight as fw

f3 = fw.find("f3")
experiment = replace(
    f3,
    id="f3_no_peak",
    parent="f3",
    title="f3 with a peak rate of 0.05",
    recipe=replace(f3.recipe, lr=0.05),
    claims=(),
    claimed=None,
    bar=None,
)
