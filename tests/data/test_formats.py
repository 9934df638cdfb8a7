"""CIFAR-10 and USPS in the forms that people have them in: rows, an archive, sheets, folders, text and HDF5."""

import bz2
import gzip
import hashlib
import io
import os
import sys
import tarfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from data_files import Mirror, mirror
from featherweight.data import download, load, store
from featherweight.data.formats import order_free
from featherweight.data.sets import SETS, DatasetSpec, File
from featherweight.errors import DataError, UsageError

COUNT = 300
"""Pictures in each half of the small set, a hundred of each of its classes, since sheets have full rows."""
TRAIN, TEST = 1, 2
"""The seeds that they are drawn by."""
CLASSES = ("cat", "deer", "dog")


def drawn(seed: int) -> tuple[Tensor, Tensor]:
    images = torch.randint(0, 256, (COUNT, 3, 32, 32), generator=torch.Generator().manual_seed(seed)).byte()
    return images, torch.arange(COUNT) % 3


def in_rows(images: Tensor, labels: Tensor) -> bytes:
    """CIFAR's binary form, from its description: a byte for the class, 1,024 red, 1,024 green and 1,024 blue ones."""
    return b"".join(bytes([int(label)]) + image.numpy().tobytes() for image, label in zip(images, labels, strict=True))


def batches() -> dict[str, bytes]:
    images, labels = drawn(TRAIN)
    return {
        "data_batch_1.bin": in_rows(images[:130], labels[:130]),
        "data_batch_2.bin": in_rows(images[130:], labels[130:]),
        "test_batch.bin": in_rows(*drawn(TEST)),
    }


def archive(contents: dict[str, bytes], add: Callable[[tarfile.TarFile], None] | None = None) -> bytes:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for name, content in contents.items():
            about = tarfile.TarInfo(f"cifar-10-batches-bin/{name}")
            about.size = len(content)
            tar.addfile(about, io.BytesIO(content))
        if add:
            add(tar)
    return gzip.compress(packed.getvalue(), mtime=0)  # the same bytes at any time


def small_cifar(packed: bytes = b"", *mirrors: str) -> DatasetSpec:
    files = [("data_batch_1.bin", 130), ("data_batch_2.bin", 170), ("test_batch.bin", COUNT)]
    made = tuple(File(name=name, shape=(count, 3, 32, 32), form="rows") for name, count in files)
    return replace(
        SETS["cifar10"], classes=CLASSES, train=made[:2], test=made[2:], per_class=(100, (100, 100, 100)),
        mirrors=mirrors, archive_bytes=len(packed), archive_md5=hashlib.md5(packed).hexdigest(),
        archive_sha256=hashlib.sha256(packed).hexdigest(),
        pictures_sha256=(order_free(*drawn(TRAIN)), order_free(*drawn(TEST))),
    )  # fmt: skip


