"""Which training pictures belong together: recordings of one person, frames of one film, near-duplicates.

Pictures of a group are all trained on or all held out, since a network that has seen one knows the others.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional

from featherweight.data.transforms import without_colours
from featherweight.errors import UsageError
from featherweight.escape import printable

FEWEST_SERIES, LEAST_EACH = 12, 4
"""Values of a part of the names, and pictures of each on average, from which on that part is taken for a series."""
CLASSES_WITH = 0.5
"""Of the classes: in so many, a value of that part occurs on average."""
MOST_COMPARED = 20_000
"""Pictures beyond which near-duplicates are not looked for."""
BITS_APART, ALIKE = 5, 0.99
"""Pictures are nearly equal if their 64-bit hashes differ in so few bits, and their brightness on a grid of 16 x 16
correlates as much."""
FLAT = 4.0
"""Standard deviation of brightness, 0 to 255, below which a picture shows too little to be compared."""
LONGEST = 0.1
"""Of all pictures: a chain of near-duplicates that is longer tells of a style, and not of one object."""


@dataclass(frozen=True, kw_only=True)
class Groups:
    """What belongs together, and how that is known."""

    of: Tensor
    """int64 [N]: images with the same number belong together."""
    by: str
    """In words."""

    @property
    def count(self) -> int:
        """How many groups there are."""
        return len(np.unique(self.of.numpy()))


def groups_of_pictures(
    names: Sequence[str], labels: Tensor, images: Tensor, numbered: Tensor | None, pattern: str | None
) -> Groups | None:
    """The groups of training images, uint8 [N C H W]: by the pattern, else by their file names and near-duplicates;
    None where every picture is of its own. `numbered` are those that a last number in the names tells apart.

    UsageError where the pattern is none, or names fewer than two groups.
    """
    if pattern is not None:
        return _by_pattern(names, pattern)
    alike = near_duplicates(images)
    found = [("near-duplicates", alike)] if int((alike != torch.arange(len(alike))).sum()) >= 0.02 * len(alike) else []
    if (series := series_in(names, labels)) is not None:
        found.append(series)
    elif numbered is not None:
        found.append(("names that differ in the last number alone", numbered))
    if not found:
        return None
    keys = torch.arange(len(labels))
    for _, numbers in found:
        keys = _joined(keys, numbers)
    return Groups(of=keys, by=" and ".join(by for by, _ in found))


def _by_pattern(names: Sequence[str], pattern: str) -> Groups:
    try:
        compiled = re.compile(pattern)
    except re.error as problem:
        raise UsageError(f"--group is a regular expression; {printable(pattern)!r:.100} is none ({problem}).") from None
    if not names:
        raise UsageError("--group names groups by file names, and these data have none; give a folder of pictures.")
    found = [compiled.search(name) for name in names]
    missing = next((name for name, one in zip(names, found, strict=True) if one is None), None)
    if missing is not None:
        raise UsageError(
            f"--group {printable(pattern)!r:.100} finds nothing in {printable(missing)}; it has to find the part of"
            " every file's path, such as train/cat/ann_03.png, that names its group."
        )
    numbers: dict[str, int] = {}
    keys = [one.group(1 if one.re.groups else 0) or "" for one in found if one]
    of = torch.tensor([numbers.setdefault(key, len(numbers)) for key in keys])
    if len(numbers) < 2:
        raise UsageError(f"--group {printable(pattern)!r:.100} finds {len(numbers)} group; there must be two or more.")
    return Groups(of=of, by=f"--group {printable(pattern)}")


def series_in(names: Sequence[str], labels: Tensor) -> tuple[str, Tensor] | None:
    """The part of the names that recurs over the classes as a person's or a session's name does, and the groups by it.

    Names are taken apart at separators. The part has `FEWEST_SERIES` values or more, each of several pictures and in
    many classes; of several such parts, the one with the most values is taken.
    """
    parts = [re.split(r"[-_. ]+", name.rsplit("/", 1)[-1].rsplit(".", 1)[0]) for name in names]
    if not parts or len({len(part) for part in parts}) != 1:
        return None
    best: tuple[int, int, Tensor] | None = None
    classes = len(np.unique(labels.numpy()))
    for place in range(len(parts[0])):
        values: dict[str, int] = {}
        of = torch.tensor([values.setdefault(part[place], len(values)) for part in parts])
        if not FEWEST_SERIES <= len(values) <= len(names) / LEAST_EACH:
            continue
        pairs = len(set(zip(of.tolist(), labels.tolist(), strict=True)))
        if pairs / len(values) >= max(2.0, CLASSES_WITH * classes) and (best is None or len(values) > best[0]):
            best = len(values), place, of
    if best is None:
        return None
    return f"part {best[1] + 1} of the names, as {printable(parts[0][best[1]])!r:.40}", best[2]


def near_duplicates(images: Tensor) -> Tensor:
    """int64 [N]: for each image, uint8 [N C H W], the first of those that it is nearly equal to, itself where none is.

    The hash compares each of 8 x 9 grey patches with its neighbour (Krawetz, "Kind of like that", 2013); pairs that
    share 16 of its 64 bits are compared in full.

    >>> ramp = (torch.arange(256).reshape(1, 16, 16) * 7 % 251).to(torch.uint8)
    >>> near_duplicates(torch.stack([ramp, 255 - ramp, ramp + 2])).tolist()
    [0, 1, 0]
    """
    count = len(images)
    alone = torch.arange(count)
    if not 2 <= count <= MOST_COMPARED:
        return alone
    hashes, grids = _hashes(images)
    pairs = []
    for band in range(4):
        order = np.lexsort((hashes.view(np.uint64)[:, 0], hashes[:, band]))
        for apart in (1, 2, 3):
            one, two = order[:-apart], order[apart:]
            pairs.append(np.stack([one, two])[:, hashes[one, band] == hashes[two, band]])
    one, two = np.concatenate(pairs, axis=1)
    near = np.bitwise_count(hashes[one] ^ hashes[two]).sum(1) <= BITS_APART
    one, two = one[near], two[near]
    near = (grids[one] * grids[two]).mean(1) >= ALIKE
    parents = list(range(count))
    sizes = [1] * count
    for a, b in zip(one[near].tolist(), two[near].tolist(), strict=True):
        first, other = sorted((_root(parents, a), _root(parents, b)))
        if first != other and sizes[first] + sizes[other] <= max(2, LONGEST * count):
            parents[other] = first
            sizes[first] += sizes[other]
    return torch.tensor([_root(parents, at) for at in range(count)])


def _hashes(images: Tensor) -> tuple[NDArray[np.uint16], NDArray[np.float32]]:
    """Of each image 4 x 16 bits, and its brightness on a grid of 16 x 16, of mean 0 and deviation 1, or 0 if flat."""
    bits, grids = [], []
    for start in range(0, len(images), 1000):
        grey = without_colours(images[start : start + 1000]).float()
        patches = functional.adaptive_avg_pool2d(grey, (8, 9))[:, 0]
        bits.append(np.packbits((patches[:, :, 1:] > patches[:, :, :-1]).flatten(1).numpy(), axis=1))
        grid = functional.adaptive_avg_pool2d(grey, 16).flatten(1)
        deviation = grid.std(1, unbiased=False, keepdim=True)
        grids.append(torch.where(deviation < FLAT, 0.0, (grid - grid.mean(1, keepdim=True)) / deviation).numpy())
    return np.concatenate(bits).view(np.uint16), np.concatenate(grids)


def _root(parents: list[int], at: int) -> int:
    while parents[at] != at:
        parents[at] = parents[parents[at]]
        at = parents[at]
    return at


def _joined(one: Tensor, two: Tensor) -> Tensor:
    """The groups of images that either puts together; the number of each is the position of its first image."""
    parents = list(range(len(one)))
    for numbers in (one, two):
        firsts: dict[int, int] = {}
        for at, number in enumerate(numbers.tolist()):
            first, other = sorted((_root(parents, firsts.setdefault(number, at)), _root(parents, at)))
            parents[other] = first
    return torch.tensor([_root(parents, at) for at in range(len(one))])


def held_groups(groups: Tensor, parts: int, seed: int) -> Tensor:
    """int64 [N]: which of so many parts each image is in; whole groups (int64 [N]) are dealt out, the largest first,
    each to the part that has the fewest images.

    >>> held_groups(torch.tensor([0, 0, 0, 0, 1, 1, 2, 3]), 2, seed=0).tolist()
    [0, 0, 0, 0, 1, 1, 1, 1]
    """
    numbers, sizes = (torch.from_numpy(one) for one in np.unique(groups.numpy(), return_counts=True))
    shuffled = torch.randperm(len(numbers), generator=torch.Generator().manual_seed(seed))
    order = shuffled[sizes[shuffled].argsort(descending=True, stable=True)]
    filled, part_of = [0] * parts, torch.zeros(int(numbers.max()) + 1, dtype=torch.int64)
    for at in order.tolist():
        part = filled.index(min(filled))
        part_of[numbers[at]] = part
        filled[part] += int(sizes[at])
    return part_of[groups]
