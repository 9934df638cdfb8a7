"""`e3` on the images as they are.

Target: to see what the rate and its schedule do alone.
Why: `e3` changes images and rate at once.
"""

from dataclasses import replace

import featherweight as fw

e3 = fw.find("e3")
experiment = replace(
    e3,
    id="e3_plain",
    parent="e3",
    title="e3 on plain images",
    recipe=replace(e3.recipe, augment=fw.Augment(), augment_then=None),
    claims=(),
    claimed=None,
)
