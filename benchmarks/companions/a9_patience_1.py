"""`a9` with a patience of one epoch, as its committed scheduler has it.

Target: to see what the second epoch of waiting does.
Why: the write-up has 2, which the printed log fits, and the last version of the code 1.
"""

from dataclasses import replace

import featherweight as fw

a9 = fw.find("a9")
experiment = replace(
    a9,
    id="a9_patience_1",
    parent="a9",
    title="a9 with a patience of 1",
    recipe=replace(a9.recipe, schedule=replace(a9.recipe.schedule, patience_epochs=1)),
    claims=(),
    claimed=None,
)
