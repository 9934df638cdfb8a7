"""The whole page as sections, in reading order."""

from featherweight.report.page.blocks import Section
from featherweight.report.page.details import classes, network
from featherweight.report.page.images import images_of
from featherweight.report.page.load_runs import Story
from featherweight.report.page.overview import comparison, made_with, training, verdict


def sections(story: Story) -> list[Section]:
    """Verdict, training, comparison, then each experiment's network, classes and mistakes, then the environment.

    Of several experiments, the comparison comes first. A section that would be empty is left out; the verdict's says
    what is missing.
    """
    several = len(story.groups) > 1
    compared, judged = comparison(story), verdict(story)
    found = [compared, judged, training(story)] if several else [judged, training(story), compared]
    for group in story.groups:
        found += [network(story, group), classes(story, group), *images_of(story, group)]
    found.append(made_with(story))
    return [section for section in found if section is not None and section.blocks]
