"""The whole page as sections, in reading order."""

from featherweight.explain.report.content import Section
from featherweight.explain.report.details import network, outcome
from featherweight.explain.report.overview import comparison, made_with, training, verdict
from featherweight.explain.report.story import Story


def sections(story: Story) -> list[Section]:
    """Verdict, training, comparison, then each experiment's network, classes and mistakes, then the environment.

    A section that would be empty is left out; the first section says what is missing.
    """
    found = [verdict(story), training(story), comparison(story)]
    for group in story.groups:
        found += [network(story, group), *outcome(story, group)]
    found.append(made_with(story))
    return [section for section in found if section is not None and section.blocks]
