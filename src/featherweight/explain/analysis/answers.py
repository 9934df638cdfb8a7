"""What a network answers over a whole test set, and the tables that follow from it. Plain numpy from there on."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from featherweight.data import Data
from featherweight.errors import UsageError
from featherweight.experiments.record import percent
from featherweight.training.evaluation import predict
from featherweight.training.runs.trained import TrainedModel, evaluator_of


@dataclass(frozen=True, kw_only=True)
class Answers:
    """One probability a class for each image of a test set, in the set's order."""

    probabilities: NDArray[np.float64]
    """[N C]; each row sums to 1."""
    labels: NDArray[np.int64]
    """[N]: the labels as the set gives them; some of MNIST's are disputable, and none is left out."""
    classes: tuple[str, ...]
    """[C] names."""

    def __post_init__(self) -> None:
        assert self.probabilities.shape == (len(self.labels), len(self.classes)), self.probabilities.shape

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def chosen(self) -> NDArray[np.int64]:
        """[N]: the class that each image is taken for."""
        chosen: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return chosen

    @property
    def confidence(self) -> NDArray[np.float64]:
        """[N]: the probability of the class chosen."""
        top: NDArray[np.float64] = self.probabilities.max(axis=1)
        return top

    @property
    def accuracy(self) -> float:
        """Percent of the images."""
        return percent(int((self.chosen == self.labels).sum()), len(self))


def answers_of(trained: TrainedModel, data: Data) -> Answers:
    """What a finished run's weights answer for every image of `data.test`, on the CPU.

    Raises UsageError when the images or classes are not those that the network takes.
    """
    engine = evaluator_of(trained, data, torch.device("cpu"))
    batches = predict(engine, data.test, trained.mean, trained.std)
    # Log-probabilities are scores too: softmax leaves what they say as it is.
    found = [scores.double().softmax(dim=1) for scores, _ in batches]
    return Answers(
        probabilities=torch.cat(found).numpy(), labels=data.test.labels.numpy(), classes=tuple(trained.classes)
    )


def pooled(several: Sequence[Answers]) -> Answers:
    """The answers of several runs as if one had given them all; UsageError when their classes differ."""
    if not several or any(one.classes != several[0].classes for one in several):
        raise UsageError("Only answers of runs that tell the same classes apart can be pooled; name such runs.")
    return Answers(
        probabilities=np.concatenate([one.probabilities for one in several]),
        labels=np.concatenate([one.labels for one in several]),
        classes=several[0].classes,
    )


def confusion(answers: Answers) -> NDArray[np.int64]:
    """[C C] counts of images: a row is the label, a column what they were taken for.

    >>> sure = Answers(probabilities=np.array([[0.9, 0.1], [0.2, 0.8]]), labels=np.array([0, 0]), classes=("a", "b"))
    >>> confusion(sure).tolist()
    [[1, 1], [0, 0]]
    """
    count = len(answers.classes)
    return np.bincount(answers.labels * count + answers.chosen, minlength=count * count).reshape(count, count)


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """One class; the figures are percents, None where there is nothing to divide by."""

    name: str
    images: int
    """How many have this label."""
    chosen: int
    """How many were taken for it."""
    right: int
    """How many of those have the label."""
    accuracy: float
    """Of all images, those rightly told to be this class or not."""
    precision: float | None
    """Of those taken for it, those that are."""
    recall: float | None
    """Of its own images, those found."""


def class_rows(answers: Answers) -> tuple[ClassRow, ...]:
    """Accuracy, precision and recall of each class, in the classes' order."""
    counts = confusion(answers)
    found = []
    for at, name in enumerate(answers.classes):
        images, chosen, right = int(counts[at].sum()), int(counts[:, at].sum()), int(counts[at, at])
        found.append(
            ClassRow(
                name=name,
                images=images,
                chosen=chosen,
                right=right,
                accuracy=percent(len(answers) - images - chosen + 2 * right, len(answers)),
                precision=percent(right, chosen) if chosen else None,
                recall=percent(right, images) if images else None,
            )
        )
    return tuple(found)


@dataclass(frozen=True, kw_only=True)
class Mistake:
    """An image whose label is not what it was taken for."""

    index: int
    """Its place in the test set, from 0."""
    truth: int
    """The label as the set gives it."""
    chosen: int
    confidence: float
    """Probability of the class chosen, 0 to 1."""
    truth_probability: float
    """Probability that was left for the label."""


def mistakes(answers: Answers) -> tuple[Mistake, ...]:
    """Every misclassified image, the most confident mistake first."""
    chosen, confidence = answers.chosen, answers.confidence
    wrong = np.flatnonzero(chosen != answers.labels)
    return tuple(
        Mistake(
            index=int(at),
            truth=int(answers.labels[at]),
            chosen=int(chosen[at]),
            confidence=float(confidence[at]),
            truth_probability=float(answers.probabilities[at, answers.labels[at]]),
        )
        for at in wrong[np.argsort(-confidence[wrong], kind="stable")]
    )


@dataclass(frozen=True, kw_only=True)
class Bin:
    """The images whose confidence lies in (low, high]; both figures are 0 to 1, and 0 of an empty bin."""

    low: float
    high: float
    images: int
    confidence: float
    """Mean over them."""
    accuracy: float
    """Share of them that were right."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """Whether confidence is earned (Guo, Pleiss, Sun and Weinberger, 2017)."""

    bins: tuple[Bin, ...]
    error: float
    """Expected calibration error, 0 to 1: the gap of confidence and accuracy, over the bins, weighted by images."""


def calibration(answers: Answers, bins: int = 15) -> Calibration:
    """Confidence against accuracy in bins of equal width, 15 as in the paper.

    >>> half = Answers(probabilities=np.array([[0.9, 0.1]] * 4), labels=np.array([0, 0, 0, 1]), classes=("a", "b"))
    >>> round(calibration(half).error, 9)
    0.15
    """
    confidence: NDArray[Any] = answers.confidence
    right = answers.chosen == answers.labels
    edges = np.linspace(0, 1, bins + 1)
    place = np.clip(np.searchsorted(edges, confidence, side="left") - 1, 0, bins - 1)
    found = []
    for at in range(bins):
        inside = place == at
        many = int(inside.sum())
        found.append(
            Bin(
                low=float(edges[at]),
                high=float(edges[at + 1]),
                images=many,
                confidence=float(confidence[inside].mean()) if many else 0.0,
                accuracy=float(right[inside].mean()) if many else 0.0,
            )
        )
    error = sum(one.images * abs(one.confidence - one.accuracy) for one in found) / len(answers)
    return Calibration(bins=tuple(found), error=error)
