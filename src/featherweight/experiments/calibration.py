"""When a network should answer "none of these", and how sure it is: temperature, threshold and sets of classes.

All three come from scores of pictures that were held out of training, each picture's less their mean, which softmax
ignores. A picture is of none of the classes if its greatest score is too low (maximum logit: Hendrycks et al., "Scaling
Out-of-Distribution Detection for Real-World Settings", 2022), or if its scores are too far from those that are typical
of that class (the same paper matches distributions; the sum of distances here needs no logarithms). Needs no torch.
"""

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from msgspec import Meta
from numpy.typing import NDArray

from featherweight.errors import UsageError
from featherweight.escape import printable
from featherweight.experiments.schema import Count, CountOrZero, Percent, Share, Text
from featherweight.io import write_text
from featherweight.json_files import Schema

FILE = "calibration.json"
"""In the folder of a run."""
REFUSED, COVERED = 5.0, 95.0
"""Percent: of pictures of known classes, how many are refused at most, and how often a set holds the right class."""
SURE = 0.95
"""How surely no more than `REFUSED` of new pictures are refused."""
ROOM = 0.85
"""The share of `REFUSED` that held-out pictures decide on; the rest is for another seed's scores, and for 8 bits'."""
WARMEST = 100.0
MOST_TYPICAL, FEWEST_TYPICAL = 12, 10
"""Classes up to which typical scores are kept, a byte for each two of them; and pictures that each class needs."""
BEYOND = 1 / 40
FINEST = -6
"""The logarithm of the least `step`, so that it is a whole number of a C program's scores."""
Table = tuple[tuple[Annotated[int, Meta(ge=-127, le=127)], ...], ...]

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """What held-out pictures say of a network's scores."""

    temperature: Annotated[float, Meta(gt=0, le=WARMEST)]
    """By which scores are divided before softmax (Guo et al., "On Calibration of Modern Neural Networks", 2017)."""
    threshold: Annotated[float, Meta(ge=-1e6, le=1e6)] | None
    """Pictures whose greatest score is less above the mean are of none of the classes; None where there are too few
    pictures to promise this."""
    least_probability: Share | None
    """Of each class in a picture's set; None likewise. So few right classes of held-out pictures have less that sets
    hold the right class as often as `cover` says, with 95 % certainty (split conformal prediction: Vovk, "Conditional
    Validity of Inductive Conformal Predictors", 2012)."""
    held_out: Count
    """Pictures that all of this is fitted on."""
    by: Text
    """The network that gave their scores, in words."""
    typical: Table | None = None
    """Mean scores of the pictures of each class, less their mean, in units of `step`; None for many classes."""
    step: Annotated[float, Meta(gt=0, le=1e6)] = 1.0
    """A power of two."""
    farthest: Annotated[float, Meta(ge=0, le=1e9)] | None = None
    """Pictures whose scores differ from the typical ones by more, all together, are of none of the classes."""
    weights: Text = ""
    """SHA-256 of the file of weights that it is for."""
    refuse: Percent = REFUSED
    cover: Percent = COVERED
    refused: dict[Text, tuple[CountOrZero, Count]] = field(default_factory=dict)
    """By kind of pictures, how many of them the network refuses, and of how many."""

    def __post_init__(self) -> None:
        table = self.typical or ()
        if any(len(row) != len(table) for row in table) or (table and None in (self.threshold, self.farthest)):
            raise ValueError("`typical` has a row and a column for each class, and needs a threshold and `farthest`")

    def unknown(self, scores: Floats) -> NDArray[np.bool_] | None:
        """Whether each picture with these scores, [N classes], is of none of the classes; None without a threshold."""
        if self.threshold is None:
            return None
        found: NDArray[np.bool_] = evidence(scores) < self.threshold
        if self.typical is not None and self.farthest is not None:
            found |= distance(scores, self.templates()) > self.farthest
        return found

    def templates(self) -> Floats:
        """The typical scores of each class, [classes classes]."""
        return self.step * np.array(self.typical, dtype=np.float64)

    def choices(self, shares: Floats) -> list[int]:
        """The classes of which one is right, as surely as was asked for, by a picture's probabilities, [classes]: the
        likeliest first, and always. None at all where there were too few held-out pictures."""
        if self.least_probability is None:
            return []
        order = np.argsort(-shares, kind="stable")
        return [int(at) for at in order if shares[at] >= min(self.least_probability, shares[order[0]])]

    def refusals(self) -> str:
        """What it refuses of each kind of pictures, in percent, as a phrase.

        >>> Calibration(temperature=1, threshold=3.3, least_probability=None, held_out=60, by="itself",
        ...             refused={"noise": (300, 400), "flat": (5, 5)}).refusals()
        '75.0 % of noise, 100.0 % of flat'
        """
        return ", ".join(f"{100 * some / of:.1f} % of {name}" for name, (some, of) in self.refused.items())

    def lines(self) -> list[str]:
        """What was found, as sentences."""
        by = f"By the scores of {self.held_out:,} held-out pictures"
        if self.threshold is None:
            return [f"{by}: temperature {self.temperature:.2f}. They are too few for a threshold that can be promised."]
        return [
            f"{by}: temperature {self.temperature:.2f}, threshold {self.threshold:.2f}.",
            f'With 95 % certainty, at most {self.refuse:g} % of new pictures like these are "none of these".',
            f"Refused: {self.refusals()}.",
        ]

    def save(self, folder: Path) -> Path:
        """Write it beside the weights in a run's folder."""
        write_text(folder / FILE, json.dumps(asdict(self), indent=1) + "\n")
        return folder / FILE


