"""`a8` with turns of up to 15 degrees, as a note in its code has it.

Target: to see what five degrees more do.
Why: write-up and transform say 10, the note 15; and its source says that training is hard enough.
"""

from dataclasses import replace

import featherweight as fw

a8 = fw.find("a8")
experiment = replace(
    a8,
    id="a8_15",
    parent="a8",
    title="a8 turned by up to 15 degrees",
    recipe=replace(a8.recipe, augment=fw.Augment(rotate_deg=15, interpolation="nearest")),
    claims=(),
    claimed=None,
)
