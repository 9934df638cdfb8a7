"""The notes under the table of results, which explain its columns; every figure is computed."""

import json
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from torch import nn

from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.record import Record
from featherweight.experiments.rules import worded

DRAWS = Path("results", "bench", "hard_draws.json")
"""The counts of `python -m benchmarks.hard_draws`, in a source tree."""
ABSENT = "–"


def looks_of(experiment: Experiment) -> int:
    """The number of epochs that begin by evaluating all training images; 0 without the rule for hard images.

    The first epoch and the plain ones use each image once.
    """
    recipe = experiment.recipe
    return max(0, recipe.epochs - recipe.plain_epochs - 1) if recipe.hard else 0


def deployed_numbers(network: nn.Module) -> int:
    """The count of numbers left when every batch norm is folded into the convolution before it.

    Of a norm's four numbers per channel (two parameters, two running statistics), one is left, as a bias.

    >>> deployed_numbers(nn.Sequential(nn.Conv2d(3, 5, 3, bias=False), nn.BatchNorm2d(5))), 3 * 5 * 9 + 5
    (140, 140)
    """
    parameters = sum(p.numel() for p in network.parameters())
    return parameters - sum(layer.num_features for layer in network.modules() if isinstance(layer, nn.BatchNorm2d))


def hard_cell(experiment: Experiment, draws: Mapping[str, Any]) -> str:
    """Figures of the images that an epoch draws by the rule for hard images; a dash if the recipe has no such rule."""
    if experiment.recipe.hard is None:
        return ABSENT
    told = f"{looks_of(experiment)} looks"
    if counted := draws.get(experiment.id):
        images = [look["distinct"] for look in counted["looks"]]
        draws_each, most = counted["looks"][0]["draws"], max(look["most"] for look in counted["looks"])
        told += f"; {draws_each:,} draws of {min(images):,} to {max(images):,} images, one up to {most} times"
    return told


def counted_draws(root: Path) -> dict[str, Any]:
    """The counts of each record's sampler; empty if there are none."""
    path = root / DRAWS
    return {one["experiment"]: one for one in json.loads(path.read_text(encoding="utf-8"))} if path.exists() else {}


def within(experiment: Experiment, passed: int, runs: int) -> str:
    """How many seeds are within the budget, and by which epochs, if those are not the rule's."""
    held, rule = experiment.budget.held, Budget().held
    if held == rule:
        return f"{passed} of {runs}"
    span = "the last epoch alone" if held == 1 else f"the last {held} epochs"
    return f"{passed} of {runs}, by {span}: not under the rule of {rule}"


def held_out_cell(records: Sequence[Record]) -> str:
    """The mean last-epoch accuracy on digits held out of the training set, in percent, as text."""
    return f"{held_out_mean(records):.3f}" if records else ABSENT


def held_out_mean(records: Sequence[Record]) -> float:
    """The mean last-epoch accuracy in percent, rounded so that a mean of 99.40 is not below 99.40."""
    return round(fmean(record.verdict.last for record in records), 9)


def scope() -> str:
    """A paragraph on where the public runs come from."""
    found = json.loads(Path(__file__).with_name("scope.json").read_text(encoding="utf-8"))
    return (
        f"*Best public* is the best of {found['runs']} runs under 8,000 parameters and within 15 epochs that"
        f" {found['from_repositories']} of {found['repositories']} public repositories of this course and its kin have"
        f" committed with their logs, read in {found['audited']}: {found['reach_once']} of them reach 99.40 % at some"
        f" epoch, {found['mean_of_last_five']} in the mean of the last five, {found['hold_all_five']} in each of those."
        " All are single runs tuned on the test set."
    )


HELD_OUT = {
    "mnist": "5,000 training digits by writers that training has not seen",
}
"""What is held out of a set for choices, where more can be said than that it is a twelfth."""


def notes(gathered: Sequence[Any], docs: str, data: str = "mnist") -> str:
    """The paragraphs under the table; `gathered` are its contenders and `docs` the path of the documentation."""
    records = [one for one in gathered if one.records]
    processors = sorted({str(run.environment.get("processor", "unknown")) for one in records for run in one.records})
    held_out = HELD_OUT.get(data, "a twelfth of the training pictures, which training has not seen")
    lines = [
        "*Buffers* are numbers that a network keeps beside its parameters: batch norm's running means, variances and"
        f" counts. *MACs* are multiply-adds for one {worded('digit', data)}. *Seconds* are training time without"
        " evaluations: scoring the test set after each epoch decides nothing and costs no budget. *Bar* is what all"
        f" seeds of a record must reach together. *Held out* is the last epoch's accuracy on {held_out}, over three"
        " seeds."
    ]
    if processors:
        lines[0] += f" Seconds were taken on {' and '.join(processors)}."
    if data != "mnist":
        return "\n\n".join(lines)
    lines += filter(None, (_hard(records, docs), _below(records, docs), _folded(records)))
    return "\n\n".join([*lines, scope()])


def _hard(records: Sequence[Any], docs: str) -> str:
    by_rule = [one.experiment.id for one in records if one.experiment.recipe.hard]
    if not by_rule:
        return ""
    names = ", ".join(f"`{id}`" for id in by_rule)
    return (
        f"*Hard images*: {names} sample digits that are not learned yet more often"
        f" ([the rule]({docs}/experiments.md#hard-examples)). An epoch still draws the same number of images, some of"
        " them several times and others not at all; the column shows what seed 0 drew. Hard images are found by"
        " evaluating all training images before each such epoch: this computes no gradient, its time"
        " counts as training, and `Budget.epochs` counts the images drawn, not those evaluated."
    )


def _below(records: Sequence[Any], docs: str) -> str:
    told = []
    for one in records:
        if one.held_out and (held := held_out_mean(one.held_out)) < Budget().accuracy:
            test = fmean(run.verdict.last for run in one.records)
            told.append(f"`{one.experiment.id}` by {test - held:.2f} points, to {held:.2f} %")
    if not told:
        return ""
    return (
        f"On held-out digits these are below their test figure and below {Budget().accuracy:.2f} %: {'; '.join(told)}."
        " Those digits are consecutive in the training set, by writers that training has not seen. They turned out"
        f" harder to read than the test set ([the log]({docs}/log.md)), and training without them has a twelfth"
        " fewer digits."
    )


def _folded(records: Sequence[Any]) -> str:
    limit, numbers = Budget().parameters, defaultdict(list)
    for one in records:
        whole, left = one.anatomy.parameters + one.anatomy.buffers, deployed_numbers(one.experiment.build())
        if left < limit <= whole:
            numbers[whole, left].append(f"`{one.experiment.id}`")
    if not numbers:
        return ""
    told = [
        f"{' and '.join(names)} {'has' if len(names) == 1 else 'have'} {whole:,} numbers with buffers in training, and"
        f" {left:,}"
        for (whole, left), names in numbers.items()
    ]
    return f"{'; '.join(told)} once batch norm is folded into the convolutions for use: fewer than {limit:,}."
