"""The pages of the records and their table beside published results, as Markdown, computed only from records."""

import json
from collections.abc import Callable, Iterator, Sequence
from statistics import fmean, stdev

from featherweight.errors import UsageError
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.findings import Found, parts
from featherweight.experiments.record import Record, summarise
from featherweight.experiments.rules import RULES, TITLES, worded
from featherweight.protocol import test_evaluations
from docs.build import ladder_pages, record_results, table_notes
from featherweight.protocol.replication import compared
from docs.build.candidate_record import NOT_PROVED, Anchor, Contender, anchors
from docs.build.network_stats import deployed_of
from featherweight.protocol.ledger import Attempt, settings
from docs.build.record_results import ABSENT, interval_text, markdown
from featherweight.training.tta import TTA_SHIFTS

PROTOCOL = """
Only `featherweight prove NAME` establishes a record. Network and recipe are chosen on 5,000 digits
held out of the training set, and runs of exactly that network and recipe on those digits must exist before the
test set is opened. Each attempt at the test set is entered in [a ledger](../../results/touches.json) **before** it
begins, so that an abandoned attempt counts as much as a published one. Then seeds 0 to 9 are trained on all 60,000
digits, all on one engine, and one at a time if seconds count. All of them enter the figures, which are those of
the **last** epoch, and all ten records are committed, whatever they say. The interval is Student's for the mean over
seeds: it covers the variation between seeds, not that of the 10,000 test digits, which all seeds share and which
makes an accuracy of 99.5 % uncertain by 0.07 points. Two networks are compared by the paired test of `featherweight
compare`.

A bar that the second candidate clears by a narrow margin is partly luck. So once it is cleared, `featherweight
prove NAME --confirm` runs seeds 10 to 29, which had no part in any choice, once, and commits all twenty. From then on,
every text quotes **their** mean, interval and passes. The bar holds when the upper end of their interval reaches the
required mean, when the same share of them is within budget, and when they meet every other requirement. A
record that is *not yet confirmed on fresh seeds* quotes seeds 0 to 9.

Somebody else's network is judged by the same program: [how to submit one](submit.md).
"""
COUNTED = """
[The ledger]({ledger}) counts a look for every run whose accuracy on the test set is shown: records, rungs of
the ladders, trials and notebooks. `featherweight prove` and `featherweight ladder --write` add their entry before
they begin; earlier looks were counted from the log. Runs trained by hand are not counted: to make choices, use
`featherweight train --holdout 5000`, which does not open the test set.
"""
SEEDS_LEGEND = """
    Means over seeds with their standard deviation and 95 % interval, of the last epoch on all 10,000 test digits;
    *worst of last 5* is the lowest of the last five epochs of any seed. *Seconds* run from the first step to the
    final weights, on the stated number of threads; runs side by side share a machine. With *test-time augmentation* an
    answer is the mean of five: for the digit as it is, and shifted by one pixel in each direction. It is shown for
    comparison and clears no bar. *Test-set evaluations* count the attempts that were scored on the test set.
"""

CONFIRMED_BY = """
    **Confirmed by.** Seeds {first} to {last}, run once after that. The interval of a mean must reach the required mean,
    and the same share of the seeds must be within budget.
"""

PREPROCESSED = (
    "This uses no labels, belongs to the network wherever it runs, and its operations are counted in the MACs. It is a"
    " separate record, beside the one without."
)

AS_ON_MNIST = """
    As [on MNIST](README.md#how-a-record-is-judged): a twelfth of this set's training pictures is held out for choices,
    and each record's page says how many seeds are required, and how many confirm it.
"""

HARD = (
    "To find out which images are hard, the averaged network evaluates all training images at the start of {looks}"
    " epochs. Nothing is learned from this; it counts as training time, not as an epoch ([more](../experiments.md))."
)

PICTURE = """
    Every experiment with records, its 95 % interval over seeds, and the Pareto front: those that no other
    of the same or lower cost beats in accuracy. Rings are results that others have published; the table names them.
"""


# ------------------------------------------------------------------------------------------- tables


HEADINGS = ("record", "parameters", "buffers", "MACs", "epochs", "hard images", "seconds, threads",
            "last epoch %, mean ± sd", "95 % interval", "held out %", "worst of last 5 %", "within budget",
            "test-set evaluations", "bar")  # fmt: skip


def table(gathered: Sequence[Contender], link: str) -> str:
    """One line per record, and below it comparable published results; `link` is the path of its page, with `{id}`."""
    rows = []
    for one in gathered:
        rows.append(_record_row(one, link))
        rows += _shifted_row(one)
        rows += [_anchor_row(anchor) for anchor in anchors(one.experiment.data) if anchor.beside == one.experiment.id]
    return "\n".join(markdown(HEADINGS, rows))


