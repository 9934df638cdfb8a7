"""`f3` without weight decay.

Target: to see what is lost.
Why: its recipe was built up step by step, and a step may be worth more or less beside all the others.
"""

from dataclasses import replace

import featherweight as fw

f3 = fw.find("f3")
experiment = replace(
    f3,
    id="f3_no_decay",
    parent="f3",
    title="f3 without weight decay",
    recipe=replace(f3.recipe, weight_decay=0),
    claims=(),
    claimed=None,
    bar=None,
)
