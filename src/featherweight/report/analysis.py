"""What a finished run knows and where it fails: its answers over a whole test set, and tables of them.

What its network takes from an image is in `attribution`, whose functions are found here as well.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from featherweight.data.dataset import Data
from featherweight.errors import UsageError
from featherweight.experiments.record import percent
from featherweight.report.attribution import ClassEvidence as ClassEvidence
from featherweight.report.attribution import Field as Field
from featherweight.report.attribution import Seen as Seen
from featherweight.report.attribution import contrast as contrast
from featherweight.report.attribution import evidence as evidence
from featherweight.report.attribution import fields as fields
from featherweight.report.attribution import first_kernels as first_kernels
from featherweight.report.attribution import seen_in_training as seen_in_training
from featherweight.training.evaluation import predict_batches
from featherweight.training.runs.trained import TrainedModel, evaluator_of


@dataclass(frozen=True, kw_only=True)
class Answers:
    """A network's answers over a test set: one probability per class for each image, in the set's order."""

    probabilities: NDArray[np.float64]
    """[N C]; each row sums to 1."""
    labels: NDArray[np.int64]
    """[N]: the labels from the data set; some of MNIST's are disputable, but none is left out."""
    classes: tuple[str, ...]
    """[C] names."""

    def __post_init__(self) -> None:
        assert self.probabilities.shape == (len(self.labels), len(self.classes)), self.probabilities.shape

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def chosen(self) -> NDArray[np.int64]:
        """[N]: the predicted class of each image."""
        chosen: NDArray[np.int64] = self.probabilities.argmax(axis=1)
        return chosen

    @property
    def confidence(self) -> NDArray[np.float64]:
        """[N]: the probability of the predicted class."""
        top: NDArray[np.float64] = self.probabilities.max(axis=1)
        return top

    @property
    def accuracy(self) -> float:
        """Percent of the images that are classified correctly."""
        return percent(int((self.chosen == self.labels).sum()), len(self))


def answers_of(trained: TrainedModel, data: Data) -> Answers:
    """The answers of a finished run's weights for every image of `data.test`, computed on the CPU.

    Raises UsageError if the images or classes are not those that the network was built for.
    """
    engine = evaluator_of(trained, data, torch.device("cpu"))
    batches = predict_batches(engine, data.test, trained.mean, trained.std)
    # Log-probabilities can be used as scores, since softmax turns them into the same probabilities.
    found = [scores.double().softmax(dim=1) for scores, _ in batches]
    return Answers(
        probabilities=torch.cat(found).numpy(), labels=data.test.labels.numpy(), classes=tuple(trained.classes)
    )


def pooled(several: Sequence[Answers]) -> Answers:
    """The answers of several runs combined into one; UsageError if their classes differ."""
    if not several or any(one.classes != several[0].classes for one in several):
        raise UsageError("Only answers from runs with the same classes can be pooled; name such runs.")
    return Answers(
        probabilities=np.concatenate([one.probabilities for one in several]),
        labels=np.concatenate([one.labels for one in several]),
        classes=several[0].classes,
    )


def confusion(answers: Answers) -> NDArray[np.int64]:
    """The confusion matrix, [C C] counts of images: rows are labels, columns are predicted classes.

    >>> sure = Answers(probabilities=np.array([[0.9, 0.1], [0.2, 0.8]]), labels=np.array([0, 0]), classes=("a", "b"))
    >>> confusion(sure).tolist()
    [[1, 1], [0, 0]]
    """
    count = len(answers.classes)
    return np.bincount(answers.labels * count + answers.chosen, minlength=count * count).reshape(count, count)


@dataclass(frozen=True, kw_only=True)
class ClassRow:
    """Accuracy, precision and recall of one class, in percent; None if there is nothing to divide by."""

    name: str
    images: int
    """The number of images with this label."""
    chosen: int
    """The number of images predicted to be of this class."""
    right: int
    """The number of those that have the label."""
    accuracy: float
    """The share of all images correctly predicted to be of this class or not."""
    precision: float | None
    """The share of images predicted to be of this class that are."""
    recall: float | None
    """The share of the class's own images that are found."""


def class_rows(answers: Answers) -> tuple[ClassRow, ...]:
    """Accuracy, precision and recall of each class, in percent, in the order of the classes."""
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
    """A misclassified test image: its label, the predicted class and its confidence."""

    index: int
    """Its position in the test set, from 0."""
    truth: int
    """The label from the data set."""
    chosen: int
    confidence: float
    """Probability of the predicted class, 0 to 1."""
    truth_probability: float
    """Probability of the label, 0 to 1."""


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
    """A bin of a calibration curve: images with a confidence in (low, high]. Figures are 0 to 1, 0 if it is empty."""

    low: float
    high: float
    images: int
    confidence: float
    """Their mean confidence."""
    accuracy: float
    """The share of them that are classified correctly."""


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How well confidence matches accuracy (Guo, Pleiss, Sun and Weinberger, 2017)."""

    bins: tuple[Bin, ...]
    error: float
    """Expected calibration error, 0 to 1: the gap between confidence and accuracy, averaged over all images."""


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
