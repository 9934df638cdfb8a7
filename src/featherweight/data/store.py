"""Finds the files of a named data set and reads them as tensors."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from featherweight.data import formats
from featherweight.data.sets import SETS, DatasetSpec, File, Progress
from featherweight.data.split import RawDataset, Split
from featherweight.errors import DataError
from featherweight.escape import printable
from featherweight.io import scratch_folder

VARIABLE = "FEATHERWEIGHT_DATA"
"""The environment variable for a folder with a data set's files, or with one folder per data set."""


def load(known: DatasetSpec, directory: Path | None, progress: Progress | None, *, with_test: bool) -> RawDataset:
    """A named set; without `with_test`, the files of its test set are neither opened nor downloaded.

    Looks in `directory`, the folder named by FEATHERWEIGHT_DATA and the user's cache, then downloads: to
    `directory/name` if a directory is given, otherwise to the cache, otherwise (if neither can be written) to a
    temporary folder for this run only. Raises UnavailableError if all of this fails, and DataError if a file exists
    but is wrong.
    """
    halves = [known.train, known.test] if with_test else [known.train]
    files = [file for half in halves for file in half]
    from featherweight.data import alt_formats

    for root in places(directory):
        paths = find(root, known, files)
        if paths:
            return read(known, halves, paths)
        whole = alt_formats.find_alternative(root, known, with_test=with_test)
        if whole:
            for half, split in zip((known.train, known.test), (whole.train, whole.test), strict=True):
                if split:
                    _check(split.labels, known, half, known.classes, f"{known.name} in {printable(root)}")
            return whole
    from featherweight.data.download import UnavailableError, UnwritableError

    target = directory or cache()
    refused = "no folder for the user's cache is known"
    if target is not None:
        try:
            return _fetched(known, halves, target, progress)
        except UnwritableError as error:
            refused = str(error).rstrip(".")
    try:
        with scratch_folder() as folder:
            whole = _fetched(known, halves, folder, progress)
    except OSError as error:
        raise UnavailableError(
            f"{known.name} cannot be downloaded: {refused}, and there is no folder for temporary files."
        ) from error
    return replace(whole, note=f"{known.name} was downloaded for this run alone, since {refused}.")


def is_available(known: DatasetSpec, directory: Path | None) -> bool:
    """Whether one of the folders has the set, in any form; files are not read completely."""
    from featherweight.data import alt_formats

    files = [*known.train, *known.test]
    return any(find(root, known, files) or alt_formats.has_alternative(root, known) for root in places(directory))


def _fetched(known: DatasetSpec, halves: list[tuple[File, ...]], root: Path, progress: Progress | None) -> RawDataset:
    from featherweight.data.download import fetch

    files = [file for half in halves for file in half]
    fetch(known, files, root / known.name, progress)
    paths = find(root, known, files)
    if not paths:
        raise DataError(
            f"The files of {known.name} vanished from {printable(root)} while they were being read; try again."
        )
    return read(known, halves, paths)


def places(directory: Path | None) -> Iterator[Path]:
    """The existing folders to look in, in order: the given one, the variable's, the cache."""
    named = os.environ.get(VARIABLE)
    for place in (directory, expanded(named) if named else None, cache()):
        if place is not None and place.is_dir():
            yield place


def expanded(name: str) -> Path:
    """A path with ~ replaced by the home folder; unchanged if the home folder is unknown."""
    return Path(os.path.expanduser(name))  # noqa: PTH111 -- pathlib's own raises without a home


def cache() -> Path | None:
    """The user's cache folder, according to the platform's conventions; None without a home folder."""
    given = os.environ.get("LOCALAPPDATA" if sys.platform == "win32" else "XDG_CACHE_HOME", "")
    if Path(given).is_absolute():
        return Path(given) / "featherweight"
    try:
        home = Path.home()
    except RuntimeError:
        return None
    return home / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "featherweight"


def find(root: Path, known: DatasetSpec, files: list[File]) -> dict[str, Path]:
    """The path of each of `files` in one folder of `root`, by name; {} unless all of them exist.

    `root` may contain a folder with the set's name, torchvision's layout (`MNIST/raw`), or the files themselves.
    Several sets share MNIST's file names, so files in `root` itself that are known to belong to another set are
    ignored.
    """
    for folder in known.places(root):
        found = {file.name: path for file in files if (path := file.in_folder(folder))}
        if len(found) == len(files) and not (known.title and _foreign(known, files, found)):
            return found
    return {}


