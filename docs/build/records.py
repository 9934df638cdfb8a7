"""The pages of the records, their tables beside published results, and the README's; their text is in `templates/`."""

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from docs.build.candidate_record import NOT_PROVED, Candidate, anchors
from docs.build.network_stats import deployed_of
from docs.build.rendering import rendered
from docs.build.tables import Tables, links
from torch import nn

from featherweight.errors import UsageError
from featherweight.experiments.budget import Budget
from featherweight.experiments.claims import Found
from featherweight.experiments.experiment import RULES, TITLES, Experiment, letters, parts, rungs
from featherweight.experiments.record import Record
from featherweight.experiments.statistics import mean_interval
from featherweight.experiments.verdicts import summarise
from featherweight.protocol.records import compared
from featherweight.report.ladder_page import ABSENT, TextTable, percent_text

README_HEADINGS = ("record", "accuracy %", "in C %", "weights", "flash, kB", "RAM, kB", "training, s")
RUNGS = {rung.id for letter in letters() for rung in rungs(letter)}
"""Records that are rungs of a ladder as well, with whose page they share their curves."""
IN_README = ("f3", "fastest", "leanest", "smallest", "cifar-mcu")
"""Records that show what there is: the exercise, the least time, work, weights, and colour on a chip."""


def _figures(headings: Sequence[str], rows: Sequence[Sequence[Any]], words: int = 1) -> TextTable:
    """A table whose first `words` columns are text and whose other columns are figures."""
    align = "l" * words + "r" * (len(headings) - words)
    return TextTable(headings=tuple(headings), align=align, rows=tuple(tuple(map(str, row)) for row in rows))


def interval_text(per_seed: dict[int, float]) -> str:
    """The 95 % interval of the mean, as text; a dash for a single seed."""
    if len(per_seed) < 2:
        return ABSENT
    low, high = mean_interval(list(per_seed.values()))
    return f"{low:.3f} to {high:.3f}"


def evaluations_of_training_set(experiment: Experiment) -> int:
    """The number of epochs that begin by evaluating all training images; 0 without the rule for hard images.

    The first epoch and the plain ones use each image once.
    """
    recipe = experiment.recipe
    return max(0, recipe.epochs - recipe.plain_epochs - 1) if recipe.hard else 0


# ------------------------------------------------------------------------------------------- tables


def row_of(one: Candidate) -> dict[str, str]:
    """What the tables of records say of one, by column; figures are absent before it has run."""
    experiment, anatomy = one.experiment, one.anatomy
    row = {
        "record": f"[`{experiment.id}`]({experiment.id}.md)",
        "what": ", ".join(filter(None, (experiment.title, one.preprocessing))),
        "parameters": f"{anatomy.parameters:,}",
        "buffers": f"{anatomy.buffers:,}",
        "MACs": f"{anatomy.macs:,}",
        **_bytes(experiment),
        "epochs": str(experiment.recipe.epochs),
        "hard images": _hard_images(experiment, one.draws),
    }
    names = ("seconds", "threads", "mean ± sd, %", "95 % interval", "held out %", "worst of last 5 %", "within budget")
    absent = dict.fromkeys((*names, "five shifts %"), ABSENT)
    end = {"test-set evaluations": str(one.test_evaluations), "bar": one.standing if one.records else NOT_PROVED}
    if not one.records:
        return row | absent | end
    it = summarise(one.records)
    threads = sorted({str(record.environment["threads"]) for record in one.records})
    # The lowest of the last five epochs of any seed, whichever epochs the budget judges.
    worst = min(row.test_accuracy for record in one.records for row in record.rows[-5:])
    measured = {
        "seconds": f"{fmean(record.train_seconds for record in one.records):.1f}",
        "threads": " or ".join(threads),
        "mean ± sd, %": f"{it.mean:.3f} ± {it.standard_deviation:.3f}",
        "95 % interval": interval_text(it.per_seed),
        "held out %": f"{held_out_mean(one.held_out):.3f}" if one.held_out else ABSENT,
        "worst of last 5 %": f"{worst:.2f}",
        "within budget": _within(experiment, it.passed, it.runs),
        "five shifts %": _shifted(one.records),
    }
    return row | absent | measured | end


def _bytes(experiment: Experiment) -> dict[str, str]:
    memory = deployed_of(experiment)
    return {"flash, bytes": f"{memory.flash:,}", "RAM, bytes": f"{memory.ram:,}"}


def all_columns(gathered: Sequence[Candidate]) -> TextTable:
    """Everything that is known of each record, for its CSV."""
    rows = [row_of(one) for one in gathered]
    return _figures(
        tuple(rows[0]), [[re.sub(r"\[(.*?)\]\(.*?\)", r"\1", cell) for cell in row.values()] for row in rows], 2
    )


