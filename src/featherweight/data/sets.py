"""The data sets known by name: their files, digests, sizes and mirrors, and who watches a download. Reads nothing.

Digests of MNIST and Fashion-MNIST are of the unpacked bytes, since mirrors compress differently. CIFAR-10 has the
size and the digests of its archive, and those of its pictures in any order. For the other sets no digest is known;
their files are checked by shape, number of images, number of images per class and range of labels.
"""

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from contextvars import ContextVar
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

BYTES, INTEGERS = 0x08, 0x0C
"""The value types of the data sets, as given by the third byte of the magic number."""
TEN = tuple("0123456789")


@dataclass(frozen=True, kw_only=True)
class File:
    """One published file of a known data set: its name, shape, type and digest."""

    name: str
    """The published name; for an IDX file, without `.gz`."""
    shape: tuple[int | None, ...]
    """The dimensions; None if any will do."""
    kind: int = BYTES
    """The type of the values."""
    sha256: str = ""
    """The digest of the unpacked bytes; empty if unknown."""
    form: Literal["idx", "rows", "sparse"] = "idx"
    """IDX, with images and labels in separate files; or both in one: CIFAR's binary rows, or LIBSVM's text packed with
    bzip2. For the latter two, `shape` is that of the images, N C H W."""

    @property
    def published(self) -> str:
        """Its name on mirrors, and in the folder where it is stored."""
        return f"{self.name}.gz" if self.form == "idx" else self.name

    def spellings(self) -> tuple[str, ...]:
        """The names that the file may have on people's disks.

        >>> File(name="t10k-labels-idx1-ubyte", shape=(10000,)).spellings()[:2]
        ('t10k-labels-idx1-ubyte', 't10k-labels.idx1-ubyte')
        """
        if self.form != "idx":
            return (self.name,)
        plain = (self.name, self.name.replace("-idx", ".idx"))
        return (*plain, *(f"{name}.gz" for name in plain))

    def in_folder(self, folder: Path) -> Path | None:
        """Its path in a folder, under any of its spellings; None if it is not there."""
        return next((path for name in self.spellings() if (path := folder / name).is_file()), None)


@dataclass(frozen=True, kw_only=True)
class DatasetSpec:
    """A data set known by name, and the files and mirrors that it is published as."""

    name: str
    title: str
    """The name as people write it, which is also torchvision's folder for it."""
    train: tuple[File, ...]
    """With IDX files there are two: images [N 28 28], and labels [N], or [N 8] with the class in the first column."""
    test: tuple[File, ...]
    per_class: tuple[int | tuple[int, ...], int | tuple[int, ...]] | None = None
    """The number of images of each class in the training and the test set; one number if all classes have the same."""
    classes: tuple[str, ...] = TEN
    """The names of the classes; empty if unknown."""
    mirrors: tuple[str, ...] = ()
    """URLs of folders with the published files; or, with `archive`, of the archive."""
    archive: str = ""
    """The folder inside the archive, if the set is published as an archive."""
    archive_name: str = "archive.zip"
    """The name of that archive on disk; its ending shows whether it is a ZIP or a tar archive."""
    archive_bytes: int = 0
    """The size of the archive if its digest is known, otherwise the size above which it is not downloaded."""
    archive_md5: str = ""
    """The digest of the archive that its publisher gives; empty if there is none."""
    archive_sha256: str = ""
    """The digest of the archive that decides; empty if unknown."""
    pictures_sha256: tuple[str, ...] = ()
    """`formats.order_free` of the training and the test pictures, which identifies them in any form."""
    folders: tuple[str, ...] = ()
    """Other names of folders in which people keep it."""
    transposed: bool = False
    """Whether rows and columns of the images are swapped in the files."""

    def places(self, root: Path) -> Iterator[Path]:
        """The folders in `root` that may be the set's own, by name; then `root` itself."""
        if self.title:
            yield root / self.name
            yield root / self.title / "raw"
            for name in self.folders:
                yield root / name
        yield root


def _four(
    train: int | None, test: int | None, *, prefix: str = "", test_name: str = "t10k",
    labels: str = "idx1-ubyte", columns: tuple[int, ...] = (), side: int | None = 28,
    digests: tuple[str, ...] = ("",) * 4,
) -> tuple[tuple[File, ...], tuple[File, ...]]:  # fmt: skip
    """Training and test files as most sets name them."""
    kind = INTEGERS if labels.endswith("int") else BYTES

    def pair(part: str, count: int | None, images_digest: str, labels_digest: str) -> tuple[File, ...]:
        stem = f"{prefix}{part}"
        return (
            File(name=f"{stem}-images-idx3-ubyte", shape=(count, side, side), sha256=images_digest),
            File(name=f"{stem}-labels-{labels}", shape=(count, *columns), kind=kind, sha256=labels_digest),
        )

    return pair("train", train, *digests[:2]), pair(test_name, test, *digests[2:])


