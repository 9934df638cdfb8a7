"""What training prints: rows that fit a terminal, a heading once, names that fit before them."""

import io
from dataclasses import replace

import pytest

from featherweight.cli import training_display
from featherweight.cli.display import shown
from featherweight.cli.training_display import ClusterView, RunsView, epoch_row, heading
from featherweight.experiments.record import Row
from featherweight.training.runs.events import Event, Failed, Note, Progress, Spread


def progress(label: str, epoch: int, held_out: bool = False) -> Progress:
    row = Row(epoch=epoch, lr=6.78e-05, train_loss=12.34567, train_accuracy=100.0, test_loss=0.0173,
              test_accuracy=99.51, seconds=1234.5)  # fmt: skip
    return Progress(label=label, epoch=epoch, epochs=15, step=938, steps=938, lr=row.lr, loss=0.02, accuracy=99.4,
                    seconds=3.9, row=row, tested=10_000, held_out=held_out)  # fmt: skip


def lines_of(events: list[Event], labels: bool) -> list[str]:
    to = io.StringIO()
    with shown(to, RunsView(labels=labels)) as show:
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


def test_a_cluster_s_lines_are_rows_notes_ends_and_where_runs_are_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_display, "CLUSTER_SECONDS", -1.0)
    monkeypatch.setattr(training_display, "LINE_SECONDS", -1.0)
    to = io.StringIO()
    between = replace(progress("f3 seed 0", 2), row=None, step=9)
    events: list[Event] = [
        progress("f3 seed 0", 1), between, Note(sentence="b\x1b is gone"),
        Failed(label="f3 seed 1", sentence="no", exit_status=1),
        Spread(waiting=2, running={"b": 1, "a": 2}, ended={}),
    ]  # fmt: skip
    with shown(to, ClusterView(5)) as show:
        for event in events:
            show(event)
    _, _, row, note, failed, ended, where = to.getvalue().splitlines()
    assert "1/15" in row and "is gone" in note and "\x1b" not in note and failed == "f3 seed 1: no"
    assert "1 of 5" in ended and where.startswith("2 waiting, 3 running, 1 of 5 ended") and where.endswith("a 2; b 1")


def test_runs_of_this_machine_show_an_epoch_s_progress_and_their_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training_display, "LINE_SECONDS", -1.0)
    between = replace(progress("f3 seed 0", 2), row=None, step=9)
    to = io.StringIO()
    with shown(to, RunsView(2, labels=True)) as show:
        show(between)
        show(Failed(label="f3 seed 0", sentence="no", exit_status=1))
    step, failed, ended = to.getvalue().splitlines()
    assert "step 9/938" in step and failed == "f3 seed 0: no" and "1 of 2" in ended
