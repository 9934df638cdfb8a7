"""Folders of images: the halves, one size and one number of channels for all, and nothing hostile let in."""

import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from featherweight.data import folder, load
from featherweight.data.split import groups_of
from featherweight.errors import DataError, FeatherweightError, UsageError

Paint = Callable[[int, int], Image.Image]


def plain(label: int, number: int, size: tuple[int, int] = (13, 11)) -> Image.Image:
    """A grey picture, 13 wide and 11 high, whose value tells class and number."""
    return Image.new("L", size, 50 * label + number)


def make(root: Path, counts: dict[str, int], paint: Paint = plain, suffix: str = ".png") -> Path:
    for label, (name, count) in enumerate(sorted(counts.items())):
        (root / name).mkdir(parents=True)
        for number in range(count):
            paint(label, number).save(root / name / f"{number:03}{suffix}")
    return root


def refusal(root: Path | str, kind: type[FeatherweightError], **asked: int) -> str:
    with pytest.raises(kind) as caught:
        load(str(root), **asked)  # type: ignore[arg-type]
    assert type(caught.value) is kind
    return str(caught.value)


def values(images: torch.Tensor) -> list[int]:
    """The value of each picture of one value throughout."""
    assert bool((images == images[:, :1, :1, :1]).all())
    return images[:, 0, 0, 0].tolist()


