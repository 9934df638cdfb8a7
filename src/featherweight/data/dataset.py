"""A data set: its training and test halves, its name, and its origin."""

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from featherweight.data.in_memory import listed, whole_of
from featherweight.data.split import HELD_OUT, RawDataset, Split, held_out_together, mean_and_std
from featherweight.errors import UsageError, whole_number
from featherweight.experiments.record import LONGEST_SIDE, MOST_CLASSES, MOST_NUMBERS, Sides, Size
from featherweight.experiments.schema import LONGEST_NAME

IN_MEMORY = "memory"
"""The source of data that were passed as arrays or as a dataset, which cannot be loaded again."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Data:
    """A data set ready for training. `train` and `test` share no image."""

    name: str
    """`mnist`, `digits`, ... or the name of a folder."""
    classes: tuple[str, ...]
    """The name of each class; a label is a position in it."""
    train: Split
    test: Split
    """The images on which accuracy is measured: the test set, or with `holdout` the held-out part."""
    holdout: int
    """The number of training images held out; unless it is 0, they are `test`, and the test set was not read at all."""
    mean: tuple[float, ...]
    """Mean of each channel over all training images, including held-out ones, 0 to 1, rounded to four digits."""
    std: tuple[float, ...]
    """Standard deviation likewise; 1 if a channel is constant, so that division by it works."""
    digests: Mapping[str, str]
    """SHA-256 of the data: of the unpacked bytes of each IDX file, otherwise of the tensors."""
    note: str = ""
    """Empty, or a sentence to print first, such as why the embedded digits stand in for MNIST."""
    source: str = ""
    """The argument with which `load` gives it again: the name of a data set, or the full path of a folder."""
    seed: int = 0
    """The seed of the split."""
    size: Size = None
    """The size requested for a folder's pictures: (height, width), or "own"; None if none was requested."""
    grey: bool = False
    """Whether colours were dropped."""

    def __repr__(self) -> str:
        judged = "held-out" if self.holdout else "test"
        size = " x ".join(map(str, self.train.images.shape[1:]))
        return (
            f"<Data {self.name}: {len(self.train):,} training and {len(self.test):,} {judged} images of {size},"
            f" {len(self.classes)} classes>"
        )

    @classmethod
    def from_arrays(
        cls,
        images: Any,
        labels: Any,
        *,
        test: tuple[Any, Any] | None = None,
        classes: Sequence[str] | None = None,
        name: str = "arrays",
        holdout: int = 0,
        seed: int = 0,
        channels: Literal["auto", "first", "last"] = "auto",
    ) -> "Data":
        """The data set of these images and labels, given as numpy arrays or tensors.

        Images are [N H W], [N C H W] or [N H W C], integers from 0 to 255 or fractions from 0 to 1, before any
        normalisation: mean and standard deviation are computed here. Labels are N integers or names; `classes` gives
        the names of 0, 1 and so on. `test` is (images, labels) for measuring accuracy; without it, one image in six of
        each class is drawn by `seed`. `holdout` training images replace the test images, as in `load_data`.
        Raises UsageError if these do not fit together.

        >>> import numpy as np
        >>> images = np.random.default_rng(0).integers(0, 256, (60, 11, 13), dtype=np.uint8)
        >>> Data.from_arrays(images, np.arange(60) % 3, name="noise")
        <Data noise: 50 training and 10 test images of 1 x 11 x 13, 3 classes>
        """
        whole = whole_of((images, labels), test, classes, name, seed, channels)
        return replace(ready(whole, holdout, seed), source=IN_MEMORY, seed=seed)

    @classmethod
    def from_dataset(
        cls,
        train: Any,
        test: Any = None,
        *,
        size: Sides | None = None,
        classes: Sequence[str] | None = None,
        name: str = "dataset",
        holdout: int = 0,
        seed: int = 0,
    ) -> "Data":
        """The data set of anything that has a length and gives (image, label), or dictionaries with both, by index.

        PyTorch and Hugging Face datasets work; images may be Pillow images, arrays or tensors. `size` is (height,
        width), to which all are resized; without it they must all have one size. The rest is as in `from_arrays`.
        A mapping of both parts, `{"train": ..., "test": ...}`, may be given instead of `train`.

        >>> import numpy as np
        >>> rows = [(np.full((11, 13), 5 * n, dtype=np.uint8), "even" if n % 2 else "odd") for n in range(36)]
        >>> Data.from_dataset(rows, name="shades").classes
        ('even', 'odd')
        """
        if isinstance(train, Mapping):
            halves = train
            missing = UsageError(f"The halves are called {', '.join(map(str, halves))}; one must be `train`.")
            if "train" not in halves:
                raise missing
            train = halves["train"]
            test = next((halves[key] for key in ("test", "validation", "valid", "val") if key in halves), test)
        size = tuple(size) if isinstance(size, list) else size
        pair, names = listed(train, size)
        tested = None if test is None else listed(test, size, channels=pair[0].shape[1])[0]
        whole = whole_of(pair, tested, names if classes is None else classes, name, seed, "first")
        return replace(ready(whole, holdout, seed), source=IN_MEMORY, seed=seed, size=size)

    @classmethod
    def from_folder(
        cls,
        folder: "str | Path",
        *,
        size: Size = None,
        holdout: int = 0,
        seed: int = 0,
    ) -> "Data":
        """The data set in a folder of pictures with one sub-folder per class, or folders `train` and `test` of those.

        It is read as by `load`, with the same errors.
        """
        from featherweight.data import load

        return load(str(Path(folder).expanduser().absolute()), holdout=holdout, seed=seed, size=size)

    def to(self, device: torch.device) -> "Data":
        """The same data with its tensors on the device, so that training there needs no copies."""
        return replace(self, train=self.train.to(device), test=self.test.to(device))

    def summary(self) -> dict[str, Any]:
        """The data set as plain values for a record."""
        return {
            "name": self.name,
            "source": self.source,
            "seed": self.seed,
            "classes": list(self.classes),
            "train": len(self.train),
            "test": len(self.test),
            "holdout": self.holdout,
            **({"held_out": HELD_OUT} if self.holdout else {}),
            "shape": list(self.train.images.shape[1:]),
            "mean": list(self.mean),
            "std": list(self.std),
            "digests": dict(self.digests),
            **({"size": self.size if isinstance(self.size, str) else list(self.size[:2])} if self.size else {}),
            **({"fitting": self.size[2]} if isinstance(self.size, tuple) and len(self.size) == 3 else {}),
            **({"grey": True} if self.grey else {}),
        }


