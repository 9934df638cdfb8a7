"""The sections on all runs together: verdict and budget, training, comparison, and where the runs were trained."""

from itertools import pairwise
from statistics import fmean

from featherweight.experiments.budget import Budget
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.experiments.settings import recipe_changes
from featherweight.experiments.verdicts import seeds_sentence, verdict_sentence
from featherweight.networks.difference import layer_changes
from featherweight.report import figures
from featherweight.report.figures.scales import STRETCHED
from featherweight.report.page.blocks import Block, Column, FigureBlock, Section, Table, VerdictBlock
from featherweight.report.page.cards import deploy_card, digests_table, recipe_card
from featherweight.report.page.headline import headline
from featherweight.report.page.load_runs import Group, Story
from featherweight.report.page.tables import budget_table, differences_table, epochs_table, runs_table, spread_table


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
        word, sentence = verdict_sentence(done[0]).split(" ", 1)
        passed = done[0].verdict.passed if done[0].verdict.decided else None
        blocks.append(VerdictBlock(word=word.lower(), passed=passed, sentence=who + sentence))
    elif done:
        passed = all(record.verdict.passed for record in done) and not open_runs
        word = "passed" if passed else "failed" if not open_runs else "unfinished"
        blocks.append(
            VerdictBlock(
                word=word, passed=None if open_runs else passed, sentence=who + seeds_sentence(done, len(group.runs))
            )
        )
    else:
        sentence = who + (_unfinished(group.records[0]) if len(group.runs) == 1 else "No run is finished.")
        blocks.append(VerdictBlock(word="unfinished", passed=None, sentence=sentence))
    blocks += [f"{run.name}: {_unfinished(run.record)}" for run in open_runs if len(group.runs) > 1]
    name = f"`{group.name}`" + f" ({about})" * bool(about)
    blocks.append(f"{name}. Its budget: {budget.sentence()}.")
    return blocks


def verdict(story: Story) -> Section:
    """Whether the runs passed, by which figures, how to have them again, and what is missing from the page."""
    alone = len(story.groups) == 1
    blocks: list[Block] = []
    for group in story.groups:
        first, *rest = _group_verdict(group, alone)
        blocks += [first, headline(group), *rest] if alone else [first, *rest]
    if alone:
        blocks += _first_look(story, story.groups[0])
    else:
        blocks.append(runs_table(story.runs))
    blocks += story.missing
    return Section(id="verdict", title="Verdict" if alone else "Verdicts", blocks=tuple(blocks))


def _first_look(story: Story, group: Group) -> list[Block]:
    """The accuracy curve beside the cards, and the tables that belong to them."""
    records = [record for record in story.records if record.rows]
    run = group.runs[0]
    blocks: list[Block] = [accuracy_picture(records)] if records else []
    blocks.append(recipe_card(run))
    deploy = deploy_card(group, next((one for one in group.runs if one.trained), run))
    blocks += [deploy] if deploy else []
    blocks.append(budget_table(run.record) if len(story.runs) == 1 else runs_table(story.runs))
    digests = digests_table(run.record)
    return [*blocks, digests] if digests else blocks


def _last_epochs_text(records: list[Record]) -> str:
    """The last epochs in words, for people who cannot see the curves."""
    last = [record.rows[-1] for record in records]
    test, train = [row.test_accuracy for row in last], [row.train_accuracy for row in last]
    if len(last) == 1:
        return f"after epoch {last[0].epoch}, test {test[0]:.2f} % and training {train[0]:.2f} %"
    return (
        f"at their last epochs, test {min(test):.2f} to {max(test):.2f} % and training {min(train):.2f} to"
        f" {max(train):.2f} %"
    )


