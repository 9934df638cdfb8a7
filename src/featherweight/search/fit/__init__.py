"""From pictures to a chip: the smallest network that meets a target, searched, trained, proved and handed over.

```
request.py           what is asked for, and what is told of it
resized.py           the pictures in each size that they may be brought to, and the parts that are held out
groups.py            which pictures belong together
data_checks.py       what occurs twice or under two labels, and how uneven the classes are
candidate.py         a network and a recipe from a few numbers
mutation.py          candidates drawn at random, or changed a little
prior.py             the first candidates: what did well elsewhere
cost.py              what a candidate costs on the chip, known before training
trial.py             a candidate with what its trainings reached, and what makes one better than another
asha.py              which candidate is trained next, and for how long (Li et al., "A system for massively parallel
                     hyperparameter tuning", 2020)
planning.py          the next training within limits and time, and what the time allows
workers.py           what a process does to train a candidate
state.py             a search's settings, what it has found, and how much work its trainings are
search_loop.py       the search itself, within its time or with a number of candidates
folder.py            whose pictures its folder is about, one writer at a time, a result that is whole
notes.py             what it notes of its question and its result
journal.py           what it notes of its trainings, from which the next search starts
promise.py           what held-out images promise of the chosen network
front.py             the networks that no other beats
mislabelled.py       pictures whose label is probably wrong
final_training.py    the chosen one trained on everything, in time
package_result.py    exported, proved, and what became of it
result_words.py      a result in words, made of its figures when it is shown
card.py              the model card
search_page.py       the page of the search
pipeline.py          all of this in order
```
"""

from featherweight.search.fit.cost import Limits
from featherweight.search.fit.pipeline import run_fit
from featherweight.search.fit.request import FitRequest, Outcome, Stage, size_of
from featherweight.search.fit.trial import Aim

__all__ = ["Aim", "FitRequest", "Limits", "Outcome", "Stage", "run_fit", "size_of"]
