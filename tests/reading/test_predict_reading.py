"""Bad and odd files: each is a sentence or a picture, and none takes the others with it."""

import os
import subprocess
import sys
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featherweight.errors import FileError, UsageError
from featherweight.reading.picture_files import PIXELS, SIDE, WEBP_PIXELS, expand_paths, read_picture


def chunk(kind: bytes, body: bytes) -> bytes:
    return len(body).to_bytes(4, "big") + kind + body + zlib.crc32(kind + body).to_bytes(4, "big")


def bomb(path: Path, width: int, height: int) -> None:
    """A PNG of one bit a pixel, all of it 0, in a few kB."""
    header = width.to_bytes(4, "big") + height.to_bytes(4, "big") + bytes([1, 0, 0, 0, 0])
    rows = zlib.compress(bytes((1 + -(-width // 8)) * height), 9)
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", rows) + chunk(b"IEND", b""))


def half() -> np.ndarray:
    """17 high, 23 wide: white, but black in the upper left quarter."""
    pixels = np.full((17, 23, 3), 255, dtype=np.uint8)
    pixels[:8, :11] = 0
    return pixels


@pytest.mark.parametrize("suffix", ["png", "bmp", "gif", "tiff", "webp"])
def test_formats_without_loss_are_read_as_they_are(suffix: str, tmp_path: Path) -> None:
    path = tmp_path / f"half.{suffix}"
    Image.fromarray(half()).save(path, **({"lossless": True} if suffix == "webp" else {}))
    picture = read_picture(str(path))
    assert (picture.pixels == half()).all() and picture.size == (23, 17)


def test_jpegs_cmyk_and_sixteen_bits_are_brought_to_rgb(tmp_path: Path) -> None:
    Image.fromarray(half()).convert("CMYK").save(tmp_path / "cmyk.jpg", quality=95)
    assert np.abs(read_picture(str(tmp_path / "cmyk.jpg")).pixels.astype(int) - half()).mean() < 6
    deep = (half()[..., 0].astype(np.uint16) * 257) // 2
    Image.fromarray(deep).save(tmp_path / "deep.png")
    assert sorted(np.unique(read_picture(str(tmp_path / "deep.png")).pixels)) == [0, 127]


def test_turned_pictures_are_put_upright(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: shown a quarter clockwise
    Image.fromarray(half()).save(tmp_path / "turned.png", exif=exif)
    picture = read_picture(str(tmp_path / "turned.png"))
    assert picture.size == (17, 23) and (picture.pixels == np.rot90(half(), -1)).all()


def test_transparent_ink_is_shown_on_what_it_stands_out_of(tmp_path: Path) -> None:
    alpha = np.zeros((20, 20, 4), dtype=np.uint8)
    alpha[5:15, 9:11, 3] = 255
    Image.fromarray(alpha).save(tmp_path / "black.png")
    assert read_picture(str(tmp_path / "black.png")).pixels[0, 0].tolist() == [255] * 3
    alpha[..., :3] = 255
    Image.fromarray(alpha).save(tmp_path / "white.png")
    assert read_picture(str(tmp_path / "white.png")).pixels[0, 0].tolist() == [0] * 3


def test_of_an_animation_the_first_frame_is_read(tmp_path: Path) -> None:
    frames = [Image.fromarray(half()), Image.new("RGB", (23, 17), "red")]
    frames[0].save(tmp_path / "two.gif", save_all=True, append_images=frames[1:])
    assert (read_picture(str(tmp_path / "two.gif")).pixels == half()).all()


def test_large_pictures_are_made_small_and_keep_their_size_in_mind(tmp_path: Path) -> None:
    Image.new("L", (4000, 3000), 200).save(tmp_path / "large.jpg")
    picture = read_picture(str(tmp_path / "large.jpg"))
    assert picture.size == (4000, 3000) and max(picture.pixels.shape) <= SIDE
    assert np.abs(picture.pixels.astype(int) - 200).max() <= 1


def bad(kind: str, folder: Path) -> Path:
    path = folder / f"{kind}.png"
    good = folder / "good.bmp"
    Image.fromarray(half()).save(good)
    if kind == "empty":
        path.touch()
    elif kind == "text":
        path.write_text("a letter")
    elif kind == "truncated":
        path.write_bytes(good.read_bytes()[:300])
    elif kind == "bomb":
        bomb(path, 10_000, 10_000)
        assert path.stat().st_size < 14_000
    elif kind == "pipe":
        os.mkfifo(path)
    elif kind == "eps":
        path.write_text("%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    return path


SENTENCES = {
    "empty": "is empty: it has 0 bytes",
    "text": "is not a readable picture: it is none of PNG, JPEG, BMP, GIF, WEBP, TIFF, PPM",
    "truncated": "could not be read: ",
    "bomb": f"has 10,000 x 10,000 pixels, more than the {PIXELS:,} that are read",
    "pipe": "is not a file",
    "missing": "does not exist",
    "eps": "is not a readable picture",
}


@pytest.mark.parametrize("kind", SENTENCES)
def test_a_bad_file_is_one_sentence(kind: str, tmp_path: Path) -> None:
    path = bad(kind, tmp_path)
    with pytest.raises((FileError, UsageError)) as caught:
        read_picture(str(path))
    sentence = str(caught.value)
    assert SENTENCES[kind] in sentence and str(path) in sentence and sentence.endswith(".") and "\n" not in sentence


def test_control_characters_of_names_do_not_reach_the_terminal(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"a\\x1b\[2Jb") as caught:
        read_picture(str(tmp_path / "a\x1b[2Jb\n.png"))
    assert str(caught.value).isprintable()


def test_folders_and_patterns_are_opened(tmp_path: Path) -> None:
    for name in ("b.PNG", "a.jpg", "notes.txt", ".hidden.png"):
        (tmp_path / name).touch()
    (tmp_path / "none").mkdir()
    found = expand_paths([str(tmp_path), str(tmp_path / "*.txt"), str(tmp_path / "none"), "gone.png"])
    assert [(Path(name).name, error is None) for name, error in found] == [
        ("a.jpg", True), ("b.PNG", True), ("notes.txt", True), ("none", False), ("gone.png", True),
    ]  # fmt: skip
    assert "holds no picture" in str(found[3][1])


def test_no_picture_takes_400_mb(tmp_path: Path) -> None:
    """The largest of each format that is read, one after the other, in a process whose peak is looked at."""
    side = int(PIXELS**0.5) - 1
    large = Image.new("RGBA", (side, side), (200, 210, 190, 255))
    large.crop((0, 0, int(WEBP_PIXELS**0.5), int(WEBP_PIXELS**0.5))).save(tmp_path / "rgba.webp", quality=20, method=0)
    large.save(tmp_path / "rgba.tiff", compression="tiff_lzw")
    large.convert("RGB").save(tmp_path / "progressive.jpg", progressive=True, quality=30)
    Image.new("L", (12_000, 9_900), 200).save(tmp_path / "huge.jpg")
    Image.new("P", (side, side), 3).save(tmp_path / "palette.png", compress_level=1)
    bomb(tmp_path / "bits.png", side, side)
    bomb(tmp_path / "bomb.png", 10_000, 10_000)
    program = (
        "import sys; from featherweight.reading import predict\n"
        "for answer in predict([sys.argv[1]]): print(answer.file, answer.error)\n"
        # Not `ru_maxrss`, which begins at what the process that started this one had.
        "print(next(int(line.split()[1]) // 1024 for line in open('/proc/self/status') if line.startswith('VmHWM')))"
    )
    done = subprocess.run([sys.executable, "-c", program, str(tmp_path)], capture_output=True, text=True, check=True)
    *answers, peak = done.stdout.splitlines()
    assert len(answers) == 7 and sum(line.endswith("None") for line in answers) == 6, done.stdout
    assert 30 < int(peak) < 400, done.stdout
