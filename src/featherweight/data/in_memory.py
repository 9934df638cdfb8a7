"""Data that the caller already has: arrays, and datasets of (image, label) as in PyTorch or Hugging Face."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray

from featherweight.data.split import RawDataset, Split, digest, held_out
from featherweight.errors import UsageError

SHARE = 6
"""One image in this many is drawn for testing if no test images are given."""
IMAGE_KEYS, LABEL_KEYS = ("image", "img", "pixels"), ("label", "labels", "fine_label", "target")
"""The usual keys of images and labels in datasets of dictionaries."""
Channels = Literal["auto", "first", "last"]
Pair = tuple[Any, Any]


def whole_of(
    train: Pair, test: Pair | None, classes: Sequence[str] | None, name: str, seed: int, channels: Channels
) -> RawDataset:
    """The data set of these (images, labels); its test images are drawn by `seed` if none are given."""
    _, numbers = _numbered(train[1], classes)
    names = tuple(map(str, classes)) if classes is not None else numbers
    first = _split(train, names, channels, "training")
    if test is not None:
        second = _split(test, names, channels, "test")
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
    array = _array(given)
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
    first, last = shape[1] in (1, 3), shape[3] in (1, 3)
    if first == last:
        raise UsageError(
            f"Of {which} images of the shape {shape}, the channels cannot be told from the sides;"
            ' give channels="first" or channels="last".'
        )
    return last


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
        said = f"are {array.dtype} from {low:g} to {high:g}"
    else:
        said = f"are {array.dtype}"
    raise UsageError(
        f"The {what} {said}; give whole numbers from 0 to 255, or fractions from 0 to 1, before any normalisation."
    )


def _array(given: Any) -> NDArray[Any]:
    if isinstance(given, torch.Tensor):
        return given.detach().cpu().numpy()
    try:
        return np.asarray(given)
    except ValueError as problem:  # images of several sizes
        raise UsageError(
            "The images cannot become one array, probably because their sizes differ; resize them to one size,"
            " or use Data.from_dataset with size=(height, width)."
        ) from problem


def _numbered(given: Any, names: Sequence[str] | None) -> tuple[torch.Tensor, tuple[str, ...]]:
    """The labels as int64 [N], and the names of the classes; by default, these are the sorted values of the labels."""
    labels = _array(given)
    if labels.ndim != 1 or labels.dtype.kind not in "iuUOb":
        raise UsageError(
            f"The labels are {labels.dtype} of the shape {labels.shape}; give one whole number or name for each image."
        )
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


def listed(dataset: Any, size: tuple[int, int] | None) -> tuple[Pair, tuple[str, ...] | None]:
    """The images, all of one size, and labels of a dataset that has a length and gives (image, label) or dictionaries;
    and the names of its classes if it has them. `size` is the (height, width) to which images are resized."""
    if not hasattr(dataset, "__len__") or not hasattr(dataset, "__getitem__"):
        raise UsageError(
            f"A dataset has a length and gives (image, label) for each index; given {type(dataset).__name__}."
        )
    pictures, labels = [], []
    for at, row in enumerate(dataset[at] for at in range(len(dataset))):
        image, label = _pair(row, at)
        pictures.append(_picture(image, size, at))
        labels.append(label.item() if isinstance(label, torch.Tensor) else label)
    shapes = {picture.shape[:2] for picture in pictures}
    if len(shapes) > 1:
        some = ", ".join(f"{h} x {w}" for h, w in sorted(shapes)[:3])
        raise UsageError(
            f"The images have {len(shapes)} different sizes ({some}); give size=(height, width) to resize them to one."
        )
    return (np.stack(list(_alike(pictures))), labels), _names(dataset)


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


def _picture(image: Any, size: tuple[int, int] | None, at: int) -> NDArray[np.uint8]:
    """uint8 [H W] or [H W 3]."""
    from PIL import Image

    if isinstance(image, Image.Image):
        image = image.convert("L" if image.mode in ("1", "L") else "RGB")
        pixels = np.asarray(image)
    else:
        array = _array(image)
        if array.ndim == 3 and array.shape[0] in (1, 3) and array.shape[2] not in (1, 3):
            array = array.transpose(1, 2, 0)  # [C H W] -> [H W C]
        if array.ndim == 3 and array.shape[2] == 1:
            array = array[..., 0]
        if array.ndim not in (2, 3) or (array.ndim == 3 and array.shape[2] != 3):
            raise UsageError(
                f"Image {at} of the dataset has the shape {array.shape}; one or three channels are needed."
            )
        pixels = as_bytes(array, f"pixels of image {at}")
    if size is not None and pixels.shape[:2] != tuple(size):
        pixels = np.asarray(Image.fromarray(pixels).resize((size[1], size[0]), Image.Resampling.BILINEAR))
    return pixels


def _alike(pictures: Sequence[NDArray[np.uint8]]) -> Iterator[NDArray[np.uint8]]:
    """The pictures as [H W C], all grey, or all RGB if one of them is."""
    colour = any(picture.ndim == 3 for picture in pictures)
    for picture in pictures:
        yield picture if picture.ndim == 3 else np.repeat(picture[..., None], 3 if colour else 1, axis=2)


def _names(dataset: Any) -> tuple[str, ...] | None:
    """The class names in datasets of PyTorch (`classes`) or Hugging Face (`features["label"].names`), or None."""
    names = getattr(dataset, "classes", None)
    features = getattr(dataset, "features", None)
    if names is None and isinstance(features, Mapping):
        names = next((getattr(features[key], "names", None) for key in LABEL_KEYS if key in features), None)
    return tuple(map(str, names)) if names else None