SCHEMA = Schema(kind=Calibration, what="the calibration of a run", advice="delete it and calibrate again")


def evidence(scores: Floats) -> Floats:
    """How far the greatest of the scores, [N classes], is above their mean, [N].

    >>> evidence(np.array([[1.0, 2.0, 6.0]])).tolist()
    [3.0]
    """
    found: Floats = scores.max(1) - scores.mean(1)
    return found


def distance(scores: Floats, templates: Floats) -> Floats:
    """How far scores, [N classes], are from what is typical of their likeliest class, [classes classes]: [N].

    >>> distance(np.array([[3.0, 0.0, 0.0]]), np.array([[2.0, -1.0, -2.0]] * 3)).tolist()
    [1.0]
    """
    centred = scores - scores.mean(1, keepdims=True)
    found: Floats = np.abs(centred - templates[scores.argmax(1)]).sum(1)
    return found


@dataclass(frozen=True, kw_only=True)
class Usual:
    """What scores a network gives the pictures that it was trained on."""

    evidence: float
    """More than a fortieth of them have less."""
    table: Table | None = None
    """Mean scores of each class, less their mean, in units of `step`."""
    step: float = 1.0
    distance: float = 0.0
    """A fortieth of them is farther from these."""

    def margin(self, scores: Floats) -> Floats:
        """How usual other scores, [N classes], are: [N], 0 or more; most pictures of known classes have more than 1."""
        found: Floats = evidence(scores) / self.evidence
        if self.table is None:
            return found
        return np.minimum(found, self.distance / np.maximum(distance(scores, self.step * np.array(self.table)), 1e-9))


def usual_scores(scores: Floats, labels: NDArray[np.int64]) -> Usual:
    """What is usual, by scores, [N classes], and labels, [N], of training pictures."""
    classes, right = scores.shape[1], scores.argmax(1) == labels
    least = max(1e-6, float(np.quantile(evidence(scores), BEYOND)))
    if classes > MOST_TYPICAL or np.bincount(labels[right], minlength=classes).min() < FEWEST_TYPICAL:
        return Usual(evidence=least)
    centred = scores - scores.mean(1, keepdims=True)
    means = np.stack([centred[right & (labels == at)].mean(0) for at in range(classes)])
    step = float(2.0 ** max(FINEST, np.ceil(np.log2(np.abs(means).max() / 127))))
    table = np.rint(means / step).astype(int)
    far = float(np.quantile(distance(scores, step * table), 1 - BEYOND))
    return Usual(evidence=least, table=tuple(map(tuple, table.tolist())), step=step, distance=max(1e-6, far))


