"""A finished run, loaded by its folder or name, ready to be called, evaluated, summarised and exported."""

import copy
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, overload

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor, nn

from featherweight.api.summary import NetworkSummary, summary
from featherweight.data.dataset import Data
from featherweight.data.in_memory import array_of, batch_of
from featherweight.data.pictures import fit_to_shape
from featherweight.errors import FileError, UsageError
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.experiments.schema import require_known
from featherweight.export import Exported, export
from featherweight.io import as_path, is_folder
from featherweight.reading.answers import Answer
from featherweight.reading.picture_files import Picture, expand_paths, of_image, read_picture
from featherweight.reading.run_reader import Reader
from featherweight.report import figures
from featherweight.training.runs.trained import (
    TrainedModel,
    data_of,
    evaluate_run,
    load_any,
    load_trained,
    requested_size,
)

BATCH = 256
PLOTS = ("accuracy", "loss", "learning_rate")
TOLERANCE = 1e-4
"""How far fractions may be outside 0 to 1, as resizing leaves them."""


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """The network's answer for one picture."""

    name: str
    """The likeliest class; for several digits in a row, all of them; empty if the picture shows none."""
    confidence: float
    """The probability of that class, 0 to 1; for several digits, the lowest of theirs."""
    probabilities: Mapping[str, float] = field(default_factory=dict)
    """The probability of every class, by name; empty unless the picture shows exactly one digit."""
    unknown: bool | None = None
    """Whether the picture is of none of the classes; None unless the run was calibrated (`featherweight calibrate`)."""
    choices: tuple[str, ...] = ()
    """The classes of which one is right as surely as the calibration says, the likeliest first; () without one."""

    def __str__(self) -> str:
        if self.unknown:
            return f"none of these (nearest: {self.name or 'nothing'})"
        return f"{self.name or 'nothing'} ({100 * self.confidence:.1f} %)"


@dataclass(frozen=True, kw_only=True, repr=False)
class Model:
    """A trained network with everything needed to prepare its pictures and name its answers."""

    trained: TrainedModel
    folder: Path | None = None
    """Of its run; None for a network that comes with the package."""
    seen: Data | None = field(default=None, compare=False)
    """The data that it has just been trained on, which `evaluate` and `export` then take; None if it was loaded."""

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
        if self.seen is not None and directory is None:
            return self.seen
        return data_of(self.record, None if directory is None else Path(directory))

    def __repr__(self) -> str:
        size, record = " x ".join(map(str, self.shape)), self.record
        return (
            f"<Model {record.experiment}, seed {record.seed}: {record.parameters:,} parameters, images of {size},"
            f" {len(self.classes)} classes of {record.data['name']}>"
        )

    def __call__(self, images: Tensor) -> Tensor:
        """Scores [N classes] of images [N C H W], bytes or fractions from 0 to 1, which are normalised here.

        Raises UsageError for another shape, type or range.
        """
        if not isinstance(images, Tensor):
            raise UsageError(f"The model takes a tensor; given {type(images).__name__}, which `predict` may take.")
        if images.ndim != 4 or tuple(images.shape[1:]) != self.shape:
            wanted = " ".join(map(str, self.shape))
            raise UsageError(f"The model takes images [N {wanted}]; given {list(images.shape)}.")
        if images.layout != torch.strided or images.device.type != "cpu":
            raise UsageError(
                f"The model takes dense tensors on the CPU; given {images.layout} on {images.device.type}."
            )
        if not (images.dtype == torch.uint8 or images.is_floating_point()):
            raise UsageError(f"The model takes bytes, or fractions from 0 to 1; given {images.dtype}.")
        if images.numel() and images.dtype != torch.uint8:
            low, high = (float(of) for of in images.detach().aminmax())
            if not (low >= -TOLERANCE and high <= 1 + TOLERANCE):  # NaN is neither
                raise UsageError(
                    f"The model takes fractions from 0 to 1; given {low:g} to {high:g}. Divide bytes by 255."
                )
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
                several = is_folder(pictures) or len(found) > 1
                answers = [self._of_file(name, problem) for name, problem in found]
                return answers if several else answers[0]
            case Image.Image():
                return self._of_picture(of_image(pictures), "picture")
            case list() | tuple():
                return [self.predict(picture) for picture in pictures]
        batch, alone = batch_of(array_of(pictures, "pixels"), self.shape[0])
        size = requested_size(self.record)
        predictions = self._of_batch(np.stack([fit_to_shape(picture, self.shape, size) for picture in batch]))
        return predictions[0] if alone else predictions

    def evaluate(
        self, data: Data | str = "", *, data_dir: "str | Path | None" = None, device: str = "auto"
    ) -> dict[str, Any]:
        """Loss, accuracy in percent and its 95 % interval over a test set: the run's own, or that of `data`."""
        where = None if data_dir is None else Path(data_dir)
        data = self.seen if self.seen is not None and not (isinstance(data, Data) or data or data_dir) else data
        return evaluate_run(self.trained, data=data, data_dir=where, device=device)

    def export(
        self,
        form: str,
        out: "str | Path" = "exports",
        *,
        data_dir: "str | Path | None" = None,
        data: Data | None = None,
    ) -> Exported:
        """Write the network as `onnx`, `c`, `page` or a package to a folder and check it; raises errors of `export`.

        A network that was trained on `data` in memory is checked on these; one that has just been trained remembers
        them.
        """
        if not (data is None or isinstance(data, Data)):
            raise UsageError(f"`data` are what fw.load_data or Data.from_... give; given {data!r:.60}.")
        if not isinstance(out, str | Path):
            raise UsageError(f"`out` is the path of a folder; given {out!r:.60}.")
        data = self.seen if data is None and data_dir is None else data
        return export(self.trained, form, Path(out), data_dir=None if data_dir is None else Path(data_dir), data=data)

    def plot(self, what: str = "accuracy") -> Any:
        """A matplotlib figure of its training: `accuracy`, `loss`, or `learning_rate` by epoch; UsageError for another.

        In a notebook it is shown; elsewhere, `model.plot().savefig("curve.png")` keeps it.
        """
        require_known("plot", what, PLOTS)
        return getattr(figures, what)(self.record)

    def summary(self) -> NetworkSummary:
        """Its layers, parameters, multiply-adds and fields, and what it can be exported to."""
        return summary(self.trained.network, self.shape)

    def _of_file(self, name: str, problem: Exception | None) -> Prediction:
        if problem is not None:
            raise problem
        return self._of_picture(read_picture(name), name)

    def _of_picture(self, picture: Picture, name: str) -> Prediction:
        return _as_prediction(Reader(self.trained)(picture, name), self.classes)

    def _of_batch(self, batch: NDArray[np.uint8]) -> list[Prediction]:
        with torch.no_grad():
            parts = torch.split(torch.from_numpy(batch), BATCH)
            scores = torch.cat([self(part).double() for part in parts])
        known = self.trained.calibration
        shares = (scores / known.temperature if known else scores).softmax(1)
        refused = known.unknown(scores.numpy()) if known else None
        found = []
        for at, row in enumerate(shares.tolist()):
            name = self.classes[row.index(max(row))]
            chances = dict(zip(self.classes, row, strict=True))
            unknown = None if refused is None else bool(refused[at])
            choices = tuple(self.classes[one] for one in known.choices(shares[at].numpy())) if known else ()
            found.append(
                Prediction(name=name, confidence=max(row), probabilities=chances, unknown=unknown, choices=choices)
            )
        return found


