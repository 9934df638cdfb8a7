"""A camera's frame becomes, in C, the very picture that Python makes of it for training."""

import ctypes
import shutil
import subprocess
from collections.abc import Callable

import numpy as np
import PIL
import pytest
from numpy.typing import NDArray
from PIL import Image

from featherweight.data.pictures import fit_to_shape, fitted_boxes, fitting_of, of_image
from featherweight.experiments.record import Size
from featherweight.export.packages import FILES, grey_first, tall_first

FORMATS = ("grey", "rgb888", "rgb565 le", "rgb565 be", "yuyv")
Bytes = NDArray[np.uint8]
SIZES: list[tuple[tuple[int, int, int], Size]] = [
    ((3, 31, 37), (31, 37)), ((1, 29, 23), (29, 23)), ((1, 61, 53), None), ((3, 17, 64), "own"), ((1, 96, 1), (96, 1)),
    ((3, 31, 37), (31, 37, "centre")), ((1, 28, 28), (28, 28, "fit")), ((3, 40, 9), (40, 9, "fit")),
]  # fmt: skip
"""Shapes of pictures, and what was requested of the data set: it decides whether frames first lose their colours."""


@pytest.fixture(scope="module")
def frames(tmp_path_factory: pytest.TempPathFactory) -> list[Callable[..., int]]:
    """The function in C, compiled for each shape."""
    if shutil.which("cc") is None:
        pytest.skip("needs a C compiler")
    found = []
    for index, ((channels, height, width), size) in enumerate(SIZES):
        folder = tmp_path_factory.mktemp(f"frame{index}")
        (folder / "model.h").write_text(
            f"#include <stdint.h>\n#define MODEL_CHANNELS {channels}\n#define MODEL_HEIGHT {height}\n"
            f"#define MODEL_WIDTH {width}\n#define MODEL_PIXELS {channels * height * width}\n"
        )
        (folder / "model_frame.h").write_text((FILES / "frame/src/model_frame.h").read_text())
        text = (FILES / "frame/src/model_frame.c").read_text().replace("@GREY@", str(grey_first(size)))
        text = text.replace("@FITTING@", (fitting_of(size) or "stretch").upper())
        text = text.replace("@TALL@", str(int(tall_first(PIL.__version__))))
        (folder / "frame.c").write_text(text)
        strict = ["-std=c99", "-O2", "-pedantic", "-Wall", "-Wextra", "-Wconversion", "-Werror"]
        checked = ["-fsanitize=undefined", "-fno-sanitize-recover=all", "-static-libubsan"]
        command = ["cc", *strict, "-shared", "-fPIC", "frame.c", "-o", "frame.so"]
        if subprocess.run([*command, *checked], cwd=folder, capture_output=True, check=False).returncode:
            subprocess.run(command, cwd=folder, check=True)
        found.append(ctypes.CDLL(str(folder / "frame.so")).model_frame)
    return found


def in_c(call: Callable[..., int], frame: Bytes, stride: int, form: str, shape: tuple[int, int, int]) -> Bytes:
    """The picture [C H W] of the bytes of a frame [h w ...]."""
    height, width = frame.shape[:2]
    rows = np.full((height, stride), 0xA5, np.uint8)  # what lies between rows must not matter
    rows[:, : frame[0].size] = frame.reshape(height, -1)
    picture = np.zeros((shape[1], shape[2], shape[0]), np.uint8)
    assert call(rows.ctypes.data_as(ctypes.c_void_p), width, height, stride, FORMATS.index(form),
                picture.ctypes.data_as(ctypes.c_void_p)) == 1  # fmt: skip
    return picture.transpose(2, 0, 1)


