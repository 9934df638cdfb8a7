"""What is around digits and between them: frames, neighbours that touch, edges, much paper, and rulings."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageDraw
from scipy import ndimage

from featherweight.reading import predict
from featherweight.reading.background import STEEPEST, _along, parting, sheet_alone, without_lines
from featherweight.reading.binarize import _darkness
from featherweight.reading.normalise import upright, views
from featherweight.reading.segments import apart
from synthetic_photos.drawings import HARD
from synthetic_photos.glyphs import drawn, from_style
from synthetic_photos.hands import Writer, beside


def ink_of(digit: int, height: int = 120, pen: float = 8) -> np.ndarray:
    """A digit of one of its styles, 0 to 1, cropped."""
    ink = drawn(from_style(digit, np.random.default_rng(digit)), (height + 40, height + 40), (20, 20), height, pen)
    rows, columns = (np.flatnonzero((ink > 0.3).any(axis)) for axis in (1, 0))
    return ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]


def names(ink: np.ndarray, folder: Path) -> str:
    """What is read in black ink on white."""
    Image.fromarray((255 - 255 * ink).astype(np.uint8)).save(folder / "picture.png")
    [found] = predict([str(folder / "picture.png")])
    assert found.error is None
    return "".join(digit.name for digit in found.digits)


@pytest.mark.parametrize("number", ["73", "93", "65"])
def test_two_digits_that_touch_are_two(number: str, tmp_path: Path) -> None:
    first, second = (ink_of(int(name)) for name in number)
    ink = np.pad(beside(first, second, -6, np.random.default_rng(0)), 50)
    assert names(ink, tmp_path) == number


def test_what_is_read_surely_is_not_put_apart_unless_it_is_wide() -> None:
    bars = np.zeros((48, 60), dtype=np.float32)
    bars[:, 4:9] = bars[:, 50:56] = 1
    bars[20:24, 4:56] = 1
    asked: list[int] = []

    def sure(inks: list[np.ndarray]) -> np.ndarray:
        asked.extend(ink.shape[1] for ink in inks)
        return np.array([0.95 if ink.shape[1] > 50 else 0.955 for ink in inks])

    assert len(apart(bars, sure)) == 1 and len(asked) > 1  # tried, and not surer by enough
    left, right = apart(bars, lambda inks: np.array([0.8 if ink.shape[1] > 50 else 0.97 for ink in inks]))
    assert left.left == 4 and left.left + left.ink.shape[1] == right.left and right.left + right.ink.shape[1] == 56
    asked.clear()
    assert len(apart(bars[:, :50], sure)) == 1 and asked == [50]  # neither wide nor unsure: no cut is tried


@pytest.mark.parametrize(("width", "most"), [(160, 1 + 5 * (1 + 1 + 2 * 5)), (175, 1)])
def test_a_scribble_that_reads_as_nothing_is_not_cut_for_ever(width: int, most: int) -> None:
    """Five cuts, each half of which is cut five times at most; one that is longer than any digits is not cut at all."""
    waves = (np.sin(np.arange(width) / 3) * 0.5 + 0.5) * np.ones((48, 1))
    asked: list[int] = []

    def sure(inks: list[np.ndarray]) -> np.ndarray:
        asked.append(len(inks))
        return np.full(len(inks), 0.3)

    [whole] = apart(waves.astype(np.float32), sure)
    assert whole.ink.shape == (48, width) and len(asked) <= most


@pytest.mark.parametrize("digit", [2, 5, 7])
def test_the_frame_around_a_digit_is_no_digit(digit: int, tmp_path: Path) -> None:
    ink = np.pad(ink_of(digit), 60)
    page = Image.fromarray((255 * ink).astype(np.uint8))
    ImageDraw.Draw(page).rectangle([15, 20, page.width - 18, page.height - 12], outline=255, width=3)
    assert names(np.asarray(page) / 255, tmp_path) == str(digit)


def test_a_digit_of_14_pixels_is_found_on_a_canvas_of_1200(tmp_path: Path) -> None:
    ink = np.zeros((1200, 1200))
    small = ink_of(3, 14, 1.6)
    ink[700 : 700 + small.shape[0], 300 : 300 + small.shape[1]] = small
    assert names(ink, tmp_path) == "3"


@pytest.mark.parametrize("digit", [1, 4, 9])
def test_a_stroke_as_high_as_the_picture_is_no_ruling(digit: int, tmp_path: Path) -> None:
    ink = ink_of(digit, 200, 12)
    assert names(np.pad(ink, ((0, 0), (60, 60))), tmp_path) == str(digit)


def test_rulings_are_counted_as_by_looking_along_each() -> None:
    rng = np.random.default_rng(3)
    marked = rng.uniform(size=(37, 53)) < 0.3
    columns = np.arange(53) - 26
    for slope in (-STEEPEST, -0.03, 0.0, 0.11):
        expected = np.zeros(37)
        for row in range(37):
            places = [(row + round(slope * column), column + 26) for column in columns.tolist()]
            inside = [place for place in places if 0 <= place[0] < 37]
            expected[row] = sum(marked[place] for place in inside) / max(len(inside), 26)
        assert np.allclose(_along(np.nonzero(marked), slope, columns, 37), expected)


def test_one_line_is_left_where_two_are_asked_for() -> None:
    plane = np.zeros((60, 80), dtype=np.float32)
    plane[30] = 1
    assert without_lines(plane, 0.1, 2) is plane
    assert without_lines(plane, 0.1)[30].max() == 0


def test_views_begin_with_the_digit_itself_and_the_second_stands_upright() -> None:
    leaning = np.zeros((60, 60), dtype=np.float32)
    for row in range(60):
        leaning[row, 45 - row // 2 : 52 - row // 2] = 1
    plain, straight, bold = views(leaning)
    assert (plain > 127).any(0).sum() > 10 and (straight > 127).any(0).sum() <= 6
    assert bold.sum() > plain.sum()
    assert (upright(np.zeros((5, 7), dtype=np.uint8)) == 0).all()


def test_each_hard_kind_says_what_was_written() -> None:
    writer = Writer(
        images=np.zeros((1, 28, 28), dtype=np.uint8) + np.eye(28, dtype=np.uint8) * 255, labels=np.ones(1, int)
    )
    assert len(HARD) == 18
    for number, kind in enumerate(("apart", "fat", "framed", "several", "touching")):
        text, image = HARD[kind](writer, np.random.default_rng([5, number]))
        assert text.isdecimal() and (len(text) > 1) == (kind in ("several", "touching"))
        assert np.ptp(np.asarray(image)) > 40, kind


@pytest.mark.parametrize("side", [60, 300, 900])
def test_a_line_of_one_pixel_is_ink(side: int, tmp_path: Path) -> None:
    page = Image.new("L", (side, side), 255)
    ImageDraw.Draw(page).ellipse([side * 0.3, side * 0.2, side * 0.65, side * 0.8], outline=0)
    assert names(1 - np.asarray(page) / 255, tmp_path) == "0"


def test_a_1_that_skips_is_one_digit_and_two_lines_are_not(tmp_path: Path) -> None:
    page = Image.new("L", (300, 300), 255)
    pen = ImageDraw.Draw(page)
    for top, bottom in ((40, 110), (118, 180), (190, 260)):
        pen.line([(240 - top * 0.6, top), (240 - bottom * 0.6, bottom)], fill=0, width=16)
    assert names(1 - np.asarray(page) / 255, tmp_path) == "1"
    lines = np.zeros((330, 260))
    for place, digit in enumerate((3, 5)):
        ink = ink_of(digit, 100)
        lines[30 + 140 * place :, 30 + 110 * place :][: ink.shape[0], : ink.shape[1]] = ink
    assert names(lines, tmp_path) == "35"


def sheet_on_table(rng: np.random.Generator, digit: int) -> np.ndarray:
    """A photo of a sheet that is seen at a slant, on a table with a grain: uint8 [300 400 3]."""
    y, x = np.mgrid[0:300, 0:400]
    grain = ndimage.gaussian_filter(rng.normal(0, 1, (300, 400)), (1, 30))
    photo = np.array([95, 65, 40]) * (1 + 0.25 * grain / grain.std())[..., None]
    photo[(x > 60 + 0.3 * y) & (y > 30 - 0.05 * x) & (x < 395 - 0.1 * y)] = 225
    ink = ink_of(digit, 60, 4)
    photo[110:, 260:][: ink.shape[0], : ink.shape[1]] *= 1 - 0.8 * ink[..., None]
    return np.clip(photo + rng.normal(0, 3, photo.shape), 0, 255).astype(np.uint8)


@pytest.mark.parametrize("digit", [1, 2, 3, 4, 6, 7])
def test_a_table_around_the_sheet_is_no_ink(digit: int, tmp_path: Path) -> None:
    photo = sheet_on_table(np.random.default_rng(digit), digit)
    alone = sheet_alone(photo.astype(np.float32))
    assert alone is not None and (alone[:, :50].mean(2) > 190).all()
    assert (alone[100:180, 250:320] == photo[100:180, 250:320]).all()
    Image.fromarray(photo).save(tmp_path / "table.png")
    [found] = predict([str(tmp_path / "table.png")])
    assert "".join(one.name for one in found.digits) == str(digit)


def test_shadows_end_no_sheet() -> None:
    """A soft one, and one that is sharp but leaves as much light as shadows do."""
    across = np.arange(400)[None] * np.ones((300, 1))
    for dark, width in ((0.3, 60.0), (0.7, 1.0)):
        light = dark + (1 - dark) / (1 + np.exp((150 - across) / width))
        assert sheet_alone((220 * light[..., None] * np.ones(3)).astype(np.float32)) is None


@pytest.mark.parametrize("digit", [1, 2, 3, 4, 8])
def test_the_circle_around_a_digit_is_no_digit(digit: int, tmp_path: Path) -> None:
    ink = ink_of(digit)
    page = Image.fromarray((255 * np.pad(ink, ((80, 80), (140 - ink.shape[1] // 2,) * 2))).astype(np.uint8))
    middle = page.width / 2
    ImageDraw.Draw(page).arc([middle - 100, 40, middle + 100, 240], 20, 365, fill=255, width=6)  # not quite closed
    assert names(np.asarray(page) / 255, tmp_path) == str(digit)


@pytest.mark.parametrize("inner", ["dot", "slash"])
def test_a_0_with_a_dot_or_a_slash_in_it_is_a_0(inner: str, tmp_path: Path) -> None:
    page = Image.new("L", (260, 260), 0)
    pen = ImageDraw.Draw(page)
    pen.ellipse([70, 50, 190, 200], outline=255, width=9)
    if inner == "dot":
        pen.ellipse([123, 118, 137, 132], fill=255)
    else:
        pen.line([(155, 90), (105, 160)], fill=255, width=9)
    assert names(np.asarray(page) / 255, tmp_path) == "0"


def bordered(kind: str) -> np.ndarray:
    """Ink 0 to 1 of a 3 with something beside it that comes in from the edges."""
    ink = np.zeros((320, 400))
    three = ink_of(3, 110)
    ink[120:, 150:][: three.shape[0], : three.shape[1]] = three
    page = Image.fromarray((255 * ink).astype(np.uint8))
    pen = ImageDraw.Draw(page)
    shapes: dict[str, list[list[tuple[int, int]]]] = {
        "pen": [[(330, 60), (350, 320)]],
        "line at a side": [[(2, 0), (2, 320)]],
        "corner": [[(0, 6), (394, 6), (394, 320)]],
    }
    for line in shapes.get(kind, []):
        pen.line(line, fill=255, width=10, joint="curve")
    if kind == "bar of a window":
        pen.rectangle([0, 0, 400, 30], fill=255)
    if kind == "sides of a box":
        for x in (60, 340):
            pen.line([(x, 60), (x, 270)], fill=255, width=4)
    return np.asarray(page) / 255


@pytest.mark.parametrize("kind", ["pen", "line at a side", "corner", "bar of a window", "sides of a box"])
@pytest.mark.parametrize("taken", [False, True])
def test_what_comes_in_from_the_edges_is_no_digit(kind: str, taken: bool, tmp_path: Path) -> None:
    ink = bordered(kind)
    if not taken:
        assert names(ink, tmp_path) == "3"
        return
    photo = 210 * (1 - 0.8 * ink) + np.random.default_rng(1).normal(0, 4, ink.shape)
    Image.fromarray(photo.clip(0, 255).astype(np.uint8)).save(tmp_path / "photo.png")
    [found] = predict([str(tmp_path / "photo.png")])
    assert "".join(one.name for one in found.digits) == "3"


def test_a_1_that_reaches_the_edge_beside_another_digit_stays(tmp_path: Path) -> None:
    ink = np.zeros((150, 260))
    seven = ink_of(7, 130)
    ink[0:140, 50:60] = 1
    ink[8:, 110:][: seven.shape[0], : seven.shape[1]] = seven
    assert names(ink, tmp_path) == "17"


def test_a_dim_photo_of_paper_is_no_board() -> None:
    ink = np.pad(ink_of(6, 120, 16), 60)[..., None] * np.ones(3)
    noise = np.random.default_rng(6).normal(0, 3, ink.shape)
    assert _darkness((30 * (1 - 0.6 * ink) + noise).clip(0, 255).astype(np.float32)) > 0.5
    assert _darkness((45 + 185 * ink + noise).clip(0, 255).astype(np.float32)) < -0.5


def test_two_classes_are_parted_where_they_differ_most() -> None:
    values = np.r_[np.full(30, 0.2), np.full(50, 0.3), np.full(20, 0.9)]
    assert 0.3 < parting(values) <= 0.9
    assert parting(np.full(7, 3.0)) == pytest.approx(3, abs=0.5)
