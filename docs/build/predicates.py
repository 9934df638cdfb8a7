"""Predicates for statements of the sources, beyond those for the claims of a rung.

Each function gives a `Predicate`, as those of `featherweight.experiments.claims` do. "The other" is the rung or trial
that the statement names for comparison, or else the rung's parent.
"""

from collections.abc import Callable
from itertools import pairwise
from statistics import fmean
from typing import Any

import torch
from docs.build.network_stats import anatomy_of
from torch import nn

from featherweight.experiments import claims
from featherweight.experiments.evidence import Decision, Evidence, Predicate, against_parent, standard_error
from featherweight.experiments.experiment import find
from featherweight.networks.anatomy import dissect

ALIKE = 0.05
"""Two networks are of about the same size if their numbers of parameters differ by at most this fraction."""
NEAR = 0.15
"""Points by which a mean may differ from a published figure and still count as equal to it, as for claims."""


def runs_finish() -> Predicate:
    """Every run finished, on all images."""

    def decide(on: Evidence) -> Decision:
        data, runs = on.records[0].data, on.records
        words = f"{len(runs)} runs of {len(runs[0].rows)} epochs over {data['train']:,} images, tested on"
        return all(run.finished for run in runs), f"{words} {data['test']:,}"

    return Predicate(rule="Every run finished, on all training and test images.", decide=decide)


def parameters_under(limit: int) -> Predicate:
    """The network has fewer parameters than this."""
    rule = f"The network has fewer than {limit:,} parameters."
    return Predicate(rule=rule, decide=lambda on: ((has := on.records[0].parameters) < limit, f"{has:,} parameters"))


def fewer_parameters() -> Predicate:
    """The network has fewer parameters than the other."""
    return _sizes("The network has fewer parameters than the other.", lambda ours, theirs: ours < theirs)


def same_size() -> Predicate:
    """The network has about as many parameters as the other."""
    rule = f"The numbers of parameters differ by no more than {100 * ALIKE:.0f} %."
    return _sizes(rule, lambda ours, theirs: abs(ours - theirs) <= ALIKE * theirs)


def last_between(low: float, high: float) -> Predicate:
    """The mean test accuracy of the last epoch is between these percentages."""
    rule = f"The mean test accuracy of the last epoch is from {low:.2f} to {high:.2f} %."

    def decide(on: Evidence) -> Decision:
        mean = fmean(run.rows[-1].test_accuracy for run in on.records)
        return low <= round(mean, 9) <= high, f"last epoch {mean:.2f} % (seeds: {len(on.records)})"

    return Predicate(rule=rule, decide=decide)


def last_near(accuracy: float) -> Predicate:
    """The mean test accuracy of the last epoch is within `NEAR` of a published one, in percent."""
    return last_between(round(accuracy - NEAR, 2), round(accuracy + NEAR, 2))


def stalls_between(low: float, high: float) -> Predicate:
    """The best mean test accuracy of any epoch is between these percentages, within the test's standard error."""
    rule = f"The best epoch's mean test accuracy is from {low:.2f} to {high:.2f} %, give or take its standard error."

    def decide(on: Evidence) -> Decision:
        best = max(fmean(run.rows[at].test_accuracy for run in on.records) for at in range(len(on.records[0].rows)))
        error = standard_error(best, on.records[0].data["test"])
        words = f"best epoch {best:.2f} %, standard error {error:.3f} points (seeds: {len(on.records)})"
        return low - error <= best <= high + error, words

    return Predicate(rule=rule, decide=decide)


def best_at(epoch: int) -> Predicate:
    """The epoch with the best mean test accuracy is this one."""

    def decide(on: Evidence) -> Decision:
        means = [
            fmean(row.test_accuracy for row in rows) for rows in zip(*(run.rows for run in on.records), strict=True)
        ]
        at = max(range(len(means)), key=means.__getitem__)
        own = ", ".join(str(max(run.rows, key=lambda row: row.test_accuracy).epoch) for run in on.records)
        return at + 1 == epoch, f"best at epoch {at + 1}; seed by seed at {own}"

    return Predicate(rule=f"Mean test accuracy is best at epoch {epoch}.", decide=decide)