_MNIST = _four(60_000, 10_000, digests=(
    "ba891046e6505d7aadcbbe25680a0738ad16aec93bde7f9b65e87a2fc25776db",
    "65a50cbbf4e906d70832878ad85ccda5333a97f0f4c3dd2ef09a8a9eef7101c5",
    "0fa7898d509279e482958e8ce81c8e77db3f2f8254e26661ceb7762c4d494ce7",
    "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2",
))  # fmt: skip
_FASHION = _four(60_000, 10_000, digests=(
    "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
    "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
    "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
    "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
))  # fmt: skip
_BALANCED = _four(60_000, 10_000)
_QMNIST = _four(60_000, 60_000, prefix="qmnist-", test_name="test", labels="idx2-int", columns=(8,))
_EMNIST = _four(240_000, 40_000, prefix="emnist-digits-", test_name="test")
_CIFAR = tuple(
    File(name=name, shape=(10_000, 3, 32, 32), form="rows")
    for name in (*(f"data_batch_{number}.bin" for number in range(1, 6)), "test_batch.bin")
)
_USPS = (
    File(name="usps.bz2", shape=(7_291, 1, 16, 16), form="sparse"),
    File(name="usps.t.bz2", shape=(2_007, 1, 16, 16), form="sparse"),
)
_ANY = _four(None, None, side=None)

SETS = {
    known.name: known
    for known in (
        DatasetSpec(
            name="mnist", title="MNIST", train=_MNIST[0], test=_MNIST[1],
            mirrors=(
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://raw.githubusercontent.com/fgnt/mnist/master/",
            ),
        ),
        DatasetSpec(
            name="fashion-mnist", title="FashionMNIST", train=_FASHION[0], test=_FASHION[1],
            per_class=(6_000, 1_000),
            classes=(
                "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat",
                "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
            ),
            mirrors=(
                "https://storage.googleapis.com/tensorflow/tf-keras-datasets/",
                "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion/",
            ),
        ),
        DatasetSpec(
            name="kmnist", title="KMNIST", train=_BALANCED[0], test=_BALANCED[1], per_class=(6_000, 1_000),
            classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
            mirrors=("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        ),
        DatasetSpec(
            name="qmnist", title="QMNIST", train=_QMNIST[0], test=_QMNIST[1],
            mirrors=(
                "https://raw.githubusercontent.com/facebookresearch/qmnist/master/",
                "https://github.com/facebookresearch/qmnist/raw/master/",
            ),
        ),
        DatasetSpec(
            name="emnist-digits", title="EMNIST", train=_EMNIST[0], test=_EMNIST[1],
            per_class=(24_000, 4_000),
            mirrors=(
                "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
                "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip",
            ),
            archive="gzip/", archive_bytes=700_000_000, transposed=True,
        ),
        DatasetSpec(
            name="cifar10", title="CIFAR10", train=_CIFAR[:5], test=_CIFAR[5:], per_class=(5_000, 1_000),
            classes=(
                "airplane", "automobile", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck",
            ),
            mirrors=("https://www.cs.toronto.edu/~kriz/cifar-10-binary.tar.gz",),
            archive="cifar-10-batches-bin/", archive_name="cifar-10-binary.tar.gz", archive_bytes=170_052_171,
            archive_md5="c32a1d4ab5d03f1284b67883e8d87530",
            archive_sha256="c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9dddda3db29a59bca1dd",
            pictures_sha256=(
                "d17523651dcffdf1be45e6671e5077f61b15cbf5376a64e556c870e6fb6066d3",
                "ab21d127e2bbf4b95f1588dcadf3c8502b8fedb328dd5315bc7fa51b5ab965c0",
            ),
            folders=(
                "cifar-10", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin", "cifar-10/cifar-10-batches-bin",
            ),
        ),
        DatasetSpec(
            name="usps", title="USPS", train=_USPS[:1], test=_USPS[1:],
            per_class=(
                (1194, 1005, 731, 658, 652, 556, 664, 645, 542, 644),
                (359, 264, 198, 166, 200, 160, 170, 147, 166, 177),
            ),
            mirrors=("https://www.csie.ntu.edu.tw/~cjlin/libsvmtools/datasets/multiclass/",),
        ),
    )
}  # fmt: skip

OWN = DatasetSpec(name="own", title="", classes=(), train=_ANY[0], test=_ANY[1])
"""The user's own four IDX files under MNIST's names, with any number and size of images."""

ALIASES = {"fashion": "fashion-mnist"}
"""Other names of sets."""


def canonical(name: str) -> str:
    """A set's own name, where this is another one of it.

    >>> canonical("fashion"), canonical("mnist")
    ('fashion-mnist', 'mnist')
    """
    return ALIASES.get(name, name)


Progress = Callable[[str, int, int | None], None]
"""Called as a download proceeds with the file's name, the bytes received so far, and the total if known."""
Display = Callable[[], AbstractContextManager[Progress | None]]
downloads_display: ContextVar[Display] = ContextVar("downloads_display", default=nullcontext)
"""Entered while a data set is loaded; yields the callback that follows its downloads. By default there is none."""