def _record_row(one: Contender, link: str) -> list[str]:
    experiment, anatomy = one.experiment, one.anatomy
    name = ", ".join(filter(None, (experiment.title, one.preprocessing)))
    cells = [f"[`{experiment.id}`]({link.format(id=experiment.id)}) {name}", f"{anatomy.parameters:,}"]
    cells += [f"{anatomy.buffers:,}", f"{anatomy.macs:,}", str(experiment.recipe.epochs)]
    cells += [table_notes.hard_cell(experiment, one.draws)]
    if not one.records:
        return [*cells, ABSENT, NOT_PROVED, *[ABSENT] * 4, str(one.test_evaluations), ABSENT]
    it = summarise(one.records)
    mean = f"{it.mean:.3f} ± {it.standard_deviation:.3f}"
    passed, worst = table_notes.within(experiment, it.passed, it.runs), f"{_worst_of_last_five(one.records):.2f}"
    cells += [_seconds(one.records), mean, interval_text(it.per_seed), table_notes.held_out_cell(one.held_out)]
    return [*cells, worst, passed, str(one.test_evaluations), one.standing]


def _shifted_row(one: Contender) -> list[list[str]]:
    """The row for the same networks with test-time augmentation, if every record has that accuracy."""
    shifted = {run.seed: run.shifted_accuracy for run in one.records if run.shifted_accuracy is not None}
    if not shifted or len(shifted) < len(one.records):
        return []
    figures, anatomy = list(shifted.values()), one.anatomy
    spread = f" ± {stdev(figures):.3f}" if len(figures) > 1 else ""
    cells = [
        "the same, with test-time augmentation",
        f"{anatomy.parameters:,}",
        f"{anatomy.buffers:,}",
    ]
    cells += [f"{len(TTA_SHIFTS) * anatomy.macs:,}", str(one.experiment.recipe.epochs), ABSENT, ABSENT]
    return [[*cells, f"{fmean(figures):.3f}{spread}", interval_text(shifted), *[ABSENT] * 4, "decides nothing"]]


def _worst_of_last_five(records: Sequence[Record]) -> float:
    """The lowest test accuracy in the last five epochs of any seed, whichever epochs the budget judges."""
    return min(row.test_accuracy for record in records for row in record.rows[-5:])


def _anchor_row(anchor: Anchor) -> list[str]:
    last = ABSENT if anchor.last is None else f"{anchor.last:.2f}"
    if anchor.mean_of_last is not None:
        last += f" (last five {anchor.mean_of_last:.3f})"
    worst = ABSENT if anchor.worst_of_last is None else f"{anchor.worst_of_last:.2f}"
    name, epochs = f"*{anchor.what}*", f"at most {anchor.epochs}" if anchor.epochs else ABSENT
    if anchor.where:
        name += f": [{anchor.where}](https://github.com/{anchor.where})" + f", `{anchor.file}`" * bool(anchor.file)
    sizes = {"flash": anchor.flash, "RAM": anchor.ram}
    if told := [f"{size / 1000:.1f} kB {what}" for what, size in sizes.items() if size is not None]:
        name += f" ({', '.join(told)})"
    size = ABSENT if anchor.parameters is None else f"{anchor.parameters:,}"
    cells = [name, size, ABSENT, ABSENT, epochs, ABSENT, ABSENT, last]
    return [*cells, "one run", ABSENT, worst, ABSENT, ABSENT, ABSENT]


def _seconds(records: Sequence[Record]) -> str:
    threads = sorted({int(record.environment["threads"]) for record in records})
    return f"{fmean(record.train_seconds for record in records):.1f}, {' or '.join(map(str, threads))}"


# ------------------------------------------------------------------------------------------- pages


