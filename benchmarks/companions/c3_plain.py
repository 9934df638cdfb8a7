"""`c3` on the images as they are.

Target: to see what the schedule does without the changed images.
Why: `c3` changes images and rate at once.
"""

from dataclasses import replace

import featherweight as fw

c3 = fw.find("c3")
experiment = replace(
    c3,
    id="c3_plain",
    parent="c3",
    title="c3 on plain images",
    recipe=replace(c3.recipe, augment=fw.Augment(), augment_then=None),
    claims=(),
    claimed=None,
)