def test_one_sub_folder_a_class_and_a_sixth_held_out_by_seed(tmp_path: Path) -> None:
    root = make(tmp_path / "shapes", {"circle": 12, "square": 18, "arc": 6})
    data = load(str(root), seed=1)
    assert (data.name, data.classes, data.note) == ("shapes", ("arc", "circle", "square"), "")
    assert data.train.images.shape == (30, 1, 11, 13) and data.test.images.shape == (6, 1, 11, 13)
    assert data.test.labels.bincount().tolist() == [1, 2, 3]
    everything = sorted(50 * label + number for label, count in ((0, 6), (1, 12), (2, 18)) for number in range(count))
    assert sorted(values(data.train.images) + values(data.test.images)) == everything
    for split in (data.train, data.test):
        assert [value // 50 for value in values(split.images)] == split.labels.tolist()
    again, other = load(str(root), seed=1), load(str(root), seed=2)
    assert values(again.test.images) == values(data.test.images) != values(other.test.images)


def test_train_and_test_folders_are_the_halves(tmp_path: Path) -> None:
    make(tmp_path / "train", {"a": 3, "b": 2})
    make(tmp_path / "test", {"a": 2, "b": 1})
    make(tmp_path / "raw", {"a": 1, "b": 1})
    data = load(str(tmp_path))
    assert values(data.train.images) == [0, 1, 2, 50, 51] and data.train.labels.tolist() == [0, 0, 0, 1, 1]
    assert values(data.test.images) == [0, 1, 50] and data.test.labels.tolist() == [0, 0, 1]
    assert data.note == f"Of {tmp_path}, raw is not used, as it is no part of a data set."


def test_a_validation_folder_beside_a_test_folder_is_trained_on(tmp_path: Path) -> None:
    make(tmp_path / "train", {"a": 3, "b": 2})
    make(tmp_path / "test", {"a": 2, "b": 1})
    make(tmp_path / "validation", {"b": 1, "a": 1})
    data = load(str(tmp_path))
    assert sorted(values(data.train.images)) == [0, 0, 1, 2, 50, 50, 51]
    assert all(value // 50 == label for value, label in zip(values(data.train.images), data.train.labels, strict=True))
    assert values(data.test.images) == [0, 1, 50]
    assert data.note == f"Of {tmp_path}, train and validation are trained on, and test is judged on."
    (tmp_path / "validation" / "c").mkdir()
    assert "c, which train lacks" in refusal(tmp_path, UsageError)


def test_a_class_that_only_the_test_half_has_is_refused(tmp_path: Path) -> None:
    make(tmp_path / "train", {"a": 1, "b": 1})
    make(tmp_path / "test", {"a": 1, "c": 1})
    assert refusal(tmp_path, UsageError).endswith("has a class c, which train lacks; both need the same.")


def test_with_a_holdout_the_test_pictures_are_not_opened(tmp_path: Path) -> None:
    make(tmp_path / "train", {"a": 6, "b": 6})
    make(tmp_path / "test", {"a": 2, "b": 2})
    for path in (tmp_path / "test").rglob("*.png"):
        path.write_bytes(b"damaged")
    data = load(str(tmp_path), holdout=4)
    assert len(data.train) == 8 and data.test.labels.tolist() == [0, 0, 1, 1] and data.holdout == 4
    assert "4 of 4 pictures" in refusal(tmp_path, DataError)
    assert refusal(tmp_path, UsageError, holdout=12).endswith("has 12 training images; give a number from 0 to 11.")


def test_the_folder_of_today_is_that_of_the_current_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path / "leaves", {"oak": 3, "elm": 3})
    monkeypatch.chdir(tmp_path)
    assert load("leaves").classes == load("./leaves").classes == ("elm", "oak")
    assert load("leaves").name == "leaves"


@pytest.mark.parametrize(("sizes", "expected"), [
    ([(13, 11), (13, 11)], (11, 13)),
    ([(64, 64), (64, 64)], (64, 64)),
    ([(13, 11), (13, 12)], (28, 28)),
    ([(65, 64), (65, 64)], (28, 28)),
    ([(200, 90), (28, 28)], (28, 28)),
    ([(200, 90), (32, 32)], (28, 28)),
])  # fmt: skip
def test_the_size_is_the_common_one_up_to_64_or_28(
    tmp_path: Path, sizes: list[tuple[int, int]], expected: tuple[int, int]
) -> None:
    make(tmp_path, {"a": 3, "b": 3}, lambda label, number: plain(label, number, sizes[label]))
    data = load(str(tmp_path))
    assert data.train.images.shape[2:] == data.test.images.shape[2:] == expected
    assert sorted(values(data.train.images) + values(data.test.images)) == [0, 1, 2, 50, 51, 52]


def test_test_pictures_follow_the_size_and_colours_of_the_training_pictures(tmp_path: Path) -> None:
    make(tmp_path / "train", {"a": 2, "b": 2})
    make(tmp_path / "test", {"a": 1, "b": 1}, lambda label, number: Image.new("RGB", (31, 17), (255, 0, 0)))
    data = load(str(tmp_path))
    assert data.test.images.shape == (2, 1, 11, 13) and values(data.test.images) == [76, 76]  # 0.299 of 255


def test_one_coloured_picture_makes_all_rgb(tmp_path: Path) -> None:
    make(tmp_path, {"a": 4, "b": 4})
    Image.new("RGB", (13, 11), (10, 20, 30)).save(tmp_path / "a" / "002.png")
    for number in range(4):
        Image.new("RGB", (13, 11), (7, 7, 7)).save(tmp_path / "b" / f"{number:03}.png")  # grey, stored as colour
    seeds = [seed for seed in range(20) if load(str(tmp_path), seed=seed).train.images.shape[1] == 3]
    assert 0 < len(seeds) < 20  # grey where the coloured one is drawn for the test half
    images = load(str(tmp_path), seed=seeds[0]).train.images
    assert [10, 20, 30] in images[:, :, 5, 6].tolist() and [7, 7, 7] in images[:, :, 5, 6].tolist()
    mean, std = load(str(tmp_path), seed=seeds[0]).mean, load(str(tmp_path), seed=seeds[0]).std
    pixels = images.double().permute(1, 0, 2, 3).reshape(3, -1) / 255
    assert mean == pytest.approx(pixels.mean(1).tolist(), abs=6e-5)
    assert std == pytest.approx(pixels.std(1, correction=0).tolist(), abs=6e-5)


@pytest.mark.parametrize("suffix", [".png", ".PNG", ".jpg", ".jpeg", ".bmp", ".gif", ".webp", ".tif", ".tiff"])
def test_each_format_is_read(tmp_path: Path, suffix: str) -> None:
    make(tmp_path, {"a": 2, "b": 2}, lambda label, number: Image.new("L", (16, 16), 100 + 100 * label), suffix)
    data = load(str(tmp_path))
    for split in (data.train, data.test):
        expected = 100 + 100 * split.labels.float()
        assert (split.images.float().mean((1, 2, 3)) - expected).abs().max() <= 1


def decoded(path: Path) -> NDArray[np.uint8]:
    """One picture as it is kept in its own size."""
    _, ((pixels,),), _ = folder._decoded_pictures(folder._Pictures(paths=[path], labels=[0]), path.parent, [None])
    return pixels


def test_odd_kinds_of_pictures(tmp_path: Path) -> None:
    deep = Image.fromarray(np.full((9, 9), 0x8040, dtype=np.uint16))
    clear = Image.new("RGBA", (9, 9), (0, 0, 0, 0))
    half = Image.new("LA", (9, 9), (0, 128))
    single = Image.new("1", (9, 9), 1)
    palette = Image.new("P", (9, 9), 1)
    palette.putpalette([0, 0, 0, 90, 90, 90])
    turned = Image.new("L", (9, 9), 0)
    turned.putpixel((0, 0), 200)
    for name, image in (("deep", deep), ("clear", clear), ("half", half), ("single", single), ("palette", palette)):
        image.save(tmp_path / f"{name}.png")
    exif = Image.Exif()
    exif[0x0112] = 3  # turned by 180 degrees
    turned.save(tmp_path / "turned.png", exif=exif)
    seen = {path.stem: decoded(path) for path in tmp_path.iterdir()}
    assert {name: int(pixels[4, 4]) for name, pixels in seen.items() if name != "turned"} == {
        "deep": 128, "clear": 255, "half": 127, "single": 255, "palette": 90
    }  # fmt: skip
    assert all(pixels.shape == (9, 9) and pixels.dtype == np.uint8 for pixels in seen.values())
    assert seen["turned"][8, 8] == 200 and seen["turned"].sum() == 200


def test_what_is_hidden_or_no_picture_is_passed_over(tmp_path: Path) -> None:
    make(tmp_path, {"a": 3, "b": 3})
    (tmp_path / ".git").mkdir()
    (tmp_path / "readme.txt").write_text("hello")
    (tmp_path / "a" / "Thumbs.db").write_text("hello")
    (tmp_path / "a" / ".hidden.png").write_text("hello")
    data = load(str(tmp_path))
    assert data.classes == ("a", "b") and len(data.train) + len(data.test) == 6


def test_a_few_damaged_pictures_are_left_out_and_named(tmp_path: Path) -> None:
    make(tmp_path / "train", {"a": 30, "b": 30})
    make(tmp_path / "test", {"a": 20, "b": 20})
    spoilt = [
        tmp_path / "train" / "b" / "001.png",
        tmp_path / "train" / "a" / "007.png",
        tmp_path / "test" / "a" / "003.png",
    ]
    for path in spoilt:
        path.write_bytes(b"<html>")
    data = load(str(tmp_path))
    assert (len(data.train), len(data.test)) == (58, 39)
    assert values(data.train.images) == [n for n in range(30) if n != 7] + [50 + n for n in range(30) if n != 1]
    assert data.train.labels.tolist() == [0] * 29 + [1] * 29
    assert "2 of 60 pictures are left out: train/a/007.png (" in data.note and "train/b/001.png (" in data.note
    assert "1 of 40 pictures are left out: test/a/003.png (" in data.note
    for path in spoilt:
        path.unlink()
    clean = load(str(tmp_path))
    assert torch.equal(clean.train.images, data.train.images) and clean.digests == data.digests and not clean.note
    for number in range(2):  # 2 of 58
        (tmp_path / "train" / "a" / f"02{number}.png").write_bytes(b"")
    load(str(tmp_path))
    for number in range(2, 4):  # 4 of 58, more than one in 20
        (tmp_path / "train" / "a" / f"02{number}.png").write_bytes(b"")
    assert "4 of 58 pictures" in refusal(tmp_path, DataError)


def test_a_class_is_not_lost_to_damage(tmp_path: Path) -> None:
    make(tmp_path / "train", {"a": 60, "b": 1})
    make(tmp_path / "test", {"a": 2, "b": 2})
    (tmp_path / "train" / "b" / "000.png").write_bytes(b"")
    assert "1 of 61 pictures" in refusal(tmp_path, DataError)


def test_damaged_pictures_are_counted_and_three_are_named(tmp_path: Path) -> None:
    make(tmp_path, {"a": 30, "b": 30}, lambda label, number: Image.effect_noise((16, 16), 90))
    whole = (tmp_path / "a" / "000.png").read_bytes()
    (tmp_path / "a" / "003.png").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "a" / "005.png").write_bytes(b"<html>")
    (tmp_path / "b" / "001.png").write_bytes(b"")
    for number in range(6, 30):
        (tmp_path / "b" / f"{number:03}.png").write_bytes(whole[:60])
    held = [seed for seed in range(9) if "003" in refusal(tmp_path, DataError, seed=seed)]
    said = refusal(tmp_path, DataError, seed=held[0])
    assert f"pictures in {tmp_path} cannot be used: a/003.png (" in said
    assert said.endswith("more. Repair or remove them.") and said.count(".png") == 3 and len(said) < 700
    only_one = make(tmp_path / "one", {"a": 6, "b": 6})
    for name in ("a", "b"):
        for path in (only_one / name).iterdir():
            path.write_bytes(b"x") if path.stem == "000" else None
    assert " of 10 pictures" in refusal(only_one, DataError) or " of 2 pictures" in refusal(only_one, DataError)


