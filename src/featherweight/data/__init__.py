"""A data set is two pairs of tensors, found on disk, downloaded, or embedded in the package.

`load` is all that the rest of the program needs. PyTorch is imported only when it is called, since this package also
decodes pictures, which needs no PyTorch.
"""

import os
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from featherweight.data.sets import ALIASES, OWN, SETS, Progress, canonical, downloads_display
from featherweight.errors import UsageError, nearest, whole_number
from featherweight.escape import printable
from featherweight.io import is_folder, is_there, require_utf8

if TYPE_CHECKING:
    from featherweight.data.dataset import Data
    from featherweight.data.split import RawDataset
    from featherweight.experiments.record import Size

NAMES = ("auto", *SETS, *ALIASES, "digits")
"""The names that `load` knows; anything else is a folder."""


def load(
    name: "str | Path" = "auto",
    *,
    directory: "str | Path | None" = None,
    holdout: int = 0,
    seed: int = 0,
    progress: Progress | None = None,
    size: "Size" = None,
    grey: bool = False,
) -> "Data":
    """Load the data set of this name, or in this folder, ready for training.

    `auto` is MNIST from `directory`, from the folder named by FEATHERWEIGHT_DATA, from the user's cache or downloaded;
    if none of these works, it is the embedded digits, and `note` says so. No other name has a fallback. A folder
    contains one subfolder of images per class, or four IDX files under MNIST's names; the name of an existing folder
    and any path with a separator are taken for folders.

    `holdout` training images are held out for choices: the same share of each class, consecutive from a position
    given by `seed`. They replace the test set, whose files are then not opened. `seed` also draws the test pictures
    of a folder that has no `test`. `progress` is called during downloads (by default, the display in
    `progress.downloads_display`).

    `size` is the (height, width) of a folder's pictures, or "own" for the size that they all have; without it they keep
    their size if all have the same one of up to 64 x 64, and are resized to 28 x 28 otherwise. With `grey`, colours
    are dropped.

    Raises UsageError for an unknown name, a missing or empty folder or a holdout out of range, DataError for files
    that are damaged or do not match their digest, and UnavailableError, a DataError, for a set that is not available.

    >>> data = load("digits", holdout=137)
    >>> data.train.images.shape, len(data.test), data.mean
    (torch.Size([1300, 1, 28, 28]), 137, (0.1575,))
    """
    from featherweight.data.dataset import ready
    from featherweight.data.pictures import require_size
    from featherweight.data.store import expanded

    directory = None if directory is None else Path(directory)
    if directory is not None and not is_folder(directory):
        raise UsageError(f"The data folder {printable(directory)} does not exist; name one that does, or leave it out.")
    holdout, seed = whole_number(holdout, "A holdout"), whole_number(seed, "A seed")
    size = tuple(size) if isinstance(size, list) else size
    require_size(size)
    if not isinstance(name, str | Path):
        raise UsageError(f"Data is the name of a set or a folder; given {name!r:.60}.")
    name = canonical(str(name))
    with downloads_display.get()() as watcher:
        whole = _raw_named(name, directory, seed, progress or watcher, with_test=holdout == 0, size=size, grey=grey)
    if grey:
        whole = replace(whole, train=whole.train.in_grey(), test=whole.test.in_grey() if whole.test else None)
    require_utf8(name if name in NAMES else expanded(name).resolve(), "The folder of pictures")
    source = whole.name if name in NAMES else str(expanded(name).resolve())
    return replace(ready(whole, holdout, seed), source=source, seed=seed, size=size, grey=grey)


def _raw_named(
    name: str,
    directory: Path | None,
    seed: int,
    progress: Progress | None,
    *,
    with_test: bool,
    size: "Size",
    grey: bool,
) -> "RawDataset":
    from featherweight.data import digits, store
    from featherweight.data.dataset import IN_MEMORY
    from featherweight.data.download import UnavailableError

    if name == IN_MEMORY:
        raise UsageError("The data were given in memory, so they cannot be loaded again; pass them again.")
    if size is not None and name in NAMES:
        raise UsageError(f"A size can only be given for folders of pictures; {name} has its own.")
    if name == "digits":
        return digits.load()
    if name in SETS:
        return store.load(SETS[name], directory, progress, with_test=with_test)
    if name == "auto":
        try:
            return store.load(SETS["mnist"], directory, progress, with_test=with_test)
        except UnavailableError as error:
            return replace(digits.load(), note=f"The 1,797 digits embedded in the package stand in for MNIST: {error}")
    return _from_folder(name, seed, with_test=with_test, size=size, grey=grey)


def _from_folder(name: str, seed: int, *, with_test: bool, size: "Size", grey: bool) -> "RawDataset":
    from featherweight.data import folder, store

    path = store.expanded(name)
    if not is_folder(path):
        if is_there(path) or "/" in name or os.sep in name:
            found = "is not a folder" if is_there(path) else "does not exist"
            raise UsageError(f"{printable(name)} {found}; give a folder of images, or one of: {', '.join(NAMES)}.")
        raise UsageError(
            f"There is no data set {printable(name)!r}; {nearest(name, NAMES)} A path names a folder of images."
        )
    halves = [OWN.train, OWN.test] if with_test else [OWN.train]
    paths = store.find(path, OWN, [file for half in halves for file in half])
    if paths:
        return replace(store.read(OWN, halves, paths), name=printable(path.resolve().name))
    return folder.load(path, with_test=with_test, seed=seed, size=size, grey=grey)
