"""A data set as tensors, and how a part of it is held out."""

import hashlib
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from featherweight.data.transforms import without_colours

SHARE = 6
"""One picture in this many is drawn for testing if the folder has no `test`."""
HELD_OUT = "together"
"""How digits are held out, as noted in records; in records without this note, they were drawn one by one."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Split:
    """One half of a data set as tensors: images and their labels, the same number of each."""

    images: Tensor
    """uint8 [N C H W]; 0 is the background of MNIST, 255 its ink."""
    labels: Tensor
    """int64 [N], 0 to the number of classes - 1."""

    def __post_init__(self) -> None:
        assert self.images.dtype == torch.uint8 and self.images.ndim == 4, self.images.shape
        assert self.labels.dtype == torch.int64 and self.labels.shape == self.images.shape[:1], self.labels.shape

    def __len__(self) -> int:
        return len(self.labels)

    def __repr__(self) -> str:
        return f"{len(self):,} images of {' x '.join(map(str, self.images.shape[1:]))}"

    def take(self, which: Tensor) -> "Split":
        """The images at these positions (int64 [M]) or where `which` is true (bool [N]), in order."""
        return Split(images=self.images[which], labels=self.labels[which])

    def in_grey(self) -> "Split":
        """The same images without their colours, if they have any."""
        return Split(images=without_colours(self.images), labels=self.labels)

    def to(self, device: torch.device) -> "Split":
        """The same images and labels on the device."""
        return Split(images=self.images.to(device), labels=self.labels.to(device))


@dataclass(frozen=True, kw_only=True)
class RawDataset:
    """A data set from its source, before anything is held out; the fields are as in `Data`."""

    name: str
    classes: tuple[str, ...]
    train: Split
    test: Split | None
    """None if it was not read, because a part of the training images will replace it."""
    digests: Mapping[str, str]
    note: str = ""
    groups: Tensor | None = None
    """int64 [N]: training images with the same number belong together, for example as pictures of one object; None if
    unknown."""
    names: tuple[str, ...] = ()
    """The file of each training image, relative to the folder of the data set; () where there are none."""


def held_out(labels: Tensor, count: int, seed: int) -> Tensor:
    """Choose what is held out: bool [N], true for `count` of these labels (int64 [N]), the same share of each class.

    Shares are rounded by largest remainder. The draw mixes the bits of seed and position instead of using a
    random generator, so it is the same on every platform and with every release of numpy and torch.

    >>> held_out(torch.tensor([0, 0, 0, 0, 1, 1]), 3, seed=0).int().tolist()
    [1, 1, 0, 0, 1, 0]
    """
    groups, chosen = labels.numpy(), np.zeros(len(labels), dtype=bool)
    rank = _mixed(np.arange(len(groups), dtype=np.uint64), seed)
    for group, take in enumerate(_quota(groups, count)):
        members = np.flatnonzero(groups == group)
        chosen[members[np.argsort(rank[members], kind="stable")[:take]]] = True
    return torch.from_numpy(chosen)


def held_out_groups(labels: Tensor, groups: Tensor, count: int, seed: int) -> Tensor:
    """Like `held_out`, but with whole groups (int64 [N]) of each class, as close to the class's share as possible.

    >>> held_out_groups(torch.tensor([0, 0, 0, 0, 1, 1]), torch.tensor([3, 3, 5, 5, 7, 8]), 3, seed=0).int().tolist()
    [0, 0, 1, 1, 1, 0]
    """
    classes, members_of, chosen = labels.numpy(), groups.numpy(), np.zeros(len(labels), dtype=bool)
    for one, take in enumerate(_quota(classes, count)):
        found = np.unique(members_of[classes == one])
        left = int(take)
        for group in found[np.argsort(_mixed(found.astype(np.uint64), seed), kind="stable")]:
            members = np.flatnonzero((members_of == group) & (classes == one))
            if 2 * left > len(members):  # closer with it than without
                chosen[members] = True
                left -= len(members)
    return torch.from_numpy(chosen)


def held_out_together(labels: Tensor, count: int, seed: int) -> Tensor:
    """Like `held_out`, but with consecutive images of each class, about equally far into the set for each class.

    Neighbouring images were often made together: MNIST's training digits are sorted by writer (alternating between two
    sources: within a class, a digit's slant correlates at 0.48 with that of the digit two places on, and at -0.17 with
    its neighbour's). Digits drawn one by one would come from writers seen in training, unlike those of the test set;
    consecutive ones, except for some at the edges, do not.

    >>> held_out_together(torch.tensor([0, 1, 0, 0, 1, 0]), 3, seed=0).int().tolist()
    [0, 0, 1, 1, 1, 0]
    """
    groups, chosen = labels.numpy(), np.zeros(len(labels), dtype=bool)
    begin = int(_mixed(np.zeros(1, dtype=np.uint64), seed)[0]) / 2**64
    for group, take in enumerate(_quota(groups, count)):
        members = np.flatnonzero(groups == group)
        first = int(begin * (len(members) - take + 1))
        chosen[members[first : first + take]] = True
    return torch.from_numpy(chosen)


def _quota(groups: "np.ndarray[Any, np.dtype[np.int64]]", count: int) -> "np.ndarray[Any, np.dtype[np.int64]]":
    """How many of each class add up to `count`, by largest remainder."""
    assert 0 <= count <= len(groups), (count, len(groups))
    shares = np.bincount(groups) * (count / max(1, len(groups)))
    quota: np.ndarray[Any, np.dtype[np.int64]] = np.floor(shares + 1e-9).astype(np.int64)
    order = np.argsort(quota - shares, kind="stable")
    quota[order[: count - int(quota.sum())]] += 1
    return quota


def _mixed(positions: "np.ndarray[Any, np.dtype[np.uint64]]", seed: int) -> "np.ndarray[Any, np.dtype[np.uint64]]":
    """A well-mixed 64-bit number for each position: SplitMix64, starting from the seed.

    Steele, Lea and Flood, "Fast Splittable Pseudorandom Number Generators", 2014: positions are 2^64 over the golden
    ratio apart, and mixed with the multipliers and shifts of Stafford's variant 13, as in Vigna's splitmix64.c.
    """
    start = int.from_bytes(hashlib.sha256(f"held out {seed}".encode()).digest()[:8], "little")
    value = positions * np.uint64(0x9E3779B97F4A7C15) + np.uint64(start)
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return value ^ (value >> np.uint64(31))


def mean_and_std(images: Tensor) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Mean and standard deviation of each channel of uint8 [N C H W], 0 to 1, to four digits, from exact sums.

    >>> mean_and_std(torch.tensor([[[[0, 255]]]], dtype=torch.uint8))
    ((0.5,), (0.5,))
    """
    total = torch.zeros(images.shape[1], dtype=torch.float64)  # integers below 2^53, so exact
    squares = total.clone()
    for start in range(0, len(images), 512):  # so few fit the processor's cache: 18 times as fast
        pixels = images[start : start + 512].transpose(0, 1).flatten(1).double()  # [C, pixels]
        total += pixels.sum(1)
        squares += (pixels * pixels).sum(1)
    count = images.numel() // images.shape[1]
    mean = total / count
    std = (squares / count - mean**2).clamp(min=0).sqrt()
    spread = [round(float(value) / 255, 4) for value in std]
    return tuple(round(float(value) / 255, 4) for value in mean), tuple(value or 1.0 for value in spread)