def test_a_format_that_is_not_allowed_is_refused_whatever_its_name(tmp_path: Path) -> None:
    make(tmp_path, {"a": 6, "b": 6}, lambda label, number: Image.new("RGB", (9, 9)), ".tga")
    for path in tmp_path.rglob("*.tga"):
        path.rename(path.with_suffix(".png"))
    assert "(is not a readable picture: it is none of PNG, JPEG, BMP, GIF, WEBP, TIFF, PPM)" in refusal(
        tmp_path, DataError
    )


def png_that_claims(width: int, height: int) -> bytes:
    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    header = struct.pack(">2I5B", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(bytes(999_999)))
        + chunk(b"IEND", b"")
    )


@pytest.mark.parametrize(("width", "height"), [(5000, 4001), (10_000, 10_000), (60_000, 60_000)])
def test_an_image_bomb_is_not_decoded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, width: int, height: int) -> None:
    make(tmp_path, {"a": 3, "b": 3})
    for path in (tmp_path / "a").iterdir():
        path.write_bytes(png_that_claims(width, height))

    def decoded(*_: object) -> None:
        raise AssertionError("decoded")

    monkeypatch.setattr("PIL.ImageFile.ImageFile.load", decoded)
    with pytest.raises(ValueError, match="pixels") as caught:
        folder.read(tmp_path / "a" / "000.png")
    assert not isinstance(caught.value, AssertionError)