def overview(gathered: Sequence[Contender], picture: str, data: str = "mnist", others: Sequence[str] = ()) -> str:
    """The page of the records on a data set.

    `picture` is the path of the picture of the Pareto fronts; `others` are the data sets of the other pages.
    """
    lines = [f"# Records{f' on {TITLES[data]}' * (data != 'mnist')}", "", ladder_pages.NOTE, ""]
    if others:
        links = [f"[{TITLES[name]}]({'README' if name == 'mnist' else name}.md)" for name in others]
        lines += [f"Other sets: {', '.join(links)}.", ""]
    if data != "mnist":
        lines += [f"Unless a record has a rule of its own, it is judged by this: {RULES[data].sentence()}.", ""]
    notes = table_notes.notes(gathered, "..", data)
    lines += [table(gathered, "{id}.md"), "", notes, "", _line(worded(SEEDS_LEGEND, data)), ""]
    alt = "Accuracy against parameters, flash, multiply-adds and seconds of training; the Pareto front"
    lines += [f"![{alt}]({picture})", "", _line(PICTURE), ""]
    judged = (PROTOCOL if data == "mnist" else AS_ON_MNIST).strip().split("\n\n")
    lines += ["## How a record is judged", "", *(line for part in judged for line in (_line(part), ""))]
    lines += ["## What counts as a look", "", _line(COUNTED.format(ledger="../../results/touches.json"))]
    return "\n".join(lines) + "\n"


def _line(text: str) -> str:
    return " ".join(text.split())


def _upper(text: str) -> str:
    return text[0].upper() + text[1:]


def page(one: Contender, found: Found, ledger: Sequence[Attempt] = ()) -> str:
    """The page of one record; `ledger` holds the attempts at the test set, all of which are shown."""
    experiment, text = one.experiment, parts(one.experiment.text)
    assert experiment.bar is not None
    lines = [f"# {experiment.id}: {experiment.title}", "", ladder_pages.NOTE, ""]
    for label in ("Target", "Why"):
        lines += [f"**{label}.** {_upper(text[label])}", ""]
    lines += [f"**Budget of each run.** {_upper(experiment.budget.sentence())}.", ""]
    if one.preprocessing:
        lines += [f"**Preprocessing.** Pictures are {one.preprocessing}. {PREPROCESSED}", ""]
    lines += [f"**Asked for.** {_upper(experiment.bar.sentence())}.", ""]
    lines += [_line(CONFIRMED_BY.format(first=experiment.bar.fresh[0], last=experiment.bar.fresh[-1])), ""]
    numbers: dict[str, int] = {}
    sections: list[tuple[str, Callable[[], Iterator[str]]]] = [
        ("Result", lambda: record_results.result(one)),
        ("The seeds that cleared the bar", lambda: record_results.cleared(one)),
        ("Attempts", lambda: test_evaluations.table(experiment.id, ledger, found)),
        (worded("On held-out digits", experiment.data), lambda: record_results.held_out(one)),
        ("Comparison", lambda: _comparison(one, found)),
        ("Network", lambda: _network(one)),
        ("Recipe", lambda: _recipe(experiment)),
        ("Analysis", lambda: ladder_pages.analysis(experiment, found, numbers)),
        ("Rules", lambda: (f"{number}. {rule}" for rule, number in numbers.items())),
        ("Take it again", lambda: iter(["```sh", f"featherweight prove {experiment.id}", "```"])),
    ]
    for heading, told in sections:
        body = list(told())
        if body:
            lines += [f"## {heading}", "", *body, ""]
    return "\n".join(lines).rstrip() + "\n"


def _comparison(one: Contender, found: Found) -> Iterator[str]:
    parent = one.experiment.parent or ""
    if one.records and found.get(parent):
        try:
            yield compared(found, one.experiment.id, parent).sentence()
        except UsageError as problem:
            yield str(problem)


def _network(one: Contender) -> Iterator[str]:
    anatomy = one.anatomy
    rows = [
        (f"`{row.name}`", row.kind, " x ".join(map(str, row.output)), f"{row.parameters:,}", f"{row.macs:,}", row.field)
        for row in anatomy.rows
    ]
    yield from markdown(("layer", "kind", "output", "parameters", "MACs", "field"), rows, words=2)
    yield ""
    chip = deployed_of(one.experiment)
    yield f"{anatomy.parameters:,} parameters, {anatomy.macs:,} MACs an image, {anatomy.buffers:,} numbers in buffers."
    flash, ram = (f"{size / 1000:.1f} kB" for size in (chip.flash, chip.ram))
    yield f"As planned, the program in 8-bit C takes {flash} of flash and {ram} of RAM, code and stack included."


def _recipe(experiment: Experiment) -> Iterator[str]:
    """The settings that differ from the defaults of `Recipe`."""
    recipe = experiment.recipe
    told = {"epochs": recipe.epochs, "batch": recipe.batch, "lr": recipe.lr} | settings(recipe)
    for name, value in told.items():
        yield f"* `{name}` {json.dumps(value) if isinstance(value, dict | list | tuple) else value}"
    if recipe.hard:
        yield from ("", HARD.format(looks=table_notes.looks_of(experiment)))
