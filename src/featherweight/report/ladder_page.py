"""The page of a ladder: its tables as text, what it says of each rung, and the page itself as Markdown and as HTML."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from featherweight._version import __version__
from featherweight.errors import UsageError
from featherweight.experiments.claims import NOT_RUN, Found, findings
from featherweight.experiments.experiment import Experiment, parts
from featherweight.experiments.record import Record
from featherweight.experiments.verdicts import summarise
from featherweight.networks.anatomy import Anatomy, LayerRow, dissect
from featherweight.networks.difference import differences
from featherweight.report import figures
from featherweight.report.templating import environment

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
    for claim, outcome, values in findings(rung, found):
        rule = f" ({numbers.setdefault(claim.by.rule, len(numbers) + 1)})" if claim.by else ""
        rows.append((claim.says, f"{outcome}{rule}", values))
    headings = ("sentence", "the records say", "figures")
    return TextTable(headings=headings, align="lll", rows=tuple(rows)) if rows else None


@dataclass(frozen=True, kw_only=True)
class RungView:
    """What the page of a ladder says of one rung."""

    experiment: Experiment
    parts: Mapping[str, str]
    """The paragraphs of its docstring by label, such as Target and Why."""
    changes: Sequence[str]
    """How it differs from its parent, one phrase each."""
    parameters: int
    anatomy: Anatomy | None
    """None if a layer cannot be measured, which `unmeasured` says."""
    layers: TextTable | None
    unmeasured: str
    records: Sequence[Record]
    result: TextTable | None
    """None before it has run; the log likewise."""
    log: TextTable | None
    claims: TextTable | None
    """None if its analysis makes no claims."""
    attempts: TextTable | None = None
    """Every evaluation on the test set, as the ledger of these counts them; None where there is no ledger."""

    @property
    def summary(self) -> str:
        """The result over all seeds, in a sentence; empty before it has run."""
        if not self.records:
            return ""
        of, budget = summarise(self.records), self.experiment.budget
        seeds = f"mean of {of.runs} seeds, standard deviation {of.standard_deviation:.2f}, worst {of.worst:.2f}"
        seeds = "one seed" if of.runs == 1 else seeds
        held = f"the last {budget.held} epochs {of.worst_of_last:.2f} % at worst"
        return f"{of.mean:.2f} % at the last epoch ({seeds}), {held}; {of.passed} of {of.runs} within budget."

    @property
    def unchecked(self) -> str:
        """That some records carry no digest of themselves, by which a change would be noticed; empty if all do."""
        without = sum(record.digest is None for record in self.records)
        return f" Not checked: {without} of {len(self.records)} records carry no digest." if without else ""


def rung_view(
    rung: Experiment,
    found: Found,
    parent: Experiment | None,
    numbers: dict[str, int],
    *,
    shape: tuple[int, int, int] | None = None,
    classes: int = 10,
    attempts: TextTable | None = None,
) -> RungView:
    """What the page of a ladder says of one rung, computed from its records.

    The rules that decide its claims are added to `numbers`, in the order in which they are first used, from 1. `shape`
    and `classes` are of the pictures that it was trained on, by default those of its own set.
    """
    records = found.get(rung.id, ())
    text = {label: f"{words[:1].upper()}{words[1:]}" for label, words in parts(rung.text).items()}
    if rung.name == rung.id:  # of the package, whose analysis is written from claims and committed records
        text.pop("Analysis", None)
    shape = shape or rung.shape
    network, anatomy, unmeasured = rung.build(channels=shape[0], classes=classes), None, ""
    try:
        anatomy = dissect(network, shape)
    except UsageError as problem:
        unmeasured = str(problem)
    return RungView(
        experiment=rung,
        parts=text,
        changes=differences(rung, parent) if parent else (),
        parameters=sum(weights.numel() for weights in network.parameters()),
        anatomy=anatomy,
        layers=anatomy_table(anatomy) if anatomy else None,
        unmeasured=unmeasured,
        records=records,
        result=result_table(records) if records else None,
        log=log_table(records) if records else None,
        claims=claims_table(rung, found, numbers),
        attempts=attempts,
    )


# ------------------------------------------------------------------------------------------- rendering


def _context(
    title: str, subject: str, views: Sequence[RungView], rules: Mapping[str, int], **more: Any
) -> dict[str, Any]:
    found = {view.experiment.id: view.records for view in views if view.records}
    summary = summary_table([view.experiment for view in views], [view.parameters for view in views], found)
    runs = [record for records in found.values() for record in records]
    ids = [view.experiment.id for view in views]
    about = {"title": title, "subject": subject, "views": views, "contents": [(one, one) for one in ids]}
    return {**about, "summary": summary, "rules": list(rules), "runs": runs, "version": __version__, **more}


def markdown_page(
    title: str,
    subject: str,
    views: Sequence[RungView],
    rules: Mapping[str, int],
    *,
    name: str,
    changed: Sequence[str] = (),
) -> str:
    """The page as Markdown; `name` is its file's, beside which the curves are `NAME.svg` and each rung's `NAME-ID.svg`.

    `changed` are the settings in which these runs differ from the rungs as their files have them.
    """
    context = _context(title, subject, views, rules, picture=f"{name}.svg", changed=changed)
    context["pictures"] = {view.experiment.id: f"{name}-{view.experiment.id}.svg" for view in views}
    return environment().get_template("ladder.md.j2").render(context).rstrip() + "\n"


def html_page(
    title: str, subject: str, views: Sequence[RungView], rules: Mapping[str, int], *, changed: Sequence[str] = ()
) -> str:
    """The page as one HTML file that needs nothing else: styles and curves are in it, and all text is escaped."""
    from markupsafe import Markup

    def curves(records: Sequence[Record], name: str) -> Markup:
        figure = figures.ladder(*records) if name == "ladder" else figures.accuracy(*records)
        return Markup(figures.page_svg(figure, f"{name}-curves", f"Accuracy by epoch, {name}"))

    made = environment(autoescape=True)
    made.globals["curves"] = curves
    return made.get_template("ladder.html.j2").render(_context(title, subject, views, rules, changed=changed))
