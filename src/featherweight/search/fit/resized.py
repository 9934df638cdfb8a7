"""The pictures as a search sees them: in every size that they may be brought to, with parts held out for choices.

Test pictures are never among them.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from statistics import median

import numpy as np
import torch
from torch import Tensor

from featherweight.data import NAMES, load
from featherweight.data.dataset import IN_MEMORY, Data
from featherweight.data.folder import load_sizes, load_test, sample_sizes, test_digest
from featherweight.data.sets import OWN, canonical
from featherweight.data.split import Split, digest, held_out_together, mean_and_std
from featherweight.data.store import expanded, find
from featherweight.data.transforms import without_colours
from featherweight.errors import UsageError
from featherweight.experiments.record import Sides
from featherweight.search.fit.data_checks import DataChecks, check_data
from featherweight.search.fit.groups import Groups, groups_of_pictures, held_groups

SMALL = 2000
"""Training images below which every choice is judged by cross-validation instead of on one part held out."""
FOLDS = 5
SHARE = 6
"""One training image in so many is held out for choices, of large sets."""
LARGE_GROUPS = 3
"""Pictures of a group, on average, from which on whole groups are dealt out; smaller ones follow their first picture,
which keeps the classes even."""
FEWEST = 6
"""Training images below which no search is begun."""
SPLIT_SEED = 0
"""By which a folder's test pictures are drawn where it has none of its own: as `load` draws them for the last training,
whatever the seed of the search."""
SIDES = (24, 32, 48)
"""Pixels: what pictures of varied size may be brought to, the shorter side; 64 where all of them are larger."""


@dataclass(frozen=True, kw_only=True)
class ResizedView:
    """The training images in one size, with their colours or without."""

    size: Sides | None
    """(height, width) that `load` is to be asked for; None where the set has its own."""
    images: Tensor
    """uint8 [N C H W], all training images."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width."""
        _, channels, height, width = self.images.shape
        return channels, height, width


@dataclass(frozen=True, kw_only=True)
class ResizedData:
    """The training images in every size, their labels, and which are held out in turn."""

    name: str
    source: str
    """What `load` is to be given; `memory` for arrays, which nothing can load again."""
    classes: tuple[str, ...]
    labels: Tensor
    """int64 [N]."""
    sizes: tuple[ResizedView, ...]
    folds: tuple[Tensor, ...]
    """bool [N] each, true where an image is held out: one, or `FOLDS` parts of a small set and as many again drawn
    otherwise."""
    digests: Mapping[str, str]
    """SHA-256 of the training images, in all sizes and with their labels, and of the test images."""
    checks: DataChecks = field(default_factory=DataChecks)
    """What was found when the pictures were looked at."""
    note: str = ""
    names: tuple[str, ...] = ()
    """The file of each training image, within the folder; () for data of other kinds."""
    groups: Groups | None = None
    """Which images belong together; None where each is of its own."""
    pattern: str | None = None
    """What names a picture's group, where it was given."""

    @property
    def judged(self) -> int:
        """How many images all folds of a round judge together."""
        return int(sum(fold.sum() for fold in self.folds[:FOLDS]))


