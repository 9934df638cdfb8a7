"""From pictures to a chip: the smallest network that meets a target, searched, trained, proved and handed over.

```
views.py     the pictures in each size that they may be brought to, and the parts that are held out
genes.py     what a candidate is: a network and a recipe from a few numbers
changes.py   candidates drawn at random, or changed a little
prior.py     the first candidates: what did well elsewhere
price.py     what a candidate costs on the chip, known before training
halving.py   which candidate is trained next, and for how long
workers.py   the processes that train
state.py     what a search has found, and how long trainings take by that
conduct.py   the search itself, within its time
by_trials.py the same with a number of candidates as its limit
folder.py    whose pictures its folder is about, one writer at a time, a result that is whole
notes.py     what it notes, and how it goes on from that
finalist.py  the chosen one trained on everything, in time
finish.py    exported, proved, and what became of it
doubts.py    what stands in front of a result that should not be used as it is
card.py      the model card and the page
steps.py     all of this in order
```
"""

from featherweight.search.fit.halving import Aim
from featherweight.search.fit.price import Limits
from featherweight.search.fit.steps import Asked, Outcome, Step, carry_out, size_of

__all__ = ["Aim", "Asked", "Limits", "Outcome", "Step", "carry_out", "size_of"]