def _shifted(records: Sequence[Record]) -> str:
    """The accuracy with test-time augmentation, in the mean over seeds, if every record has it."""
    figures = [run.shifted_accuracy for run in records if run.shifted_accuracy is not None]
    if not figures or len(figures) < len(records):
        return ABSENT
    return f"{fmean(figures):.3f}" + (f" ± {stdev(figures):.3f}" if len(figures) > 1 else "")


def anchor_table(data: str) -> TextTable | None:
    """What others have published beside the records on a data set; None without any."""
    rows = []
    for one in anchors(data):
        name = one.what + f": [{one.where}](https://github.com/{one.where})" * bool(one.where)
        counts = [
            ABSENT if count is None else f"{count:,}"
            for count in (one.parameters, one.macs, one.epochs, one.flash, one.ram)
        ]
        figures = [percent_text(value) for value in (one.last, one.mean_of_last, one.worst_of_last)]
        rows.append([name, f"`{one.beside}`", str(one.runs), *counts, *figures])
    headings = ("published", "beside", "runs", "parameters", "MACs", "epochs", "flash", "RAM", "last %",
                "mean of last 5 %",
                "worst of last 5 %")  # fmt: skip
    shown = [at for at in range(len(headings)) if at < 2 or any(row[at] != ABSENT for row in rows)]
    return _figures([headings[at] for at in shown], [[row[at] for at in shown] for row in rows], 2) if rows else None


def _hard_images(experiment: Experiment, draws: Mapping[str, Any]) -> str:
    """Figures of the images that an epoch draws by the rule for hard images; a dash if the recipe has no such rule."""
    if experiment.recipe.hard is None:
        return ABSENT
    words = f"{evaluations_of_training_set(experiment)} looks"
    if counted := draws.get(experiment.id):
        images = [look["distinct"] for look in counted["looks"]]
        draws_each, most = counted["looks"][0]["draws"], max(look["most"] for look in counted["looks"])
        words += f"; {draws_each:,} draws of {min(images):,} to {max(images):,} images, one up to {most} times"
    return words


def _within(experiment: Experiment, passed: int, runs: int) -> str:
    """How many seeds are within the budget, and by how many epochs, if those are not the rule's."""
    held = experiment.budget.held
    return f"{passed} of {runs}" + ("" if held == Budget().held else f" (last {held} judged)")


def readme_table(gathered: Sequence[Candidate], link: str, root: Path) -> str:
    """A row for each of `IN_README` that has run, and a line on the columns, as Markdown; `link` contains `{id}`."""
    shown = [one for one in gathered if one.records and one.experiment.id in IN_README]
    processors = {str(run.environment.get("processor", "unknown")) for one in shown for run in one.records}
    rows = [_readme_row(one, link, root) for one in shown]
    where = " and ".join(sorted(processors)) or "no machine yet"
    return rendered("readme_table.md.j2", summary=_figures(README_HEADINGS, rows), processor=where).rstrip()


def _readme_row(one: Candidate, link: str, root: Path) -> list[str]:
    memory, data = deployed_of(one.experiment), one.experiment.data
    name = f"[`{one.experiment.id}`]({link.format(id=one.experiment.id)})" + f", {TITLES[data]}" * (data != "mnist")
    sizes = [f"{one.anatomy.parameters:,}", f"{memory.flash / 1000:.1f}", f"{memory.ram / 1000:.1f}"]
    taken = sorted(record.train_seconds for record in one.records)
    starred = max(int(record.environment["threads"]) for record in one.records) > 1
    seconds = f"{taken[len(taken) // 2]:.0f}{'*' * starred}"  # the median
    return [name, f"{summarise(one.records).mean:.2f}", _in_c(one, root), *sizes, seconds]


def _in_c(one: Candidate, root: Path) -> str:
    """The accuracy of the programs in C: the mean of the seeds, or that of seed 0 where it alone was exported."""
    measured = [record.c_accuracy for record in one.records if record.c_accuracy is not None]
    exported = root / "results" / "export" / f"{one.experiment.id}.json"
    if len(measured) == len(one.records):
        return f"{fmean(measured):.2f}"
    if exported.exists():
        return f"{json.loads(exported.read_text(encoding='utf-8'))['c']['accuracy']:.2f}"
    return ABSENT


# ------------------------------------------------------------------------------------------- the page of a set


def overview(gathered: Sequence[Candidate], picture: str, data: str = "mnist", others: Sequence[str] = ()) -> str:
    """The page of the records on a data set.

    `picture` is the path of the picture of the Pareto fronts; `others` are the data sets of the other pages.
    """
    ran = [one for one in gathered if one.records]
    processors = sorted({str(run.environment.get("processor", "unknown")) for one in ran for run in one.records})
    rows = [row_of(one) for one in gathered]
    scope = json.loads(Path(__file__).with_name("scope.json").read_text(encoding="utf-8"))
    return rendered("records.md.j2", data=data, titles=TITLES, others=others, rule=RULES[data], picture=picture,
                    rows=rows, anchors=anchor_table(data), processors=processors, scope=scope,
                    by_rule=[f"`{one.experiment.id}`" for one in ran if one.experiment.recipe.hard],
                    below=_below_on_held_out(ran), folded=_under_the_limit_folded(ran))  # fmt: skip