@pytest.fixture
def small(alone: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setitem(SETS, "cifar10", small_cifar(archive(batches())))
    return alone


def write(folder: Path, contents: dict[str, bytes]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in contents.items():
        (folder / name).write_bytes(content)


def refusal(folder: Path, name: str = "cifar10", kind: type[Exception] = DataError) -> str:
    with pytest.raises(kind) as caught:
        load(name, directory=folder)
    return str(caught.value)


def assert_small(folder: Path, *, sorted_by_class: bool = False) -> None:
    data = load("cifar10", directory=folder)
    for split, (images, labels) in ((data.train, drawn(TRAIN)), (data.test, drawn(TEST))):
        order = labels.argsort(stable=True) if sorted_by_class else torch.arange(len(labels))
        assert torch.equal(split.labels, labels[order])
        assert torch.equal(split.images, images[order])
    assert data.classes == CLASSES and data.source == "cifar10"
    assert len(load("cifar10", directory=folder, holdout=30).test) == 30
    grey = load("cifar10", directory=folder, grey=True)
    theirs = [np.asarray(Image.fromarray(one.permute(1, 2, 0).numpy()).convert("L")) for one in data.test.images[:9]]
    assert (grey.test.images[:9, 0].numpy() == np.stack(theirs)).all() and grey.train.images.shape[1] == 1
    assert grey.grey and len(grey.mean) == 1 and not data.grey


# ---- CIFAR-10 ----


@pytest.mark.parametrize("place", ["", "cifar10", "cifar-10", "cifar-10-batches-bin", "cifar10/cifar-10-batches-bin"])
def test_its_batches_are_read_wherever_they_lie(small: Path, tmp_path: Path, place: str) -> None:
    write(tmp_path / place, batches())
    assert store.is_available(SETS["cifar10"], tmp_path)
    assert_small(tmp_path)


def test_batches_that_are_wrong_are_named(small: Path, tmp_path: Path) -> None:
    good = batches()
    write(tmp_path, good | {"data_batch_2.bin": good["data_batch_2.bin"][:-1]})
    assert "data_batch_2.bin has 522,409 bytes, and 522,410 are expected: 170 pictures of 3" in refusal(tmp_path)
    write(tmp_path, good | {"data_batch_2.bin": good["data_batch_2.bin"] + b"1"})
    assert "larger than the 522,410 bytes" in refusal(tmp_path)
    write(tmp_path, good | {"data_batch_1.bin": b"\7" + good["data_batch_1.bin"][1:]})
    assert "labels from 0 to 7; they should be from 0 to 2" in refusal(tmp_path)
    write(tmp_path, good | {"test_batch.bin": b"\1" + good["test_batch.bin"][1:]})
    assert "has 100, 100, 100 images of each class; it has 99, 101, 100" in refusal(tmp_path)


@pytest.mark.parametrize(("name", "half"), [("data_batch_2.bin", "train"), ("test_batch.bin", "test")])
def test_batches_with_one_changed_pixel_are_refused(small: Path, tmp_path: Path, name: str, half: str) -> None:
    good = batches()[name]
    write(tmp_path, batches() | {name: good[:-1] + bytes([good[-1] ^ 1])})
    assert f"The {half} pictures in {tmp_path} are not those of cifar10: their digest" in refusal(tmp_path)


def test_its_archive_is_read_as_it_is(small: Path, tmp_path: Path) -> None:
    write(tmp_path, {"cifar-10-binary.tar.gz": archive(batches())})
    assert store.is_available(SETS["cifar10"], tmp_path)
    assert_small(tmp_path)


def test_another_archive_is_refused_by_size_or_digest_and_a_damaged_one_by_what_it_is(
    small: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    good = archive(batches())
    known = SETS["cifar10"]
    write(tmp_path, {"cifar-10-binary.tar.gz": good[:-1] + bytes([good[-1] ^ 1])})
    assert "does not match its digest: its SHA-256 should be" in refusal(tmp_path)
    write(tmp_path, {"cifar-10-binary.tar.gz": good})
    monkeypatch.setitem(SETS, "cifar10", replace(known, archive_md5="0" * 32))
    said = f"its MD5 should be {'0' * 32} and is {known.archive_md5}"
    assert said in refusal(tmp_path)
    write(tmp_path, {"cifar-10-binary.tar.gz": good + b"1"})
    assert f"has {len(good) + 1:,} bytes, and {len(good):,} are expected" in refusal(tmp_path)
    write(tmp_path, {"cifar-10-binary.tar.gz": b"\x1f\x8bnothing"})
    assert "is not the archive it should be" in refusal(tmp_path)


def linked(tar: tarfile.TarFile) -> None:
    about = tarfile.TarInfo("cifar-10-batches-bin/test_batch.bin")
    about.type, about.linkname = tarfile.SYMTYPE, "/etc/passwd"
    tar.addfile(about)


@pytest.fixture
def near(monkeypatch: pytest.MonkeyPatch, alone: Path) -> Iterator[Mirror]:
    monkeypatch.setattr(download, "PLAIN_HTTP", frozenset({"127.0.0.1"}))
    with mirror() as state:
        yield state


def test_its_archive_is_fetched_and_its_batches_put_in_place(
    near: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = archive(batches())
    near.files = {"/cifar-10-binary.tar.gz": packed}
    monkeypatch.setitem(SETS, "cifar10", small_cifar(packed, f"{near.address}cifar-10-binary.tar.gz"))
    assert_small(tmp_path)
    assert sorted(path.name for path in (tmp_path / "cifar10").iterdir() if path.suffix) == sorted(batches())
    assert len(near.asked) == 1


@pytest.mark.parametrize(
    ("contents", "add", "said"),
    [
        ({}, linked, "is not the tar archive it should be"),
        ({"test_batch.bin": in_rows(*drawn(TEST)) + b"0"}, None, "test_batch.bin is larger than the"),
        ({"test_batch.bin": b"short"}, None, "test_batch.bin.part has 5 bytes"),
    ],
)
def test_a_hostile_archive_is_refused(
    near: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, contents: dict[str, bytes], add: None,
    said: str,
) -> None:  # fmt: skip
    rest = {name: content for name, content in batches().items() if name != "test_batch.bin"}
    packed = archive(rest | contents, add)
    near.files = {"/cifar-10-binary.tar.gz": packed}
    monkeypatch.setitem(SETS, "cifar10", small_cifar(packed, f"{near.address}cifar-10-binary.tar.gz"))
    assert said in refusal(tmp_path)
    assert not (tmp_path / "cifar10" / "test_batch.bin").exists()


def test_a_fetched_archive_is_held_against_its_digest(
    near: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    packed = archive(batches())
    near.files = {"/cifar-10-binary.tar.gz": packed}
    known = small_cifar(packed, f"{near.address}cifar-10-binary.tar.gz")
    monkeypatch.setitem(SETS, "cifar10", replace(known, archive_sha256="0" * 64))
    assert "does not match its digest" in refusal(tmp_path)
    monkeypatch.setitem(SETS, "cifar10", replace(known, archive_bytes=len(packed) + 1))
    assert f"has {len(packed):,} bytes, and {len(packed) + 1:,} are expected" in refusal(tmp_path)
    monkeypatch.setitem(SETS, "cifar10", replace(known, archive_bytes=len(packed) - 1))
    assert f"the file cannot have more than {len(packed) - 1:,}" in refusal(tmp_path)


def write_sheets(folder: Path) -> None:
    folder.mkdir(parents=True)
    for half, (images, labels) in (("train", drawn(TRAIN)), ("test", drawn(TEST))):
        for place, name in enumerate(CLASSES):
            tiles = images[labels == place].permute(0, 2, 3, 1).numpy()
            sheet = Image.fromarray(np.concatenate(list(tiles), axis=1))
            sheet.save(folder / f"{half}-{name}.webp", lossless=True)


def write_pictures(folder: Path) -> None:
    for half, (images, labels) in (("train", drawn(TRAIN)), ("test", drawn(TEST))):
        for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
            path = folder / half / CLASSES[label] / f"{number:05d}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image.permute(1, 2, 0).numpy()).save(path)


@pytest.mark.parametrize("written", [write_sheets, write_pictures])
def test_its_pictures_are_read_as_sheets_and_in_folders(
    small: Path, tmp_path: Path, written: Callable[[Path], None]
) -> None:
    written(tmp_path / "cifar-10")
    assert store.is_available(SETS["cifar10"], tmp_path)
    assert_small(tmp_path, sorted_by_class=True)


def test_pictures_that_are_not_its_own_are_refused(small: Path, tmp_path: Path) -> None:
    write_pictures(tmp_path / "folders" / "cifar10")
    first, second = (tmp_path / "folders" / "cifar10" / "test" / name for name in ("cat/00000.png", "deer/00001.png"))
    first.write_bytes(second.read_bytes())
    said = refusal(tmp_path / "folders")
    assert "The test pictures in" in said and "are not those of cifar10: their digest" in said
    write_sheets(tmp_path / "sheets")
    Image.new("RGB", (3200, 64)).save(tmp_path / "sheets" / "train-cat.webp", lossless=True)
    assert "The train pictures in" in refusal(tmp_path / "sheets")
    for size in ((3200, 33), (320, 320), (3200, 3232)):
        Image.new("RGB", size).save(tmp_path / "sheets" / "train-cat.webp", lossless=True)
        assert f"it is {size[0]} x {size[1]} pixels" in refusal(tmp_path / "sheets")
    (tmp_path / "sheets" / "train-cat.webp").write_bytes(b"RIFFnothing")
    assert "is not a sheet of pictures of 32 x 32, 100 in a row" in refusal(tmp_path / "sheets")


def test_the_table_of_cifar10_is_the_published_one() -> None:
    known = SETS["cifar10"]
    assert [file.name for file in known.train] == [f"data_batch_{number}.bin" for number in range(1, 6)]
    assert known.archive_bytes == 170_052_171 and known.archive_md5 == "c32a1d4ab5d03f1284b67883e8d87530"
    assert known.archive_sha256 == "c4a38c50a1bc5f3a1c5537f2155ab9d68f9f25eb1ed8d9dddda3db29a59bca1dd"
    assert all(file.shape == (10_000, 3, 32, 32) for file in (*known.train, *known.test))


REAL = Path(os.environ.get("FEATHERWEIGHT_DATA", ".")).resolve().parent


@pytest.mark.skipif(
    not store.is_available(SETS["cifar10"], REAL), reason="CIFAR-10 does not lie beside FEATHERWEIGHT_DATA"
)
def test_the_real_cifar10() -> None:
    data = load("cifar10", directory=REAL)
    assert data.train.images.shape == (50_000, 3, 32, 32) and len(data.test) == 10_000
    assert data.mean == (0.4914, 0.4822, 0.4465) and data.std == (0.247, 0.2435, 0.2616)  # as everybody has them


# ---- USPS ----


def small_usps() -> DatasetSpec:
    files = [
        File(name=name, shape=(count, 1, 2, 3), form="sparse") for name, count in (("usps.bz2", 5), ("usps.t.bz2", 4))
    ]
    return replace(SETS["usps"], train=(files[0],), test=(files[1],), per_class=None)


LINES = [
    "1 1:-1 2:-0.631 4:1 6:0.5",
    "10 1:-1 2:-1 3:-1 4:-1 5:-1 6:-0.8",
    "3",
    "4 2:0.001",
    "5 1:1",
]
"""A place that is left out holds 0, which is half brightness: 127.5, and up."""
PIXELS = [
    [0, 47, 128, 255, 128, 191],
    [0, 0, 0, 0, 0, 26],
    [128] * 6,
    [128, 128, 128, 128, 128, 128],
    [255, *[128] * 5],
]


@pytest.fixture
def small_text(alone: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    monkeypatch.setitem(SETS, "usps", small_usps())
    write(tmp_path, {"usps.bz2": packed(LINES), "usps.t.bz2": packed(LINES[:4])})
    return tmp_path


def packed(lines: list[str]) -> bytes:
    return bz2.compress("\n".join(lines).encode() + b"\n")


def test_usps_is_read_from_its_text(small_text: Path) -> None:
    data = load("usps", directory=small_text)
    assert data.train.images.flatten(1).tolist() == PIXELS and data.train.images.shape == (5, 1, 2, 3)
    assert data.train.labels.tolist() == [0, 9, 2, 3, 4] and len(data.test) == 4


@pytest.mark.parametrize(
    ("lines", "said"),
    [
        (LINES[:4], "has 4 lines, and 5 are expected"),
        ([*LINES[:4], "1 7:0"], "LIBSVM text it should be (place 7 of 6)"),
        ([*LINES[:4], "1 1:2"], "pixels outside the range from black to full brightness"),
        ([*LINES[:4], "1 1:nan"], "pixels outside the range from black to full brightness"),
        ([*LINES[:4], "x 1:0"], "LIBSVM text it should be (invalid literal"),
        ([*LINES[:4], "11 1:0"], "labels from 0 to 10; they should be from 0 to 9"),
    ],
)
def test_text_that_is_wrong_is_refused(small_text: Path, lines: list[str], said: str) -> None:
    write(small_text, {"usps.bz2": packed(lines)})
    assert said in refusal(small_text, "usps")


def test_text_that_is_cut_off_or_not_packed_is_refused(small_text: Path) -> None:
    write(small_text, {"usps.bz2": packed(LINES)[:-9]})
    assert "is truncated" in refusal(small_text, "usps")
    write(small_text, {"usps.bz2": b"1 1:0"})
    assert "is not the bzip2-packed LIBSVM text" in refusal(small_text, "usps")


def test_usps_is_fetched(near: Mirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    near.files = {"/usps.bz2": packed(LINES), "/usps.t.bz2": packed(LINES[:4])}
    monkeypatch.setitem(SETS, "usps", replace(small_usps(), mirrors=(near.address,)))
    assert load("usps", directory=tmp_path).train.images.flatten(1).tolist() == PIXELS
    assert [path for path, _ in near.asked] == ["/usps.bz2", "/usps.t.bz2"]


def test_usps_in_hdf5(alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    h5py = pytest.importorskip("h5py")
    monkeypatch.setitem(SETS, "usps", replace(SETS["usps"], per_class=None))
    shares = np.random.default_rng(0).integers(0, 2001, (7291, 256)) / 2000
    labels = np.arange(7291) % 10
    with h5py.File(tmp_path / "usps.h5", "w") as file:
        for half, count in (("train", 7291), ("test", 2007)):
            file[f"{half}/data"] = shares[:count].astype(np.float32)
            file[f"{half}/target"] = labels[:count].astype(np.int32)
    data = load("usps", directory=tmp_path)
    wanted = [int(share * 255 + 0.5) for share in shares[5]]
    assert data.train.images[5].flatten().tolist() == wanted and data.train.labels[:12].tolist() == [*range(10), 0, 1]
    with h5py.File(tmp_path / "usps.h5", "r+") as file:
        del file["test/target"]
        file["test/target"] = labels[:2006]
    assert "test, has target of (2006,), and (2007,) are expected" in refusal(tmp_path, "usps")
    (tmp_path / "usps.h5").write_bytes(b"nothing")
    assert "is not the USPS file that it should be" in refusal(tmp_path, "usps")


def test_without_what_reads_hdf5_the_install_command_is_said(
    alone: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "usps.h5").touch()
    monkeypatch.setitem(sys.modules, "h5py", None)
    assert "pip install h5py" in refusal(tmp_path, "usps", UsageError)


# ---- other names ----


def test_fashion_is_fashion_mnist_under_a_shorter_name() -> None:
    if not (REAL / "fashion-mnist").is_dir():
        pytest.skip("Fashion-MNIST does not lie beside FEATHERWEIGHT_DATA")
    data = load("fashion", directory=REAL)
    assert data.name == data.source == "fashion-mnist" and data.classes[9] == "Ankle boot"
    assert dict(data.digests) == {file.name: file.sha256 for half in PUBLISHED for file in half}


PUBLISHED = (SETS["fashion-mnist"].train, SETS["fashion-mnist"].test)
