"""The pages of the ladders: each one, the table of all, and what their sources state. Their text is in `templates/`."""

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from statistics import fmean
from typing import Any

from docs.build.network_stats import anatomy_of, changes_between
from docs.build.rendering import rendered
from docs.build.statements import FACTS, OPEN, answers
from docs.build.tables import Tables, links

from featherweight.experiments.budget import Budget, judge
from featherweight.experiments.claims import NOT_RUN, Found
from featherweight.experiments.experiment import Experiment, find, ids, ladder_of, parts, place_of, rungs
from featherweight.experiments.record import Record
from featherweight.experiments.verdicts import summarise
from featherweight.protocol.records import confirmation
from featherweight.report.ladder_page import ABSENT, TextTable, percent_text

NEAR = 0.15
"""A measured accuracy up to this many points below a claimed one counts as reproducing it: two standard errors on the
test set at 99.4 %, rounded down."""
WHOLE_RUN = ("one_cycle", "cosine", "linear")
"""Schedules whose learning rates depend on the total number of epochs."""
REPORTS = ("f3",)
"""Rungs that have their full report in the documentation."""


def subject(letter: str) -> str:
    """One sentence about a ladder, from the docstring of its folder.

    >>> subject("d")
    'One network under the relaxed rule (published).'
    """
    return (import_module(f"featherweight.experiments.ladders.{letter}").__doc__ or "").strip()


@dataclass(frozen=True, kw_only=True)
class RungFigures:
    """Summary figures of a rung's runs, in percent: means over seeds unless stated otherwise."""

    best: float
    last: float
    deviation: float
    worst: float
    """The lowest test accuracy in the last five epochs of any seed."""
    clean: float
    """The accuracy of the kept weights on the training images without augmentation."""
    within: int
    """The number of seeds within the rung's own budget."""
    ruled: int
    """The number of seeds within the rule."""
    runs: int


def rung_figures(records: Sequence[Record], rule: Budget) -> RungFigures:
    """The figures of the runs of one rung; UsageError if there are no runs."""
    summary = summarise(records)
    verdicts = [_judged(rule, record) for record in records]
    return RungFigures(
        best=fmean(verdict.best for verdict in verdicts),
        last=summary.mean,
        deviation=summary.standard_deviation,
        worst=min(verdict.worst_of_last for verdict in verdicts),
        clean=fmean(record.clean_train_accuracy or 0.0 for record in records),
        within=summary.passed,
        ruled=sum(verdict.passed for verdict in verdicts),
        runs=len(records),
    )


def _judged(rule: Budget, record: Record, epochs: int | None = None) -> Any:
    return judge(rule, record.parameters, [row.test_accuracy for row in record.rows[:epochs]])


def reproduced(claimed: float, measured: float) -> bool:
    """Whether a measured accuracy is at most `NEAR` points below a claimed one; both in percent.

    >>> reproduced(99.41, 99.26), reproduced(99.41, 99.25)
    (True, False)
    """
    return measured >= claimed - NEAR - 1e-9  # the mean of 99.08, 99.10 and 99.66 is a bit below 99.28


def summary_table(rungs: Sequence[Experiment], found: Found, link: str = "") -> TextTable:
    """One line per rung: claimed and measured accuracy, and how many seeds met the rule."""
    rows = []
    for rung in rungs:
        head = f"[`{rung.id}`]({link.format(letter=ladder_of(rung.id))}#{rung.id})"
        cells = [head, rung.title, f"{anatomy_of(rung).parameters:,}", percent_text(rung.claimed)]
        rows.append((*cells, *_measured(rung, found.get(rung.id, ()))))
    headings = ("rung", "what changed", "parameters", "claimed %", "best %", "last %", "worst of last 5 %", "the rule")
    table = TextTable(headings=headings, align="llrrrrrr", rows=tuple(rows))
    return table if any(rung.claimed for rung in rungs) else table.without("claimed %")


def _measured(rung: Experiment, records: Sequence[Record]) -> list[str]:
    if not records:
        return [NOT_RUN] + [ABSENT] * 3
    it = rung_figures(records, rung.judged_by)
    spread = f" ± {it.deviation:.2f}" if it.runs > 1 else ""  # a single run has no deviation
    return [percent_text(it.best), f"{it.last:.2f}{spread}", percent_text(it.worst), f"{it.ruled} of {it.runs}"]


