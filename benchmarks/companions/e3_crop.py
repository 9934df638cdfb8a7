"""`e3` with the enlarged middle as its only change of the images.

Target: to see whether the crop generalises.
Why: its source says so, and `e3` changes images in three ways.
"""

from dataclasses import replace

import featherweight as fw

e3 = fw.find("e3")
experiment = replace(
    e3,
    id="e3_crop",
    parent="e3",
    title="e3 with the enlarged middle alone",
    recipe=replace(e3.recipe, augment=fw.Augment(centre_crop=6 / 28, centre_crop_probability=0.15), augment_then=None),
    claims=(),
    claimed=None,
)
