"""`e3` at a constant rate of 0.01, on its changed images.

Target: to see whether a rate of 0.3 trains faster than one of 0.01.
Why: the sentence compares the two rates, so that all else has to be alike.
"""

from dataclasses import replace

import featherweight as fw

e3 = fw.find("e3")
experiment = replace(
    e3,
    id="e3_slow",
    title="e3 at a constant rate of 0.01",
    recipe=replace(e3.recipe, lr=0.01, schedule=fw.Constant()),
    claims=(),
)
