"""The pages of the ladders: each one, the table of all, and what their sources state. Their text is in `templates/`."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib import import_module
from statistics import fmean
from typing import Any

from docs.build.network_stats import anatomy_of
from docs.build.published import published, published_log
from docs.build.rendering import rendered
from docs.build.statements import FACTS, OPEN, Answer, answers

from featherweight.experiments.budget import Budget, Verdict, judge
from featherweight.experiments.claims import NOT_RUN, Claim, Found
from featherweight.experiments.experiment import Experiment, find, ids, ladder_of, parts, rungs, worded
from featherweight.experiments.record import Record
from featherweight.experiments.verdicts import summarise
from featherweight.protocol.ledger import Attempt, attempts_table
from featherweight.protocol.records import confirmation
from featherweight.report.ladder_page import ABSENT, RungView, TextTable, percent_text, rung_view

Answered = Mapping[str, Mapping[str, Any]]
"""The results of `python -m benchmarks.answers` by rung: `seed`, `classes` with images and right ones, `mistakes`."""
NEAR = 0.15
"""A measured accuracy up to this many points below a claimed one counts as reproducing it: two standard errors on the
test set at 99.4 %, rounded down."""
WHOLE_RUN = ("one_cycle", "cosine", "linear")
"""Schedules whose learning rates depend on the total number of epochs."""
LEADS = {
    "f": "The three steps that the exercise asks for, each with several changes. [Why 99.6 %](../why.md) goes the same"
    " way one change at a time.",
    "k": "[Why 99.6 %](../why.md) adds these steps up and takes single parts out again.",
}
"""What the page of a ladder begins with, where another page says more."""
REPORTS = ("d1", "f3")
"""Rungs that have their full report in the documentation."""
LEGEND = f"""
    Means over seeds, on all 10,000 test digits. *Claimed* is a source's best epoch of one run; our best epoch beside
    it is for comparison only. *Last* is the last epoch with its standard deviation, *worst of last 5*
    the lowest of the last five epochs of any seed, *clean train* the accuracy on training digits without augmentation
    and dropout. *Claim met*: our best is no more than {NEAR} points below the claim. The last two columns
    count the seeds that met the rung's own budget, and the rule:
"""


def subject(letter: str) -> str:
    """One sentence about a ladder, from the docstring of its folder.

    >>> subject("d")
    'One network under the relaxed rule (published).'
    """
    return (import_module(f"featherweight.experiments.ladders.{letter}").__doc__ or "").strip()


def exceptions() -> str:
    """A sentence naming the experiments on MNIST that have a rule of their own.

    >>> exceptions()
    'd1 and relaxed: fewer than 20,000 parameters, at most 19 epochs, at least 99.40 % in each of the last 5 epochs'
    """
    rules: dict[Budget, list[str]] = {}
    for experiment in map(find, ids()):
        if experiment.rule and experiment.data == "mnist":
            rules.setdefault(experiment.rule, []).append(experiment.id)
    return "; ".join(f"{' and '.join(names)}: {rule.sentence()}" for rule, names in rules.items())


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
    verdicts = [_verdict(rule, record) for record in records]
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


def reproduced(claimed: float, measured: float) -> bool:
    """Whether a measured accuracy is at most `NEAR` points below a claimed one; both in percent.

    >>> reproduced(99.41, 99.26), reproduced(99.41, 99.25)
    (True, False)
    """
    return measured >= claimed - NEAR - 1e-9  # the mean of 99.08, 99.10 and 99.66 is a bit below 99.28


def _verdict(rule: Budget, record: Record, epochs: int | None = None) -> Verdict:
    return judge(rule, record.parameters, [row.test_accuracy for row in record.rows[:epochs]])


def _ours(claim: Claim) -> bool:
    """Whether a claim is our own, and not its source's."""
    return claim.says.startswith("Ours: ")


def one_line(text: str) -> str:
    """A text without its line breaks."""
    return " ".join(text.split())


# ------------------------------------------------------------------------------------------- tables


def summary_table(rungs: Sequence[Experiment], found: Found, link: str = "") -> TextTable:
    """One line per rung: claimed and measured accuracy, and the budgets that were met."""
    headings = ("rung", "what changed", "parameters", "epochs", "claimed, best %", "best %", "last %",
                "worst of last 5 %", "clean train %", "claim met", "own budget", "the rule")  # fmt: skip
    rows = []
    for rung in rungs:
        head = f"[`{rung.id}`]({link.format(letter=ladder_of(rung.id))}#{rung.id})"
        cells = [
            head,
            rung.title,
            f"{anatomy_of(rung).parameters:,}",
            str(rung.recipe.epochs),
            percent_text(rung.claimed),
        ]
        rows.append((*cells, *_measured(rung, found.get(rung.id, ()))))
    return TextTable(headings=headings, align="ll" + "r" * 10, rows=tuple(rows))