def raises_train_accuracy() -> Predicate:
    """The last train accuracy is above the other's by more than the spread over seeds."""
    return against_parent("last train accuracy in %", "above", lambda run, _: run.rows[-1].train_accuracy)


def lowers_test_accuracy() -> Predicate:
    """The last test accuracy is below the other's by more than the spread over seeds."""
    return against_parent("last test accuracy in %", "below", lambda run, _: run.rows[-1].test_accuracy)


def recipe_has(setting: str, value: float) -> Predicate:
    """A setting of the recipe, given by a path such as `schedule.every_epochs`, has this value."""

    def decide(on: Evidence) -> Decision:
        has: Any = on.records[0].recipe
        for name in setting.split("."):
            has = has.get(name) if isinstance(has, dict) else None
        return has == value, f"`{setting}` is {has}"

    return Predicate(rule=f"The recipe's `{setting}` is {value:g}.", decide=decide)


def has_layer(kind: str, id: str) -> Predicate:
    """The rung's network has a layer of this kind."""

    def decide(on: Evidence) -> Decision:
        count = sum(type(layer).__name__ == kind for layer in find(id).build().modules())
        return count > 0, f"layers of kind `{kind}`: {count}"

    return Predicate(rule=f"`{id}` has a layer of kind `{kind}`.", decide=decide)


def pools_at(fields: list[int], id: str) -> Predicate:
    """The max pools come where the units have these receptive fields, in pixels."""

    def decide(on: Evidence) -> Decision:
        rows = anatomy_of(find(id)).rows
        found = [before.field for before, row in pairwise(rows) if row.kind.startswith("MaxPool")]
        return found == fields, f"pools at fields {' and '.join(map(str, found))}"

    return Predicate(rule=f"The pools of `{id}` stand at fields {' and '.join(map(str, fields))}.", decide=decide)


def same_fields(narrow: str, wide: str) -> Predicate:
    """Two networks of different widths have the same receptive field at every layer."""

    def decide(on: Evidence) -> Decision:
        anatomies = [anatomy_of(find(id)) for id in (wide, narrow)]
        fields = [[row.field for row in one.rows] for one in anatomies]
        told = ", ".join(f"`{id}` {one.parameters:,}" for id, one in zip((wide, narrow), anatomies, strict=True))
        return fields[0] == fields[1], f"parameters: {told}; field at the end {fields[0][-1]} and {fields[1][-1]}"

    return Predicate(rule=f"`{wide}` and `{narrow}` have the same field at every layer.", decide=decide)


def flattening_costs(id: str) -> Predicate:
    """A linear layer on the whole last map would need more parameters than averaging the map first."""

    def decide(on: Evidence) -> Decision:
        network = find(id).build()
        with_average = dissect(network).parameters
        flat = with_average + flattened_extra(network)
        return (
            flat > with_average,
            f"{with_average:,} parameters with the average, {flat:,} with a linear layer on the map",
        )

    return Predicate(rule=f"A linear layer on `{id}`'s last map would add parameters.", decide=decide)


def averages_for_free(id: str) -> Predicate:
    """The layer that averages the last map has no parameters."""

    def decide(on: Evidence) -> Decision:
        pools = [row for row in anatomy_of(find(id)).rows if "AvgPool" in row.kind]
        return bool(pools) and all(
            row.parameters == 0 for row in pools
        ), f"averaging layers: {len(pools)}, 0 parameters"

    return Predicate(rule=f"The averaging layer of `{id}` has no parameter.", decide=decide)


