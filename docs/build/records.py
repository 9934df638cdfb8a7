"""The pages of the records, their tables beside published results, and the README's; their text is in `templates/`."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean, stdev
from typing import Any

from docs.build.candidate_record import NOT_PROVED, Anchor, Candidate, anchors
from docs.build.network_stats import anatomy_of, deployed_of
from docs.build.rendering import rendered
from torch import nn

from featherweight.errors import UsageError
from featherweight.experiments.budget import Budget
from featherweight.experiments.claims import Found
from featherweight.experiments.experiment import RULES, TITLES, Experiment, parts, worded
from featherweight.experiments.record import Record
from featherweight.experiments.statistics import mean_interval
from featherweight.experiments.verdicts import summarise
from featherweight.protocol.ledger import Attempt, attempts_table, settings
from featherweight.protocol.records import compared
from featherweight.report.ladder_page import ABSENT, TextTable, claims_table
from featherweight.training.evaluation import TTA_SHIFTS

HEADINGS = ("record", "parameters", "buffers", "MACs", "epochs", "hard images", "seconds, threads",
            "last epoch %, mean ± sd", "95 % interval", "held out %", "worst of last 5 %", "within budget",
            "test-set evaluations", "bar")  # fmt: skip
README_HEADINGS = ("record", "accuracy %", "in C %", "weights", "flash, kB", "RAM, kB", "training, s")
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


def summary_table(gathered: Sequence[Candidate], link: str) -> TextTable:
    """One line per record, and below it comparable published results; `link` is the path of its page, with `{id}`."""
    rows = []
    for one in gathered:
        rows.append(_record_row(one, link))
        rows += _shifted_row(one)
        rows += [_anchor_row(anchor) for anchor in anchors(one.experiment.data) if anchor.beside == one.experiment.id]
    return _figures(HEADINGS, rows)


def _record_row(one: Candidate, link: str) -> list[str]:
    experiment, anatomy = one.experiment, one.anatomy
    name = ", ".join(filter(None, (experiment.title, one.preprocessing)))
    cells = [f"[`{experiment.id}`]({link.format(id=experiment.id)}) {name}", f"{anatomy.parameters:,}"]
    cells += [f"{anatomy.buffers:,}", f"{anatomy.macs:,}", str(experiment.recipe.epochs)]
    cells += [_hard_images(experiment, one.draws)]
    if not one.records:
        return [*cells, ABSENT, NOT_PROVED, *[ABSENT] * 4, str(one.test_evaluations), ABSENT]
    it = summarise(one.records)
    held_out = f"{held_out_mean(one.held_out):.3f}" if one.held_out else ABSENT
    cells += [_seconds(one.records), f"{it.mean:.3f} ± {it.standard_deviation:.3f}", interval_text(it.per_seed)]
    # The lowest of the last five epochs of any seed, whichever epochs the budget judges.
    worst = min(row.test_accuracy for record in one.records for row in record.rows[-5:])
    passed = _within(experiment, it.passed, it.runs)
    return [*cells, held_out, f"{worst:.2f}", passed, str(one.test_evaluations), one.standing]


def _shifted_row(one: Candidate) -> list[list[str]]:
    """The row for the same networks with test-time augmentation, if every record has that accuracy."""
    shifted = {run.seed: run.shifted_accuracy for run in one.records if run.shifted_accuracy is not None}
    if not shifted or len(shifted) < len(one.records):
        return []
    figures, anatomy = list(shifted.values()), one.anatomy
    spread = f" ± {stdev(figures):.3f}" if len(figures) > 1 else ""
    cells = ["the same, with test-time augmentation", f"{anatomy.parameters:,}", f"{anatomy.buffers:,}"]
    cells += [f"{len(TTA_SHIFTS) * anatomy.macs:,}", str(one.experiment.recipe.epochs), ABSENT, ABSENT]
    return [[*cells, f"{fmean(figures):.3f}{spread}", interval_text(shifted), *[ABSENT] * 4, "for reference"]]


def _anchor_row(anchor: Anchor) -> list[str]:
    last = ABSENT if anchor.last is None else f"{anchor.last:.2f}"
    if anchor.mean_of_last is not None:
        last += f" (last five {anchor.mean_of_last:.3f})"
    worst = ABSENT if anchor.worst_of_last is None else f"{anchor.worst_of_last:.2f}"
    name, epochs = f"*{anchor.what}*", f"at most {anchor.epochs}" if anchor.epochs else ABSENT
    if anchor.where:
        name += f": [{anchor.where}](https://github.com/{anchor.where})" + f", `{anchor.file}`" * bool(anchor.file)
    sizes = {"flash": anchor.flash, "RAM": anchor.ram}
    if known := [f"{size / 1000:.1f} kB {what}" for what, size in sizes.items() if size is not None]:
        name += f" ({', '.join(known)})"
    size = ABSENT if anchor.parameters is None else f"{anchor.parameters:,}"
    macs = ABSENT if anchor.macs is None else f"{anchor.macs:,}"
    cells = [name, size, ABSENT, macs, epochs, ABSENT, ABSENT, last]
    return [*cells, f"{anchor.runs} runs" if anchor.runs > 1 else "one run", ABSENT, worst, ABSENT, ABSENT, ABSENT]


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
    """How many seeds are within the budget, and by which epochs, if those are not the rule's."""
    held, rule = experiment.budget.held, Budget().held
    if held == rule:
        return f"{passed} of {runs}"
    span = "the last epoch alone" if held == 1 else f"the last {held} epochs"
    return f"{passed} of {runs}, by {span}: not under the rule of {rule}"