def resized_data(
    data: Data | str,
    *,
    seed: int,
    size: Sides | None = None,
    directory: Path | None = None,
    group: str | None = None,
) -> ResizedData:
    """The views of a data set, a folder or data in memory, without its test images.

    Folders' pictures come in up to three sizes unless they have one of their own up to 64 x 64, or `size` is given.
    `group` is a regular expression that finds, in the path of a file, what names its group. Raises what `load` raises,
    and UsageError for fewer than `FEWEST` training images.
    """
    numbered: Tensor | None = None
    test: Split | None = None
    names: tuple[str, ...] = ()
    tests: tuple[str, ...] = ()
    if isinstance(data, Data):
        if data.holdout:
            raise UsageError("The data already have held-out images; give them whole, as the search holds out its own.")
        name, source, classes, labels, note = data.name, data.source or IN_MEMORY, data.classes, data.train.labels, ""
        test, tested = data.test, digest(data.test)
        sizes: tuple[ResizedView, ...] = (ResizedView(size=None, images=data.train.images),)
    elif _is_folder(data):
        root = expanded(data)
        asked = [size] if size else sizes_for(sample_sizes(root, seed=SPLIT_SEED))
        wholes = load_sizes(root, seed=SPLIT_SEED, sizes=asked)
        tested = test_digest(root, seed=SPLIT_SEED)
        name, source, classes, note = wholes[0].name, str(root.resolve()), wholes[0].classes, wholes[0].note
        labels, numbered, names = wholes[0].train.labels, wholes[0].groups, wholes[0].names
        test, tests = load_test(
            root, seed=SPLIT_SEED, shape=ResizedView(size=None, images=wholes[0].train.images).shape, size=asked[0]
        )
        sizes = tuple(ResizedView(size=to, images=one.train.images) for to, one in zip(asked, wholes, strict=True))
    else:
        if size:
            raise UsageError(f"A size can only be given for folders of pictures; {data} has its own.")
        held = load(data, directory=directory, holdout=FEWEST)
        name, source, classes, note = held.name, held.source, held.classes, held.note
        tested = _test_files(data)
        images = torch.cat([held.train.images, held.test.images])
        labels = torch.cat([held.train.labels, held.test.labels])
        sizes = (ResizedView(size=None, images=images),)
    if len(labels) < FEWEST:
        raise UsageError(f"{name} has {len(labels)} training images; a search needs {FEWEST} or more.")
    own = isinstance(data, Data) or bool(names)  # published sets are known, and were looked at by many
    groups = groups_of_pictures(names, labels, sizes[-1].images, numbered, group) if own or group else None
    smallest = Split(images=sizes[0].images, labels=labels)
    return ResizedData(
        name=name, source=source, classes=classes, labels=labels, sizes=sizes, names=names, note=note,
        folds=grouped_folds(labels, seed, groups, firsts_of(sizes[-1].images)),
        digests={"train": _pictures_digest(sizes, labels), "test": tested},
        checks=check_data(smallest, test, classes, names, tests), groups=groups, pattern=group,
    )  # fmt: skip


def grouped_folds(labels: Tensor, seed: int, groups: Groups | None, firsts: Tensor) -> tuple[Tensor, ...]:
    """As `folds_of`, but with groups and equal images held out together; `firsts` are as `firsts_of` finds them."""
    folds = folds_of(labels, seed)
    if groups is not None and groups.count * LARGE_GROUPS <= len(labels):
        parts = SHARE if len(folds) == 1 else FOLDS
        rounds = [held_groups(groups.of, parts, seed + at) for at in range(1 if len(folds) == 1 else 2)]
        folds = tuple(dealt == part for dealt in rounds for part in range(1 if len(folds) == 1 else parts))
    elif groups is not None:
        folds = tuple(fold[_firsts(groups.of.tolist())] for fold in folds)
    folds = tuple(fold[firsts] for fold in folds)
    usable = tuple(fold for fold in folds if fold.any() and not fold.all())
    if not usable:
        raise UsageError("All pictures belong together, so none can be held out; give pictures of two groups or more.")
    return usable


def firsts_of(images: Tensor) -> Tensor:
    """int64 [N]: the position of the first image that is equal to each in every pixel.

    >>> firsts_of(torch.tensor([5, 7, 5, 7, 1], dtype=torch.uint8).reshape(5, 1, 1, 1)).tolist()
    [0, 1, 0, 1, 4]
    """
    return _firsts([hashlib.sha256(image.tobytes()).digest() for image in images.numpy()])


def _firsts(keys: Sequence[object]) -> Tensor:
    """int64 [N]: the position of the first of these keys that is equal to each."""
    seen: dict[object, int] = {}
    return torch.tensor([seen.setdefault(key, at) for at, key in enumerate(keys)])


def _pictures_digest(sizes: Sequence[ResizedView], labels: Tensor) -> str:
    """SHA-256 of the images in each size, with their labels."""
    each = [digest(Split(images=view.images, labels=labels)) for view in sizes]
    return each[0] if len(each) == 1 else hashlib.sha256(" ".join(each).encode()).hexdigest()


