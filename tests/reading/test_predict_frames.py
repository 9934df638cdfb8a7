"""Which pieces of ink are frames, sides of a box, pens and borders: each rule on both sides of its limit."""

import numpy as np
import pytest
from numpy.typing import NDArray

from featherweight.reading import components as pieces
from featherweight.reading.components import Piece


def box(height: int, width: int, along: float = 1.0) -> NDArray[np.bool_]:
    """The outline of a box with so much of each of its sides drawn, from the corners on."""
    own = np.zeros((height, width), bool)
    down, right = round(along * height), round(along * width)
    own[0, :right], own[-1, -right:], own[:down, 0], own[-down:, -1] = True, True, True, True
    return own


def piece(top: int, left: int, height: int, width: int, **changed: object) -> Piece:
    values = {"labels": [1], "mass": float(height * width)} | changed
    return Piece(top=top, left=left, bottom=top + height, right=left + width, **values)  # type: ignore[arg-type]


NONE = np.zeros((1, 1), np.int32)


def test_a_frame_runs_along_all_four_sides_and_is_no_speck() -> None:
    assert pieces._is_frame(box(13, 40)) and not pieces._is_frame(box(12, 40))
    # Seven tenths of a side must be drawn, more or less; the other sides add a pixel or two at the corners.
    assert pieces._is_frame(box(100, 100, 0.75)) and not pieces._is_frame(box(100, 100, 0.6))
    open_below = box(40, 40)
    open_below[-5:, 1:-1] = False
    assert not pieces._is_frame(open_below)


def test_a_frame_goes_where_it_holds_something_as_tall_as_a_fifth_of_it() -> None:
    frame = piece(0, 0, 100, 100, frame=True)
    for longer, kept in ((21, 1), (20, 2)):
        inside = piece(30, 30, longer, 10, labels=[2])
        assert len(pieces.without_frames([frame, inside], NONE)) == kept
    beside = piece(30, 95, 40, 10, labels=[2])  # sticks out: the frame does not hold it
    assert pieces.without_frames([frame, beside], NONE) == [frame, beside]
    plain = piece(0, 0, 100, 100)
    tall = piece(30, 30, 21, 10, labels=[2])
    assert pieces.without_frames([plain, tall], NONE) == [plain, tall]


@pytest.mark.parametrize(
    ("bars", "between", "kept"),
    [
        (((0, 0, 100, 4), (0, 90, 100, 4)), (10, 40, 80, 20), 1),  # the sides of a box around a digit
        (((0, 0, 100, 4), (0, 90, 100, 4)), (5, 40, 90, 20), 3),  # 90 x 1.15 is more than 100: a digit between two 1s
        (((0, 0, 100, 4), (7, 90, 100, 4)), (10, 40, 80, 20), 3),  # their tops are 7 apart, where 5 are allowed
        (((0, 0, 100, 4), (0, 90, 94, 4)), (10, 40, 80, 20), 3),  # as are their feet
        (((0, 0, 100, 4), (0, 90, 100, 4)), (10, 96, 80, 20), 3),  # nothing between them
    ],
)
def test_two_bars_are_the_sides_of_a_box(
    bars: tuple[tuple[int, ...], ...], between: tuple[int, ...], kept: int
) -> None:
    sides = [piece(*bar, straight=True) for bar in bars]
    digit = piece(*between, labels=[2])
    assert len(pieces.without_frames([*sides, digit], NONE)) == kept


def test_what_touches_a_side_at_length_is_counted() -> None:
    contrast = np.zeros((100, 200), np.float32)
    contrast[0:40, 50:56] = 1  # touches the top along 6 pixels, where more than 5 count
    contrast[60:99, 0:5] = 1  # touches the left side along 39
    contrast[98:100, 120:124] = 1  # touches the foot along 4 alone
    labels = np.zeros((100, 200), np.int32)
    labels[0:40, 50:56], labels[60:99, 0:5], labels[98:100, 120:124] = 1, 2, 3
    found = {one.labels[0]: one for one in pieces.pieces_of(contrast, labels, 0.2, 3, drawn=True)}
    assert [found[at].edges for at in (1, 2, 3)] == [1, 1, 0]
    # Of 2 x (100 + 200) places at the edges.
    assert found[1].border == pytest.approx(6 / 600)
    assert found[2].border == pytest.approx((39 + 5) / 600)  # and 5 columns of its foot, one row from the picture's
    assert found[3].border == pytest.approx((4) / 600)


def test_pens_and_borders_go_where_there_is_writing_longer_than_a_seventeenth() -> None:
    pen = piece(0, 0, 90, 5, labels=[1], outer=True, edges=1)
    for size, kept in ((59, 2), (60, 1)):  # the picture is 1,000 wide: 0.06 of it are 60
        digit = piece(20, 300, size, size, labels=[2])
        assert len(pieces.without_outer([pen, digit], (600, 1000))) == kept
    # 1.4 times as long as the writing, and no shorter.
    for longer, kept in ((84, 2), (85, 1)):
        pen = piece(0, 0, longer, 5, labels=[1], outer=True, edges=1)
        assert len(pieces.without_outer([pen, piece(20, 300, 60, 60, labels=[2])], (600, 1000))) == kept
    inner = piece(0, 0, 900, 5, labels=[1])  # as long, but nothing that comes in from outside
    assert len(pieces.without_outer([inner, piece(20, 300, 60, 60, labels=[2])], (600, 1000))) == 2


def test_surroundings_go_where_something_else_is_left() -> None:
    desk = piece(0, 0, 100, 100, labels=[1], edges=2, border=0.3)
    digit = piece(30, 30, 20, 12, labels=[2])
    assert pieces.without_surroundings([desk, digit], (100, 100), False) == [digit]
    # In a drawing only what covers half of the edges is left out.
    assert pieces.without_surroundings([desk, digit], (100, 100), True) == [desk, digit]
    desk.border = 0.5
    assert pieces.without_surroundings([desk, digit], (100, 100), True) == [digit]
    for height, kept in ((6, 2), (7, 1)):  # longer than 0.06 of the picture's longer side
        small = piece(30, 30, height, 5, labels=[2], mass=500.0)
        assert len(pieces.without_surroundings([desk, small], (100, 100), False)) == kept
    faint = piece(30, 30, 20, 12, labels=[2], mass=0.01 * desk.mass)  # a hundredth of the heaviest, and no more
    assert len(pieces.without_surroundings([desk, faint], (100, 100), False)) == 2
