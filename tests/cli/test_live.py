"""What training prints: rows that fit a terminal, a heading once, names that fit before them."""

import io

from featherweight.cli.live import epoch_row, heading, shown
from featherweight.experiments.record import Row
from featherweight.training.runs.events import Event, Progress


def progress(label: str, epoch: int, held_out: bool = False) -> Progress:
    row = Row(epoch=epoch, lr=6.78e-05, train_loss=12.34567, train_accuracy=100.0, test_loss=0.0173,
              test_accuracy=99.51, seconds=1234.5)  # fmt: skip
    return Progress(label=label, epoch=epoch, epochs=15, step=938, steps=938, lr=row.lr, loss=0.02, accuracy=99.4,
                    seconds=3.9, row=row, tested=10_000, held_out=held_out)  # fmt: skip


def lines_of(events: list[Event], labels: bool) -> list[str]:
    to = io.StringIO()
    with shown(to, labels=labels) as show:
        for event in events:
            show(event)
    return to.getvalue().splitlines()


def test_a_row_has_all_figures_of_the_epoch() -> None:
    assert epoch_row(progress("", 15), progress("", 15).row or Row()).split() == [
        "15/15", "6.78e-05", "12.3457", "100.00", "0.0173", "99.51", "9951", "1.23e+03",
    ]  # fmt: skip


def test_the_heading_is_printed_once_and_nothing_is_wider_than_78_columns() -> None:
    names = ["smallest seed 12", "a10 seed 2", "/some/where/of/mine/own.py seed 3"]
    for labels in (False, True):
        lines = lines_of([progress(name, epoch) for epoch in (1, 2, 15) for name in names], labels)
        assert len(lines) == 2 + 9 and sum("training" in line for line in lines) == 1
        assert max(map(len, lines)) <= 78
        ends = {line.index(word) + len(word) for line, word in ((lines[1], "right"), (lines[2], "9951"))}
        assert labels or len(ends) == 1  # columns stand under their headings
    assert "own 3 " in lines[4] and "/some" not in lines[4]


def test_held_out_images_are_called_so() -> None:
    assert "held out: 10,000 images" in heading(progress("", 1, held_out=True))
