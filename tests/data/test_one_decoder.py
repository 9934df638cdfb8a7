"""One decoder: a picture gives the same bytes from a folder, in a data set, in memory, and to a network afterwards."""

import io
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from PIL import Image

import featherweight as fw
from featherweight.data import folder, pictures
from featherweight.data.in_memory import listed
from featherweight.data.pictures import Size, fit_to_shape
from featherweight.reading.picture_files import of_image
from featherweight.reading.run_reader import _resized

SEED = st.integers(0, 2**32 - 1)
IN_FILES = {"1": "png", "L": "png", "LA": "png", "P": "png", "RGB": "png", "RGBA": "png", "I;16": "png",
            "CMYK": "tiff", "YCbCr": "tiff", "LAB": "tiff", "I": "tiff", "F": "tiff", "I;16B": "tiff"}  # fmt: skip
"""Modes that a file can hold, without loss, and the format that does."""
MODES = (*IN_FILES, "RGBX", "La", "PA", "RGBa", "HSV", "I;16L", "I;16N")


def painted(mode: str, size: tuple[int, int], seed: int) -> Image.Image:
    """An image of noise in this mode, a third of it transparent where the mode can tell."""
    draws, (width, height) = np.random.default_rng(seed), size
    if mode.startswith("I;16"):
        deep = draws.integers(0, 65536, (height, width), dtype=np.uint16)
        return Image.frombytes(mode, size, (deep.byteswap() if mode == "I;16B" else deep).tobytes())
    if mode in "IF":
        top = float(draws.choice([1, 200, 65535, 3e5]))
        return Image.fromarray((draws.random((height, width)) * top).astype(np.int32 if mode == "I" else np.float32))
    if mode == "LAB":
        return Image.frombytes(mode, size, draws.bytes(3 * width * height))
    pixels = draws.integers(0, 256, (height, width, 4), dtype=np.uint8)
    pixels[..., 3] = draws.choice([0, 90, 255], (height, width))
    image = Image.fromarray(pixels, "RGBA")
    if mode in ("La", "RGBa"):
        return image.convert("LA" if mode == "La" else "RGBA").convert(mode)
    if mode in ("P", "PA"):
        plain = image.convert("RGB").convert("P", palette=Image.Palette.ADAPTIVE, colors=7)
        if mode == "P" and seed % 2:
            plain.info["transparency"] = bytes([255, 0, 90, 255, 255, 255, 255]) if seed % 3 else seed % 7
        return plain if mode == "P" else plain.convert("PA")
    made = image.convert(mode if mode in ("LA", "RGBA") else "RGB").convert(mode)
    if mode in ("L", "RGB") and seed % 2:  # one colour of a PNG stands for transparency
        made.info["transparency"] = made.getpixel((0, 0))
    return made


def saved(image: Image.Image, orientation: int, path: Path) -> Image.Image:
    """What Pillow reads of the image once it is in a file, if a file can hold it; otherwise the image."""
    exif = image.getexif()
    exif[0x0112] = orientation
    kind = IN_FILES.get(image.mode)
    if kind is None:
        return image
    known = {"transparency": image.info["transparency"]} if "transparency" in image.info else {}
    image.save(path, format=kind, exif=exif, **known)
    return Image.open(io.BytesIO(path.read_bytes()))


