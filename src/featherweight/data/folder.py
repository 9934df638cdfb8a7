"""A folder of images as a data set, with one sub-folder per class.

Only files inside the folder are read, with the same decoder as for predictions, so that a network gets the same pixels
of a file in training and afterwards.
"""

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featherweight.data.formats import LARGEST
from featherweight.data.pictures import FILE_BYTES, SUFFIXES, PictureError, fit_to_shape, greyed, read, size_kept
from featherweight.data.split import (
    SHARE,
    RawDataset,
    Split,
    counted_part,
    digest,
    groups_of,
    held_out,
    held_out_groups,
)
from featherweight.errors import DataError, FileError, UsageError
from featherweight.escape import printable
from featherweight.experiments.record import Size
from featherweight.json_files import read_regular

SIDE = 28
"""The side, in pixels, to which pictures are resized unless they all have one size up to `KEPT_SIDE`."""
OWN_SIDE = 256
"""The longest side, in pixels, of pictures that keep their own size on request."""
TESTS = ("test", "validation", "valid", "val")
"""Possible names of the test half, besides `train`: the first one that exists; others are trained on with `train`."""
SPOILT = 20
"""If more than one picture in so many cannot be read, something is wrong with the folder, and it is refused."""


@dataclass(frozen=True, kw_only=True)
class _Pictures:
    """The files of one half of a folder, not yet opened, and their classes."""

    paths: list[Path]
    labels: list[int]

    def take(self, which: Tensor) -> "_Pictures":
        """The pictures where `which`, bool [N], is true."""
        chosen = which.nonzero()[:, 0].tolist()
        return _Pictures(paths=[self.paths[at] for at in chosen], labels=[self.labels[at] for at in chosen])


def load(root: Path, *, with_test: bool, seed: int, size: Size = None, grey: bool = False) -> RawDataset:
    """Load a folder of images as a data set; without `with_test` the test pictures are not opened.

    If there are folders `train` and `test`, each with the class folders, these are the halves; otherwise one picture in
    6 of each class, drawn by seed, is the test set. Pictures that belong together according to `groups_of` are drawn
    together. Hidden files are ignored, as are files whose names do not end as PNG, JPEG, BMP, GIF, WEBP, TIFF or PPM.

    `size` is the (height, width) to which pictures are resized, or "own" for the size that they all have. Without it,
    if all training pictures have one size of up to 64 x 64 pixels, that is the size; otherwise all are resized to
    28 x 28, without keeping proportions, and the note says so. They are grey if all training pictures are grey or with
    `grey`, and RGB otherwise; test pictures are treated likewise. Transparent areas become white, or black if the ink
    is light. Up to one picture in 20 of each half that cannot be read is left out, and the note says so. Raises
    UsageError for a folder that is not a data set, DataError where more pictures are damaged or not allowed, and for
    links that lead out of the folder.
    """
    classes, train, test, note = _halves(root, seed)
    train, (pixels,), spoilt = _decoded_pictures(train, root, [size])
    shape = _common(pixels, size, grey)
    notes = [note, spoilt, _brought(train.paths, root, size, shape[1:])]
    whole = _split_folder(pixels, train.labels, shape, size)
    digests = {"train": digest(whole)}
    tested = None
    if with_test:
        test, (pixels,), spoilt = _decoded_pictures(test, root, [size], shape[1:])
        tested = _split_folder(pixels, test.labels, shape, size)
        digests["test"] = digest(tested)
        notes.append(spoilt)
    note = " ".join(line for line in notes if line)
    shown_names = tuple(printable(name) for name in classes)
    name = printable(root.resolve().name)
    return RawDataset(name=name, classes=shown_names, train=whole, test=tested, digests=digests, note=note)


def load_sizes(root: Path, *, seed: int, sizes: Sequence[Size]) -> list[RawDataset]:
    """The training half of the data set in this folder, once for each (height, width), as `load` would give it.

    Every picture is read only once. The test half is not opened.
    """
    classes, train, _, note = _halves(root, seed)
    train, decoded, spoilt = _decoded_pictures(train, root, sizes)
    note = " ".join(line for line in (note, spoilt) if line)
    groups, files = groups_of(train.paths, train.labels), _files(train, root)
    found = []
    for size, pixels in zip(sizes, decoded, strict=True):
        whole = _split_folder(pixels, train.labels, _common(pixels, size), size)
        names = tuple(printable(name) for name in classes)
        digests = {"train": digest(whole)}
        name = printable(root.resolve().name)
        one = RawDataset(name=name, classes=names, train=whole, test=None, digests=digests, note=note, groups=groups,
                         names=files)  # fmt: skip
        found.append(one)
    return found


