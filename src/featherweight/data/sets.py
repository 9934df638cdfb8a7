"""The data sets known by name: their files, digests, sizes and mirrors. Nothing here reads or fetches.

MNIST's digests are of the unpacked bytes, since mirrors pack differently. For the other sets no digest of the
unpacked bytes is published; their files are held against shape, number of images, number of each class and
label range.
"""

from dataclasses import dataclass

BYTES, INTEGERS = 0x08, 0x0C
"""The value types that the data sets use, as the third byte of the magic number names them."""
TEN = tuple("0123456789")


@dataclass(frozen=True, kw_only=True)
class File:
    """One IDX file of a data set."""

    name: str
    """As published, without `.gz`."""
    shape: tuple[int | None, ...]
    """Dimensions; None where any will do."""
    kind: int = BYTES
    """The type of the values."""
    sha256: str = ""
    """Of the unpacked bytes; empty where it is not known."""

    def spellings(self) -> tuple[str, ...]:
        """The names under which the file is found on people's disks.

        >>> File(name="t10k-labels-idx1-ubyte", shape=(10000,)).spellings()[:2]
        ('t10k-labels-idx1-ubyte', 't10k-labels.idx1-ubyte')
        """
        plain = (self.name, self.name.replace("-idx", ".idx"))
        return (*plain, *(f"{name}.gz" for name in plain))


@dataclass(frozen=True, kw_only=True)
class Named:
    """A data set of four IDX files."""

    name: str
    title: str
    """As people write it; also the folder that torchvision keeps it in."""
    train: tuple[File, File]
    """Images [N 28 28] and labels [N], or [N 8] of which the first is the class."""
    test: tuple[File, File]
    per_class: tuple[int, int] | None = None
    """Images of each class in the training and the test set, where all classes have the same number."""
    classes: tuple[str, ...] = TEN
    """Empty where they are not known."""
    mirrors: tuple[str, ...] = ()
    """Addresses of folders that hold each file as `name.gz`; or, with `archive`, of that ZIP archive."""
    archive: str = ""
    """The folder inside the ZIP archive, where the set is published as one."""
    archive_bytes: int = 0
    """No archive larger than this is fetched."""
    transposed: bool = False
    """Whether rows and columns of the images are exchanged in the files."""


def _four(
    train: int | None, test: int | None, *, prefix: str = "", test_name: str = "t10k",
    labels: str = "idx1-ubyte", columns: tuple[int, ...] = (), side: int | None = 28,
    digests: tuple[str, ...] = ("",) * 4,
) -> tuple[tuple[File, File], tuple[File, File]]:  # fmt: skip
    """Training and test files as most sets name them."""
    kind = INTEGERS if labels.endswith("int") else BYTES

    def pair(part: str, count: int | None, images_digest: str, labels_digest: str) -> tuple[File, File]:
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
_BALANCED = _four(60_000, 10_000)
_QMNIST = _four(60_000, 60_000, prefix="qmnist-", test_name="test", labels="idx2-int", columns=(8,))
_EMNIST = _four(240_000, 40_000, prefix="emnist-digits-", test_name="test")
_ANY = _four(None, None, side=None)

SETS = {
    known.name: known
    for known in (
        Named(
            name="mnist", title="MNIST", train=_MNIST[0], test=_MNIST[1],
            mirrors=(
                "https://storage.googleapis.com/cvdf-datasets/mnist/",
                "https://ossci-datasets.s3.amazonaws.com/mnist/",
                "https://raw.githubusercontent.com/fgnt/mnist/master/",
            ),
        ),
        Named(
            name="fashion-mnist", title="FashionMNIST", train=_BALANCED[0], test=_BALANCED[1],
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
        Named(
            name="kmnist", title="KMNIST", train=_BALANCED[0], test=_BALANCED[1], per_class=(6_000, 1_000),
            classes=("o", "ki", "su", "tsu", "na", "ha", "ma", "ya", "re", "wo"),
            mirrors=("https://codh.rois.ac.jp/kmnist/dataset/kmnist/",),
        ),
        Named(
            name="qmnist", title="QMNIST", train=_QMNIST[0], test=_QMNIST[1],
            mirrors=(
                "https://raw.githubusercontent.com/facebookresearch/qmnist/master/",
                "https://github.com/facebookresearch/qmnist/raw/master/",
            ),
        ),
        Named(
            name="emnist-digits", title="EMNIST", train=_EMNIST[0], test=_EMNIST[1],
            per_class=(24_000, 4_000),
            mirrors=(
                "https://biometrics.nist.gov/cs_links/EMNIST/gzip.zip",
                "https://www.itl.nist.gov/iaui/vip/cs_links/EMNIST/gzip.zip",
            ),
            archive="gzip/", archive_bytes=700_000_000, transposed=True,
        ),
    )
}  # fmt: skip

OWN = Named(name="own", title="", classes=(), train=_ANY[0], test=_ANY[1])
"""Anybody's four IDX files under MNIST's names, of any number and size: what is known of them is nothing."""