def ready(whole: RawDataset, holdout: int, seed: int) -> Data:
    """Make `Data` of a raw data set, with `holdout` training images held out by the seed, or with its test set."""
    seed = whole_number(seed, "A seed")
    _require_recordable(whole)
    mean, std = mean_and_std(whole.train.images)
    train, test = whole.train, whole.test
    if not 0 <= (holdout := whole_number(holdout, "A holdout")) < len(train):
        raise UsageError(
            f"A holdout of {holdout:,} was requested, but {whole.name} has {len(train):,} training images;"
            f" give a number from 0 to {len(train) - 1:,}."
        )
    if holdout:
        chosen = held_out_together(train.labels, holdout, seed)
        train, test = train.take(~chosen), train.take(chosen)
    assert test is not None
    return Data(
        name=whole.name, classes=whole.classes, train=train, test=test, holdout=holdout,
        mean=mean, std=std, digests=whole.digests, note=whole.note,
    )  # fmt: skip


def _require_recordable(whole: RawDataset) -> None:
    """Raise UsageError unless a record can hold the names and the shape, and each class has a name of its own."""
    names, shape = whole.classes, tuple(whole.train.images.shape[1:])
    twice = next((name for name, count in Counter(names).items() if count > 1), None)
    if twice is not None:
        raise UsageError(f"{whole.name:.60} has two classes called {twice!r:.60}; give each a name of its own.")
    if len(names) > MOST_CLASSES:
        raise UsageError(f"{whole.name:.60} has {len(names):,} classes; at most {MOST_CLASSES:,} are allowed.")
    for name in (whole.name, *names):
        if not isinstance(name, str) or not 0 < len(name) <= LONGEST_NAME or not name.isprintable():
            raise UsageError(
                f"The names of a data set and its classes are 1 to {LONGEST_NAME} printable characters; given"
                f" {name!r:.60}."
            )
    if max(shape[1:]) > LONGEST_SIDE or math.prod(shape) > MOST_NUMBERS:
        size = " x ".join(map(str, shape))
        raise UsageError(
            f"The images of {whole.name} are {size}; at most {LONGEST_SIDE:,} pixels a side and {MOST_NUMBERS:,}"
            " numbers in all are allowed. Resize them."
        )
