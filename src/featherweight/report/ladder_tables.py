"""The tables on the page of a ladder, as text: a form in which both Markdown and HTML can show them."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean

from featherweight.experiments.claims import NOT_RUN, Found, findings
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.record import Record, summarise
from featherweight.networks.anatomy import Anatomy, LayerRow

SEEDS_SHOWN = 5
"""Logs of up to this many seeds get a column each; for more, the mean with the lowest and the highest is shown."""
LEADING = ("Conv2d", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "Linear")
ABSENT = "–"


@dataclass(frozen=True, kw_only=True)
class TextTable:
    """Headings and cells; `align` has one letter for each column, `l` for words and `r` for figures."""

    headings: tuple[str, ...]
    align: str
    rows: tuple[tuple[str, ...], ...]

    def without(self, heading: str) -> "TextTable":
        """The table without the column of this heading.

        >>> TextTable(headings=("a", "b"), align="lr", rows=(("x", "1"),)).without("a").rows
        (('1',),)
        """
        at = self.headings.index(heading)
        rows = tuple((*row[:at], *row[at + 1 :]) for row in self.rows)
        headings = (*self.headings[:at], *self.headings[at + 1 :])
        return TextTable(headings=headings, align=self.align[:at] + self.align[at + 1 :], rows=rows)


def percent_text(value: float | None) -> str:
    """A percentage with two digits, or a dash.

    >>> percent_text(99.406), percent_text(None)
    ('99.41', '–')
    """
    return ABSENT if value is None else f"{value:.2f}"


def summary_table(rungs: Sequence[Experiment], parameters: Sequence[int], found: Found) -> TextTable:
    """One line per rung: its size, and the means over its seeds."""
    headings = ("rung", "what changed", "parameters", "epochs", "best %", "last %", "worst judged %", "clean train %",
                "within budget")  # fmt: skip
    rows = []
    for rung, count in zip(rungs, parameters, strict=True):
        cells = [f"[`{rung.id}`](#{rung.id})", rung.title, f"{count:,}", str(rung.recipe.epochs)]
        rows.append((*cells, *_mean_cells(found.get(rung.id, ()))))
    return TextTable(headings=headings, align="ll" + "r" * 7, rows=tuple(rows))


def _mean_cells(records: Sequence[Record]) -> list[str]:
    if not records:
        return [NOT_RUN, *[ABSENT] * 4]
    summary = summarise(records)
    spread = f" ± {summary.standard_deviation:.2f}" if summary.runs > 1 else ""
    clean = [record.clean_train_accuracy for record in records if record.clean_train_accuracy is not None]
    return [
        percent_text(fmean(record.verdict.best for record in records)),
        f"{summary.mean:.2f}{spread}",
        percent_text(summary.worst_of_last),
        percent_text(fmean(clean) if clean else None),
        f"{summary.passed} of {summary.runs}",
    ]


def anatomy_table(anatomy: Anatomy) -> TextTable:
    """One line for each convolution, pool or linear layer and the layers that follow it."""
    rows = []
    for group in groups(anatomy.rows):
        first = group[0]
        after = ", ".join(row.kind for row in group[1:])
        sums = [sum(row.parameters for row in group), sum(row.macs for row in group)]
        output = " x ".join(map(str, group[-1].output))
        rows.append((first.kind, after, output, *(f"{one:,}" for one in sums), str(first.field), str(first.jump)))
    headings = ("layer", "followed by", "output", "parameters", "MACs", "field", "jump")
    return TextTable(headings=headings, align="llrrrrr", rows=tuple(rows))


def groups(rows: Sequence[LayerRow]) -> list[list[LayerRow]]:
    """The rows of an anatomy, each leading layer with those that follow it."""
    found: list[list[LayerRow]] = []
    for row in rows:
        if row.kind.split()[0] in LEADING or not found:
            found.append([row])
        else:
            found[-1].append(row)
    return found


def result_table(records: Sequence[Record]) -> TextTable:
    """One line per seed, with its verdict."""
    rows = []
    for record in records:
        verdict, last = record.verdict, record.rows[-1]
        figures = (verdict.best, verdict.last, verdict.worst_of_last, last.train_accuracy, record.clean_train_accuracy)
        words = ("passed: " if verdict.passed else "failed: ") + verdict.reason
        rows.append((str(record.seed), *map(percent_text, figures), words))
    headings = ("seed", "best %", "last %", "worst judged %", "train %", "clean train %", "budget")
    return TextTable(headings=headings, align="rrrrrrl", rows=tuple(rows))


def log_table(records: Sequence[Record]) -> TextTable:
    """The epochs of all seeds, of which there must be one or more, side by side."""
    shown = [(str(row.epoch), f"{row.lr:.3g}", *_cells(records, at)) for at, row in enumerate(records[0].rows)]
    headings = ("epoch", "rate", *_headings(records))
    return TextTable(headings=headings, align="r" * len(headings), rows=tuple(shown))


def _headings(records: Sequence[Record]) -> list[str]:
    if len(records) > SEEDS_SHOWN:
        return ["train %, mean", "test %, mean", "lowest", "highest", "train loss, mean", "test loss, mean"]
    seeds = [record.seed for record in records]
    return [f"{what}, seed {seed}" for what in ("train %", "test %", "train loss", "test loss") for seed in seeds]


def _cells(records: Sequence[Record], at: int) -> list[str]:
    rows = [record.rows[at] for record in records]
    if len(records) > SEEDS_SHOWN:
        tests = [row.test_accuracy for row in rows]
        percents = [fmean(row.train_accuracy for row in rows), fmean(tests), min(tests), max(tests)]
        losses = [fmean(row.train_loss for row in rows), fmean(row.test_loss for row in rows)]
        return [*(f"{one:.2f}" for one in percents), *(f"{one:.4f}" for one in losses)]
    names = (("train_accuracy", 2), ("test_accuracy", 2), ("train_loss", 4), ("test_loss", 4))
    return [f"{getattr(row, name):.{digits}f}" for name, digits in names for row in rows]


def claims_table(rung: Experiment, found: Found, numbers: dict[str, int]) -> TextTable | None:
    """The claims of a rung with the answers of its records; None if it has none.

    The rules that decide are added to `numbers`, counted from 1.
    """
    rows = []
    for claim, outcome, figures in findings(rung, found):
        rule = f" ({numbers.setdefault(claim.by.rule, len(numbers) + 1)})" if claim.by else ""
        rows.append((claim.says, f"{outcome}{rule}", figures))
    headings = ("sentence", "the records say", "figures")
    return TextTable(headings=headings, align="lll", rows=tuple(rows)) if rows else None
