"""A finished run, loaded by its folder or name, ready to be called, evaluated, summarised and exported."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from featherweight.api.summary import NetworkSummary, summary
from featherweight.data.dataset import Data
from featherweight.data.in_memory import as_bytes
from featherweight.errors import FileError, UsageError
from featherweight.experiments.record import Record
from featherweight.export import Exported, export
from featherweight.reading.answers import Answer
from featherweight.reading.of_run import Reader
from featherweight.reading.reading import Picture, expand_paths, of_image, read_picture
from featherweight.training.runs.pretrained import load_any
from featherweight.training.runs.trained import TrainedModel, data_of, evaluate_run

BATCH = 256


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The network's answer for one picture."""

    name: str
    """The likeliest class; for several digits in a row, all of them; empty if the picture shows none."""
    confidence: float
    """The probability of that class, 0 to 1; for several digits, the lowest of theirs."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """The probability of every class, by name; empty unless the picture shows exactly one digit."""

    def __str__(self) -> str:
        return f"{self.name or 'nothing'} ({100 * self.confidence:.1f} %)"


@dataclass(frozen=True, kw_only=True, repr=False)
class Model:
    """A trained network with everything needed to prepare its pictures and name its answers."""

    trained: TrainedModel
    folder: Path | None = None
    """Of its run; None for a network that comes with the package."""

    @property
    def record(self) -> Record:
        """The record of its training."""
        return self.trained.record

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes' names, in the order of the scores."""
        return self.trained.classes

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of its images."""
        return self.trained.shape

    def data(self, directory: "str | Path | None" = None) -> Data:
        """The data of its training, loaded again, from files in `directory` if it is given."""
        return data_of(self.record, None if directory is None else Path(directory))

    def __repr__(self) -> str:
        size, record = " x ".join(map(str, self.shape)), self.record
        return (
            f"<Model {record.experiment}, seed {record.seed}: {record.parameters:,} parameters, images of {size},"
            f" {len(self.classes)} classes of {record.data['name']}>"
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Scores [N classes] of images [N C H W], bytes or fractions from 0 to 1, which are normalised here.

        Raises UsageError for another shape or type.
        """
        if images.ndim != 4 or tuple(images.shape[1:]) != self.shape:
            wanted = " ".join(map(str, self.shape))
            raise UsageError(f"The model takes images [N {wanted}]; given {list(images.shape)}.")
        if not (images.dtype == torch.uint8 or images.is_floating_point()):
            raise UsageError(f"The model takes bytes, or fractions from 0 to 1; given {images.dtype}.")
        fractions = images / 255 if images.dtype == torch.uint8 else images
        mean, std = (torch.tensor(of).reshape(1, -1, 1, 1) for of in (self.trained.mean, self.trained.std))
        scores: Tensor = self.trained.network((fractions.float() - mean) / std)
        return scores

    @overload
    def predict(self, pictures: "Image.Image") -> Prediction: ...
    @overload
    def predict(self, pictures: Any) -> Any: ...
    def predict(self, pictures: Any) -> Any:
        """What is in a picture, or a list of that for several: `name`, `confidence`, and `probabilities` by name.

        A picture is a file's path, a Pillow image, or an array or tensor, [H W], [H W C] or [C H W], of bytes or
        fractions from 0 to 1; several are a list, a folder, a pattern, or an array with one more dimension. Other sizes
        and colours are converted to those of training. Networks for handwritten digits look for the digits in files and
        in Pillow images, as `featherweight predict` does. Raises UsageError or FileError for anything else.
        """
        match pictures:
            case str() | Path():
                found = expand_paths([str(pictures)])
                several = Path(pictures).is_dir() or len(found) > 1
                answers = [self._of_file(name, problem) for name, problem in found]
                return answers if several else answers[0]
            case Image.Image():
                return self._of_picture(of_image(pictures), "picture")
            case list() | tuple():
                return [self.predict(picture) for picture in pictures]
        array = pictures.detach().cpu().numpy() if isinstance(pictures, Tensor) else np.asarray(pictures)
        batch, alone = self._batch(array)
        predictions = self._of_batch(batch)
        return predictions[0] if alone else predictions

    def evaluate(self, data: Data | str = "", *, data_dir: Path | None = None, device: str = "auto") -> dict[str, Any]:
        """Loss, accuracy in percent and its 95 % interval over a test set: the run's own, or that of `data`."""
        return evaluate_run(self.trained, data=data, data_dir=data_dir, device=device)

    def export(
        self, form: str, out: "str | Path" = "exports", *, data_dir: Path | None = None, data: Data | None = None
    ) -> Exported:
        """Write the network as `onnx`, `c` or `page` to a folder and check it; raises the errors of `export`.

        A network that was trained on `data` in memory is checked on these.
        """
        return export(self.trained, form, Path(out), data_dir=data_dir, data=data)

    def summary(self) -> NetworkSummary:
        """Its layers, parameters, multiply-adds and fields, and what it can be exported to."""
        return summary(self.trained.network, self.shape)

    def _of_file(self, name: str, problem: Exception | None) -> Prediction:
        if problem is not None:
            raise problem
        return self._of_picture(read_picture(name), name)

    def _of_picture(self, picture: Picture, name: str) -> Prediction:
        return _as_prediction(Reader(self.trained)(picture, name), self.classes)

    def _batch(self, array: NDArray[Any]) -> tuple[NDArray[np.uint8], bool]:
        """uint8 [N C H W] in the network's size, and whether it was one picture alone."""
        one_of_three = array.ndim == 3 and (array.shape[2] in (1, 3) or array.shape[0] == self.shape[0])
        alone = array.ndim == 2 or one_of_three
        if array.ndim not in (2, 3, 4) or (array.ndim == 4 and not {array.shape[1], array.shape[3]} & {1, 3}):
            raise UsageError(
                f"A picture is [H W], [H W C] or [C H W], and several have one dimension more; given {array.shape}."
            )
        pixels = as_bytes(array, "pixels")
        pictures = [pixels] if alone else list(pixels)
        return np.stack([_fit_to_shape(picture, self.shape) for picture in pictures]), alone

    def _of_batch(self, batch: NDArray[np.uint8]) -> list[Prediction]:
        with torch.no_grad():
            parts = torch.split(torch.from_numpy(batch), BATCH)
            shares = torch.cat([self(part).double().softmax(1) for part in parts])
        found = []
        for row in shares.tolist():
            name = self.classes[row.index(max(row))]
            chances = dict(zip(self.classes, row, strict=True))
            found.append(Prediction(name=name, confidence=max(row), probabilities=chances))
        return found


