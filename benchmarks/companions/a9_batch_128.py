"""`a9` in batches of 128.

Target: to see whether the batch size sets how many epochs it takes.
Why: its source says so, and every rung of its ladder has batches of 64.
"""

from dataclasses import replace

import featherweight as fw

a9 = fw.find("a9")
experiment = replace(
    a9,
    id="a9_batch_128",
    parent="a9",
    title="a9 in batches of 128",
    recipe=replace(a9.recipe, batch=128),
    claims=(),
    claimed=None,
)