def load_test(
    root: Path, *, seed: int, shape: tuple[int, int, int], size: Size = None
) -> tuple[Split, tuple[str, ...]]:
    """The test half of the data set in this folder, brought to `shape` [C H W] as `load` does it, and its files."""
    _, _, test, _ = _halves(root, seed)
    test, (pixels,), _ = _decoded_pictures(test, root, [size], shape[1:])
    return _split_folder(pixels, test.labels, shape, size), _files(test, root)


def _files(listed: _Pictures, root: Path) -> tuple[str, ...]:
    return tuple(path.relative_to(root).as_posix() for path in listed.paths)


def test_digest(root: Path, *, seed: int) -> str:
    """SHA-256 over the files and labels of the test half of the data set in this folder, none of them decoded."""
    _, _, test, _ = _halves(root, seed)
    state = hashlib.sha256()
    for path, label in zip(test.paths, test.labels, strict=True):
        try:
            content = read_regular(path, FILE_BYTES)
        except FileError:
            content = b""  # `load` will say that it cannot be read
        state.update(f"{label} {len(content)} ".encode() + content)
    return state.hexdigest()


def sample_sizes(root: Path, *, seed: int, count: int = 200) -> list[tuple[int, int]]:
    """The heights and widths of up to `count` training pictures in a folder of images, evenly spread over it."""
    paths = _halves(root, seed)[1].paths
    found = []
    for path in paths[:: max(1, len(paths) // count)]:
        try:
            found.append(read(path).pixels.shape[:2])
        except PictureError:
            continue  # `load` will say which cannot be used
    return found


def _halves(root: Path, seed: int) -> tuple[tuple[str, ...], _Pictures, _Pictures, str]:
    """A folder of images divided: the classes, the pictures of each half, and a sentence or ""."""
    names = {child.name for child in _folders(root, root)}
    judged = next((name for name in TESTS if name in names), "")
    if "train" not in names or not judged:
        classes = _classes(root, root)
        everything = _collected(root, root, classes)
        count = max(1, round(len(everything.paths) / SHARE))
        labels, groups = torch.tensor(everything.labels), groups_of(everything.paths, everything.labels)
        if groups is None:
            drawn = held_out(labels, count, seed)
            return classes, everything.take(~drawn), everything.take(drawn), ""
        drawn = held_out_groups(labels, groups, count, seed)
        together = everything.paths[0].stem[: counted_part(everything.paths[0])]
        note = f"Pictures that belong together by their names, as {printable(together)}... do, are not divided."
        return classes, everything.take(~drawn), everything.take(drawn), note
    classes = _classes(root / "train", root)
    more = [name for name in TESTS if name in names and name != judged]
    for half in (judged, *more):
        for name in _classes(root / half, root):
            if name not in classes:
                raise UsageError(
                    f"{printable(root / half)} has a class {printable(name)}, which train lacks; both need the same."
                )
    trained = [_collected(root / half, root, classes) for half in ("train", *more)]
    train = _Pictures(paths=[path for one in trained for path in one.paths],
                      labels=[label for one in trained for label in one.labels])  # fmt: skip
    used = f"{' and '.join(['train', *more])} are trained on, and {judged} is judged on" if more else ""
    unused = ", ".join(printable(name) for name in sorted(names - {"train", judged, *more}))
    notes = [f"Of {printable(root)}, {used}."] if used else []
    notes += [f"Of {printable(root)}, {unused} is not used, as it is no part of a data set."] if unused else []
    return classes, train, _collected(root / judged, root, classes), " ".join(notes)


def _classes(folder: Path, root: Path) -> tuple[str, ...]:
    names = tuple(child.name for child in _folders(folder, root))
    if len(names) < 2:
        raise UsageError(
            f"{printable(folder)} has {len(names)} sub-folder{'s' * (len(names) != 1)}; a folder of images has one"
            " per class, at least two, and may have them in train and in test."
        )
    return names


def _folders(folder: Path, root: Path) -> list[Path]:
    return [child for child in _children(folder, root) if child.is_dir()]


def _children(folder: Path, root: Path) -> list[Path]:
    """The contents of a folder, by name, without hidden files; DataError for links that lead out of `root`."""
    try:
        children = [child for child in folder.iterdir() if not child.name.startswith(".")]
        for child in children:
            if child.is_symlink() and not child.resolve().is_relative_to(root.resolve()):
                raise DataError(f"{printable(child)} is a link out of the folder of images; replace it with a copy.")
    except (OSError, RuntimeError) as error:  # RuntimeError: links that lead in a circle
        raise DataError(f"{printable(folder)} could not be read: {printable(str(error))}.") from error
    return sorted(children, key=lambda child: child.name)


def _collected(folder: Path, root: Path, classes: Sequence[str]) -> _Pictures:
    """The pictures in the class folders, by class and name; UsageError for a class folder without pictures."""
    paths: list[Path] = []
    labels: list[int] = []
    for label, name in enumerate(classes):
        if not (folder / name).is_dir():  # the test half need not have every class
            continue
        children = [child for child in _children(folder / name, root) if child.suffix.lower() in SUFFIXES]
        if not children:
            raise UsageError(
                f"{printable(folder / name)} holds no picture; put some there ({', '.join(SUFFIXES)}),"
                " or remove the folder."
            )
        paths += children
        labels += [label] * len(children)
    return _Pictures(paths=paths, labels=labels)


def _decoded_pictures(
    listed: _Pictures, root: Path, sizes: Sequence[Size], common: tuple[int, int] = (SIDE, SIDE)
) -> tuple[_Pictures, list[list[NDArray[np.uint8]]], str]:
    """The pictures that can be read; for each size, each of them as uint8 [H W] if grey or [H W 3] if not; and a
    sentence about those that cannot, or "".

    Without a size, large pictures are brought to the `common` height and width. DataError, with the same sentence, if
    more than one in `SPOILT` cannot be read, or all that a class has.
    """
    pictures: list[list[NDArray[np.uint8]]] = [[] for _ in sizes]
    wrong: dict[int, str] = {}
    for place, path in enumerate(listed.paths):
        try:
            pixels = read(path).pixels
            brought = [_brought_to(pixels, size, common) for size in sizes]
        except PictureError as error:
            wrong[place] = f"{printable(path.relative_to(root))} ({error})"
            continue
        for found, one in zip(pictures, brought, strict=True):
            found.append(one)
    if not wrong:
        return listed, pictures, ""
    count, named = len(listed.paths), list(wrong.values())
    first = ", ".join(named[:3]) + (f" and {len(named) - 3:,} more" if len(named) > 3 else "")
    readable = listed.take(torch.tensor([place not in wrong for place in range(count)]))
    if SPOILT * len(wrong) > count or set(readable.labels) != set(listed.labels):
        raise DataError(
            f"{len(wrong):,} of {count:,} pictures in {printable(root)} cannot be used: {first}. Repair or remove them."
        )
    return readable, pictures, f"{len(wrong):,} of {count:,} pictures are left out: {first}."


def _brought_to(pixels: NDArray[np.uint8], size: Size, common: tuple[int, int]) -> NDArray[np.uint8]:
    """A picture, uint8 [h w 3], in the requested size, in its own if it may keep that, or else in `common`; [H W] if it
    is grey."""
    height, width, _ = pixels.shape
    if size == "own" and max(height, width) > OWN_SIDE:
        raise PictureError(f"{width} x {height} pixels, but at most {OWN_SIDE} a side are kept; give a size")
    if size_kept((width, height), size):
        return greyed(pixels)
    # Whatever the sizes of the others, this one does not keep its own.
    to = (size[0], size[1]) if isinstance(size, tuple) else common
    return greyed(fit_to_shape(pixels, (3, *to), size).transpose(1, 2, 0))


def _common(pictures: Sequence[NDArray[np.uint8]], size: Size, grey: bool = False) -> tuple[int, int, int]:
    """The channels, height and width of the data set, according to its training pictures."""
    sizes = {picture.shape[:2] for picture in pictures}
    if size == "own" and len(sizes) > 1:
        some = ", ".join(f"{height} x {width}" for height, width in sorted(sizes)[:3])
        raise UsageError(f"The pictures have {len(sizes)} different sizes ({some}); give one, such as 32x32.")
    height, width = sizes.pop() if len(sizes) == 1 else (SIDE, SIDE)
    return 3 if not grey and any(picture.ndim == 3 for picture in pictures) else 1, height, width


def _brought(paths: Sequence[Path], root: Path, size: Size, to: tuple[int, int]) -> str:
    """The sentence for pictures that were resized without a request."""
    if size is not None or to != (SIDE, SIDE):
        return ""
    width, height = read(paths[0]).size
    if (height, width) == to:
        return ""
    return (
        f"Pictures of {printable(root)}, the first of them {width} x {height}, are brought to {SIDE} x {SIDE};"
        " choose with --size HEIGHTxWIDTH, or --size own."
    )


def _split_folder(
    pictures: Sequence[NDArray[np.uint8]], labels: Sequence[int], shape: tuple[int, int, int], size: Size
) -> Split:
    """The pictures in one shape, [C H W]."""
    if len(pictures) * math.prod(shape) > LARGEST:
        raise DataError(
            f"{len(pictures):,} pictures of {shape[1]} x {shape[2]} take more than the limit of {LARGEST:,} bytes."
        )
    images = np.empty((len(pictures), *shape), dtype=np.uint8)
    for place, picture in zip(images, pictures, strict=True):
        place[...] = fit_to_shape(picture, shape, size)
    return Split(images=torch.from_numpy(images), labels=torch.tensor(labels, dtype=torch.int64))
