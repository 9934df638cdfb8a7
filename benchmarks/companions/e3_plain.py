"""`e3` with the training images as they are: its rate and its schedule, and no augmentation.

Target: to see what the schedule does alone.
Why: `e3` changes images and rate at once, so its own records cannot say which of the two its gain comes from.
"""

from dataclasses import replace

import featherweight as fw

e3 = fw.find("e3")
experiment = replace(
    e3, id="e3_plain", title="e3 without augmentation", recipe=replace(e3.recipe, augment=fw.Augment()), claims=()
)