def _test_files(name: str) -> str:
    """SHA-256 of the test files of a folder of MNIST's kind; a set with a name has published digests."""
    if canonical(name) in NAMES:
        return "published"
    state = hashlib.sha256()
    for path in find(expanded(name), OWN, list(OWN.test)).values():
        state.update(path.read_bytes())
    return state.hexdigest()


def _is_folder(name: str) -> bool:
    """Whether the name means a folder of pictures, and not a set by name or files of MNIST's kind."""
    if canonical(name) in NAMES:
        return False
    path = expanded(name)
    return path.is_dir() and not find(path, OWN, list(OWN.train))


def sizes_for(shapes: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The sizes that pictures of these heights and widths may be brought to, smallest first.

    >>> sizes_for([(28, 28)] * 3), sizes_for([(40, 36), (25, 27), (90, 95)]), sizes_for([(120, 160)] * 2)
    ([(28, 28)], [(24, 24), (32, 32)], [(24, 32), (32, 43), (48, 64)])
    """
    height, width = (median(side) for side in zip(*shapes, strict=True)) if shapes else (28, 28)
    if len(set(shapes)) == 1 and max(height, width) <= 48:
        return [(int(height), int(width))]
    across = width / height
    if 0.8 <= across <= 1.25:
        across = 1.0
    shorter = min(height, width)
    sides = [side for side in SIDES if side <= shorter] or [max(8, int(shorter))]
    return [(side, round(side * across)) if across >= 1 else (round(side / across), side) for side in sides]


def folds_of(labels: Tensor, seed: int) -> tuple[Tensor, ...]:
    """Which images are held out in turn: of each class, images that stand together, since they may be of one kind.

    >>> [int(fold.sum()) for fold in folds_of(torch.arange(30) % 3, 0)]
    [6, 6, 6, 6, 6, 6, 6, 6, 6, 6]
    """
    if len(labels) >= SMALL:
        return (held_out_together(labels, round(len(labels) / SHARE), seed),)
    found = []
    draws = torch.Generator().manual_seed(seed)
    for repeat in range(2):
        parts = torch.zeros(len(labels), dtype=torch.int64)
        start = 0
        for label in range(int(labels.max()) + 1):
            members = (labels == label).nonzero()[:, 0]
            if repeat:
                members = members[torch.randperm(len(members), generator=draws)]
            # Each class begins where the last ended, so that small classes do not all fall into the first parts.
            parts[members] = (
                (start + torch.arange(len(members)) * FOLDS // len(members)) % FOLDS
                if len(members) >= FOLDS
                else (start + torch.arange(len(members))) % FOLDS
            )
            start += len(members)
        found += [parts == part for part in range(FOLDS)]
    return tuple(fold for fold in found if fold.any())


def save(views: ResizedData, folder: Path) -> None:
    """Write the images of each size, the labels and the folds into a folder, for `part` to read in other processes."""
    arrays = {"labels": views.labels, "folds": torch.stack(views.folds)}
    arrays |= {str(number): view.images for number, view in enumerate(views.sizes)}
    for name, values in arrays.items():
        values.contiguous().numpy().tofile(folder / name)
    shapes = {name: [list(values.shape), str(values.numpy().dtype)] for name, values in arrays.items()}
    (folder / "shapes.json").write_text(json.dumps(shapes))


def _saved(folder: Path, name: str) -> Tensor:
    """One of them, its memory shared by all processes that only read it."""
    shape, kind = json.loads((folder / "shapes.json").read_text())[name]
    return torch.from_numpy(np.memmap(folder / name, dtype=kind, mode="c", shape=tuple(shape)))


@lru_cache(maxsize=2)
def part(folder: Path, size: int, grey: bool, fold: int, classes: tuple[str, ...]) -> Data:
    """The data of one fold as a search's process trains on it, `test` being what is held out."""
    images, labels, out = _saved(folder, str(size)), _saved(folder, "labels"), _saved(folder, "folds")[fold]
    images = without_colours(images) if grey else images
    mean, std = mean_and_std(images)
    whole = Split(images=images, labels=labels)
    return Data(
        name="fold", classes=classes, train=whole.take(~out), test=whole.take(out), holdout=int(out.sum()),
        mean=mean, std=std, digests={},
    )  # fmt: skip
