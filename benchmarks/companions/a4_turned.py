"""`a4` with its images turned by up to 10 degrees.

Target: to see whether more can be had from this network.
Why: its source says that none can, and no rung trains it in another way and changes nothing else.
"""

from dataclasses import replace

import featherweight as fw

a4 = fw.find("a4")
experiment = replace(
    a4,
    id="a4_turned",
    parent="a4",
    title="a4 on turned images",
    recipe=replace(a4.recipe, augment=fw.Augment(rotate_deg=10, interpolation="nearest")),
    claims=(),
    claimed=None,
)
