"""A search's settings, what it has found so far, and how long trainings take by that."""

import math
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median

from featherweight.search.fit.asha import Aim, Population, Trial
from featherweight.search.fit.candidate import Candidate
from featherweight.search.fit.cost import Cost, training_work
from featherweight.search.fit.resized import ResizedData
from featherweight.search.fit.workers import TrialTask, TrialUpdate

USUAL_EPOCHS, USUAL_IMAGES = 25, 60_000
FEWEST_EPOCHS, MOST_EPOCHS = 24, 400
LEAST_EPOCHS = 20
"""Of a finished network: a candidate so slow that it would get fewer is made narrower."""
STARTING = 6.0
"""Seconds that a process takes before its first step."""
GUESS = 30e9
"""Units of `training_work` that a core carries out in a second, before any candidate was timed."""


def epochs_for(images: int) -> int:
    """How often a finished network is to see so many training images: half as often where there are four times as many.

    >>> epochs_for(60_000), epochs_for(15_000), epochs_for(240_000), epochs_for(60)
    (25, 50, 24, 400)
    """
    return round(max(FEWEST_EPOCHS, min(MOST_EPOCHS, USUAL_EPOCHS * math.sqrt(USUAL_IMAGES / images))))


@dataclass(kw_only=True)
class FitState:
    """A search's settings and what it has found so far."""

    views: ResizedData
    aim: Aim
    population: Population
    seconds: float
    """Of the search."""
    finish: float
    """Seconds that the training of one finished network may take, on one core."""
    file: Path
    """Where finished trainings are noted, for the same command to go on."""
    cores: int = 1
    """On which candidates are trained, one each."""
    spent: float = 0.0
    """Seconds of earlier searches in the same folder."""
    rates: list[float] = field(default_factory=list)
    """Units of `training_work` a second, by what was timed."""
    waiting: list[TrialTask] = field(default_factory=list)
    complete: int | None = None
    """How many candidates were asked for, once all have had their turn; None before, and with a limit of time."""

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.views.classes)

    def rate(self) -> float:
        """Units of work that a core does in a second, as far as that is known."""
        return median(self.rates[-40:]) if self.rates else GUESS

    def shape(self, genes: Candidate) -> tuple[int, int, int]:
        """Of the images that the genes ask for."""
        channels, height, width = self.views.sizes[genes.side].shape
        return (1 if genes.grey else channels), height, width

    def work_done(self, update: TrialUpdate, trial: Trial) -> float:
        """Units of work that one of the candidate's trainings took."""
        return update.work.epochs * self._images(update.work) * training_work(trial.price.macs, trial.shape)

    def rate_of(self, trial: Trial) -> float:
        """As `rate`, by the candidate's own trainings if there are any: kinds of network differ by a factor of two."""
        timed = [
            update for rung in trial.updates.values() for update in rung if not update.failed and update.seconds > 0
        ]
        if not timed:
            return self.rate()
        return sum(self.work_done(update, trial) for update in timed) / sum(update.seconds for update in timed)

    def epoch_seconds(self, cost: Cost, shape: tuple[int, int, int], images: int, rate: float | None = None) -> float:
        """About how long an epoch of so many images takes on one core."""
        return images * training_work(cost.macs, shape) / (rate or self.rate())

    def epochs(self, cost: Cost, shape: tuple[int, int, int], rate: float | None = None) -> float:
        """How many a finished network gets: as many as suit the number of images, if the time allows."""
        images = len(self.views.labels)
        return min(epochs_for(images), self.finish / self.epoch_seconds(cost, shape, images, rate))

    def work_seconds(self, work: TrialTask, trial: Trial) -> float:
        """About how long a training will take on one core."""
        images = round(self._images(work))
        return work.epochs * self.epoch_seconds(trial.price, trial.shape, images, self.rate_of(trial))

    def _images(self, work: TrialTask) -> float:
        """Training images of a work."""
        return work.share * (len(self.views.labels) - int(self.views.folds[work.fold].sum()))
