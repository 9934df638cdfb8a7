"""The learning rate at each step, a pure function of the recipe, the step and the history so far."""

import math
from collections.abc import Sequence

from featherweight.experiments.recipe import (
    Constant,
    Cosine,
    Linear,
    MultiStep,
    OneCycle,
    Plateau,
    Recipe,
    Schedule,
    Step,
)
from featherweight.experiments.record import Row


def rate(recipe: Recipe, step: int, steps_per_epoch: int, rows: Sequence[Row] = ()) -> float:
    """The learning rate at a step, counted from 0 over the whole run.

    `rows` are the finished epochs, which only `Plateau` uses. The warm-up follows Goyal et al., "Accurate, Large
    Minibatch SGD: Training ImageNet in 1 Hour" (2017).

    >>> rate(Recipe(lr=0.1, epochs=4, schedule=Step(every_epochs=2)), step=200, steps_per_epoch=100)
    0.010000000000000002
    """
    warmup = recipe.schedule.warmup_epochs * steps_per_epoch
    rising = min(1.0, (step + 1) / warmup) if warmup else 1.0
    return recipe.lr * rising * _share_of_peak(recipe.schedule, step, steps_per_epoch, recipe.epochs, rows)


def _share_of_peak(schedule: Schedule, step: int, steps_per_epoch: int, epochs: int, rows: Sequence[Row]) -> float:
    epoch = step // steps_per_epoch
    # Whole-run schedules start at the end of the warm-up and reach their last value at the last step.
    first = schedule.warmup_epochs * steps_per_epoch
    done = max(0.0, step - first) / max(1.0, epochs * steps_per_epoch - 1 - first)
    match schedule:
        case Constant():
            return 1.0
        case Step(every_epochs=every, factor=factor):
            return factor ** (epoch // every)
        case MultiStep(at_epochs=at, factor=factor):
            return factor ** sum(epoch + 1 >= named for named in at)
        case Plateau():
            return schedule.factor ** _plateaus(schedule, rows)
        case OneCycle(peak_at=peak, start=start, floor=floor):
            if done < peak or peak == 1:
                return _cosine(start, 1.0, done / peak)
            return _cosine(1.0, floor, (done - peak) / (1 - peak))
        case Cosine(floor=floor):
            return _cosine(1.0, floor, done)
        case Linear(floor=floor):
            return 1.0 + (floor - 1.0) * done
        case _:
            raise AssertionError(f"no rule for {type(schedule).__name__}")


def _cosine(start: float, end: float, done: float) -> float:
    """The value on a half cosine that runs from `start` to `end` as `done` goes from 0 to 1."""
    return end + (start - end) * (1 + math.cos(math.pi * min(1.0, done))) / 2


def _plateaus(schedule: Plateau, rows: Sequence[Row]) -> int:
    """The number of times that the watched quantity has stalled, recomputed from the history.

    Like `torch.optim.lr_scheduler.ReduceLROnPlateau`.
    """
    rising = schedule.quantity.endswith("accuracy")
    best, waited, stalls = -math.inf if rising else math.inf, 0, 0
    for row in rows:
        value: float = getattr(row, schedule.quantity)
        unit = abs(best) if schedule.threshold_mode == "relative" else 1.0
        margin = schedule.threshold * unit if math.isfinite(best) else 0.0
        if value > best + margin if rising else value < best - margin:
            best, waited = value, 0
        else:
            waited += 1
        if waited > schedule.patience_epochs:
            stalls, waited = stalls + 1, 0
    return stalls