def from_folder(path: Path, size: Size, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """What training gets of a file, [C H W]."""
    one = folder._Pictures(paths=[path], labels=[0])
    _, ((pixels,),), _ = folder._decoded_pictures(one, path.parent, [size], shape[1:])
    return folder._split_folder([pixels], [0], shape, size).images[0].numpy()


def read_by(image: Image.Image, size: Size, shape: tuple[int, int, int]) -> NDArray[np.uint8]:
    """What a network of this shape gets of the image, [C H W]."""
    asked = list(size) if isinstance(size, tuple) else size
    trained = SimpleNamespace(shape=shape, record=SimpleNamespace(data={"size": asked} if asked else {}))
    seen = _resized(of_image(image), cast(Any, trained))
    return seen[None] if seen.ndim == 2 else seen.transpose(2, 0, 1)


@given(
    mode=st.sampled_from(MODES), width=st.integers(1, 90), height=st.integers(1, 90), orientation=st.integers(1, 8),
    seed=SEED, size=st.sampled_from([None, "own", (24, 31), (90, 9)]), channels=st.sampled_from([1, 3]),
)  # fmt: skip
@settings(max_examples=300, deadline=None)
def test_every_way_gives_the_same_bytes(
    tmp_path_factory: pytest.TempPathFactory, mode: str, width: int, height: int, orientation: int, seed: int,
    size: Size, channels: int,
) -> None:  # fmt: skip
    path = tmp_path_factory.getbasetemp() / "one.png"
    image = saved(painted(mode, (width, height), seed), orientation, path)
    assert image.mode == mode or mode in ("I;16N", "I;16L", "YCbCr", "I"), image.mode
    shape = (channels, *(size if isinstance(size, tuple) else (17, 29)))
    found = {"read": read_by(image, size, shape)}
    if mode in IN_FILES:
        found["folder"] = from_folder(path, size, shape)
        found["file"] = fit_to_shape(pictures.read(path).pixels, shape, size)
    if isinstance(size, tuple):
        ((images, _), _) = listed([(image, 0)], size, channels)
        found["dataset"] = images[0]
    decoded = of_image(image).pixels
    assert decoded.shape == ((width, height) if orientation > 4 else (height, width)) + (3,)
    found["array"] = fit_to_shape(decoded, shape, size)
    for way, pixels in found.items():
        assert pixels.shape == shape and np.array_equal(pixels, found["array"]), way


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("orientation", [1, 6])
def test_large_pictures_too(mode: str, orientation: int, tmp_path: Path) -> None:
    image = saved(
        painted(mode, (13, 11), 4).resize((1500, 1300), Image.Resampling.NEAREST), orientation, tmp_path / "a"
    )
    pixels = of_image(image).pixels
    assert pixels.shape == ((750, 650, 3) if orientation == 6 else (650, 750, 3))
    if mode in IN_FILES:
        assert np.array_equal(pictures.read(tmp_path / "a").pixels, pixels)
    small = of_image(saved(painted(mode, (13, 11), 4), orientation, tmp_path / "b")).pixels
    assert abs(float(pixels.mean()) - float(small.mean())) < 1.5


def ramp(deep: bool) -> NDArray[Any]:
    """A grey gradient from black to white, in 16 bits or in 8."""
    return (
        np.linspace(0, 65535 if deep else 255, 31 * 29).reshape(31, 29).round().astype(np.uint16 if deep else np.uint8)
    )


def test_sixteen_bits_keep_their_greys_in_a_dataset() -> None:
    plain = Image.fromarray(ramp(deep=False))
    rows = [(Image.fromarray(ramp(deep=True)), at % 2) for at in range(12)]
    seen = fw.Data.from_dataset(rows).train.images[0, 0].numpy()
    assert np.abs(seen.astype(int) - np.asarray(plain)).max() <= 1 and (seen == 255).mean() < 0.01


def test_black_ink_on_transparency_is_on_white_paper_in_a_dataset() -> None:
    ink = np.zeros((31, 29, 4), dtype=np.uint8)
    ink[5:9, 3:20, 3] = 255
    data = fw.Data.from_dataset([(Image.fromarray(ink), at % 2) for at in range(12)])
    assert data.train.images.shape == (10, 1, 31, 29)
    assert (data.train.images == 0).float().mean() == pytest.approx(4 * 17 / (31 * 29))


def test_a_folder_and_a_dataset_of_its_pictures_are_one(tmp_path: Path) -> None:
    rows: dict[str, list[Any]] = {"train": [], "test": []}
    for half in rows:
        for label, name in enumerate(("elm", "oak")):
            (tmp_path / half / name).mkdir(parents=True)
            for at in range(3):
                path = tmp_path / half / name / f"{at}.png"
                saved(painted(("LA", "I;16", "P")[at], (20 + at, 30 - label), at), 1 + at, path)
                rows[half].append((Image.open(path), name))
    whole, listed_ = fw.Data.from_folder(tmp_path, size=(13, 17)), fw.Data.from_dataset(rows, size=(13, 17))
    assert whole.digests == listed_.digests and whole.classes == listed_.classes
    assert listed_.summary()["size"] == [13, 17]


def test_large_test_pictures_are_resized_once(tmp_path: Path) -> None:
    for half, size in (("train", (48, 40)), ("test", (96, 80))):
        for name in ("elm", "oak"):
            (tmp_path / half / name).mkdir(parents=True)
            for at in range(2):
                painted("L", size, at).save(tmp_path / half / name / f"{at}.png")
    data = fw.Data.from_folder(tmp_path)
    once = Image.open(tmp_path / "test" / "elm" / "0.png").resize((48, 40), Image.Resampling.BILINEAR)
    assert np.array_equal(data.test.images[0, 0].numpy(), np.asarray(once))


def test_pillow_s_own_limit_stays_as_it_was(tmp_path: Path) -> None:
    before = Image.MAX_IMAGE_PIXELS
    painted("L", (9, 9), 0).save(tmp_path / "a.png")
    assert pictures.read(tmp_path / "a.png").size == (9, 9) and before and before == Image.MAX_IMAGE_PIXELS
