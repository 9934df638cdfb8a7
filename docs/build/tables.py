"""The tables of an experiment, written as CSV beside its records: epochs, seeds, layers, answers, looks, held-out runs.

Pages link to them in a line that begins with `Tables:`; the site shows each there, folded, to be sorted.
"""

import csv
import io
import re
from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from docs.build.network_stats import anatomy_of
from docs.build.published import published, published_log
from docs.build.statements import answers

from featherweight.experiments.budget import judge
from featherweight.experiments.claims import Claim, Found, findings
from featherweight.experiments.experiment import Experiment, parts
from featherweight.experiments.record import Record
from featherweight.protocol.ledger import Attempt, attempts_table
from featherweight.protocol.records import clearing
from featherweight.report.ladder_page import TextTable, anatomy_table, percent_text

Tables = dict[str, TextTable]
NAMES = {
    "epochs": "epochs", "seeds": "seeds", "clearing": "seeds that cleared the bar", "held_out": "held-out runs",
    "answers": "answers", "layers": "layers", "looks": "looks",
}  # fmt: skip
"""The tables in the order in which pages name them, each with its words there."""


def tables_of(
    experiment: Experiment, found: Found, ledger: Sequence[Attempt], held_out: Sequence[Record] = ()
) -> Tables:
    """The tables of an experiment that are not empty, by name; `held_out` are its runs without a look."""
    runs, first = found.get(experiment.id, ()), found.get(clearing(experiment.id), ())
    made = {
        "epochs": _epochs(experiment.id, runs),
        "seeds": _seeds(experiment, runs),
        "clearing": _seeds(experiment, first),
        "held_out": _seeds(experiment, held_out),
        "answers": _answers(experiment, found),
        "layers": _layers(experiment),
        "looks": attempts_table(experiment.id, ledger, found),
    }
    return {name: made[name] for name in NAMES if (table := made[name]) and table.rows}


def links(experiment: Experiment, tables: Tables) -> str:
    """The line of a page that links to an experiment's tables, from a folder in docs/."""
    told = [f"[{NAMES[name]}](../../results/{experiment.id}/{name}.csv)" for name in tables]
    return f"Tables: {', '.join(told)}."


def as_csv(table: TextTable) -> str:
    """A table's headings and rows as CSV, without the marks of Markdown.

    >>> as_csv(TextTable(headings=("a", "b"), align="lr", rows=(("`x`, **y**", "1,234"),)))
    'a,b\\n"x, y","1,234"\\n'
    """
    made = io.StringIO()
    rows = [[re.sub(r"\*\*|`", "", cell) for cell in row] for row in (table.headings, *table.rows)]
    csv.writer(made, lineterminator="\n").writerows(rows)
    return made.getvalue()


def _table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> TextTable:
    return TextTable(headings=tuple(headings), align="l" * len(headings), rows=tuple(map(tuple, rows)))


def _epochs(id: str, runs: Sequence[Record]) -> TextTable:
    """A row for each epoch: means over seeds with the lowest and the highest, the source's log, and each seed."""
    source = {name: values for name, values in published_log(id).items() if name != "lr"}
    headings = ["epoch", "rate", "train %", "test %", "lowest", "highest", "train loss", "test loss"]
    headings += [f"source: {name.replace('_', ' ')}" for name in source] + [f"seed {run.seed}" for run in runs]
    rows = []
    for at, of in enumerate(zip(*(run.rows for run in runs), strict=True)):
        tests = [row.test_accuracy for row in of]
        percents = fmean(row.train_accuracy for row in of), fmean(tests), min(tests), max(tests)
        losses = fmean(row.train_loss for row in of), fmean(row.test_loss for row in of)
        figures = [f"{value:.2f}" for value in percents] + [f"{value:.4f}" for value in losses]
        figures += [f"{values[at]:g}" if at < len(values) else "" for values in source.values()]
        rows.append([str(of[0].epoch), f"{of[0].lr:.3g}", *figures, *(f"{value:.2f}" for value in tests)])
    return _table(headings, rows)