def _seconds(records: Sequence[Record]) -> str:
    threads = sorted({int(record.environment["threads"]) for record in records})
    return f"{fmean(record.train_seconds for record in records):.1f}, {' or '.join(map(str, threads))}"


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
    scope = json.loads(Path(__file__).with_name("scope.json").read_text(encoding="utf-8"))
    return rendered("records.md.j2", data=data, titles=TITLES, others=others, rule=RULES[data], picture=picture,
                    summary=summary_table(gathered, "{id}.md"), processors=processors, scope=scope,
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


def page(one: Candidate, found: Found, ledger: Sequence[Attempt] = ()) -> str:
    """The page of one record; `ledger` holds the attempts at the test set, all of which are shown."""
    experiment, bar, numbers = one.experiment, one.experiment.bar, dict[str, int]()
    assert bar is not None
    claims = claims_table(experiment, found, numbers)
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
        attempts=attempts_table(experiment.id, ledger, found),
        held_out=_held_out(one),
        comparison=_comparison(one, found),
        network=_network(experiment),
        chip=deployed_of(experiment),
        recipe=_recipe(experiment),
        looks=evaluations_of_training_set(experiment),
        claims=claims,
        rules=list(numbers),
    )


def record_tables(one: Candidate, found: Found, ledger: Sequence[Attempt]) -> dict[str, TextTable | None]:
    """The tables that a record's page points to, by name; none where nothing has run."""
    runs, held_out = {"seeds": one.records, "clearing": one.cleared_by}, _held_out(one)
    tables: dict[str, TextTable | None] = {name: _runs(some)["seeds"] for name, some in runs.items() if some}
    tables |= {"looks": attempts_table(one.experiment.id, ledger, found), "held_out": held_out and held_out["table"]}
    return tables if one.records else {}


def _runs(records: Sequence[Record]) -> dict[str, Any]:
    """A table of the seeds, and their figures."""
    rows = []
    for record in records:
        verdict = record.verdict
        figures = [f"{value:.2f}" for value in (verdict.last, verdict.worst_of_last, record.rows[-1].train_accuracy)]
        judgement = ("passed: " if verdict.passed else "failed: ") + verdict.reason
        rows.append([record.seed, *figures, f"{record.train_seconds:.1f}", record.engine, judgement])
    headings = ("seed", "last %", "worst judged %", "train %", "seconds", "engine", "verdict")
    it, in_c = summarise(records), [record.c_accuracy for record in records if record.c_accuracy is not None]
    return {"seeds": _figures(headings, rows, words=0), "mean": it.mean, "standard_deviation": it.standard_deviation,
            "interval": interval_text(it.per_seed), "passed": it.passed, "runs": it.runs,
            "in_c": {"mean": fmean(in_c), "worst": min(in_c)} if in_c else None}  # fmt: skip


def _held_out(one: Candidate) -> dict[str, Any] | None:
    if not one.held_out:
        return None
    rows = [
        (run.seed, f"{run.data['holdout']:,}", f"{run.verdict.last:.2f}", f"{run.verdict.worst_of_last:.2f}")
        for run in one.held_out
    ]
    headings = ("seed", worded("digits held out", one.experiment.data), "last %", "worst judged %")
    return {"table": _figures(headings, rows, words=0), "mean": summarise(one.held_out).mean}


def _comparison(one: Candidate, found: Found) -> str:
    parent = one.experiment.parent or ""
    if not one.records or not found.get(parent):
        return ""
    try:
        return compared(found, one.experiment.id, parent).sentence()
    except UsageError as problem:
        return str(problem)


def _network(experiment: Experiment) -> TextTable:
    rows = [
        (f"`{row.name}`", row.kind, " x ".join(map(str, row.output)), f"{row.parameters:,}", f"{row.macs:,}", row.field)
        for row in anatomy_of(experiment).rows
    ]
    return _figures(("layer", "kind", "output", "parameters", "MACs", "field"), rows, words=2)


def _recipe(experiment: Experiment) -> list[tuple[str, Any]]:
    """The settings that differ from the defaults of `Recipe`."""
    recipe = experiment.recipe
    values = {"epochs": recipe.epochs, "batch": recipe.batch, "lr": recipe.lr} | settings(recipe)
    plain = {name: json.dumps(value) if isinstance(value, dict | list | tuple) else value
             for name, value in values.items()}  # fmt: skip
    return list(plain.items())
