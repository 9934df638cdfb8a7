"""The page of a ladder and the table of all ladders, as Markdown, computed only from experiments and records."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from statistics import fmean

from featherweight.experiments.budget import Budget, Verdict, judge
from featherweight.experiments.experiment import Experiment, find, ids, ladder_of, rungs
from featherweight.experiments.findings import NOT_RUN, Found, findings, parts
from featherweight.experiments.record import Record, summarise
from featherweight.experiments.rules import worded
from featherweight.prove import looks, rung_answers, rung_sections
from featherweight.prove.confirming import confirmation
from featherweight.prove.facts import anatomy_of, changes_between
from featherweight.prove.ledger import Attempt
from featherweight.prove.rung_answers import Answered

NEAR = 0.15
"""A measured accuracy up to this many points below a claimed one counts as reproducing it: two standard errors on the
test set at 99.4 %, rounded down."""

NOTE = "*Written by `featherweight ladder --write` from the records in `results/`; every figure follows from them.*"
RULES = """
    The numbers beside the outcomes refer to these rules. Where an answer compares one experiment with another, the
    second takes the place of the parent in the rule.
"""
WHOLE_RUN = ("one_cycle", "cosine", "linear")
"""Schedules whose learning rates depend on the total number of epochs."""


def subject(letter: str) -> str:
    """One sentence about a ladder, from the docstring of its folder.

    >>> subject("d")
    'One network under the relaxed rule (published).'
    """
    return (import_module(f"featherweight.experiments.ladders.{letter}").__doc__ or "").strip()


def rule_of(experiment: Experiment) -> Budget:
    """The rule by which an experiment is judged, whatever its own budget allows.

    >>> rule_of(find("relaxed")).parameters, rule_of(find("smallest")).parameters
    (20000, 8000)
    """
    return experiment.judged_by


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
class Standing:
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


def standing(records: Sequence[Record], rule: Budget) -> Standing:
    """The figures of the runs of one rung; UsageError if there are no runs."""
    summary = summarise(records)
    verdicts = [_verdict(rule, record) for record in records]
    return Standing(
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


# ------------------------------------------------------------------------------------------- tables

COLUMNS = """
    rung | what changed | parameters | epochs | claimed, best % | best % | last % | worst of last 5 % | clean train %
    | claim met | own budget | the rule
"""
LEGEND = f"""
    Means over seeds, on all 10,000 test digits. *Claimed* is a source's best epoch of one run; our best epoch beside
    it is for comparison only. *Last* is the last epoch with its standard deviation, *worst of last 5*
    the lowest of the last five epochs of any seed, *clean train* the accuracy on training digits without augmentation
    and dropout. *Claim met*: our best is no more than {NEAR} points below the claim. The last two columns
    count the seeds that met the rung's own budget, and the rule:
"""


def table(rungs: Sequence[Experiment], found: Found, link: str = "") -> str:
    """A Markdown table with one line per rung: claimed and measured accuracy, and the budgets that were met."""
    lines = [f"| {_line(COLUMNS)} |", "|---|---|" + "--:|" * (COLUMNS.count("|") - 1)]
    for rung in rungs:
        head = f"[`{rung.id}`]({link.format(letter=ladder_of(rung.id))}#{rung.id})"
        cells = [head, rung.title, f"{anatomy_of(rung).parameters:,}", str(rung.recipe.epochs), _percent(rung.claimed)]
        lines.append("| " + " | ".join(cells + _measured(rung, found.get(rung.id, ()))) + " |")
    return "\n".join(lines)


def _measured(rung: Experiment, records: Sequence[Record]) -> list[str]:
    if not records:
        return [NOT_RUN] + ["–"] * 6
    it = standing(records, rule_of(rung))
    met = "–" if rung.claimed is None else "yes" if reproduced(rung.claimed, it.best) else "**no**"
    last = f"{it.last:.2f} ± {it.deviation:.2f}"
    of = f" of {it.runs}"
    return [_percent(it.best), last, _percent(it.worst), _percent(it.clean), met, f"{it.within}{of}", f"{it.ruled}{of}"]


def _line(text: str) -> str:
    return " ".join(text.split())


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{value:.2f}"


def overview(letters: Sequence[str], found: Found) -> str:
    """The page of all published ladders: claimed against measured, with a reason for each claim that is not met."""
    all_rungs = [rung for letter in letters for rung in rungs(letter)]
    claimed = [rung for rung in all_rungs if rung.claimed is not None]
    lines = ["# The ladders", "", NOTE, ""]
    lines += [f"* [{letter.upper()}]({letter}.md): {subject(letter)}" for letter in letters]
    lines += ["* [Every statement of the sources](statements.md), with its answer."]
    lines += ["", "## Claimed against measured", "", table(claimed, found, "{letter}.md"), ""]
    rules = f"{Budget().sentence()} ({exceptions()})"
    lines += [f"{_line(LEGEND)} {rules}.", "", *_shortfalls(claimed, found)]
    return "\n".join(lines) + "\n"


def _shortfalls(claimed: Sequence[Experiment], found: Found) -> Iterator[str]:
    ran = {rung.id: standing(found[rung.id], rule_of(rung)).best for rung in claimed if found.get(rung.id)}
    short = [rung for rung in claimed if rung.id in ran and not reproduced(rung.claimed or 0.0, ran[rung.id])]
    yield f"{len(ran)} of {len(claimed)} rungs have run; {len(ran) - len(short)} of them meet their claim."
    for rung in short:
        yield ""
        below = (rung.claimed or 0.0) - ran[rung.id]
        yield f"`{rung.id}` falls {below:.2f} points short. {parts(rung.text).get('Open', '')}"


# ------------------------------------------------------------------------------------------- one ladder


def ladder_page(
    letter: str,
    found: Found,
    picture: str,
    ledger: Sequence[Attempt] = (),
    answered: Answered | None = None,
    changed: Sequence[str] = (),
) -> str:
    """The page of one ladder; `picture` is the path of its curves, shown once a rung has run.

    `ledger` holds the attempts at the test set, all of which are shown; `answered` holds the answers of runs of rungs,
    and `changed` the settings in which these runs differ from the rungs as described here.
    """
    ladder = rungs(letter)
    numbers: dict[str, int] = {}
    sections = [line for rung in ladder for line in _section(rung, found, numbers, ledger, answered or {})]
    lines = [f"# Ladder {letter.upper()}", "", subject(letter), "", NOTE, "", table(ladder, found), ""]
    if changed:
        lines += [f"**Changed for these runs**: {', '.join(changed)}. All else is as told of each rung.", ""]
    lines += [f"{_line(worded(LEGEND, ladder[-1].data))} {rule_of(ladder[-1]).sentence()}.", ""]
    if any(found.get(rung.id) for rung in ladder):
        lines += [f"![Test and training accuracy by epoch, a panel a rung]({picture})", ""]
    lines += sections
    if numbers:
        lines += ["## Rules", "", _line(RULES), ""]
        lines += [f"{number}. {rule}" for rule, number in numbers.items()]
    return "\n".join(lines).rstrip() + "\n"


def _section(
    rung: Experiment, found: Found, numbers: dict[str, int], ledger: Sequence[Attempt], answered: Answered
) -> Iterator[str]:
    yield from (f'## <a id="{rung.id}"></a>{rung.id}: {rung.title}', "")
    text = parts(rung.text)
    for label, shown in (("Target", "Target"), ("Why", "Why"), ("Open", "What the source leaves open")):
        if label in text:
            yield from (f"**{shown}.** {text[label][0].upper()}{text[label][1:]}", "")
    if rung.parent:
        changes = changes_between(rung, find(rung.parent))
        yield from (f"**Changed from `{rung.parent}`**, computed from network and recipe:", "")
        yield from (f"* {change}" for change in changes or ["nothing"])
        yield ""
    yield from ("**Layers**", "", *rung_sections.layers(rung), "")
    yield from _result(rung, found.get(rung.id, ()))
    if said := confirmation(rung, found):
        yield from (said, "")
    if found.get(rung.id):
        alt = f"Accuracy and loss of {rung.id} by epoch, a line a seed"
        yield from (f"![{alt}]({rung.id}.svg)", "", *rung_sections.log(rung, found[rung.id]), "")
    for part in (rung_answers.answers(rung.id, answered), rung_answers.report(rung.id) if answered else ()):
        if lines := list(part):
            yield from (*lines, "")
    looked = list(looks.table(rung.id, ledger, found))
    if looked:
        yield from ("**Looks at the test set**, including early and abandoned ones", "", *looked, "")
    stated = list(rung_sections.stated(rung, found, numbers))
    if stated:
        yield from ("**What the source states**, answered by the records", "", *stated, "")
    told = list(analysis(rung, found, numbers, own=bool(stated)))
    if told:
        yield from ("**What we find beside it**" if stated else "**Analysis**", "", *told, "")


def _result(rung: Experiment, records: Sequence[Record]) -> Iterator[str]:
    if not records:
        yield from (f"**Result.** {NOT_RUN.capitalize()}.", "")
        return
    rule = rule_of(rung)
    yield from ("**Result**", "")
    yield "| seed | best % | last % | worst of last 5 % | train % | clean train % | own budget | the rule |"
    yield "|--:|--:|--:|--:|--:|--:|---|---|"
    for record in records:
        own, by_rule = record.verdict, _verdict(rule, record)
        train = record.rows[-1].train_accuracy
        figures = (own.best, own.last, by_rule.worst_of_last, train, record.clean_train_accuracy)
        yield f"| {record.seed} | " + " | ".join(map(_percent, figures)) + f" | {_said(own)} | {_said(by_rule)} |"
    best = standing(records, rule).best
    if rung.claimed is not None:
        met = "met" if reproduced(rung.claimed, best) else f"not met: {rung.claimed - best:.2f} points below"
        yield from ("", f"Claimed {rung.claimed:.2f} %, best epoch on average {best:.2f} %: {met}.")
    yield from _shorter(rung, records, rule)
    yield ""


def _said(verdict: Verdict) -> str:
    return ("passed: " if verdict.passed else "failed: ") + verdict.reason


def _shorter(rung: Experiment, records: Sequence[Record], rule: Budget) -> Iterator[str]:
    """The rule's verdict on the first epochs, if there are too many and a shorter run would train the same way."""
    whole = rung.recipe.to_json()["schedule"]["kind"] in WHOLE_RUN or rung.recipe.plain_epochs > 0
    if rung.recipe.epochs <= rule.epochs or whole or records[0].parameters >= rule.parameters:
        return
    verdicts = [_verdict(rule, record, rule.epochs) for record in records]
    passed = sum(verdict.passed for verdict in verdicts)
    yield from (
        "",
        f"The rule allows {rule.epochs} epochs. The rate does not depend on their number, so the first {rule.epochs}",
    )
    yield f"are the same as in a run of {rule.epochs}: judged by these, {passed} of {len(verdicts)} seeds pass"
    yield f"(worst of their last {rule.held} {min(verdict.worst_of_last for verdict in verdicts):.2f} %)."


def analysis(rung: Experiment, found: Found, numbers: dict[str, int], *, own: bool = False) -> Iterator[str]:
    """The table of a rung's claims, empty if it has none; the deciding rules are added to `numbers`, counted from 1.

    With `own`, only our own claims: the statements of the source have a table of their own.
    """
    told = [one for one in findings(rung, found) if not own or one[0].says.startswith("Ours: ")]
    if not told:
        return
    yield from ("| sentence | the records say | figures |", "|---|---|---|")
    for claim, outcome, figures in told:
        rule = f" ({numbers.setdefault(claim.by.rule, len(numbers) + 1)})" if claim.by else ""
        yield f"| {claim.says} | {outcome}{rule} | {figures} |"