def _first_epochs(rung: Experiment, records: Sequence[Record]) -> str:
    """The rule's verdict on the first epochs, if there are too many and a shorter run would train the same way."""
    rule = rung.judged_by
    whole = rung.recipe.to_json()["schedule"]["kind"] in WHOLE_RUN or rung.recipe.plain_epochs > 0
    if not records or rung.recipe.epochs <= rule.epochs or whole or records[0].parameters >= rule.parameters:
        return ""
    verdicts = [_judged(rule, record, rule.epochs) for record in records]
    passed, worst = sum(one.passed for one in verdicts), min(one.worst_of_last for one in verdicts)
    return f"Judged by its first {rule.epochs} epochs, {passed} of {len(verdicts)} pass (worst {worst:.2f} %)."


# ------------------------------------------------------------------------------------------- pages


def ladder_page(letter: str, found: Found, picture: str, tables: Mapping[str, Tables]) -> str:
    """The page of one ladder; `picture` is the path of its curves, and `tables` holds those of each rung."""
    ladder = rungs(letter)
    return rendered(
        "ladder_page.md.j2",
        letter=letter,
        subject=subject(letter),
        data=ladder[-1].data,
        rule=ladder[-1].judged_by,
        near=NEAR,
        claimed=any(rung.claimed for rung in ladder),
        summary=summary_table(ladder, found),
        rungs=[_section(rung, found, tables[rung.id]) for rung in ladder],
        picture=picture if any(found.get(rung.id) for rung in ladder) else "",
    )


def _section(rung: Experiment, found: Found, tables: Tables) -> dict[str, Any]:
    """What the page says of one rung."""
    records = found.get(rung.id, ())
    it = rung_figures(records, rung.judged_by) if records else None
    given = tables["answers"].rows if "answers" in tables else ()
    fields = [row for row in tables["layers"].rows if len(row) > 7 and row[7]]
    return {
        "rung": rung,
        "parts": parts(rung.text),
        "changes": [_first_few(one) for one in changes_between(rung, find(rung.parent))] if rung.parent else (),
        "anatomy": anatomy_of(rung),
        "it": it,
        "met": it is not None and rung.claimed is not None and reproduced(rung.claimed, it.best),
        "first": _first_epochs(rung, records),
        "confirmation": confirmation(rung, found),
        "answers": given,
        "stated": [row for row in given if row[0] != "open" and row[2] not in (FACTS[True], "opinion")],
        "wrong_fields": [f"{row[7]} where {row[5]} is right" for row in fields if row[5] != row[7]],
        "file": f"../../src/featherweight/experiments/{place_of(rung.id).as_posix()}",
        "tables": links(rung, tables),
        "has_report": rung.id in REPORTS,
    }


def _first_few(change: str, most: int = 3) -> str:
    """A change of many layers, cut after some of them: the table of layers has them all.

    >>> _first_few("added: `a`, 2 × `b`, `c, d`, `e`, `f`")
    'added: `a`, 2 × `b`, `c, d` and 2 more'
    """
    layers = re.split(r"(?<=`), (?=`|\d+ ×)", change)
    if len(layers) <= most + 1:
        return change
    return f"{', '.join(layers[:most])} and {len(layers) - most} more"


def overview(letters: Sequence[str], found: Found) -> str:
    """The page of all ladders: claimed against measured, with a reason for each claim that is not met."""
    claimed = [rung for letter in letters for rung in rungs(letter) if rung.claimed is not None]
    ran = {rung.id: rung_figures(found[rung.id], rung.judged_by).best for rung in claimed if found.get(rung.id)}
    short = [
        (rung.id, (rung.claimed or 0.0) - ran[rung.id], parts(rung.text).get("Open", ""))
        for rung in claimed
        if rung.id in ran and not reproduced(rung.claimed or 0.0, ran[rung.id])
    ]
    return rendered("ladders.md.j2", ladders=[(letter, subject(letter)) for letter in letters], near=NEAR,
                    summary=summary_table(claimed, found, "{letter}.md"), claimed=len(claimed), ran=len(ran),
                    rule=Budget(), short=short)  # fmt: skip


def statement_page(found: Found) -> str:
    """How many statements each source makes of each rung, and how many of them have which answer."""
    told = {id: [one.outcome for one in answers(id, found)] for id in ids()}
    order = ("borne out", "not borne out", "undecided", *FACTS.values(), OPEN, NOT_RUN)
    every = Counter(outcome for of_it in told.values() for outcome in of_it)
    rows = [
        (f"[`{id}`]({ladder_of(id)}.md#{id})", *(str(outcomes.count(one) or "") for one in order))
        for id, outcomes in told.items()
        if outcomes
    ]
    rows.append(("all", *(str(every[one]) for one in order)))
    silent = [id for id, outcomes in told.items() if not outcomes and find(id).claimed is not None]
    table = TextTable(headings=("rung", *order), align="l" + "r" * len(order), rows=tuple(rows))
    return rendered("statements.md.j2", total=every.total(), silent=silent, statements=table)