def fitted(
    scores: Floats, labels: NDArray[np.int64], margins: Floats, usual: Usual, *, by: str, refuse: float = REFUSED,
    cover: float = COVERED, groups: int | None = None,
) -> Calibration:  # fmt: skip
    """The calibration of a network with these usual scores.

    Scores, [N classes], labels, [N], and margins, [N] (`Usual.margin`), are of pictures that the network which gave
    them was not trained on. `groups` is the number of groups of like pictures among them, by default each its own.
    UsageError for percentages outside 0 to 100.
    """
    for name, value in (("refuse", refuse), ("cover", cover)):
        if not 0 < value < 100:
            raise UsageError(f"{name} is a percentage above 0 and below 100; given {value:g}.")
    warmth = fitted_temperature(scores, labels)
    right = softmax(scores / warmth)[np.arange(len(labels)), labels]
    least = threshold_of(margins, ROOM * refuse / 100, groups)
    return Calibration(
        temperature=warmth, threshold=None if least is None else least * usual.evidence,
        typical=usual.table if least else None, step=usual.step, farthest=usual.distance / least if least else None,
        least_probability=threshold_of(right, 1 - cover / 100, groups), held_out=len(labels), by=by, refuse=refuse,
        cover=cover, refused={} if least is None else {"held-out images": (int((margins < least).sum()), len(margins))},
    )  # fmt: skip


def softmax(scores: Floats) -> Floats:
    """The probabilities of scores, both [N classes]."""
    powers = np.exp(scores - scores.max(1, keepdims=True))
    shares: Floats = powers / powers.sum(1, keepdims=True)
    return shares


def fitted_temperature(scores: Floats, labels: NDArray[np.int64]) -> float:
    """The temperature, 0.05 to 100, with the least cross-entropy.

    One picture more, which may be of any class, keeps it from 0 where all are right (as Platt, "Probabilistic Outputs
    for Support Vector Machines", 1999, corrects labels).

    >>> scores = np.log([[0.9, 0.1]] * 1000)  # 90 % sure, and right three times of four
    >>> round(fitted_temperature(scores, np.array([0] * 750 + [1] * 250)), 2)
    2.0
    """
    from scipy.optimize import minimize_scalar

    wide = scores - scores.mean(1, keepdims=True, dtype=np.float64)
    right = float(wide[np.arange(len(labels)), labels].sum())

    def loss(log_warmth: float) -> float:
        warm = wide / np.exp(log_warmth)
        top = warm.max(1)
        logs = top + np.log(np.exp(warm - top[:, None]).sum(1))
        return float(logs.sum() - right / np.exp(log_warmth) + logs.mean())

    bounds = (np.log(0.05), np.log(WARMEST))
    return float(np.clip(np.exp(minimize_scalar(loss, bounds=bounds, method="bounded").x), 0.05, WARMEST))


def threshold_of(seen: Floats, share: float = REFUSED / 100, groups: int | None = None) -> float | None:
    """The greatest threshold below which, with 95 % certainty, at most this share of new pictures lie; None if no
    threshold can be promised, as with fewer than 59 pictures for 5 %.

    It is the k-th smallest of `seen`, [N], for the greatest k that 95 % of samples of N reach (one-sided tolerance
    limit: Wilks, "Determination of Sample Sizes for Setting Tolerance Limits", 1941). Of fewer `groups` than pictures,
    their number takes the place of N, and k / N of all pictures lie below.

    >>> threshold_of(np.arange(58.0)), threshold_of(np.arange(59.0)), threshold_of(np.arange(1000.0))
    (None, 0.0, 38.0)
    """
    from scipy.stats import binom

    count = min(groups or len(seen), len(seen))
    # k or more of a sample lie below the true quantile with this probability, which falls with k.
    rank = int((binom.sf(np.arange(count), count, share) >= SURE).sum())
    if not rank:
        return None
    return float(np.sort(seen)[max(1, rank * len(seen) // count) - 1])


def read_calibration(folder: Path, weights: str, classes: int) -> Calibration:
    """The calibration in a run's folder; FileError unless it is one of these weights, for so many classes."""
    found = SCHEMA.read(folder / FILE)
    if found.weights != weights or (found.typical and len(found.typical) != classes):
        raise SCHEMA.refusal(printable(folder / FILE), "it was made for other weights than those beside it")
    return found
