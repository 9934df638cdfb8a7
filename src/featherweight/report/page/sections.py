"""The sections of a page in reading order, and those on all runs: verdict, training, comparison, environment."""

from itertools import pairwise

from featherweight.experiments.budget import Budget
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.experiments.settings import recipe_changes
from featherweight.experiments.verdicts import seeds_sentence, verdict_sentence
from featherweight.networks.difference import layer_changes
from featherweight.report import figures
from featherweight.report.figures.style import STRETCHED
from featherweight.report.page.blocks import Block, FigureBlock, Section, VerdictBlock, figure, paragraph
from featherweight.report.page.cards import deploy_card, headline, recipe_card
from featherweight.report.page.experiment_sections import OF_EACH
from featherweight.report.page.load_runs import Group, Story
from featherweight.report.page.tables import (
    budget_table,
    differences_table,
    digests_table,
    environment_table,
    epochs_table,
    runs_table,
    spread_table,
)


def sections(story: Story) -> list[Section]:
    """Verdict, training, comparison, then each experiment's network, classes and mistakes, then the environment.

    Of several experiments, the comparison comes first. A section that would be empty is left out; the verdict's says
    what is missing.
    """
    several = len(story.groups) > 1
    compared, judged = comparison(story), verdict(story)
    found = [compared, judged, training(story)] if several else [judged, training(story), compared]
    for group in story.groups:
        found += [section_of(story, group) for section_of in OF_EACH]
    where = environment_table(story.runs)
    found.append(Section(id="made-with", title="Where it was made", blocks=(where,)))
    return [section for section in found if section is not None and section.blocks]


# ------------------------------------------------------------------------------------------- verdict


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


def _unfinished(record: Record) -> str:
    return paragraph("unfinished", done=len(record.rows), planned=int(record.recipe["epochs"]))


def _group_verdict(group: Group, alone: bool) -> list[Block]:
    """The opening blocks about one experiment."""
    who = "" if alone else f"{group.name}: "
    done = [record for record in group.records if record.finished and record.rows]
    open_runs = [run for run in group.runs if not (run.record.finished and run.record.rows)]
    passed: bool | None = None
    if len(group.runs) == 1 and done:
        word, sentence = verdict_sentence(done[0]).split(" ", 1)
        passed = done[0].verdict.passed if done[0].verdict.decided else None
    elif done:
        passed = all(record.verdict.passed for record in done) and not open_runs
        word = "passed" if passed else "failed" if not open_runs else "unfinished"
        passed = None if open_runs else passed
        sentence = seeds_sentence(done, len(group.runs))
    else:
        word = "unfinished"
        sentence = _unfinished(group.records[0]) if len(group.runs) == 1 else "No run is finished."
    blocks: list[Block] = [VerdictBlock(word=word.lower(), passed=passed, sentence=who + sentence)]
    blocks += [group.unchecked] if group.unchecked else []
    blocks += [f"{run.name}: {_unfinished(run.record)}" for run in open_runs if len(group.runs) > 1]
    title = group.experiment.title if group.experiment else ""
    budget = Budget(**group.records[0].budget).sentence()
    return [*blocks, paragraph("experiment", name=group.name, title=title, budget=budget)]


def _first_look(story: Story, group: Group) -> list[Block]:
    """The accuracy curve beside the cards, and the tables that belong to them."""
    records = [record for record in story.records if record.rows]
    run = group.runs[0]
    blocks: list[Block | None] = [accuracy_picture(records) if records else None, recipe_card(run)]
    blocks.append(deploy_card(group, next((one for one in group.runs if one.trained), run)))
    blocks.append(budget_table(run.record) if len(story.runs) == 1 else runs_table(story.runs))
    blocks.append(digests_table(run.record))
    return [block for block in blocks if block is not None]


# ------------------------------------------------------------------------------------------- training


def _overlaid(records: list[Record]) -> str:
    return f", {len(records)} runs overlaid" if len(records) > 1 else ""


def accuracy_picture(records: list[Record]) -> FigureBlock:
    """The curves of accuracy, with a sentence on what training accuracy is of."""
    best = max(max(row.test_accuracy, row.train_accuracy) for record in records for row in record.rows)
    recipes = [Recipe.from_json(record.recipe) for record in records]
    return figure(
        "accuracy",
        figures.accuracy(*records),
        stretched=max(best, *(float(record.budget["accuracy"]) for record in records)) >= STRETCHED,
        augmented=any(recipe.augment and recipe.plain_epochs < recipe.epochs for recipe in recipes),
        clean=[one.clean_train_accuracy for one in records if one.clean_train_accuracy is not None],
        jumps=any(recipe.augment and 0 < recipe.plain_epochs < recipe.epochs for recipe in recipes),
        overlaid=_overlaid(records),
        rows=[record.rows[-1] for record in records],
        target=records[0].budget["accuracy"],
    )


def training(story: Story) -> Section | None:
    """The section on training: loss and learning rate; None if no run has a finished epoch."""
    runs = [run for run in story.runs if run.record.rows]
    records = [run.record for run in runs]
    if not records:
        return None
    last = [record.rows[-1] for record in records]
    rates = list(dict.fromkeys(f"{row.lr:.3g}" for row in last))
    loss = figure("loss", figures.loss(*records), overlaid=_overlaid(records), rows=last)
    rate = figure("learning-rate", figures.learning_rate(*records), rates=rates)
    return Section(id="training", title="Training", blocks=(loss, rate, epochs_table(runs)))


# ------------------------------------------------------------------------------------------- comparison


def comparison(story: Story) -> Section | None:
    """The section that compares several runs: spread and differences; None for a single run."""
    if len(story.runs) < 2:
        return None
    records = [record for record in story.records if record.rows]
    spread = spread_table(story.groups)
    tables: list[Block] = [differences_table(story), *([spread] if spread else [])]
    blocks: list[Block] = [*_changes(story.groups)]
    if len(story.groups) > 1:
        blocks += [*([accuracy_picture(records)] if records else []), *tables]
    if records:
        finals = [record.rows[-1].test_accuracy for record in records]
        blocks.append(figure("spread", figures.spread(*records), finals=finals))
    if len(story.groups) == 1:
        blocks += tables
    return Section(id="comparison", title="The runs compared", blocks=tuple(blocks))


def _changes(groups: tuple[Group, ...]) -> list[Block]:
    """Differences from each experiment to the next: those of the recipes first, then those of the layers."""
    blocks: list[Block] = []
    for before, now in pairwise(groups):
        found = recipe_changes(*(Recipe.from_json(group.records[0].recipe) for group in (now, before)))
        both = [group.experiment.build() for group in (now, before) if group.experiment]
        layers = layer_changes(*both) if len(both) == 2 else None
        blocks.append(paragraph("changes", before=before.name, now=now.name, recipe=found, layers=layers))
    return blocks