def _as_prediction(answer: Answer, classes: Sequence[str]) -> Prediction:
    if answer.error:
        raise FileError(answer.error)
    name = "".join(digit.name for digit in answer.digits)
    confidence = min((digit.confidence for digit in answer.digits), default=0.0)
    only = answer.digits[0].probabilities if len(answer.digits) == 1 else ()
    choices = answer.digits[0].choices if len(answer.digits) == 1 else ()
    chances = dict(zip(classes, only, strict=False))
    return Prediction(name=name, confidence=confidence, probabilities=chances, unknown=answer.unknown, choices=choices)


def load(
    run: "str | Path",
    *,
    experiment: "str | Path | None" = None,
    network: "nn.Module | Callable[..., nn.Module] | None" = None,
) -> Model:
    """The model of a finished run: its folder, or the name of one that comes with the package.

    Nothing in the folder is executed. Only a network with modules that are not stored as data needs the file of its
    `experiment`, which is executed, or the `network` itself: a module, its class, or a function that makes one. Raises
    UsageError if there is no such run, FileError if it is damaged.

    >>> load("f3")
    <Model f3, seed 0: 7,864 parameters, images of 1 x 28 x 28, 10 classes of mnist>
    """
    if experiment is not None and network is not None:
        raise UsageError("`experiment` and `network` both say how to make the network; give one of them.")
    if experiment is not None:
        experiment = as_path(experiment, "experiment")
    if network is not None:
        trained = load_trained(run, experiment=_as_experiment(network))
    else:
        trained = load_any(str(run), experiment=experiment)
    return Model(trained=trained, folder=Path(run) if is_folder(run) else None)


def _as_experiment(network: "nn.Module | Callable[..., nn.Module]") -> Experiment:
    """An experiment that makes this network; its weights will be replaced."""
    if not callable(network):
        raise UsageError(f"`network` is a module, its class, or a function that makes one; given {network!r:.60}.")
    try:
        own = {} if isinstance(network, nn.Module) else inspect.signature(network).parameters
    except ValueError:  # of what is built into Python
        own = {}

    def made(channels: int = 1, classes: int = 10) -> nn.Module:
        given = {name: value for name, value in (("channels", channels), ("classes", classes)) if name in own}
        found = copy.deepcopy(network) if isinstance(network, nn.Module) else network(**given)
        if not isinstance(found, nn.Module):
            raise UsageError(f"`network` makes a module; {network!r:.60} makes {found!r:.60}.")
        if any(tensor.is_meta for tensor in found.state_dict().values()):
            raise UsageError("`network` has weights on the device meta, which hold no values; make it on the CPU.")
        return found.cpu()

    return Experiment(network=made, recipe=Recipe(), id="network")
