"""Reads pictures with the weights of the user's own run, whatever its classes and images are."""

from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from featherweight.data.augment import normalise
from featherweight.data.pictures import fit_to_shape
from featherweight.reading.answers import Answer, answer, answer_of
from featherweight.reading.network import Scorer
from featherweight.reading.picture_files import Picture
from featherweight.training.runs.trained import TrainedModel, load_any, requested_size

IN_MNIST_MANNER = ("mnist", "qmnist", "emnist-digits", "digits")
"""Data sets whose images are centred digits: pictures are searched for digits. For others, a picture is one image."""


def reader_of(run: Path | str, experiment: Path | None = None) -> "Reader":
    """A reader of pictures with the weights of this run; UsageError or FileError if there are none."""
    return Reader(load_any(str(run), experiment=experiment))


class Reader:
    """The network of a user's run as a reader of pictures."""

    def __init__(self, trained: TrainedModel) -> None:
        self._trained = trained
        self._scorer = _scorer(trained)

    def __call__(self, picture: Picture, file: str) -> Answer:
        """The digits in the picture, or the class of the whole picture if the run's images are not digits."""
        trained, known = self._trained, self._trained.calibration
        warmth = known.temperature if known else 1.0
        if trained.record.data["name"] in IN_MNIST_MANNER and trained.shape == (1, 28, 28):
            return answer(picture, file, self._scorer, warmth, trained.classes, calibration=known)
        seen = _resized(picture, trained)
        scores = self._scorer(seen[None])
        return answer_of(file, scores, warmth, trained.classes, [(0, 0, *picture.size)], [seen], known)


def _scorer(trained: TrainedModel) -> Scorer:
    def scores(pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        images = torch.from_numpy(np.ascontiguousarray(pictures))
        images = images[:, None] if images.ndim == 3 else images.permute(0, 3, 1, 2).contiguous()  # -> [N C H W]
        with torch.no_grad():
            result: NDArray[np.float32] = trained.network(normalise(images, trained.mean, trained.std)).numpy()
        return result

    return scores


def _resized(picture: Picture, trained: TrainedModel) -> NDArray[np.uint8]:
    """The whole picture as training would have read it from a folder: uint8 [H W] or [H W 3]."""
    pixels = fit_to_shape(picture.pixels, trained.shape, requested_size(trained.record))
    return pixels[0] if len(pixels) == 1 else np.ascontiguousarray(pixels.transpose(1, 2, 0))
