"""Facts about the network of an experiment, each found out once in a process, since many texts quote it."""

from functools import cache

from featherweight.experiments.experiment import Experiment
from featherweight.export.estimate import Deployed, deployed
from featherweight.networks.anatomy import Anatomy, dissect
from featherweight.networks.difference import differences
from featherweight.networks.layers.preprocessing import preprocessing_of


@cache
def anatomy_of(experiment: Experiment) -> Anatomy:
    """The anatomy of an experiment's network for the pictures of its own set.

    >>> from featherweight.experiments.experiment import find
    >>> anatomy_of(find("f3")).parameters, anatomy_of(find("f3")) is anatomy_of(find("f3"))
    (7864, True)
    """
    return dissect(experiment.build(), experiment.shape)


@cache
def deployed_of(experiment: Experiment) -> Deployed:
    """What an experiment's program in 8-bit C needs; UsageError for a network that C does not support."""
    return deployed(experiment.build().eval(), experiment.shape)


@cache
def preprocessing_words(experiment: Experiment) -> tuple[str, ...]:
    """What an experiment's network does to a picture before its first weight, in words; empty if nothing."""
    return tuple(preprocessing_of(experiment.build()).words)


@cache
def changes_between(rung: Experiment, parent: Experiment) -> tuple[str, ...]:
    """How a rung differs from its parent, one phrase per change, as `differences` tells it."""
    return tuple(differences(rung, parent))