def test_links_out_of_the_folder_are_refused(tmp_path: Path) -> None:
    outside = make(tmp_path / "outside", {"a": 1})
    for number, (link, target) in enumerate((("a/link.png", "a/000.png"), ("c", "a"))):
        root = make(tmp_path / f"inside{number}", {"a": 3, "b": 3})
        (root / link).symlink_to(outside / target)
        assert (
            refusal(root, DataError) == f"{root / link} is a link out of the folder of images; replace it with a copy."
        )
    root = make(tmp_path / "within", {"a": 3, "b": 3})
    (root / "b" / "link.png").symlink_to(root / "b" / "000.png")
    assert len(load(str(root)).train) + len(load(str(root)).test) == 7


def test_links_in_a_circle_and_pipes_do_not_hang(tmp_path: Path) -> None:
    root = make(tmp_path / "circle", {"a": 3, "b": 3})
    (root / "c").symlink_to(root / "c")
    assert refusal(root, DataError).startswith(f"{root} could not be read: ")
    root = make(tmp_path / "pipe", {"a": 3, "b": 3})
    for name in ("a", "b"):
        for path in (root / name).iterdir():
            path.unlink()
            os.mkfifo(path)
    assert "000.png (is not a file)" in refusal(root, DataError)


def test_names_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    root = make(tmp_path / "odd\x1b[2J", {"a\nb": 3, "c\u202ed": 3})
    data = load(str(root))
    assert (data.name, data.classes) == (r"odd\x1b[2J", (r"a\nb", r"c\u202ed"))
    for path in root.rglob("*.png"):
        path.rename(path.with_name(f"\x1b{path.name}"))
    for path in root.rglob("*.png"):
        path.write_bytes(b"")
    assert refusal(root, DataError).isprintable()


def test_folders_that_hold_no_data_set(tmp_path: Path) -> None:
    needed = "a folder of images has one per class, at least two, and may have them in train and in test."
    assert refusal(tmp_path, UsageError) == f"{tmp_path} has 0 sub-folders; {needed}"
    make(tmp_path, {"a": 3})
    assert refusal(tmp_path, UsageError) == f"{tmp_path} has 1 sub-folder; {needed}"
    (tmp_path / "b").mkdir()
    assert refusal(tmp_path, UsageError).startswith(f"{tmp_path / 'b'} holds no picture; put some there (.png, .jpg")
    (tmp_path / "train").mkdir()
    (tmp_path / "test").mkdir()
    assert refusal(tmp_path, UsageError) == f"{tmp_path / 'train'} has 0 sub-folders; {needed}"


def test_too_much_for_memory_is_refused_before_it_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    make(tmp_path, {"a": 3, "b": 3})
    monkeypatch.setattr(folder, "LARGEST", 5 * 11 * 13 - 1)
    assert refusal(tmp_path, DataError) == "5 pictures of 11 x 13 take more than the limit of 714 bytes."