def _fit_to_shape(picture: NDArray[np.uint8], shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """One picture, [H W], [H W C] or [C H W], as uint8 [C H W] of the network's."""
    if picture.ndim == 3 and picture.shape[0] in (1, 3) and picture.shape[2] not in (1, 3):
        picture = picture.transpose(1, 2, 0)
    picture = picture[..., 0] if picture.ndim == 3 and picture.shape[2] == 1 else picture
    channels, height, width = shape
    image = Image.fromarray(np.ascontiguousarray(picture)).convert("L" if channels == 1 else "RGB")
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BILINEAR)
    fitted = np.asarray(image, dtype=np.uint8)
    return fitted[None] if channels == 1 else fitted.transpose(2, 0, 1)


def _as_prediction(answer: Answer, classes: Sequence[str]) -> Prediction:
    if answer.error:
        raise FileError(answer.error)
    name = "".join(digit.name for digit in answer.digits)
    confidence = min((digit.confidence for digit in answer.digits), default=0.0)
    only = answer.digits[0].probabilities if len(answer.digits) == 1 else ()
    return Prediction(name=name, confidence=confidence, probabilities=dict(zip(classes, only, strict=False)))


def load(run: "str | Path", *, experiment: "str | Path | None" = None) -> Model:
    """The model of a finished run: its folder, or the name of one that comes with the package.

    Nothing in the folder is executed. Only a network with modules that are not stored as data needs the file of its
    `experiment`, which is executed. Raises UsageError if there is no such run, FileError if it is damaged.

    >>> load("f3")
    <Model f3, seed 0: 7,864 parameters, images of 1 x 28 x 28, 10 classes of mnist>
    """
    trained = load_any(str(run), experiment=None if experiment is None else Path(experiment))
    return Model(trained=trained, folder=Path(run) if Path(run).is_dir() else None)