def _measured(rung: Experiment, records: Sequence[Record]) -> list[str]:
    if not records:
        return [NOT_RUN] + [ABSENT] * 6
    it = rung_figures(records, rung.judged_by)
    met = ABSENT if rung.claimed is None else "yes" if reproduced(rung.claimed, it.best) else "**no**"
    spread, of = f" ± {it.deviation:.2f}" if it.runs > 1 else "", f" of {it.runs}"  # a single run has no deviation
    return [
        percent_text(it.best),
        f"{it.last:.2f}{spread}",
        percent_text(it.worst),
        percent_text(it.clean),
        met,
        f"{it.within}{of}",
        f"{it.ruled}{of}",
    ]


def _layer_table(view: RungView) -> TextTable | None:
    """The layers, with the field that the source prints where it prints one."""
    fields = published(view.experiment.id).get("fields", ())
    if not fields or view.layers is None:
        return view.layers

    def cell(place: int, field: str) -> str:
        printed = str(fields[place]) if place < len(fields) and fields[place] is not None else ""
        return f"**{printed}: wrong**" if printed and printed != field else printed

    cells = [[cell(place, row[5])] for place, row in enumerate(view.layers.rows)]
    return view.layers.with_columns(7, ["field in the source"], "r", cells)


def _result_table(rung: Experiment, records: Sequence[Record]) -> TextTable:
    """One line per seed, judged by the rung's own budget and by the rule."""
    rows = []
    for record in records:
        own, by_rule = record.verdict, _verdict(rung.judged_by, record)
        train = record.rows[-1].train_accuracy
        figures = (own.best, own.last, by_rule.worst_of_last, train, record.clean_train_accuracy)
        rows.append((str(record.seed), *map(percent_text, figures), _judgement(own), _judgement(by_rule)))
    headings = ("seed", "best %", "last %", "worst of last 5 %", "train %", "clean train %", "own budget", "the rule")
    return TextTable(headings=headings, align="rrrrrrll", rows=tuple(rows))


def _judgement(verdict: Verdict) -> str:
    return ("passed: " if verdict.passed else "failed: ") + verdict.reason


def _log_table(view: RungView) -> TextTable | None:
    """The log, with that of the source before it where it prints one."""
    source = published_log(view.experiment.id)
    if not source or view.log is None:
        return view.log
    names = {"lr": ("source: rate", "{:.3g}"), "train": ("source: train %", "{:.2f}"),
             "test": ("source: test %", "{:.2f}"), "test_loss": ("source: test loss", "{:.4f}")}  # fmt: skip
    shown = {name: names[name] for name in names if name in source}
    cells = [[form.format(source[name][at]) for name, (_, form) in shown.items()] for at in range(len(view.log.rows))]
    return view.log.with_columns(2, [heading for heading, _ in shown.values()], "r" * len(shown), cells)


def _stated_table(rung: Experiment, found: Found, numbers: dict[str, int]) -> TextTable | None:
    """The source's statements with their answers; None if there are none. Rules are added to `numbers`."""
    rows = []
    for answer in answers(rung.id, found):
        one = answer.statement
        used = dict.fromkeys(numbers.setdefault(part.predicate.rule, len(numbers) + 1) for part in one.by)
        rules = f" ({', '.join(map(str, used))})" if used else ""
        rows.append((one.part, _says(answer), f"{answer.outcome}{rules}", answer.figures))
    headings = ("part", "the source states", "answer", "figures")
    return TextTable(headings=headings, align="llll", rows=tuple(rows)) if rows else None


def _says(answer: Answer) -> str:
    one = answer.statement
    return one.says + (f" *({one.aside})*" if one.aside else "")


def _answer_figures(id: str, answered: Answered) -> dict[str, Any] | None:
    """Recall of each class, and the counts of one seed; None if no seed was analysed."""
    if id not in answered:
        return None
    about, recall = answered[id], published(id).get("recall", ())
    classes, wrong = about["classes"], about["mistakes"]
    headings = ["digit", "images", "right", "recall %", *["source, recall %"] * bool(recall), "wrongly predicted"]
    rows = []
    for at, one in enumerate(classes):
        taken = sum(mistake["answer"] == one["name"] for mistake in wrong)
        cells = [one["name"], f"{one['images']:,}", f"{one['right']:,}", f"{100 * one['right'] / one['images']:.2f}"]
        rows.append((*cells, *[str(recall[at])] * bool(recall), str(taken)))
    return {
        "seed": about["seed"],
        "images": sum(one["images"] for one in classes),
        "right": sum(one["right"] for one in classes),
        "mistakes": len(wrong),
        "recall": bool(recall),
        "classes": TextTable(headings=tuple(headings), align="r" * len(headings), rows=tuple(rows)),
    }