def test_mutated_pictures_are_read_or_named(tmp_path: Path) -> None:
    draws = np.random.default_rng(7)
    read = 0
    for suffix in (".png", ".jpg", ".gif", ".bmp", ".webp", ".tif"):
        path = tmp_path / f"picture{suffix}"
        Image.effect_noise((17, 13), 90).save(path)
        whole = path.read_bytes()
        for _ in range(40):
            content = bytearray(whole)
            for at in draws.integers(0, len(content), 3):
                content[at] = draws.integers(0, 256)
            path.write_bytes(bytes(content))
            try:
                pixels = decoded(path)
            except DataError as error:
                assert "1 of 1 pictures" in str(error)
            else:
                assert pixels.dtype == np.uint8 and max(pixels.shape[:2]) <= 64
                read += 1
    assert 40 < read < 240


def _sized(root: Path, half: str, size: tuple[int, int], count: int = 3) -> None:
    for at, name in enumerate(("elm", "oak")):
        folder = root / half / name
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(count):
            Image.new("L", size, 40 * at + number).save(folder / f"{number}.png")


@pytest.mark.parametrize("judged", ["test", "validation", "valid", "val"])
def test_the_judged_half_may_have_any_of_its_usual_names(tmp_path: Path, judged: str) -> None:
    _sized(tmp_path, "train", (13, 11))
    _sized(tmp_path, judged, (13, 11), count=2)
    data = load(str(tmp_path))
    assert (len(data.train), len(data.test)) == (6, 4) and data.note == ""
    if judged != "test":
        _sized(tmp_path, "test", (13, 11), count=1)
        data = load(str(tmp_path))
        assert (len(data.train), len(data.test)) == (10, 2) and f"train and {judged} are trained on" in data.note


def test_pictures_have_the_size_that_is_asked_for_and_a_squash_is_told(tmp_path: Path) -> None:
    _sized(tmp_path, "train", (128, 96))
    _sized(tmp_path, "test", (128, 96))
    squashed = load(str(tmp_path))
    assert squashed.train.images.shape[1:] == (1, 28, 28)
    assert "the first of them 128 x 96, are brought to 28 x 28; choose with --size" in squashed.note
    whole = load(str(tmp_path), size="own")
    assert whole.train.images.shape[1:] == (1, 96, 128) and whole.note == "" and whole.summary()["size"] == "own"
    asked = load(str(tmp_path), size=(24, 32))
    assert asked.train.images.shape[1:] == (1, 24, 32) and asked.summary()["size"] == [24, 32]
    assert "size" not in squashed.summary()
    Image.new("L", (100, 96)).save(tmp_path / "train" / "elm" / "0.png")
    with pytest.raises(UsageError, match=r"have 2 different sizes \(96 x 100, 96 x 128\); give one"):
        load(str(tmp_path), size="own")
    Image.new("L", (300, 96)).save(tmp_path / "train" / "elm" / "0.png")
    with pytest.raises(DataError, match="300 x 96 pixels, but at most 256 a side are kept; give a size"):
        load(str(tmp_path), size="own")
    with pytest.raises(UsageError, match="A size can only be given for folders of pictures; digits has its own"):
        load("digits", size=(28, 28))


def test_pictures_of_one_object_are_not_divided(tmp_path: Path) -> None:
    for label in ("left", "right"):
        (tmp_path / label).mkdir()
        for track in range(12):
            for frame in range(3):
                path = tmp_path / label / f"{track:05}_{frame:05}.png"
                Image.fromarray(np.full((9, 9), 7 * track + frame, np.uint8)).save(path)
    paths = sorted(tmp_path.glob("*/*.png"))
    labels = [int(path.parent.name == "right") for path in paths]
    groups = groups_of(paths, labels)
    assert groups is not None and groups.tolist() == [number // 3 for number in range(72)]
    data = load(str(tmp_path))
    assert "as 00000... do, are not divided" in data.note and (len(data.train), len(data.test)) == (60, 12)
    tracks = [{int(value) // 7 for value in half.images[half.labels == 1, 0, 0, 0]} for half in (data.train, data.test)]
    assert len(tracks[1]) == 2 and not tracks[0] & tracks[1]
    # One name for all, a number without a separator, or too few objects: the number is the picture's own.
    for name in ("photo_{}", "{}", "cup{}"):
        assert groups_of([Path(name.format(number)) for number in range(72)], labels) is None
    assert groups_of(paths[:33] + paths[36:69], labels[:33] + labels[36:69]) is None  # 11 groups in each class