def keeps_places(id: str) -> Predicate:
    """The scores depend on where in the last map, before it is averaged, something is found."""

    def decide(on: Evidence) -> Decision:
        with torch.random.fork_rng():
            torch.manual_seed(0)
            network = find(id).build().eval()
        at = next(at for at, layer in enumerate(network) if isinstance(layer, nn.AvgPool2d | nn.AdaptiveAvgPool2d))
        rows = dissect(network, find(id).shape).rows
        averaged = next(before.output for before, row in pairwise(rows) if "AvgPool" in row.kind)
        draws = torch.Generator().manual_seed(0)
        last = torch.rand(8, *averaged, generator=draws)  # [8 C H W]
        order = torch.randperm(averaged[1] * averaged[2], generator=draws)
        shuffled = last.flatten(2)[:, :, order].view_as(last)
        with torch.no_grad():
            plain, moved = (network[at:](maps) for maps in (last, shuffled))
        change, spread = float((plain - moved).abs().max()), float(plain.std())
        words = f"with the {len(order)} places of the last map shuffled, scores that vary by {spread:.3f} change by"
        return change > 1e-3 * spread, f"{words} {change:.3f}"

    return Predicate(rule=f"Shuffling the places of the map that `{id}` averages changes its scores.", decide=decide)


def readout_shrinks(id: str) -> Predicate:
    """An average and a 1 x 1 layer would need fewer parameters than the layers that now read off the last map."""

    def decide(on: Evidence) -> Decision:
        rows = anatomy_of(find(id)).rows
        last_pool = max(at for at, row in enumerate(rows) if row.kind.startswith("MaxPool"))
        now, channels = sum(row.parameters for row in rows[last_pool + 1 :]), rows[last_pool].output[0]
        then, whole = 10 * channels, on.records[0].parameters
        return then < now, f"{now:,} of {whole:,} parameters read the map off; after an average {then:,} would"

    return Predicate(
        rule=f"An average and a 1 x 1 layer would have fewer parameters than `{id}`'s last ones.", decide=decide
    )


def flattened_extra(network: nn.Module) -> int:
    """How many more parameters a linear layer on the whole last map has than the 1 x 1 layer after its average."""
    rows = dissect(network).rows
    at = next(at for at, row in enumerate(rows) if "AvgPool" in row.kind)
    channels, height, width = rows[at - 1].output
    classes = rows[-1].output[0]
    return (channels * height * width - channels) * classes


def _sizes(rule: str, ask: Callable[[int, int], bool]) -> Predicate:
    def decide(on: Evidence) -> Decision:
        if not on.parent:
            return None, "the other has no records"
        ours, theirs = on.records[0].parameters, on.parent[0].parameters
        return ask(ours, theirs), f"{ours:,} parameters, the other {theirs:,}"

    return Predicate(rule=rule, decide=decide)


OF_RECORDS: dict[str, Callable[..., Predicate]] = {
    name: getattr(claims, name)
    for name in ("overfits", "underfits", "needs_capacity", "holds", "reaches", "fluctuates", "stalls", "beats_parent",
                 "no_worse_than_parent", "lowers_train_accuracy", "overfits_less", "converges_faster",
                 "too_many_parameters")
} | {one.__name__: one for one in (runs_finish, parameters_under, fewer_parameters, same_size, last_between, last_near,
                                   stalls_between, best_at, raises_train_accuracy, lowers_test_accuracy, recipe_has,
                                   has_layer, pools_at, same_fields, flattening_costs, averages_for_free, keeps_places,
                                   readout_shrinks)}  # fmt: skip
"""Every predicate that can decide a statement, by its name."""
BY_CONSTRUCTION = {"too_many_parameters", "runs_finish", "parameters_under", "fewer_parameters", "same_size",
                   "recipe_has", "has_layer", "pools_at", "same_fields", "flattening_costs", "averages_for_free",
                   "keeps_places", "readout_shrinks"}  # fmt: skip
"""Those that read a network, a recipe or that runs ended: whatever training gives, they say the same."""
