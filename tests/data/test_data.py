"""`load`: what is found where, what stands in, what is held out; the embedded digits; the real MNIST if it is there."""

import gzip
import hashlib
import os
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits

from data_files import SIDE, TEST, TRAIN, contents, idx_bytes, mirror, small_images, small_labels, small_set, write_set
from featherweight.data import NAMES, digits, download, load, store
from featherweight.data.dataset import Data
from featherweight.data.digits import mnist_like
from featherweight.data.download import UnavailableError
from featherweight.data.sets import SETS, DatasetSpec, File
from featherweight.data.split import Split, held_out, held_out_together, mean_and_std
from featherweight.errors import DataError, FeatherweightError, UsageError

REAL = Path(os.environ.get("FEATHERWEIGHT_DATA", "/nowhere"))


@pytest.fixture
def small(alone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """MNIST replaced by a small set without a mirror; gives the home's folder."""
    monkeypatch.setitem(SETS, "mnist", small_set())
    return alone


def refusal(kind: type[FeatherweightError], name: str = "mnist", **asked: object) -> str:
    with pytest.raises(kind) as caught:
        load(name, **asked)  # type: ignore[arg-type]
    assert type(caught.value) is kind
    return str(caught.value)


def assert_small(data: Data) -> None:
    assert data.name == "mnist" and data.note == "" and data.classes == tuple("0123456789")
    assert torch.equal(data.train.images, small_images(TRAIN, 3)[:, None])
    assert torch.equal(data.test.images, small_images(TEST, 5)[:, None])
    assert data.test.labels.tolist() == [n % 10 for n in range(TEST)] and data.test.labels.dtype == torch.int64


@pytest.mark.parametrize("inside", [".", "mnist", "MNIST/raw"])
@pytest.mark.parametrize("packed", [False, True])
def test_a_data_folder_holds_the_files_or_a_folder_for_each_set(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, inside: str, packed: bool
) -> None:
    write_set(tmp_path / "given" / inside, packed=packed)
    for name in ("mnist", "auto"):
        assert_small(load(name, directory=tmp_path / "given"))
    monkeypatch.setenv("FEATHERWEIGHT_DATA", str(tmp_path / "given"))
    assert_small(load("mnist"))


def test_the_given_folder_comes_first_then_the_variable_s_then_the_cache(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given, named, cache = tmp_path / "given", tmp_path / "named", small / ".cache" / "featherweight"
    for folder in (given, named, cache):
        write_set(folder)
    monkeypatch.setenv("FEATHERWEIGHT_DATA", str(named))
    monkeypatch.setattr(store.sys, "platform", "linux")
    assert list(store.places(given)) == [given, named, cache]
    for folder in (given, named, cache):
        (folder / "train-labels-idx1-ubyte.gz").write_bytes(b"damaged")
        assert str(folder) in refusal(DataError, directory=given)
        for path in folder.iterdir():
            path.unlink()


def test_the_cache_is_where_the_platform_has_it(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store.sys, "platform", "linux")
    assert store.cache() == alone / ".cache" / "featherweight"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert store.cache() == alone / ".cache" / "featherweight"
    monkeypatch.setenv("XDG_CACHE_HOME", str(alone / "xdg"))
    assert store.cache() == alone / "xdg" / "featherweight"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(store.sys, "platform", "darwin")
    assert store.cache() == alone / "Library" / "Caches" / "featherweight"


def test_dotted_file_names_are_known(small: Path, tmp_path: Path) -> None:
    for name, content in contents().items():
        (tmp_path / name.replace("-idx", ".idx")).write_bytes(content)
    assert_small(load("mnist", directory=tmp_path))


def test_auto_falls_back_to_the_digits_and_says_so_and_mnist_does_not(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FEATHERWEIGHT_DATA", str(tmp_path / "nowhere"))
    data = load("auto", directory=tmp_path)
    assert data.name == "digits" and len(data.train) == 1437
    assert data.note.startswith("The 1,797 digits embedded in the package stand in for MNIST: mnist could not be")
    assert refusal(UnavailableError).startswith("mnist could not be downloaded: ")


def test_auto_does_not_hide_a_damaged_file(small: Path, tmp_path: Path) -> None:
    write_set(tmp_path)
    (tmp_path / "t10k-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx_bytes(small_labels(TEST).flip(0))))
    assert "t10k-labels-idx1-ubyte.gz does not match its digest" in refusal(DataError, "auto", directory=tmp_path)


def test_what_is_missing_is_downloaded_into_the_given_folder_or_the_cache(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PLAIN_HTTP", frozenset({"127.0.0.1"}))
    with mirror() as near:
        monkeypatch.setitem(SETS, "mnist", small_set(near.address))
        assert_small(load("auto"))
        assert len(list((alone / ".cache" / "featherweight" / "mnist").iterdir())) == 4 == len(near.asked)
        assert_small(load("mnist", directory=tmp_path))  # the cache has it
        assert len(near.asked) == 4 and not list(tmp_path.iterdir())
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "empty"))
        assert_small(load("mnist", directory=tmp_path))
        assert len(list((tmp_path / "mnist").iterdir())) == 4 and not (tmp_path / "empty").exists()


def test_with_a_holdout_the_test_files_are_neither_opened_nor_fetched(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(download, "PLAIN_HTTP", frozenset({"127.0.0.1"}))
    with mirror() as near:
        monkeypatch.setitem(SETS, "mnist", small_set(near.address))
        data = load("mnist", holdout=7, seed=5)
        assert [path for path, _ in near.asked] == ["/train-images-idx3-ubyte.gz", "/train-labels-idx1-ubyte.gz"]
    assert sorted(data.digests) == ["train-images-idx3-ubyte", "train-labels-idx1-ubyte"]
    assert (len(data.train), len(data.test), data.holdout) == (16, 7, 7)
    rows = [image.flatten().tolist() for image in small_images(TRAIN, 3)]
    where = [rows.index(image.flatten().tolist()) for image in (*data.train.images, *data.test.images)]
    assert sorted(where) == list(range(TRAIN))
    assert [place % 10 for place in where] == [*data.train.labels.tolist(), *data.test.labels.tolist()]


def test_mean_and_std_do_not_depend_on_the_holdout(small: Path, tmp_path: Path) -> None:
    write_set(tmp_path)
    pixels = small_images(TRAIN, 3).double() / 255
    expected = (round(float(pixels.mean()), 4),), (round(float(pixels.std(correction=0)), 4),)
    for holdout, seed in ((0, 0), (7, 0), (7, 1)):
        data = load("mnist", directory=tmp_path, holdout=holdout, seed=seed)
        assert (data.mean, data.std) == expected


def test_a_set_s_files_are_not_taken_for_another_s(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(SETS, "kmnist", replace(without_digests(small_set()), name="kmnist", title="KMNIST"))
    write_set(tmp_path)
    assert_small(load("mnist", directory=tmp_path))
    assert refusal(UnavailableError, "kmnist", directory=tmp_path).startswith("kmnist could not be downloaded: ")
    for path in list(tmp_path.iterdir()):
        content = bytearray(gzip.decompress(path.read_bytes()))
        content[-1] ^= 1
        path.write_bytes(bytes(content))
    assert load("kmnist", directory=tmp_path).name == "kmnist"


def without_digests(known: DatasetSpec) -> DatasetSpec:
    def bare(half: tuple[File, ...]) -> tuple[File, ...]:
        return tuple(replace(file, sha256="") for file in half)

    return replace(known, train=bare(known.train), test=bare(known.test))


def write_half(folder: Path, half: tuple[File, ...], images: torch.Tensor, labels: torch.Tensor) -> None:
    folder.mkdir(exist_ok=True)
    for file, values in zip(half, (images, labels), strict=True):
        (folder / f"{file.name}.gz").write_bytes(gzip.compress(idx_bytes(values), 1))


def test_balanced_sets_are_held_against_their_class_counts(alone: Path, tmp_path: Path) -> None:
    known = SETS["kmnist"]
    assert known.per_class == (6_000, 1_000) and len(known.classes) == 10
    labels = torch.arange(60_000, dtype=torch.int64).remainder(10).to(torch.uint8)
    write_half(tmp_path, known.train, torch.zeros(60_000, 28, 28, dtype=torch.uint8), labels)
    data = load("kmnist", directory=tmp_path, holdout=1000)
    assert data.test.labels.bincount().tolist() == [100] * 10
    assert data.std == (1.0,)  # every pixel is the same, and is divided by
    labels[0] = 9
    write_half(tmp_path, known.train, torch.zeros(60_000, 28, 28, dtype=torch.uint8), labels)
    said = refusal(DataError, "kmnist", directory=tmp_path, holdout=1000)
    assert "is not that of kmnist, which has 6,000 images of each class; it has 5999, 6000" in said


def test_qmnist_s_labels_are_the_first_of_eight_columns(alone: Path, tmp_path: Path) -> None:
    known = SETS["qmnist"]
    assert [file.name for file in known.train] == ["qmnist-train-images-idx3-ubyte", "qmnist-train-labels-idx2-int"]
    labels = torch.arange(60_000 * 8, dtype=torch.int32).reshape(60_000, 8)
    labels[:, 0] = torch.arange(60_000) % 10
    write_half(tmp_path, known.train, torch.zeros(60_000, 28, 28, dtype=torch.uint8), labels)
    read = load("qmnist", directory=tmp_path, holdout=59_999, seed=1)  # whose place leaves out the last of a class
    assert read.test.labels[:12].tolist() == [*range(10), 0, 1]
    labels[7, 0] = -1
    write_half(tmp_path, known.train, torch.zeros(60_000, 28, 28, dtype=torch.uint8), labels)
    said = refusal(DataError, "qmnist", directory=tmp_path, holdout=1)
    assert said.endswith("has labels from -1 to 9; they should be from 0 to 9.")


def test_emnist_s_images_are_transposed(alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert SETS["emnist-digits"].transposed and SETS["emnist-digits"].per_class == (24_000, 4_000)
    assert SETS["emnist-digits"].train[0] == File(name="emnist-digits-train-images-idx3-ubyte", shape=(240_000, 28, 28))
    assert SETS["emnist-digits"].test[1].shape == (40_000,)
    monkeypatch.setitem(SETS, "emnist-digits", replace(small_set(), name="emnist-digits", transposed=True))
    write_set(tmp_path)
    assert torch.equal(load("emnist-digits", directory=tmp_path).train.images[:, 0], small_images(TRAIN, 3).mT)


def test_a_folder_of_anybody_s_idx_files(alone: Path, tmp_path: Path) -> None:
    root = write_set(tmp_path / "mine", packed=False)
    data = load(str(root))
    assert (data.name, data.classes) == ("mine", tuple("0123456789"))
    assert torch.equal(data.test.images, small_images(TEST, 5)[:, None])
    assert data.digests["t10k-labels-idx1-ubyte"] == hashlib.sha256(contents()["t10k-labels-idx1-ubyte"]).hexdigest()
    labels = root / "t10k-labels-idx1-ubyte"
    for values, said in (
        (small_labels(TEST) + 1, "has labels from 1 to 10; they should be from 0 to 9."),
        (small_labels(TEST - 1), "has 10 labels and its images are 11 x 7 x 7; there must be at least one"),
    ):
        labels.write_bytes(idx_bytes(values))
        assert said in refusal(DataError, str(root))
    labels.write_bytes(idx_bytes(small_labels(TEST)))
    (root / "t10k-images-idx3-ubyte").write_bytes(idx_bytes(small_images(TEST)[:, :5]))
    assert "differ in size from the training images" in refusal(DataError, str(root))
    (root / "train-images-idx3-ubyte").write_bytes(idx_bytes(torch.zeros(0, SIDE, SIDE, dtype=torch.uint8)))
    assert "its images are 0 x 7 x 7" in refusal(DataError, str(root))


def test_wrong_use_is_answered_with_the_nearest_choice(alone: Path, tmp_path: Path) -> None:
    assert NAMES == (
        "auto",
        "mnist",
        "fashion-mnist",
        "kmnist",
        "qmnist",
        "emnist-digits",
        "cifar10",
        "usps",
        "fashion",
        "digits",
    )
    choices = ", ".join(NAMES)
    assert refusal(UsageError, "fashon-mnist") == (
        f"There is no data set 'fashon-mnist'; did you mean fashion-mnist? There are: {choices}."
        " A path names a folder of images."
    )
    assert refusal(UsageError, "a/b") == f"a/b does not exist; give a folder of images, or one of: {choices}."
    (tmp_path / "file").touch()
    assert refusal(UsageError, str(tmp_path / "file")).startswith(f"{tmp_path / 'file'} is not a folder; give")
    said = refusal(UsageError, directory=tmp_path / "nowhere")
    assert said == f"The data folder {tmp_path / 'nowhere'} does not exist; name one that does, or leave it out."
    assert refusal(UsageError, "digits", holdout=-1) == "A holdout is a whole number, 0 or more; given -1."
    said = refusal(UsageError, "digits", holdout=1437)
    assert said.endswith("but digits has 1,437 training images; give a number from 0 to 1,436.")
    assert refusal(UsageError, "x\x1b[2J").isprintable()


def test_held_out_takes_of_each_class_its_share() -> None:
    labels = torch.tensor([0] * 30 + [1] * 20 + [2] * 11)[
        torch.randperm(61, generator=torch.Generator().manual_seed(1))
    ]
    for count, shares in ((0, [0, 0, 0]), (6, [3, 2, 1]), (7, [4, 2, 1]), (13, [7, 4, 2]), (61, [30, 20, 11])):
        chosen = held_out(labels, count, seed=4)
        assert labels[chosen].bincount(minlength=3).tolist() == shares
    draws = {tuple(held_out(labels, 13, seed).tolist()) for seed in range(50)}
    assert len(draws) == 50
    often = torch.stack([held_out(labels, 13, seed).float() for seed in range(400)]).mean(0)
    assert float(often.min()) > 0.1 and float(often.max()) < 0.36  # 13 of 61 is 0.21


def test_what_is_held_out_together_stands_in_a_row_in_each_class() -> None:
    labels = torch.arange(610) * 7 % 3  # 204, 203 and 203 of the classes
    starts = set()
    for seed in range(30):
        chosen = held_out_together(labels, 61, seed)
        places = [chosen[labels == group].nonzero().flatten() for group in range(3)]
        assert [len(place) for place in places] == [21, 20, 20]
        assert all(int(place[-1] - place[0]) == len(place) - 1 for place in places)
        # 61 of 610 in a row, but for the rounding of three classes.
        assert int(chosen.nonzero()[-1] - chosen.nonzero()[0]) < 61 + 3 * 3
        starts.add(int(chosen.nonzero()[0]))
    assert len(starts) > 20 and max(starts) > 400 and min(starts) < 150
    assert held_out_together(labels, 610, 0).all() and not held_out_together(labels, 0, 0).any()


def test_mean_and_std_are_exact_for_each_channel() -> None:
    images = torch.randint(0, 256, (5003, 3, 5, 7), generator=torch.Generator().manual_seed(2)).to(torch.uint8)
    images[:, 1] //= 3
    pixels = images.permute(1, 0, 2, 3).reshape(3, -1).double() / 255
    mean, std = mean_and_std(images)
    assert mean == tuple(round(value, 4) for value in pixels.mean(1).tolist())
    assert std == tuple(round(value, 4) for value in pixels.std(1, correction=0).tolist())


def test_the_embedded_digits_are_brought_to_mnist_s_manner() -> None:
    data = load("digits")
    assert data.train.images.shape == (1437, 1, 28, 28) and data.test.images.shape == (360, 1, 28, 28)
    images = torch.cat([data.train.images, data.test.images])[:, 0]
    assert images.dtype == torch.uint8 and data.note == ""
    inked = images > 0
    # The ink fits a box of 20 x 20 and touches it along one side; faint edges may round to nothing.
    height = inked.any(2).float().cumsum(1).argmax(1) - inked.any(2).float().argmax(1) + 1
    width = inked.any(1).float().cumsum(1).argmax(1) - inked.any(1).float().argmax(1) + 1
    longest = torch.maximum(height, width)
    assert int(longest.max()) == 20 and float((longest == 20).float().mean()) > 0.99
    places, mass = torch.arange(28) + 0.5, images.float().sum((1, 2))
    for axis in (1, 2):
        centre = (images.float().sum(3 - axis) @ places) / mass
        assert (centre - 14).abs().max() < 0.75 and abs(float(centre.mean()) - 14) < 0.05


def test_the_scans_are_those_of_scikit_learn_wherever_it_keeps_them(monkeypatch: pytest.MonkeyPatch) -> None:
    expected = load_digits(return_X_y=True)
    for _ in range(2):
        for found, given in zip(digits._scans(), expected, strict=True):
            assert found.dtype == given.dtype and found.shape == given.shape and bool((found == given).all())
        monkeypatch.setattr(digits, "find_spec", lambda name: None)  # the second time through the library


def test_each_embedded_digit_is_its_own_scan_enlarged() -> None:
    scans, labels = load_digits(return_X_y=True)
    glyphs = torch.from_numpy(scans).float().reshape(-1, 1, 8, 8) / 16
    images = mnist_like(glyphs)
    # Each scan is 8 high, so it is enlarged by 20 / 8 along both axes and has 6.25 times the ink.
    assert bool((glyphs[:, 0].sum(2)[:, [0, 7]] > 0).all())
    ratio = images.float().sum((1, 2, 3)) / 255 / glyphs.sum((1, 2, 3)) / 6.25
    assert float(ratio.min()) > 0.93 and float(ratio.max()) < 1.05
    data = load("digits")
    counts = data.train.labels.bincount() + data.test.labels.bincount()
    assert counts.tolist() == torch.from_numpy(labels).bincount().tolist()
    assert data.test.labels.bincount().tolist() == [36, 37, 35, 37, 36, 36, 36, 36, 35, 36]


def test_a_glyph_is_centred_by_its_mass_and_a_blank_one_stays_blank() -> None:
    glyph = torch.zeros(2, 1, 10, 10)
    glyph[0, 0, :, 3] = 1  # a bar 10 high and 1 wide, so 20 by 2 when enlarged
    image = mnist_like(glyph)[:, 0]
    assert (image[0] > 0).nonzero().aminmax(dim=0).min.tolist() == [4, 13]
    assert (image[0] > 0).nonzero().aminmax(dim=0).max.tolist() == [23, 14]
    assert int(image[1].max()) == 0


def test_the_record_says_what_was_read(small: Path, tmp_path: Path) -> None:
    write_set(tmp_path)
    about = load("mnist", directory=tmp_path, holdout=5, seed=3).summary()
    assert (about["name"], about["train"], about["test"], about["holdout"]) == ("mnist", 18, 5, 5)
    assert about["shape"] == [1, SIDE, SIDE] and about["classes"] == list("0123456789")
    assert about["digests"]["train-images-idx3-ubyte"] == small_set().train[0].sha256
    digits = [load("digits").summary() for _ in range(2)]
    assert digits[0] == digits[1] and len(digits[0]["digests"]) == 2


def _likeness(split: Split, apart: int) -> float:
    """How the slant of digits, within their class, correlates with that of the digits so many places on."""
    rows, columns = (place.flatten() for place in torch.meshgrid(torch.arange(28), torch.arange(28), indexing="ij"))
    powers = torch.stack([torch.ones(784, dtype=torch.int64), rows, columns, rows * rows, rows * columns], dim=1)
    ink = split.images.flatten(1).float() @ powers.float()
    mass, y, x, yy, yx = ink.double().unbind(1)
    slant = (yx - y * x / mass) / (yy - y * y / mass)
    for group in range(10):
        members = split.labels == group
        slant[members] = (slant[members] - slant[members].mean()) / slant[members].std(correction=0)
    return float((slant[:-apart] * slant[apart:]).mean())


@pytest.mark.skipif(
    not store.find(REAL, SETS["mnist"], [*SETS["mnist"].train]), reason="FEATHERWEIGHT_DATA lacks MNIST"
)
def test_the_real_mnist() -> None:
    data = load("mnist", directory=REAL)
    assert data.train.images.shape == (60_000, 1, 28, 28) and data.test.images.shape == (10_000, 1, 28, 28)
    # LeCun's page: 60,000 and 10,000; the first training digit is a 5, the first test digit a 7.
    assert data.train.labels[:5].tolist() == [5, 0, 4, 1, 9] and data.test.labels[:5].tolist() == [7, 2, 1, 0, 4]
    counts = [5923, 6742, 5958, 6131, 5842, 5421, 5918, 6265, 5851, 5949]
    assert data.train.labels.bincount().tolist() == counts and sum(counts) == 60_000
    assert data.test.labels.bincount().tolist() == [980, 1135, 1032, 1010, 982, 892, 958, 1028, 974, 1009]
    assert (data.mean, data.std) == ((0.1307,), (0.3081,))
    assert data.digests["t10k-labels-idx1-ubyte"] == "ff7bcfd416de33731a308c3f266cc351222c34898ecbeaf847f06e48f7ec33f2"
    held = load("mnist", directory=REAL, holdout=5000, seed=1)
    assert held.test.labels.bincount().tolist() == [494, 562, 496, 511, 487, 452, 493, 522, 487, 496]
    assert held.mean == data.mean
    assert [_likeness(data.train, apart) for apart in (1, 2)] == pytest.approx([-0.169, 0.480], abs=0.0005)
    own = load(str(REAL)) if (REAL / "train-labels-idx1-ubyte.gz").exists() else data
    assert own.digests == data.digests