def accuracy_picture(records: list[Record]) -> FigureBlock:
    """The curves of accuracy, with a sentence on what training accuracy is of."""
    overlaid = f", {len(records)} runs overlaid" if len(records) > 1 else ""
    best = max(max(row.test_accuracy, row.train_accuracy) for record in records for row in record.rows)
    highest = max(best, *(float(record.budget["accuracy"]) for record in records))
    stretched = "The scale is logarithmic in the error: 99 to 99.9 % takes as much room as 90 to 99 %."
    about = stretched if highest >= STRETCHED else "Accuracy on the test images and in training."
    recipes = [Recipe.from_json(record.recipe) for record in records]
    if any(recipe.augment and recipe.plain_epochs < recipe.epochs for recipe in recipes):
        about += (
            " Training accuracy is measured on augmented images while the weights still change, so it lies below what"
            " the network reaches on the originals"
        )
        clean = [record.clean_train_accuracy for record in records if record.clean_train_accuracy is not None]
        about += f": {fmean(clean):.2f} % in the end." if clean else "."
    if any(recipe.augment and 0 < recipe.plain_epochs < recipe.epochs for recipe in recipes):
        about += " The last epochs train on the originals, hence its jump."
    return FigureBlock(
        name="accuracy",
        title="Accuracy by epoch",
        about=about,
        alt=f"Accuracy by epoch{overlaid}: {_last_epochs_text(records)}; the target is"
        f" {records[0].budget['accuracy']:.2f} %.",
        figure=figures.accuracy(*records),
    )


def training(story: Story) -> Section | None:
    """Loss and learning rate; None if no run has a finished epoch."""
    runs = [run for run in story.runs if run.record.rows]
    records = [run.record for run in runs]
    if not records:
        return None
    overlaid = f", {len(records)} runs overlaid" if len(records) > 1 else ""
    rates = ", ".join(dict.fromkeys(f"{record.rows[-1].lr:.3g}" for record in records))
    pictures = (
        FigureBlock(
            name="loss",
            title="Loss by epoch",
            about="Mean cross-entropy of an image, in nats.",
            alt=f"Loss by epoch{overlaid}: at the last epoch, test"
            f" {min(record.rows[-1].test_loss for record in records):.4f} at best.",
            figure=figures.loss(*records),
        ),
        FigureBlock(
            name="learning-rate",
            title="Learning rate",
            about="The line is the schedule, step by step; dots mark the end of each epoch.",
            alt=f"Learning rate over the epochs; it ends at {rates}.",
            figure=figures.learning_rate(*records),
        ),
    )
    return Section(id="training", title="Training", blocks=(*pictures, epochs_table(runs)))


def _changes(groups: tuple[Group, ...]) -> list[Block]:
    """Differences from each experiment to the next: those of the recipes first, then those of the layers."""
    blocks: list[Block] = []
    for before, now in pairwise(groups):
        found = recipe_changes(*(Recipe.from_json(group.records[0].recipe) for group in (now, before)))
        what = "; ".join(found) if found else "the same recipe"
        if before.experiment and now.experiment:
            layers = layer_changes(now.experiment.build(), before.experiment.build())
            what += f". Layers: {'; '.join(layers)}" if layers else ". The layers are the same"
        blocks.append(f"From `{before.name}` to `{now.name}`: {what}.")
    return blocks


def comparison(story: Story) -> Section | None:
    """Spread and differences of several runs; None for a single run."""
    if len(story.runs) < 2:
        return None
    records = [record for record in story.records if record.rows]
    table = spread_table(story.groups)
    blocks: list[Block] = [*_changes(story.groups)]
    if len(story.groups) > 1:
        blocks += [accuracy_picture(records)] if records else []
        blocks.append(differences_table(story))
        blocks += [table] if table else []
    if records:
        finals = [record.rows[-1].test_accuracy for record in records]
        spread = FigureBlock(
            name="spread",
            title="Spread over the runs",
            about="A line for each run: rings are the judged epochs, and the dot is the last one, which is the result.",
            alt=f"Judged epochs of {len(records)} runs; their last epochs lie between {min(finals):.2f} and"
            f" {max(finals):.2f} %.",
            figure=figures.spread(*records),
        )
        blocks.append(spread)
    if len(story.groups) == 1:
        blocks.append(differences_table(story))
        blocks += [table] if table else []
    return Section(id="comparison", title="The runs compared", blocks=tuple(blocks))


def made_with(story: Story) -> Section:
    """Where each run was trained: versions, processor, commit."""
    names = list(dict.fromkeys(name for record in story.records for name in record.environment))
    columns = (Column(name="run", heading="run"), Column(name="engine", heading="engine"), *(
        Column(name=name, heading=name.replace("_", " ")) for name in names
    ))  # fmt: skip
    rows = tuple(
        (run.name, run.record.engine, *(_text_or_none(run.record.environment.get(name)) for name in names))
        for run in story.runs
    )
    table = Table(name="environment", caption="Where the runs were trained", columns=columns, rows=rows, stacked=True)
    return Section(id="made-with", title="Where it was made", blocks=(table,))


def _text_or_none(value: object) -> str | None:
    return None if value is None else str(value)
