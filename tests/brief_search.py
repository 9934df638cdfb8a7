"""A search of a few candidates whose trainings take a second or two, for tests and the processes that they start."""

from pathlib import Path

import numpy as np

from featherweight.data.dataset import Data
from featherweight.search.fit import pipeline, planning, search_loop, state
from featherweight.search.fit.cost import Limits
from featherweight.search.fit.state import FitState
from featherweight.search.fit.trial import Trial, TrialUpdate


def short() -> None:
    """Trainings of a few epochs."""
    state.FEWEST_EPOCHS, state.MOST_EPOCHS, state.LEAST_EPOCHS = 2, 3, 1
    planning.LEAST_EPOCHS = 1


def given(search: FitState, update: TrialUpdate, at: float) -> Trial:
    """Note a result of the search and count it, as it does itself; the candidate."""
    trial = search.population.trials[update.work.trial]
    search_loop.note(search, trial, search_loop.add_result(search, trial, update), update, at)
    return trial


def asked(out: Path, trials: int = 6, cores: int = 2) -> pipeline.FitRequest:
    draws = np.random.default_rng(0)
    pixels = draws.integers(0, 256, (60, 9, 9), dtype=np.uint8)
    pixels[::2, :5] //= 3  # so that there is something to be learned
    data = Data.from_arrays(pixels, np.arange(60) % 2, test=(pixels[:20], np.arange(20) % 2))
    return pipeline.FitRequest(
        data=data, limits=Limits(flash=9000), trials=trials, out=out, cores=cores, command="test"
    )
