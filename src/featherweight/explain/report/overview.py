"""The sections on all runs together: verdict and budget, training, comparison, and where the runs were trained."""

from itertools import pairwise

from featherweight.experiments.budget import Budget
from featherweight.experiments.difference import layer_changes, recipe_changes
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.experiments.verdicts import seeds_sentence, verdict_sentence
from featherweight.explain import figures
from featherweight.explain.report.content import Block, Column, Picture, Section, Table, Verdict
from featherweight.explain.report.story import Group, Story
from featherweight.explain.report.tables import budget_table, differences_table, epochs_table, runs_table, spread_table


def _unfinished(record: Record) -> str:
    done, planned = len(record.rows), int(record.recipe["epochs"])
    return f"{done} of {planned} epochs are done, so there is no verdict yet."


def _group_verdict(group: Group, alone: bool) -> list[Block]:
    """The opening blocks about one experiment."""
    who = "" if alone else f"{group.name}: "
    about = group.experiment.title if group.experiment else ""
    budget = Budget(**group.records[0].budget)
    done = [record for record in group.records if record.finished and record.rows]
    open_runs = [run for run in group.runs if not (run.record.finished and run.record.rows)]
    blocks: list[Block] = []
    if len(group.runs) == 1 and done:
        passed = done[0].verdict.passed
        sentence = who + verdict_sentence(done[0]).split(" ", 1)[1]
        blocks.append(Verdict(word="passed" if passed else "failed", passed=passed, sentence=sentence))
    elif done:
        passed = all(record.verdict.passed for record in done) and not open_runs
        word = "passed" if passed else "failed" if not open_runs else "unfinished"
        blocks.append(
            Verdict(
                word=word, passed=None if open_runs else passed, sentence=who + seeds_sentence(done, len(group.runs))
            )
        )
    for run in open_runs:
        sentence = _unfinished(run.record)
        if len(group.runs) > 1:
            blocks.append(f"{run.name}: {sentence}")
        else:
            blocks.append(Verdict(word="unfinished", passed=None, sentence=who + sentence))
    name = f"`{group.name}`" + f" ({about})" * bool(about)
    judged_on = f"{group.records[0].data['test']:,} "
    judged_on += "held-out images" if group.records[0].data["holdout"] else "test images"
    blocks.append(
        f"{name}: {group.records[0].parameters:,} parameters, trained on {group.records[0].data['train']:,} images of"
        f" {group.records[0].data['name']}, judged on {judged_on}. Its budget: {budget.sentence()}."
    )
    return blocks


def verdict(story: Story) -> Section:
    """Whether the runs passed, by which figures, and what is missing from the page."""
    blocks = [block for group in story.groups for block in _group_verdict(group, len(story.groups) == 1)]
    if len(story.runs) == 1:
        blocks.append(budget_table(story.records[0]))
    else:
        blocks.append(runs_table(story.runs))
    blocks += story.missing
    return Section(id="verdict", title="Verdict and budget", blocks=tuple(blocks))


def _ends(records: list[Record]) -> str:
    """The last epochs in words, for people who cannot see the curves."""
    last = [record.rows[-1] for record in records]
    test, train = [row.test_accuracy for row in last], [row.train_accuracy for row in last]
    if len(last) == 1:
        return f"after epoch {last[0].epoch}, test {test[0]:.2f} % and training {train[0]:.2f} %"
    return (
        f"at their last epochs, test {min(test):.2f} to {max(test):.2f} % and training {min(train):.2f} to"
        f" {max(train):.2f} %"
    )


def training(story: Story) -> Section | None:
    """The curves; None if no run has a finished epoch."""
    runs = [run for run in story.runs if run.record.rows]
    records = [run.record for run in runs]
    if not records:
        return None
    overlaid = f", {len(records)} runs overlaid" if len(records) > 1 else ""
    rates = ", ".join(dict.fromkeys(f"{record.rows[-1].lr:.3g}" for record in records))
    pictures = (
        Picture(
            name="accuracy",
            title="Accuracy by epoch",
            about="Training accuracy is of images as they were trained on, changed at random and with dropout where the"
            " recipe has them, so it may lie below the test set's.",
            alt=f"Accuracy by epoch{overlaid}: {_ends(records)}; the target is {records[0].budget['accuracy']:.2f} %.",
            figure=figures.accuracy(*records),
        ),
        Picture(
            name="loss",
            title="Loss by epoch",
            about="Mean cross-entropy an image, on a logarithmic axis.",
            alt=f"Loss by epoch{overlaid}: at the last epoch, test"
            f" {min(record.rows[-1].test_loss for record in records):.4f} at best.",
            figure=figures.loss(*records),
        ),
        Picture(
            name="learning-rate",
            title="Learning rate",
            about="The line is the schedule, step by step; dots are the rate at each epoch's end.",
            alt=f"Learning rate over the epochs; it ends at {rates}.",
            figure=figures.learning_rate(*records),
        ),
    )
    return Section(id="training", title="Training", blocks=(*pictures, epochs_table(runs)))


def _changes(groups: tuple[Group, ...]) -> list[Block]:
    """Differences in layers and recipe from each experiment to the next."""
    blocks: list[Block] = []
    for before, now in pairwise(groups):
        found: list[str] = []
        if before.experiment and now.experiment:
            found += layer_changes(now.experiment.build(), before.experiment.build())
        found += recipe_changes(*(Recipe.from_json(group.records[0].recipe) for group in (now, before)))
        what = "; ".join(found) if found else "nothing in layers or recipe"
        blocks.append(f"From `{before.name}` to `{now.name}`: {what}.")
    return blocks


def comparison(story: Story) -> Section | None:
    """Spread and differences of several runs; None for a single run."""
    if len(story.runs) < 2:
        return None
    blocks: list[Block] = []
    records = [record for record in story.records if record.rows]
    if records:
        finals = [record.rows[-1].test_accuracy for record in records]
        spread = Picture(
            name="spread",
            title="Spread over the runs",
            about="A line a run: rings are the epochs that are judged, the dot is the last of them, which is the"
            " result.",
            alt=f"Judged epochs of {len(records)} runs; their last epochs lie between {min(finals):.2f} and"
            f" {max(finals):.2f} %.",
            figure=figures.spread(*records),
        )
        blocks.append(spread)
    blocks.append(differences_table(story))
    table = spread_table(story.groups)
    blocks += [table] if table else []
    blocks += _changes(story.groups)
    return Section(id="comparison", title="The runs compared", blocks=tuple(blocks))


def made_with(story: Story) -> Section:
    """Where each run was trained: versions, processor, commit."""
    names = list(dict.fromkeys(name for record in story.records for name in record.environment))
    columns = (Column(name="run", heading="run"), Column(name="engine", heading="engine"), *(
        Column(name=name, heading=name.replace("_", " ")) for name in names
    ))  # fmt: skip
    rows = tuple(
        (run.name, run.record.engine, *(_plain(run.record.environment.get(name)) for name in names))
        for run in story.runs
    )
    table = Table(name="environment", caption="Where the runs were trained", columns=columns, rows=rows)
    return Section(id="made-with", title="Where it was made", blocks=(table,))


def _plain(value: object) -> str | None:
    return None if value is None else str(value)
