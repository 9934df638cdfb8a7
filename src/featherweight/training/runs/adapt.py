"""An experiment as it is trained: with settings changed by name, and a budget that fits other data than its own."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from featherweight.data.dataset import Data
from featherweight.experiments.experiment import PACKAGED, Experiment
from featherweight.experiments.settings import changes, overridden
from featherweight.networks.anatomy import dissect

CLASSES = 10
"""Classes of every set that the package's experiments were made for."""


def adapt(experiment: Experiment, data: Data, settings: Mapping[str, Any]) -> tuple[Experiment, tuple[str, ...]]:
    """The experiment as it is trained on the data, and what was changed, a sentence each."""
    fitting, note = adapt_budget(experiment, data)
    changed = overridden(fitting, settings)
    words = ", ".join(changes(changed, fitting))
    return changed, tuple(line for line in (note, words and f"changed: {words}") if line)


def adapt_budget(experiment: Experiment, data: Data) -> tuple[Experiment, str]:
    """The experiment with a budget that fits the data, and the sentence that says so.

    A network for colour pictures or more classes has more weights in its first and last layer, which its budget was not
    made for: the budget is given as much as they add. Experiments in files of the user's own are left as they are, and
    so is every one on data with as many channels and classes as its own set's.
    """
    channels, height, width = map(int, data.train.images.shape[1:])
    classes = len(data.classes)
    packaged = experiment.file is not None and experiment.file.is_relative_to(PACKAGED.resolve())
    if not packaged or (channels, classes) == (experiment.shape[0], CLASSES):
        return experiment, ""
    here = dissect(experiment.build(channels, classes), (channels, height, width))
    home = dissect(experiment.build(), experiment.shape)
    more = here.parameters - home.parameters
    budget = replace(experiment.budget, parameters=max(1, experiment.budget.parameters + more))
    words = f"{budget.parameters:,} parameters, {abs(more):,} {'more' if more >= 0 else 'fewer'} than its own"
    if budget.macs is not None and here.macs > home.macs:
        budget = replace(budget, macs=budget.macs + here.macs - home.macs)
        words += f", and {budget.macs:,} MACs, {here.macs - home.macs:,} more"
    if budget == experiment.budget:
        return experiment, ""
    what = f"{channels} channel{'s' * (channels != 1)} and {classes} classes"
    made_for = experiment.shape[0]
    sentence = (
        f"{experiment.id} is made for {made_for} channel{'s' * (made_for != 1)} and {CLASSES} classes; for {what} its"
    )
    sentence += f" budget is {words}"
    return replace(experiment, budget=budget), sentence
