"""Verdicts for people: tables for the terminal. Needs no torch."""

from collections.abc import Sequence

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table

from featherweight.experiments.budget import Budget
from featherweight.experiments.record import Record


def print_table(table: Table) -> None:
    """Print a table at its full width: a narrower terminal wraps its lines, so no figure is cut off."""
    console = Console()
    needed = Measurement.get(console, console.options.update(max_width=500), table).maximum
    console.width = max(console.width, needed)
    console.print(table)


def verdict_table(record: Record) -> Table:
    """One row per clause of the budget: what is allowed, what was measured, and whether it holds."""
    table = Table(box=None, header_style="bold")
    for heading in ("budget", "allowed", "measured", "holds"):
        table.add_column(heading, justify="left" if heading == "budget" else "right")
    for clause in record.clauses:
        table.add_row(clause.name, clause.allowed, clause.measured, "yes" if clause.holds else "NO")
    table.caption = f"best epoch {record.verdict.best:.2f} % (for reference)"
    table.caption_justify = "left"
    return table


def seeds_table(records: Sequence[Record]) -> Table:
    """One row per seed: the last epoch, the worst of the last ones, the best, all in percent, and the verdict."""
    held = Budget(**records[0].budget).held
    table = Table(box=None, header_style="bold")
    for heading in ("seed", "last %", f"worst of last {held} %", "best %", "passed", "seconds"):
        table.add_column(heading, justify="right")
    for record in records:
        verdict = record.verdict
        figures = (f"{value:.2f}" for value in (verdict.last, verdict.worst_of_last, verdict.best))
        table.add_row(str(record.seed), *figures, "yes" if verdict.passed else "NO", f"{record.train_seconds:.0f}")
    return table
