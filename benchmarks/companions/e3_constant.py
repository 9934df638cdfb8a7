"""`e3` without its schedule: a rate of 0.3 from the first epoch to the last.

Target: to see what the changed images do alone.
Why: `e3` changes images and rate at once, so its own records cannot say which of the two its gain comes from.
"""

from dataclasses import replace

import featherweight as fw

e3 = fw.find("e3")
experiment = replace(
    e3, id="e3_constant", title="e3 at a constant rate", recipe=replace(e3.recipe, schedule=fw.Constant()), claims=()
)