def held_out_mean(records: Sequence[Record]) -> float:
    """The mean last-epoch accuracy in percent, rounded so that a mean of 99.40 is not below 99.40."""
    return round(fmean(record.verdict.last for record in records), 9)


def _below_on_held_out(ran: Sequence[Candidate]) -> list[str]:
    """The records whose accuracy on held-out images is below the target."""
    found = []
    for one in ran:
        if one.held_out and (held := held_out_mean(one.held_out)) < Budget().accuracy:
            test = fmean(run.verdict.last for run in one.records)
            found.append(f"`{one.experiment.id}` by {test - held:.2f} points, to {held:.2f} %")
    return found


def folded_parameters(network: nn.Module) -> int:
    """The count of numbers left when every batch norm is folded into the convolution before it.

    Of a norm's four numbers per channel (two parameters, two running statistics), one is left, as a bias.

    >>> folded_parameters(nn.Sequential(nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5))), 3 * 5 * 9 + 5
    (140, 140)
    """
    parameters = sum(p.numel() for p in network.parameters())
    return parameters - sum(layer.num_features for layer in network.modules() if isinstance(layer, nn.BatchNorm2d))


def _under_the_limit_folded(ran: Sequence[Candidate]) -> list[str]:
    """The records that have fewer numbers than the rule's limit once their norms are folded, and no fewer before."""
    limit, numbers = Budget().parameters, defaultdict(list)
    for one in ran:
        whole, left = one.anatomy.parameters + one.anatomy.buffers, folded_parameters(one.experiment.build())
        if left < limit <= whole:
            numbers[whole, left].append(f"`{one.experiment.id}`")
    return [
        f"{' and '.join(names)} {'has' if len(names) == 1 else 'have'} {whole:,} numbers with buffers in training, and"
        f" {left:,}"
        for (whole, left), names in numbers.items()
    ]


# ------------------------------------------------------------------------------------------- the page of a record


def page(one: Candidate, found: Found, tables: Tables) -> str:
    """The page of one record, with links to its tables."""
    experiment, bar = one.experiment, one.experiment.bar
    assert bar is not None and experiment.file is not None
    return rendered(
        "record.md.j2",
        one=one,
        experiment=experiment,
        parts=parts(experiment.text),
        bar=bar,
        asks=bool(bar.clauses(())),
        own=_runs(one.records) if one.records else None,
        clearing=_runs(one.cleared_by) if one.cleared_by else None,
        shortfalls=bar.shortfalls(one.cleared_by or one.records),
        unconfirmed=bar.unconfirmed(one.records),
        held_out=summarise(one.held_out).mean if one.held_out else None,
        comparison=_comparison(one, found),
        code=code_of(experiment.file.read_text(encoding="utf-8")),
        chip=deployed_of(experiment),
        looks=evaluations_of_training_set(experiment),
        answers=tables["answers"].rows if "answers" in tables else (),
        picture=f"../ladders/{experiment.id}.svg" if experiment.id in RUNGS else f"{experiment.id}.svg",
        tables=links(experiment, tables),
    )


def code_of(source: str) -> str:
    """Network, recipe and budget in an experiment's file: what follows its docstring, without its claims.

    >>> code_of("import math\\n\\nx = f(\\n    title='a',\\n    claims=(\\n    ),\\n    bar=b,\\n)\\n")
    'import math\\n\\nx = f(\\n    bar=b,\\n)'
    """
    code = re.sub(r'\A"""(.*?)"""\n', "", source, flags=re.DOTALL)
    code = re.sub(r"^    (?:claims=\(\n.*?^    \)|parent=.*?|title=.*?),\n", "", code, flags=re.MULTILINE | re.DOTALL)
    return re.sub(r"^ *# fmt: .*\n", "", code, flags=re.MULTILINE).strip()


def _runs(records: Sequence[Record]) -> dict[str, Any]:
    """The figures of some seeds."""
    it, in_c = summarise(records), [record.c_accuracy for record in records if record.c_accuracy is not None]
    return {"mean": it.mean, "standard_deviation": it.standard_deviation, "interval": interval_text(it.per_seed),
            "passed": it.passed, "runs": it.runs,
            "in_c": {"mean": fmean(in_c), "worst": min(in_c)} if in_c else None}  # fmt: skip


def _comparison(one: Candidate, found: Found) -> str:
    parent = one.experiment.parent or ""
    if not one.records or not found.get(parent):
        return ""
    try:
        return compared(found, one.experiment.id, parent).sentence()
    except UsageError as problem:
        return str(problem)
