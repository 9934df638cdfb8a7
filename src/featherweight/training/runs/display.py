"""How a run comes on, as plain text that is redrawn in place: what `live` shows below a notebook's cell."""

from collections.abc import Callable, Sequence

from featherweight.experiments.record import Row
from featherweight.experiments.verdicts import verdict_sentence
from featherweight.training.runs.events import Done, Event, Progress
from featherweight.training.runs.run import Run

BAR = 30
"""Characters."""


def live(run: Run) -> Callable[[Event], None]:
    """A function that takes each event of the run and shows how it comes on below the notebook's cell."""
    from IPython.display import display

    handle = display({"text/plain": ""}, raw=True, display_id=True)  # type: ignore[no-untyped-call]
    return shower(run.introduction(), lambda text: handle.update({"text/plain": text}, raw=True))


def shower(introduction: Sequence[str], draw: Callable[[str], None]) -> Callable[[Event], None]:
    """A function that takes each event of one run and hands `draw` the whole text to be shown from then on."""
    lines = [
        *introduction,
        "",
        f"{'epoch':>5} {'rate':>8} {'loss':>7} {'training':>9} {'loss':>7} {'test':>9} {'seconds':>8}",
    ]

    def show(event: Event) -> None:
        if isinstance(event, Progress):
            if event.row is not None:
                lines.append(row_line(event.row))
            draw("\n".join([*lines, "", bar(event)]))
        elif isinstance(event, Done):
            draw("\n".join([*lines, "", verdict_sentence(event.record)]))

    return show


def row_line(row: Row) -> str:
    """A finished epoch: its rate, then loss and accuracy of training and test.

    >>> row_line(Row(epoch=2, lr=0.1, train_loss=0.2, train_accuracy=95, test_loss=0.05, test_accuracy=98.5, seconds=7))
    '    2      0.1  0.2000   95.00 %  0.0500   98.50 %        7'
    """
    train = f"{row.train_loss:7.4f} {row.train_accuracy:7.2f} %"
    test = f"{row.test_loss:7.4f} {row.test_accuracy:7.2f} %"
    return f"{row.epoch:5d} {row.lr:8.3g} {train} {test} {row.seconds:8.3g}"


def bar(progress: Progress) -> str:
    """Where a run stands, as one line.

    >>> bar(Progress(label="", epoch=2, epochs=4, step=30, steps=60, lr=0.1, loss=0.25, accuracy=92.5, seconds=3,
    ...              row=None, tested=0, held_out=False))
    '[███████████···················] epoch 2 of 4, loss 0.250, 92.50 %, 10 steps/s'
    """
    done = ((progress.epoch - 1) + progress.step / progress.steps) / progress.epochs
    filled = round(BAR * done)
    pace = progress.step / progress.seconds if progress.seconds else 0.0
    return (
        f"[{'█' * filled}{'·' * (BAR - filled)}] epoch {progress.epoch} of {progress.epochs},"
        f" loss {progress.loss:.3f}, {progress.accuracy:.2f} %, {pace:.0f} steps/s"
    )