def digest(split: Split) -> str:
    """SHA-256 of shape, labels and pixels, hexadecimal."""
    state = hashlib.sha256(repr(tuple(split.images.shape)).encode())
    state.update(split.labels.numpy().tobytes())
    state.update(split.images.contiguous().numpy().data)
    return state.hexdigest()


def groups_of(paths: Sequence[Path], labels: Sequence[int]) -> Tensor | None:
    """A group number for each picture, equal within a class for names that differ only in a last number; int64 [N].

    Frames of a film and several pictures of one object have such names: 00004_00017, cup-3. None unless all names end
    in a number after a separator, and every class has at least twice as many groups as the test share needs, of two or
    more pictures on average: otherwise the number merely counts the pictures.
    """
    cuts = [counted_part(path) for path in paths]
    if not all(cuts):
        return None
    keys = [(label, path.stem[:cut]) for label, path, cut in zip(labels, paths, cuts, strict=True)]
    numbers = {key: number for number, key in enumerate(dict.fromkeys(keys))}
    for label in set(labels):
        groups = sum(key[0] == label for key in numbers)
        if groups < 2 * SHARE or 2 * groups > labels.count(label):
            return None
    return torch.tensor([numbers[key] for key in keys])


def counted_part(path: Path) -> int:
    """The number of characters before a name's last number and its separator; 0 if it does not end with these."""
    found = re.fullmatch(r"(.+)[-_. ]\d+", path.stem)
    return len(found[1]) if found else 0
