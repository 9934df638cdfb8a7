"""What the page of a ladder says of each rung, and the page itself as Markdown and as HTML."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from featherweight._version import __version__
from featherweight.errors import UsageError
from featherweight.experiments.claims import Claim, Found
from featherweight.experiments.experiment import Experiment, parts
from featherweight.experiments.record import Record, summarise
from featherweight.networks.anatomy import Anatomy, dissect
from featherweight.networks.difference import differences
from featherweight.report import figures
from featherweight.report.ladder_tables import (
    TextTable,
    anatomy_table,
    claims_table,
    log_table,
    result_table,
    summary_table,
)
from featherweight.report.templating import environment


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
    claims: Callable[[Claim], bool] = lambda claim: True,
) -> RungView:
    """What the page of a ladder says of one rung, computed from its records.

    The rules that decide its claims are added to `numbers`, in the order in which they are first used, from 1. `shape`
    and `classes` are of the pictures that it was trained on, by default those of its own set; `claims` says which to
    show.
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
        claims=claims_table(rung, found, numbers, claims),
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