def _foreign(known: DatasetSpec, files: list[File], found: Mapping[str, Path]) -> bool:
    """Whether the digest of their labels shows that the files belong to another set."""
    if files[0].form != "idx":
        return False
    labels = files[1]
    others = {
        half[-1].sha256 for other in SETS.values() if other.name != known.name for half in (other.train, other.test)
    } - {""}
    try:
        return (
            bool(others) and formats.read_idx(found[labels.name], shape=labels.shape, kind=labels.kind).digest in others
        )
    except DataError:
        return False  # reading them completely will show what is wrong


def read(known: DatasetSpec, halves: Sequence[tuple[File, ...]], paths: Mapping[str, Path]) -> RawDataset:
    """The set from the files of these halves, training first; `paths` are by file name. DataError if they are wrong."""
    splits: list[Split] = []
    digests: dict[str, str] = {}
    classes = known.classes
    for half in halves:
        split, found = _half(known, half, paths)
        splits.append(split)
        digests |= found
        name = printable(paths[half[-1].name])
        if split.images.shape[1:] != splits[0].images.shape[1:]:
            raise DataError(f"The images that {name} belongs to differ in size from the training images.")
        # In the user's own files, the training labels show which classes there are.
        classes = classes or tuple(str(label) for label in range(int(splits[0].labels.max()) + 1))
        _check(split.labels, known, half, classes, name)
        part = "train" if half is known.train else "test"
        formats.require_pictures(known, part, split.images, split.labels, paths[half[-1].name].parent)
    return RawDataset(
        name=known.name,
        classes=classes,
        train=splits[0],
        test=splits[1] if len(splits) > 1 else None,
        digests=digests,
    )


def _half(known: DatasetSpec, half: tuple[File, ...], paths: Mapping[str, Path]) -> tuple[Split, dict[str, str]]:
    """One half of a set, and the digests of its files by name."""
    if half[0].form != "idx":
        parts = [formats.read_labelled(paths[file.name], file) for file in half]
        whole = Split(
            images=torch.cat([part.images for part in parts]), labels=torch.cat([part.labels for part in parts])
        )
        return whole, {file.name: part.digest for file, part in zip(half, parts, strict=True)}
    images, labels = (
        formats.read_idx(paths[file.name], shape=file.shape, kind=file.kind, sha256=file.sha256) for file in half
    )
    digests = {half[0].name: images.digest, half[1].name: labels.digest}
    return _paired(known, images.values, labels.values, printable(paths[half[1].name])), digests


def _paired(known: DatasetSpec, images: Tensor, labels: Tensor, name: str) -> Split:
    """Images [N H W] and labels [N] or [N 8] as a `Split`."""
    if len(labels) != len(images) or not images.numel():
        raise DataError(
            f"{name} has {len(labels):,} labels and its images are {' x '.join(map(str, images.shape))};"
            " there must be at least one, and as many labels as images."
        )
    pixels = images[:, None]  # [N H W] -> [N 1 H W]
    if known.transposed:
        pixels = pixels.transpose(2, 3).contiguous()
    classes = labels[:, 0] if labels.ndim == 2 else labels
    return Split(images=pixels, labels=classes.long())


def _check(labels: Tensor, known: DatasetSpec, half: tuple[File, ...], classes: Sequence[str], name: str) -> None:
    """Raise DataError unless every label is a class, and each class has as many images as in the set's table."""
    low, high = int(labels.min()), int(labels.max())
    if low < 0 or high >= len(classes):
        raise DataError(f"{name} has labels from {low} to {high}; they should be from 0 to {len(classes) - 1}.")
    if not known.per_class:
        return
    expected = known.per_class[half is known.test]
    counts = labels.bincount(minlength=len(classes)).tolist()
    wanted = [expected] * len(classes) if isinstance(expected, int) else list(expected)
    if counts != wanted:
        published = f"{expected:,}" if isinstance(expected, int) else ", ".join(map(str, wanted))
        raise DataError(
            f"{name} is not that of {known.name}, which has {published} images of each class; it has"
            f" {', '.join(map(str, counts))}."
        )
