"""A search's settings, what it has found so far, and how much work its trainings are.

Work is counted in multiply-adds and pixels, never in seconds: what a search tries then does not depend on what else the
machine does. Seconds decide when it ends, and how long the last training may be.
"""

import math
from dataclasses import dataclass, field, replace
from pathlib import Path

import torch

from featherweight.search.fit.asha import Population
from featherweight.search.fit.candidate import Candidate
from featherweight.search.fit.cost import Cost, training_work
from featherweight.search.fit.resized import ResizedData
from featherweight.search.fit.trial import Aim, Trial, TrialTask, TrialUpdate

USUAL_EPOCHS, USUAL_IMAGES = 25, 60_000
FEWEST_EPOCHS, MOST_EPOCHS = 24, 400
LEAST_EPOCHS = 20
"""Of a finished network: a candidate so slow that it would get fewer is made narrower."""
READING = 0.25
"""The share of a finished network's time that moving its pixels alone may take, for it to get more than that."""
STARTING = 6.0
"""Seconds that a process takes before its first step."""
RATE = 30e9
"""Units of `training_work` that a core of a usual machine carries out in a second (two cores of 2024: 20 to 60)."""


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
    waiting: list[TrialTask] = field(default_factory=list)
    teacher: Path | None = None
    """An ONNX file, from which the chosen network learns beside the labels."""
    complete: int | None = None
    """How many candidates were asked for, once all have had their turn; None before, and with a limit of time."""

    @property
    def classes(self) -> int:
        """Number of classes."""
        return len(self.views.classes)

    def shape(self, genes: Candidate) -> tuple[int, int, int]:
        """Of the images that the genes ask for."""
        channels, height, width = self.views.sizes[genes.side].shape
        return (1 if genes.grey else channels), height, width

    def work(self, task: TrialTask, trial: Trial) -> float:
        """Units of `training_work` that a training of the candidate takes."""
        return task.epochs * self._images(task) * training_work(trial.price.macs, trial.shape)

    def rate_of(self, trial: Trial | None = None) -> float:
        """Units of work that a core did in a second, by the candidate's own trainings where there are any: kinds of
        network differ by a factor of two; else by all of them."""
        for trials in ([trial] if trial else [], self.population.trials):
            timed = [
                (self.work(update.work, one), update.seconds)
                for one in trials
                for rung in one.updates.values()
                for update in rung
                if not update.failed and update.seconds > 0
            ]
            if timed:
                return sum(work for work, _ in timed) / sum(seconds for _, seconds in timed)
        return RATE

    def epoch_seconds(self, cost: Cost, shape: tuple[int, int, int], images: int, rate: float = RATE) -> float:
        """About how long an epoch of so many images takes on one core of such a rate."""
        return images * training_work(cost.macs, shape) / rate

    def epochs(self, cost: Cost, shape: tuple[int, int, int], rate: float = RATE) -> float:
        """How many a finished network gets: as many as suit the number of images, if the time allows."""
        images = len(self.views.labels)
        return min(epochs_for(images), self.finish / self.epoch_seconds(cost, shape, images, rate))

    def least_epochs(self, shape: tuple[int, int, int]) -> float:
        """The fewest that a candidate may get: half of what suits the number of images, as far as the time allows."""
        images = len(self.views.labels)
        reading = images * training_work(0, shape) / RATE
        return max(LEAST_EPOCHS, min(epochs_for(images) / 2, READING * self.finish / reading))

    def counted(self, update: TrialUpdate) -> TrialUpdate:
        """A result as this search counts it: where every class counts alike, by the mean of their recalls."""
        if not self.aim.balanced or len(update.images) != update.judged or not update.judged:
            return update
        right = torch.frombuffer(bytearray(update.images), dtype=torch.uint8) & 1
        labels = self.views.labels[self.views.folds[update.work.fold]]
        images = torch.bincount(labels)
        recalls = torch.bincount(labels, weights=right.double())[images > 0] / images[images > 0]
        return replace(update, correct=round(update.judged * float(recalls.mean())))

    def _images(self, work: TrialTask) -> float:
        """Training images of a work."""
        return work.share * (len(self.views.labels) - int(self.views.folds[work.fold].sum()))