def _shorter(rung: Experiment, records: Sequence[Record]) -> str:
    """The rule's verdict on the first epochs, if there are too many and a shorter run would train the same way."""
    rule = rung.judged_by
    whole = rung.recipe.to_json()["schedule"]["kind"] in WHOLE_RUN or rung.recipe.plain_epochs > 0
    if rung.recipe.epochs <= rule.epochs or whole or records[0].parameters >= rule.parameters:
        return ""
    verdicts = [_verdict(rule, record, rule.epochs) for record in records]
    passed, worst = sum(one.passed for one in verdicts), min(one.worst_of_last for one in verdicts)
    return (
        f"The rule allows {rule.epochs} epochs. The rate does not depend on their number, so the first {rule.epochs}\n"
        f"are the same as in a run of {rule.epochs}: judged by these, {passed} of {len(verdicts)} seeds pass\n"
        f"(worst of their last {rule.held} {worst:.2f} %)."
    )


# ------------------------------------------------------------------------------------------- pages


def ladder_page(
    letter: str, found: Found, picture: str, ledger: Sequence[Attempt] = (), answered: Answered | None = None
) -> str:
    """The page of one ladder; `picture` is the path of its curves.

    `ledger` holds the attempts at the test set, and `answered` the answers of runs of rungs.
    """
    ladder, views, extra = rungs(letter), [], {}
    numbers: dict[str, int] = {}
    for rung in ladder:
        view, more = _section(rung, found, numbers, ledger, answered or {})
        views.append(view)
        extra[rung.id] = more
    rule = ladder[-1].judged_by
    return rendered(
        "ladder_page.md.j2",
        title=f"Ladder {letter.upper()}",
        subject=subject(letter),
        lead=LEADS.get(letter, ""),
        views=views,
        extra=extra,
        summary=summary_table(ladder, found),
        legend=f"{one_line(worded(LEGEND, ladder[-1].data))} {rule.sentence()}.",
        rules=list(numbers),
        picture=picture,
        pictures={rung.id: f"{rung.id}.svg" for rung in ladder},
        changed=(),
        runs=[record for view in views for record in view.records],
    )


def _section(
    rung: Experiment, found: Found, numbers: dict[str, int], ledger: Sequence[Attempt], answered: Answered
) -> tuple[RungView, dict[str, Any]]:
    """What the package says of a rung, and what is said of it here alone."""
    stated, records = _stated_table(rung, found, numbers), found.get(rung.id, ())
    view = rung_view(
        rung,
        found,
        find(rung.parent) if rung.parent else None,
        numbers,
        attempts=attempts_table(rung.id, ledger, found),
        claims=_ours if stated else lambda claim: True,
    )
    best = rung_figures(records, rung.judged_by).best if records else 0.0
    more = {
        "best": best,
        "met": rung.claimed is not None and reproduced(rung.claimed, best),
        "shorter": _shorter(rung, records) if records else "",
        "confirmation": confirmation(rung, found),
        "published_log": bool(published_log(rung.id)),
        "answers": _answer_figures(rung.id, answered),
        "has_report": bool(answered) and rung.id in REPORTS,
        "stated": stated,
    }
    result = _result_table(rung, records) if records else None
    return replace(view, layers=_layer_table(view), result=result, log=_log_table(view)), more


def overview(letters: Sequence[str], found: Found) -> str:
    """The page of all published ladders: claimed against measured, with a reason for each claim that is not met."""
    claimed = [rung for letter in letters for rung in rungs(letter) if rung.claimed is not None]
    ran = {rung.id: rung_figures(found[rung.id], rung.judged_by).best for rung in claimed if found.get(rung.id)}
    short = [
        (rung.id, (rung.claimed or 0.0) - ran[rung.id], parts(rung.text).get("Open", ""))
        for rung in claimed
        if rung.id in ran and not reproduced(rung.claimed or 0.0, ran[rung.id])
    ]
    legend = f"{one_line(LEGEND)} {Budget().sentence()} ({exceptions()})."
    return rendered("ladders.md.j2", ladders=[(letter, subject(letter)) for letter in letters], legend=legend,
                     summary=summary_table(claimed, found, "{letter}.md"), claimed=len(claimed), ran=len(ran),
                     met=len(ran) - len(short), short=short)  # fmt: skip


def counts(told: Sequence[Answer]) -> str:
    """A phrase that says how many statements have each answer.

    >>> counts([])
    ''
    """
    found = Counter(one.outcome for one in told)
    order = ("borne out", "not borne out", "undecided", *FACTS.values(), OPEN, NOT_RUN)
    return ", ".join(f"{found[outcome]} {outcome}" for outcome in order if found[outcome])


def statement_page(found: Found) -> str:
    """All statements of the sources on one page, with their answers counted."""
    stated = {id: answers(id, found) for id in ids()}
    every = [one for of_it in stated.values() for one in of_it]
    rows = [(f"[`{id}`]({ladder_of(id)}.md#{id})", one.statement.part, _says(one), one.outcome, one.figures)
            for id, of_it in stated.items() for one in of_it]  # fmt: skip
    headings = ("rung", "part", "the source states", "answer", "figures")
    silent = [f"`{id}`" for id, of_it in stated.items() if not of_it and find(id).claimed is not None]
    return rendered("statements.md.j2", total=len(every), counts=counts(every), silent=silent,
                     statements=TextTable(headings=headings, align="lllll", rows=tuple(rows)))  # fmt: skip
