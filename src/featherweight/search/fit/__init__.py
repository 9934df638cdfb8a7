"""From pictures to a chip: the smallest network that meets a target, searched, trained, proved and handed over.

```
resized.py           the pictures in each size that they may be brought to, and the parts that are held out
candidate.py         a network and a recipe from a few numbers
mutation.py          candidates drawn at random, or changed a little
prior.py             the first candidates: what did well elsewhere
cost.py              what a candidate costs on the chip, known before training
asha.py              which candidate is trained next, and for how long (Li et al., "A system for massively parallel
                     hyperparameter tuning", 2020)
workers.py           the processes that train
state.py             what a search has found, and how long trainings take by that
search_loop.py       the search itself, within its time
search_by_trials.py  the same with a number of candidates as its limit
folder.py            whose pictures its folder is about, one writer at a time, a result that is whole
journal.py           what it notes, and how it goes on from that
final_training.py    the chosen one trained on everything, in time
package_result.py    exported, proved, and what became of it
result_words.py      a result in words, made of its figures when it is shown
card.py              the model card and the page
pipeline.py          all of this in order
```
"""

from featherweight.search.fit.asha import Aim
from featherweight.search.fit.cost import Limits
from featherweight.search.fit.pipeline import FitRequest, Outcome, Stage, run_fit, size_of

__all__ = ["Aim", "FitRequest", "Limits", "Outcome", "Stage", "run_fit", "size_of"]
