"""`f3` with each digit once an epoch.

Target: to see what is lost.
Why: its recipe was built up step by step, and a step may be worth more or less beside all the others.
"""

from dataclasses import replace

import featherweight as fw

f3 = fw.find("f3")
experiment = replace(
    f3,
    id="f3_no_hard",
    parent="f3",
    title="f3 with each digit once an epoch",
    recipe=replace(f3.recipe, hard=None),
    claims=(),
    claimed=None,
    bar=None,
)
