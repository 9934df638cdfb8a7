"""`f3` without the average of the weights.

Target: to see what is lost.
Why: its recipe was built up step by step, and a step may be worth more or less beside all the others.
"""

from dataclasses import replace

import featherweight as fw

f3 = fw.find("f3")
experiment = replace(
    f3,
    id="f3_no_average",
    parent="f3",
    title="f3 without the average of the weights",
    recipe=replace(f3.recipe, average=0),
    claims=(),
    claimed=None,
    bar=None,
)
