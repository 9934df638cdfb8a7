"""The table of hand-ins that `ladder` prints for a teacher."""

from collections.abc import Sequence
from pathlib import Path

from featherweight.cli.display import print_table
from featherweight.cli.options import say


def print_hand_ins(folders: Sequence[Path], *, retrain: bool, data_dir: Path | None) -> int:
    """Print a row for each run, and what is wrong with any; returns 0 if all passed and came out the same, else 1."""
    from rich.table import Table
    from rich.text import Text

    from featherweight.protocol.hand_ins import hand_ins

    rows = list(hand_ins(folders, retrain=retrain, data_dir=data_dir, tell=say))
    table = Table(box=None, header_style="bold")
    for heading in ("hand-in", "experiment", "seed", "parameters", "last five epochs, %", "passed"):
        table.add_column(heading, justify="left" if heading in ("hand-in", "experiment") else "right")
    for row in rows:
        cells = (
            row.folder, row.experiment or "-", "-" if row.seed is None else str(row.seed),
            "-" if row.parameters is None else f"{row.parameters:,}",
            " ".join(f"{value:.2f}" for value in row.last) or "-", "yes" if row.passed else "NO",
        )  # fmt: skip
        table.add_row(*map(Text, cells))
    print_table(table)
    for row in rows:
        name = f"{row.folder}/{row.run}" if row.run else row.folder
        say(f"{name}: {row.verdict}{f'; budget: {row.budget}' if row.budget else ''}")
        if row.again:
            say(f"  trained again: {row.again}")
    same = all(row.again in ("", "the same in every epoch") for row in rows)
    return 0 if same and all(row.passed for row in rows) else 1
