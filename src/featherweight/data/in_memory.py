"""Data already in memory: arrays and tensors, and datasets of (image, label) as in PyTorch or Hugging Face."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, Literal, get_args

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image

from featherweight.data.formats import LARGEST
from featherweight.data.pictures import PictureError, fit_to_shape, greyed, of_image, require_size
from featherweight.data.split import RawDataset, Split, digest, held_out
from featherweight.errors import UsageError
from featherweight.experiments.record import Sides

COLOURS = (1, 3)
"""The channels that pictures may have: grey, or RGB."""


def array_of(given: Any, what: str) -> NDArray[Any]:
    """What a caller gave, a tensor, array or list, as a numpy array; UsageError for tensors without numbers in memory,
    and lists of unequal lengths."""
    try:
        if isinstance(given, torch.Tensor):
            tensor = given.detach().cpu()
            return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
        return np.asarray(given)
    except (TypeError, RuntimeError, NotImplementedError) as problem:
        kind = type(given).__name__
        if isinstance(given, torch.Tensor):
            kind = f"{given.dtype}, {given.layout}, on {given.device}"
        raise UsageError(
            f"The {what} cannot become a numpy array ({kind}); give an ordinary dense tensor or array."
        ) from problem
    except ValueError as problem:  # images of several sizes
        raise UsageError(
            f"The {what} cannot become one array, probably because their sizes differ; resize them to one size,"
            " or use Data.from_dataset with size=(height, width)."
        ) from problem


def as_bytes(array: NDArray[Any], what: str) -> NDArray[np.uint8]:
    """Pixels from 0 to 255, given bytes, integers in that range, or fractions from 0 to 1; UsageError otherwise."""
    if array.dtype == np.uint8:
        return array
    if array.size and array.dtype.kind in "iufb":
        low, high = float(array.min()), float(array.max())
        if array.dtype.kind in "iu" and low >= 0 and high <= 255:
            return array.astype(np.uint8)
        if array.dtype.kind == "b" or (array.dtype.kind == "f" and low >= 0 and high <= 1):
            return np.asarray((array.astype(np.float32) * 255).round(), dtype=np.uint8)
        found = f"are {array.dtype} from {low:g} to {high:g}"
    else:
        found = f"are {array.dtype}"
    raise UsageError(
        f"The {what} {found}; give whole numbers from 0 to 255, or fractions from 0 to 1, before any normalisation."
    )


def picture_of(array: NDArray[Any], what: str) -> NDArray[np.uint8]:
    """One picture, [H W], [H W C] or [C H W] with one or three channels, as uint8 [H W] or [H W 3]."""
    if array.ndim == 3 and array.shape[0] in COLOURS and array.shape[2] not in COLOURS:
        array = array.transpose(1, 2, 0)  # [C H W] -> [H W C]
    if array.ndim == 3 and array.shape[2] == 1:
        array = array[..., 0]
    if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3) or 0 in array.shape:
        raise UsageError(
            f"{what} has the shape {array.shape}; give [H W], [H W C] or [C H W] with one or three channels. Pictures"
            " with transparency can be given as Pillow images."
        )
    return as_bytes(array, f"pixels of {what[0].lower()}{what[1:]}")


def batch_of(array: NDArray[Any], channels: int) -> tuple[list[NDArray[np.uint8]], bool]:
    """Split a caller's array into pictures for a network with so many channels; and whether it is one picture alone.

    One picture is [H W], [H W C] or [C H W], and several have one dimension more. UsageError where the shape can be
    read in two ways.
    """
    shape = array.shape
    if array.ndim == 3 and shape[2] not in COLOURS:
        if shape[0] == 3 and channels == 1:
            raise UsageError(
                f"An array of {list(shape)} may be one colour picture or three grey ones: add a dimension in front for"
                " the first, or after the 3 for the second."
            )
        if shape[2] in (2, 4) or (shape[0] in (2, 4) and channels == 3):
            raise UsageError(
                f"An array of {list(shape)} looks like one picture with transparency; give it as a Pillow image, or"
                " without that channel. Several pictures can be given as a list."
            )
    if array.ndim == 4 and (shape[1] in COLOURS) == (shape[3] in COLOURS):
        raise UsageError(
            f"In an array of {list(shape)}, [N C H W] or [N H W C], either C or the other must be 1 or 3, not both."
        )
    alone = array.ndim == 2 or (array.ndim == 3 and (shape[0] in COLOURS or shape[2] in COLOURS))
    if alone or array.ndim not in (3, 4):
        return [picture_of(array, "The picture")], True
    if not array.size:
        raise UsageError(f"An array of {list(shape)} holds no picture; give at least one.")
    pixels = as_bytes(array, "pixels")
    return [picture_of(picture, "The picture") for picture in pixels], False


SHARE = 6
"""One image in this many is drawn for testing if no test images are given."""
IMAGE_KEYS, LABEL_KEYS = ("image", "img", "pixels"), ("label", "labels", "fine_label", "target")
"""The usual keys of images and labels in datasets of dictionaries."""
Channels = Literal["auto", "first", "last"]
Pair = tuple[Any, Any]


def whole_of(
    train: Pair, test: Pair | None, classes: Sequence[str] | None, name: str, seed: int, channels: Channels
) -> RawDataset:
    """The data set of arrays (images, labels); its test images are drawn by `seed` if none are given."""
    if channels not in get_args(Channels):
        raise UsageError(f"The channels come {', '.join(get_args(Channels))}; given {channels!r:.60}.")
    given = None if classes is None else class_names(classes)
    _, names = _numbered(train[1], given)
    first = _split(train, names, channels, "training")
    if test is not None:
        if not isinstance(test, tuple | list) or len(test) != 2:
            raise UsageError(f"The test half is a pair of images and labels; given {type(test).__name__}.")
        second = _split((test[0], test[1]), names, channels, "test")
        if first.images.shape[1:] != second.images.shape[1:]:
            sizes = [" x ".join(map(str, part.images.shape[1:])) for part in (first, second)]
            raise UsageError(f"Training images are {sizes[0]} and test images {sizes[1]}; both need one size.")
    else:
        drawn = held_out(first.labels, max(1, round(len(first) / SHARE)), seed)
        first, second = first.take(~drawn), first.take(drawn)
    counts = torch.bincount(first.labels, minlength=len(names))
    if len(names) < 2 or int(counts.min()) == 0:
        lacking = ", ".join(names[at] for at in (counts == 0).nonzero()[:3, 0].tolist())
        raise UsageError(
            f"{name} has {len(names)} class{'es' * (len(names) != 1)}"
            + (f" and no training image of {lacking}" if lacking else "")
            + "; there must be two classes or more, each with training images."
        )
    digests = {"train": digest(first), "test": digest(second)}
    return RawDataset(name=name, classes=names, train=first, test=second, digests=digests)


def class_names(classes: Any) -> tuple[str, ...]:
    """The names of the classes; UsageError unless they are texts or whole numbers, each once."""
    if isinstance(classes, str) or not isinstance(classes, Iterable):
        raise UsageError(f"The classes are a list with a name for each; given {classes!r:.60}.")
    names = tuple(classes)
    odd = [name for name in names if isinstance(name, bool) or not isinstance(name, str | int | np.integer)]
    if odd:
        raise UsageError(f"The name of a class is a text or a whole number; given {odd[0]!r:.60}.")
    return tuple(map(str, names))


def _split(pair: Pair, names: tuple[str, ...], channels: Channels, which: str) -> Split:
    images = _images(pair[0], channels, which)
    labels, _ = _numbered(pair[1], names)
    if len(labels) != len(images) or not len(images):
        raise UsageError(
            f"There are {len(images):,} {which} images and {len(labels):,} labels; there must be at least one,"
            " and as many labels as images."
        )
    return Split(images=images, labels=labels)


def _images(given: Any, channels: Channels, which: str) -> torch.Tensor:
    """The images as uint8 [N C H W]."""
    array = array_of(given, f"{which} images")
    if array.ndim not in (3, 4) or 0 in array.shape[1:]:
        raise UsageError(f"The {which} images have the shape {array.shape}; give [N H W], [N C H W] or [N H W C].")
    pixels = as_bytes(array, f"{which} images")
    if pixels.ndim == 3:
        pixels = pixels[:, None]
    elif _channels_last(pixels.shape, channels, which):
        pixels = pixels.transpose(0, 3, 1, 2)
    return torch.from_numpy(np.ascontiguousarray(pixels))


def _channels_last(shape: tuple[int, ...], channels: Channels, which: str) -> bool:
    if channels != "auto":
        return channels == "last"
    first, last = shape[1] in COLOURS, shape[3] in COLOURS
    if first == last:
        raise UsageError(
            f"Of {which} images of the shape {shape}, the channels cannot be distinguished from the sides;"
            ' give channels="first" or channels="last".'
        )
    return last


def _numbered(given: Any, names: Sequence[str] | None) -> tuple[torch.Tensor, tuple[str, ...]]:
    """The labels as int64 [N], and the names of the classes; by default, these are the sorted values of the labels."""
    labels = array_of(given, "labels")
    if labels.ndim != 1 or labels.dtype.kind not in "iuUOb":
        raise UsageError(
            f"The labels are {labels.dtype} of the shape {labels.shape}; give one whole number or name for each image."
        )
    if labels.dtype.kind == "O" and (odd := [label for label in labels if not isinstance(label, str | int)]):
        raise UsageError(f"A label is a whole number or a name; given {odd[0]!r:.60}.")
    if labels.dtype.kind in "UO":
        known = list(map(str, names)) if names is not None else sorted({str(label) for label in labels})
        unknown = sorted({str(label) for label in labels} - set(known))
        if unknown:
            raise UsageError(f"The label {unknown[0]!r} is not one of the classes {', '.join(known)}.")
        place = {name: at for at, name in enumerate(known)}
        return torch.tensor([place[str(label)] for label in labels], dtype=torch.int64), tuple(known)
    if names is None:
        values = sorted({int(label) for label in labels})
        return torch.from_numpy(np.searchsorted(values, labels).astype(np.int64)), tuple(map(str, values))
    numbers = labels.astype(np.int64)
    own = all(name.lstrip("-").isdigit() for name in names)
    if own:  # the names are the values of the labels themselves
        values = [int(name) for name in names]
        if values == sorted(values) and set(numbers.tolist()) <= set(values):
            return torch.from_numpy(np.searchsorted(values, numbers).astype(np.int64)), tuple(names)
    if len(numbers) and not (numbers.min() >= 0 and numbers.max() < len(names)):
        raise UsageError(
            f"The labels are from {numbers.min()} to {numbers.max()}, but there are {len(names)} classes; labels count"
            " from 0."
        )
    return torch.from_numpy(numbers), tuple(map(str, names))


def listed(dataset: Any, size: Sides | None, channels: int | None = None) -> tuple[Pair, tuple[str, ...] | None]:
    """The images, all of one size, and labels of a dataset that has a length and gives (image, label) or dictionaries;
    and the names of its classes if it has them.

    `size` is the (height, width) to which images are resized. Without `channels`, they are grey if all are.
    """
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise UsageError(
            f"A dataset has a length and gives (image, label) for each index; given {type(dataset).__name__}."
        )
    require_size(size)
    if size and len(dataset) * size[0] * size[1] > LARGEST:
        raise UsageError(
            f"{len(dataset):,} images of {size[0]:,} x {size[1]:,} take more than the limit of {LARGEST:,} bytes;"
            " give a smaller size."
        )
    pictures, labels = [], []
    for at, row in enumerate(dataset[at] for at in range(len(dataset))):
        image, label = _pair(row, at)
        pictures.append(_picture(image, size, at))
        labels.append(label.item() if isinstance(label, torch.Tensor) and label.numel() == 1 else label)
    shapes = {picture.shape[:2] for picture in pictures}
    if len(shapes) > 1:
        some = ", ".join(f"{h} x {w}" for h, w in sorted(shapes)[:3])
        raise UsageError(
            f"The images have {len(shapes)} different sizes ({some}); give size=(height, width) to resize them to one."
        )
    if not pictures:
        raise UsageError("The dataset is empty; it must have images.")
    channels = channels or (3 if any(picture.ndim == 3 for picture in pictures) else 1)
    shape = (channels, *shapes.pop())
    return (np.stack([fit_to_shape(picture, shape, size) for picture in pictures]), labels), _names(dataset)


def _pair(row: Any, at: int) -> Pair:
    if isinstance(row, Mapping):
        keys = [next((key for key in known if key in row), None) for known in (IMAGE_KEYS, LABEL_KEYS)]
        if None not in keys:
            return row[keys[0]], row[keys[1]]
        raise UsageError(
            f"Item {at} of the dataset has {', '.join(map(str, row))}; it needs an image ({', '.join(IMAGE_KEYS)})"
            f" and a label ({', '.join(LABEL_KEYS)})."
        )
    if isinstance(row, tuple | list) and len(row) == 2:
        return row[0], row[1]
    raise UsageError(f"Item {at} of the dataset is {type(row).__name__}; (image, label) or a dictionary is needed.")


def _picture(image: Any, size: Sides | None, at: int) -> NDArray[np.uint8]:
    """uint8 [H W] or [H W 3]; Pillow's images are decoded as those in files, and are grey if their colours are."""
    if isinstance(image, Image.Image):
        try:
            pixels = of_image(image).pixels
        except PictureError as problem:
            raise UsageError(f"Image {at} of the dataset {problem}.") from problem
        pixels = greyed(pixels if size is None else fit_to_shape(pixels, (3, *size[:2]), size).transpose(1, 2, 0))
    else:
        pixels = picture_of(array_of(image, f"pixels of image {at}"), f"Image {at} of the dataset")
        if size is not None:
            resized = fit_to_shape(pixels, ((pixels.ndim == 3 and 3) or 1, *size[:2]), size)
            pixels = resized.transpose(1, 2, 0) if len(resized) == 3 else resized[0]
    return pixels


def _names(dataset: Any) -> tuple[str, ...] | None:
    """The class names in datasets of PyTorch (`classes`) or Hugging Face (`features["label"].names`), or None."""
    names = getattr(dataset, "classes", None)
    features = getattr(dataset, "features", None)
    if names is None and isinstance(features, Mapping):
        names = next((getattr(features[key], "names", None) for key in LABEL_KEYS if key in features), None)
    return tuple(map(str, names)) if names else None