def colours(frame: Bytes, form: str) -> Bytes:
    """What a frame [h w bytes] shows, as Pillow takes it: [h w] or [h w 3]."""
    if form == "grey":
        return frame[..., 0]
    if form == "rgb888":
        return frame
    wide = frame.astype(np.int64)
    if form == "yuyv":
        bright = wide[..., 0]
        u, v = (np.repeat(wide[:, at::2, 1] - 128, 2, axis=1) for at in (0, 1))
        planes = 65536 * bright + 91881 * v, 65536 * bright - 22553 * u - 46802 * v, 65536 * bright + 116130 * u
        return np.clip((np.stack(planes, -1) + 32768) // 65536, 0, 255).astype(np.uint8)
    word = wide[..., 0] * 256 + wide[..., 1] if form == "rgb565 be" else wide[..., 1] * 256 + wide[..., 0]
    red, green, blue = word >> 11, word >> 5 & 63, word & 31
    return np.stack([red << 3 | red >> 2, green << 2 | green >> 4, blue << 3 | blue >> 2], -1).astype(np.uint8)


def differing(frames: list[Callable[..., int]], count: int, longest: int, seed: int) -> list[str]:
    """Of so many random frames of random sizes and formats, those whose picture is another than Python's."""
    draws, wrong = np.random.default_rng(seed), []
    for index in range(count):
        which, form = index % len(SIZES), FORMATS[int(draws.integers(len(FORMATS)))]
        shape, size = SIZES[which]
        height, width = (int(draws.choice([draws.integers(1, 80), draws.integers(1, longest + 1)])) for _ in "hw")
        width += (form == "yuyv") * (width % 2)
        each = {"grey": 1, "rgb888": 3}.get(form, 2)
        frame = draws.integers(0, 256, (height, width, each), dtype=np.uint8)
        frame[draws.random((height, width)) < 0.2] = 255  # the end of the range, where a sum could overflow
        ours = in_c(frames[which], frame, width * each + int(draws.integers(0, 9)), form, shape)
        seen = colours(frame, form)
        seen = of_image(Image.fromarray(seen)).pixels if max(height, width) > 1280 else seen
        if not np.array_equal(ours, fit_to_shape(seen, shape, size)):
            wrong.append(f"{form} {height} x {width} to {shape}")
    return wrong


def test_frames_become_the_bytes_of_python_s_pictures(frames: list[Callable[..., int]]) -> None:
    assert differing(frames, 250, 320, 1) == []


def test_frames_beyond_1280_pixels_shrink_as_files_do(frames: list[Callable[..., int]]) -> None:
    draws = np.random.default_rng(5)
    for which, sides in enumerate(
        [(3, 1281), (5119, 2), (2600, 5), (7, 5120), (1290, 1281), (9, 2561), (3000, 9), (4, 4000)]
    ):
        frame = draws.integers(0, 256, (*sides, 3), dtype=np.uint8)
        shape, size = SIZES[which]
        expected = fit_to_shape(of_image(Image.fromarray(frame)).pixels, shape, size)
        assert np.array_equal(in_c(frames[which], frame, 3 * sides[1], "rgb888", shape), expected), sides


def test_the_middle_is_cut_out_and_the_whole_is_fitted_in() -> None:
    frame = np.zeros((60, 100, 3), np.uint8)
    frame[:, 20:80] = 200  # the middle square
    assert (fit_to_shape(frame, (3, 30, 30), (30, 30, "centre")) == 200).all()
    fitted = fit_to_shape(frame, (1, 30, 30), (30, 30, "fit"))[0]
    assert (fitted[:6] == 0).all() and (fitted[24:] == 0).all() and (fitted[6:24, 7:23] == 200).all()
    assert (fitted[6:24, :5] == 0).all()
    assert fitted_boxes((5, 1000), (32, 32), "fit")[1] == (15, 0, 1, 32)
    assert fitted_boxes((3, 3), (9, 2), "centre")[0] == (0, 1, 3, 1)


@pytest.mark.slow
def test_ten_thousand_frames_become_the_bytes_of_python_s_pictures(frames: list[Callable[..., int]]) -> None:
    assert differing(frames, 10_000, 640, 2) == []


@pytest.mark.parametrize("sides", [(1280, 3), (2, 1280), (1, 1), (31, 37), (64, 64), (65, 64)])
def test_the_largest_the_smallest_and_the_picture_s_own_size(
    frames: list[Callable[..., int]], sides: tuple[int, int]
) -> None:
    draws = np.random.default_rng(3)
    for call, (shape, size) in zip(frames, SIZES, strict=True):
        frame = draws.integers(0, 256, (*sides, 3), dtype=np.uint8)
        assert np.array_equal(in_c(call, frame, 3 * sides[1], "rgb888", shape), fit_to_shape(frame, shape, size))
        white = np.full_like(frame, 255)
        assert fitting_of(size) == "fit" or in_c(call, white, 3 * sides[1], "rgb888", shape).min() == 255


def test_the_order_of_the_steps_changes_where_pillow_changes_it(frames: list[Callable[..., int]]) -> None:
    draws = np.random.default_rng(4)
    for call, (shape, size) in zip(frames, SIZES, strict=True):
        for more in (-1, 0, 1):
            height, width = shape[1] + 2 * 20 + more, shape[2] + 20
            frame = draws.integers(0, 256, (height, width, 3), dtype=np.uint8)
            assert np.array_equal(in_c(call, frame, 3 * width, "rgb888", shape), fit_to_shape(frame, shape, size)), more


def test_grey_is_rounded_as_pillow_rounds_it(frames: list[Callable[..., int]]) -> None:
    """Every colour whose grey lies exactly between two, in a frame of the picture's own size."""
    every = np.stack(np.meshgrid(*[np.arange(256)] * 3, indexing="ij"), -1).reshape(-1, 3)
    halves = every[(every @ [19595, 38470, 7471]) % 65536 == 32768]
    assert len(halves) > 100
    shape, size = SIZES[1]
    frame = np.resize(halves, (shape[1] * shape[2], 3)).reshape(shape[1], shape[2], 3).astype(np.uint8)
    assert np.array_equal(in_c(frames[1], frame, 3 * shape[2], "rgb888", shape), fit_to_shape(frame, shape, size))


def test_what_cannot_be_a_frame_is_refused_and_nothing_is_written(frames: list[Callable[..., int]]) -> None:
    pixels, picture = np.zeros(5000, np.uint8), np.full(96 * 96 * 3, 7, np.uint8)
    refused = [
        (0, 5, 30, 0), (5, -1, 30, 0), (5121, 1, 6000, 0), (1, 5121, 3, 0), (10, 5, 29, 1), (10, 5, 9, 0),
        (10, 5, 30, 5), (10, 5, 30, -1), (5, 5, 12, 4), (10, 5, -30, 1),
    ]  # fmt: skip
    for width, height, stride, form in refused:
        given = pixels.ctypes.data_as(ctypes.c_void_p), width, height, stride, form
        assert frames[0](*given, picture.ctypes.data_as(ctypes.c_void_p)) == 0, (width, height, stride, form)
    assert picture.min() == picture.max() == 7
