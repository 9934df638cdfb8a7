"""`e3` at a rate of 0.03 and nothing else changed.

Target: to see what a tenth of the rate does.
Why: write-up and code disagree about it.
"""

from dataclasses import replace

import featherweight as fw

e3 = fw.find("e3")
experiment = replace(
    e3,
    id="e3_rate",
    parent="e3",
    title="e3 at a rate of 0.03",
    recipe=replace(e3.recipe, lr=0.03),
    claims=(),
    claimed=None,
)
