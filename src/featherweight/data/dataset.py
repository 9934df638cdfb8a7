"""A data set: a training and a test half, what it is called, and where it is from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import torch

from featherweight.data.in_memory import listed, whole_of
from featherweight.data.split import HELD_OUT, Split, Whole, held_out_together, mean_and_std
from featherweight.errors import UsageError

IN_MEMORY = "memory"
"""The source of data that were handed over as arrays or as a dataset, which nothing can load again."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Data:
    """A data set ready for training. `train` and `test` share no image."""

    name: str
    """`mnist`, `digits`, ... or the name of a folder."""
    classes: tuple[str, ...]
    """The name of each class; a label is a position in it."""
    train: Split
    test: Split
    """What accuracy is measured on: the test set, or with `holdout` the held-out part."""
    holdout: int
    """0; or so many training images are held out, `test` is those, and the test set was not read at all."""
    mean: tuple[float, ...]
    """Mean of each channel over all training images, held-out ones included, in 0 to 1, to four digits."""
    std: tuple[float, ...]
    """Standard deviation likewise; 1 where a channel is the same everywhere, so that it can be divided by."""
    digests: Mapping[str, str]
    """SHA-256 of what was read: of each IDX file's unpacked bytes, otherwise of the tensors."""
    note: str = ""
    """Empty, or a sentence to print first, such as why the embedded digits stand in for MNIST."""
    source: str = ""
    """What `load` is to be given to have it again: a data set's name, or a folder's whole path."""
    seed: int = 0
    """Of the split."""
    size: "tuple[int, int] | Literal['own'] | None" = None
    """What a folder's pictures were asked to be brought to: (height, width), or "own"; None where nobody asked."""
    grey: bool = False
    """Whether a folder's colours were dropped."""

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
        """The data set of these images and labels, arrays of numpy or tensors.

        Images are [N H W], [N C H W] or [N H W C], whole numbers from 0 to 255 or fractions from 0 to 1, before any
        normalisation: mean and standard deviation are taken here. Labels are N whole numbers or names; `classes` says
        what the numbers 0, 1 and so on are called. `test` is (images, labels) to be judged on; without it, one image in
        six of each class is drawn by `seed`. `holdout` training images stand in for the test images, as in `load_data`.
        Raises UsageError for what does not fit together.

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
        size: tuple[int, int] | None = None,
        classes: Sequence[str] | None = None,
        name: str = "dataset",
        holdout: int = 0,
        seed: int = 0,
    ) -> "Data":
        """The data set of anything that has a length and gives (image, label), or dictionaries with both, by index.

        So do PyTorch's and Hugging Face's datasets; images may be Pillow's, arrays or tensors. `size` is (height,
        width), to which all are brought; without it they must have one size. All else is as in `from_arrays`.
        A mapping of both halves, `{"train": ..., "test": ...}`, may be given in place of `train`.

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
        pair, names = listed(train, size)
        tested = None if test is None else listed(test, size)[0]
        whole = whole_of(pair, tested, classes or names, name, seed, "last")
        return replace(ready(whole, holdout, seed), source=IN_MEMORY, seed=seed)

    @classmethod
    def from_folder(
        cls,
        folder: "str | Path",
        *,
        size: "tuple[int, int] | Literal['own'] | None" = None,
        holdout: int = 0,
        seed: int = 0,
    ) -> "Data":
        """The data set in a folder of pictures, one sub-folder a class, with or without `train` and `test` above them.

        As `load` reads one; errors are its too.
        """
        from featherweight.data import load

        return load(str(Path(folder).expanduser().absolute()), holdout=holdout, seed=seed, size=size)

    def to(self, device: torch.device) -> "Data":
        """The same with its tensors on the device; training there needs no copies on the way."""
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
            **({"size": self.size if isinstance(self.size, str) else list(self.size)} if self.size else {}),
            **({"grey": True} if self.grey else {}),
        }


def ready(whole: Whole, holdout: int, seed: int) -> Data:
    """The data set with so many training images held out, from a place that the seed gives, or with its test set."""
    mean, std = mean_and_std(whole.train.images)
    train, test = whole.train, whole.test
    if not 0 <= holdout < len(train):
        raise UsageError(
            f"A holdout of {holdout:,} was asked for, and {whole.name} has {len(train):,} training images;"
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
