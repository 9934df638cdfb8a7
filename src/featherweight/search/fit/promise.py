"""What held-out images promise of the chosen network: an accuracy and its interval, which allows for having looked at
many candidates, and for seeds as well as pictures.

The best of many candidates on some images is partly the luckiest one. So the choice is repeated on images drawn with
replacement, whole groups at a time, and each winner is judged on the images that were not drawn (Tsamardinos et al.,
"Bootstrapping the out-of-sample predictions for efficient and accurate cross-validation", 2018).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist, stdev
from typing import Any

import numpy as np
from numpy.typing import NDArray

from featherweight.experiments.statistics import LEVEL, accuracy_interval
from featherweight.search.fit.state import FitState
from featherweight.search.fit.trial import LAST, Trial

DRAWS = 400
SEED_SPREAD = 0.12
"""Standard deviation over seeds as a share of the error, where one seed alone was trained (two seeds of 43 traffic
signs: 1.69 and 2.41 % wrong)."""


@dataclass(frozen=True, kw_only=True)
class Promise:
    """An accuracy in percent that may be expected, and its 95 % interval."""

    accuracy: float
    low: float
    high: float
    images: int
    """Held-out images, each counted once however often it was judged."""
    groups: int
    """Of images that belong together; as many as there are images where each is of its own."""
    candidates: int
    """Among which the choice was made."""

    def words(self) -> str:
        """The accuracy with its interval and count."""
        of = f"{self.images:,} held-out images"
        of += f" of {self.groups:,} groups" if self.groups < self.images else ""
        return f"{self.accuracy:.2f} % ({self.low:.2f} to {self.high:.2f}) expected by {of}"

    def to_json(self) -> dict[str, Any]:
        """As plain values."""
        return {
            "accuracy": self.accuracy, "interval": [self.low, self.high], "images": self.images,
            "groups": self.groups, "candidates": self.candidates,
        }  # fmt: skip


def promise(search: FitState, trial: Trial, accuracies: Sequence[float] = ()) -> Promise:
    """What to expect of the trial's network on images of the same kind; `accuracies` are those of the final seeds, in
    percent, of which only the spread is used."""
    right, units = _judged(search, trial)
    correct, judged = trial.counts(trial.rung)
    rivals = [one for one in _rivals(search, trial) if right is not None and len(one) == len(right)]
    accuracy = 100 * correct / judged
    alone = len(np.unique(np.concatenate(_places(search, trial))))
    if right is None or len(units) < 2:
        low, high = accuracy_interval(round(accuracy * alone / 100), alone)
        return Promise(accuracy=accuracy, low=low, high=high, images=alone, groups=alone, candidates=1 + len(rivals))
    table = np.stack([right, *rivals]) if rivals else right[None]
    sums = np.array([[row[unit].sum() for unit in units] for row in table], dtype=np.float64)
    sizes = np.array([len(unit) for unit in units], dtype=np.float64)
    expected = 100 * (float(right.mean()) - _optimism(sums, sizes))
    # Every picture once: the error of the mean over groups, at least that of as many pictures alone.
    share = sums[0] / sizes
    spread = math.sqrt(float((((share - right.mean()) * sizes) ** 2).sum())) / sizes.sum() * _small(len(units))
    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    low, high = accuracy_interval(round(expected * alone / 100), alone)
    seeds = _seed_spread(expected, accuracies)
    below = math.hypot(max(expected - low, 100 * z * spread), z * seeds)
    above = math.hypot(max(high - expected, 100 * z * spread), z * seeds)
    most = max(expected + above, _at_full(search, trial))
    return Promise(
        accuracy=expected, low=max(0.0, expected - below), high=min(100.0, most),
        images=alone, groups=len(units), candidates=len(table),
    )  # fmt: skip


def _optimism(sums: NDArray[np.float64], sizes: NDArray[np.float64]) -> float:
    """By how much the best of the rows seems better than it is, as a share of the images; 0 or more."""
    draws, units = np.random.default_rng(0), len(sizes)
    gaps = []
    for _ in range(DRAWS if len(sums) > 1 else 0):
        drawn = np.bincount(draws.integers(units, size=units), minlength=units).astype(np.float64)
        out = drawn == 0
        if not out.any():
            continue
        inside = (sums * drawn).sum(1) / (sizes * drawn).sum()
        best = int(inside.argmax())
        gaps.append(inside[best] - sums[best][out].sum() / sizes[out].sum())
    return max(0.0, float(np.mean(gaps))) if gaps else 0.0


def _small(count: int) -> float:
    """The factor for the spread of so few groups: Student's quantile by the normal one."""
    from scipy import stats

    z = NormalDist().inv_cdf((1 + LEVEL) / 2)
    return float(stats.t.ppf((1 + LEVEL) / 2, count - 1)) / z * math.sqrt(count / (count - 1))


def _seed_spread(expected: float, accuracies: Sequence[float]) -> float:
    """Standard deviation of one seed's accuracy, in percent."""
    guess = SEED_SPREAD * (100 - expected)
    return max(guess / 2, stdev(accuracies)) if len(accuracies) > 1 else guess


def _at_full(search: FitState, trial: Trial) -> float:
    """The accuracy that is expected after the whole training, of a trial that had a part of it."""
    if trial.rung == LAST:
        return 0.0
    return 100 * (1 - math.exp(search.population.expected(trial)))


def _rivals(search: FitState, trial: Trial) -> list[NDArray[np.float64]]:
    """What the other candidates that came as far got right, image by image."""
    found = []
    for one in search.population.eligible():
        if one is not trial and one.rung == trial.rung:
            right, _ = _judged(search, one)
            if right is not None:
                found.append(right)
    return found


def _judged(search: FitState, trial: Trial) -> tuple[NDArray[np.float64] | None, list[NDArray[np.int64]]]:
    """1 where each judged image was right, and the positions among them of each group's images; None where the notes of
    an earlier version do not say."""
    updates = sorted(trial.judging(trial.rung), key=lambda update: update.work.fold)
    if not updates or any(len(update.images) != update.judged for update in updates):
        return None, []
    right = np.concatenate([np.frombuffer(update.images, np.uint8) & 1 for update in updates]).astype(np.float64)
    place = np.concatenate(_places(search, trial))
    if search.aim.balanced:  # every class weighs as much
        labels = search.views.labels.numpy()[place]
        counts = np.bincount(labels)
        right *= len(labels) / ((counts > 0).sum() * counts[labels])
    groups = search.views.groups
    keys = place if groups is None else groups.of.numpy()[place]
    order = np.argsort(keys, kind="stable")
    return right, np.split(order, np.flatnonzero(np.diff(keys[order])) + 1)


def _places(search: FitState, trial: Trial) -> list[NDArray[np.int64]]:
    """The positions of the images that each of the trainings was judged on, fold by fold."""
    folds = sorted(update.work.fold for update in trial.judging(trial.rung))
    return [np.flatnonzero(search.views.folds[fold].numpy()) for fold in folds]