def _seeds(experiment: Experiment, runs: Sequence[Record]) -> TextTable:
    """A row for each seed, judged by its own budget and by the rule."""
    rows = []
    for run in runs:
        rule = judge(experiment.judged_by, run.parameters, [row.test_accuracy for row in run.rows])
        percents = (run.verdict.best, run.verdict.last, run.verdict.worst_of_last, run.rows[-1].train_accuracy,
                    run.clean_train_accuracy)  # fmt: skip
        words = [("passed: " if it.passed else "failed: ") + it.reason for it in (run.verdict, rule)]
        about = [f"{run.train_seconds:.1f}", str(run.environment["threads"]), run.engine]
        rows.append([str(run.seed), *map(percent_text, percents), *about, *words])
    return _table(["seed", "best %", "last %", "worst judged %", "train %", "clean train %", "seconds", "threads",
                   "engine", "own budget", "the rule"], rows)  # fmt: skip


def _layers(experiment: Experiment) -> TextTable:
    """The layers, with the receptive field that the source prints where it prints one."""
    table = anatomy_table(anatomy_of(experiment))
    fields = published(experiment.id).get("fields", ())
    if not fields:
        return table
    told = ["" if at >= len(fields) or fields[at] is None else str(fields[at]) for at in range(len(table.rows))]
    rows = [(*row, field) for row, field in zip(table.rows, told, strict=True)]
    return _table([*table.headings, "field in the source"], rows)


def _answers(experiment: Experiment, found: Found) -> TextTable:
    """Each statement of the source and each claim of our own, with the figures and the rule that decide it."""
    told = answers(experiment.id, found)
    rows = [
        (one.statement.part, one.statement.says, one.outcome, one.figures,
         " ".join(dict.fromkeys(part.predicate.rule for part in one.statement.by)), one.statement.aside)
        for one in told
    ]  # fmt: skip
    rows += [
        ("ours", claim.says.removeprefix("Ours: "), outcome, figures, claim.by.rule if claim.by else "", "")
        for claim, outcome, figures in findings(experiment, found)
        if not told or is_ours(claim)
    ]
    if left := parts(experiment.text).get("Open"):
        rows.append(("open", "What the source leaves open.", "", left, "", ""))
    return _table(["part", "sentence", "answer", "figures", "rule", "remark"], rows)


def is_ours(claim: Claim) -> bool:
    """Whether a claim is our own, and not a shorter form of what its source states."""
    return claim.says.startswith("Ours: ")


def trials_table(runs: Sequence[Mapping[str, Any]]) -> TextTable:
    """A row for each trial on held-out images, with means over its seeds, from the lines that `results/trials` has."""
    groups: dict[tuple[str, ...], list[Mapping[str, Any]]] = {}
    for run in runs:
        what = (run.get("record") or run.get("experiment", ""), run["title"], run.get("held_out", ""))
        groups.setdefault(tuple(map(str, what)), []).append(run)
    rows = []
    for (record, title, held_out), of in groups.items():
        sizes = [f"{one:,}" if one else "" for one in (_first(of[0], "parameters", "params"), of[0].get("macs"))]
        last = fmean(_first(run, "last") or run["test_accuracy"][-1] for run in of)
        worst = min(_first(run, "worst", "worst5") or min(run["test_accuracy"][-5:]) for run in of)
        more = [f"{fmean(run[name] for run in of):.{digits}f}" if name in of[0] else ""
                for name, digits in (("loss", 4), ("train", 2))]  # fmt: skip
        rows.append([record, title, held_out, *sizes, str(len(of)), f"{last:.2f}", f"{worst:.2f}", *more])
    headings = (
        "record",
        "trial",
        "held out",
        "parameters",
        "MACs",
        "seeds",
        "last %",
        "worst %",
        "loss",
        "own images %",
    )
    shown = [at for at in range(len(headings)) if any(row[at] for row in rows)]
    return _table([headings[at] for at in shown], [[row[at] for at in shown] for row in rows])


def _first(run: Mapping[str, Any], *names: str) -> Any:
    return next((run[name] for name in names if name in run), None)
