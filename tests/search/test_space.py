"""Spaces: networks as plain data, what a proposal costs, what is over a limit, and the spaces of the package."""

from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import torch
from torch import nn

from featherweight.errors import UsageError
from featherweight.experiments.budget import Budget
from featherweight.experiments.recipe import Recipe
from featherweight.networks.architecture import build_layers, layer
from featherweight.search.space import (
    Proposal,
    ProposalCost,
    Space,
    cost,
    excess,
    find_space,
    names,
    propose,
    stack,
)
from searched import SPACE, space_file

STACK = stack([8, 12, 12, 14, 14, 14], pool_after=[2])


def test_a_stack_as_data_costs_what_it_costs() -> None:
    costs = cost(Proposal(network=STACK, recipe=Recipe(epochs=15)), (1, 28, 28), 10)
    kernels = [1 * 8, 8 * 12, 12 * 12, 12 * 14, 14 * 14, 14 * 14]
    assert costs.parameters == 9 * sum(kernels) + 2 * (8 + 12 + 12 + 14 + 14 + 14) + 14 * 10 + 10 == 7570
    sides = [26, 24, 10, 8, 6, 4]
    macs = sum(9 * kernel * side**2 for kernel, side in zip(kernels, sides, strict=True))
    assert costs.macs == macs + 14 * 10
    assert costs.field == (22, 22) and costs.epochs == 15


def test_a_global_depthwise_convolution_costs_what_it_costs() -> None:
    """11 x 11 places, averaged by twos to 5 x 5, of which each channel has its own weights."""
    network = stack([5, 7], pool_after=[1], map_side=11)
    assert [str(one) for one in network[3:6]] == [
        "nn.AvgPool2d(2)", "nn.Conv2d(7, 7, 5, groups=7, bias=False)", "nn.BatchNorm2d(7)"
    ]  # fmt: skip
    costs = cost(Proposal(network=network, recipe=Recipe()), (1, 28, 28), 10)
    assert costs.parameters == 9 * 5 + 2 * 5 + 9 * 5 * 7 + 2 * 7 + 7 * 25 + 2 * 7 + 7 * 10 + 10
    assert costs.macs == 9 * 5 * 26**2 + 9 * 35 * 11**2 + 7 * 25 + 70
    with pytest.raises(UsageError, match="a map of 2 x 2 or more; given a side of 1"):
        stack([5, 7], map_side=1)


def test_kernels_padding_and_dropout_reach_the_network() -> None:
    network = build_layers(stack([3, 5], kernels=[5, 3], padding=1, dropout=0.25), channels=2, classes=7)
    convolutions = [part for part in network.modules() if isinstance(part, nn.Conv2d)]
    assert [(c.in_channels, c.out_channels, c.kernel_size[0], c.padding) for c in convolutions] == [
        (2, 3, 5, (1, 1)),
        (3, 5, 3, (1, 1)),
    ]
    assert [part.p for part in network.modules() if isinstance(part, nn.Dropout)] == [0.25, 0.25]
    assert network(torch.zeros(2, 2, 11, 13)).shape == (2, 7)


def test_separable_convolutions_cost_what_they_cost() -> None:
    """A first convolution to 5 channels at 26 x 26, a pool, then 5 to 7 channels padded at 13 x 13 and 7 to 8 at 11."""
    network = stack([5, 7, 8], pool_after=[1], padding=[0, 1, 0], separable=True)
    assert [str(one) for one in network[:4]] == [
        "conv_norm_relu(channels, 5)", "nn.MaxPool2d(2)", "separable_norm_relu(5, 7, padding=1)",
        "separable_norm_relu(7, 8)",
    ]  # fmt: skip
    costs = cost(Proposal(network=network, recipe=Recipe()), (1, 28, 28), 10)
    assert costs.parameters == 5 * 9 + 10 + 5 * 9 + 5 * 7 + 14 + 7 * 9 + 7 * 8 + 16 + 8 * 10 + 10
    assert costs.macs == 45 * 26**2 + (5 * 9 + 5 * 7) * 13**2 + (7 * 9 + 7 * 8) * 11**2 + 80
    with pytest.raises(UsageError, match="separable convolutions have no dropout; given 0.1"):
        stack([5, 7], separable=True, dropout=0.1)
    with pytest.raises(UsageError, match=r"a padding for each convolution.*padding \[1\]"):
        stack([5, 7], padding=[1])


def test_a_proposal_survives_as_plain_values_and_is_known_again() -> None:
    proposal = Proposal(network=stack([3, 5], kernels=[5, 3]), recipe=Recipe(epochs=2))
    again = Proposal.from_json(proposal.to_json())
    assert again == proposal and again.key == proposal.key
    assert replace(proposal, recipe=Recipe(epochs=3)).key != proposal.key
    assert replace(proposal, network=stack([3, 5])).key != proposal.key


@pytest.mark.parametrize(
    ("change", "over"),
    [
        ({"parameters": 99}, {}),
        ({"parameters": 100}, {"parameters": 1 / 100}),
        ({"macs": 999}, {}),
        ({"macs": 1000}, {"macs": 1 / 1000}),
        ({"epochs": 5}, {}),
        ({"epochs": 6}, {"epochs": 1 / 5}),
        ({"field": (11, 13)}, {}),
        ({"field": (12, 13)}, {"field": 1 / 11}),
        ({"field": (11, 14), "parameters": 149}, {"field": 1 / 13, "parameters": 50 / 100}),
    ],
)
def test_what_is_over_a_limit(change: dict[str, int], over: dict[str, float]) -> None:
    space = Space(name="s", propose=lambda trial: None, budget=Budget(parameters=100, epochs=5, macs=1000))  # type: ignore[arg-type,return-value]
    costs = replace(ProposalCost(parameters=1, macs=1, field=(3, 3), epochs=1), **change)  # type: ignore[arg-type]
    assert excess(space, costs, (11, 13)) == pytest.approx(over)


def test_a_map_that_shrinks_to_nothing_has_no_cost() -> None:
    proposal = Proposal(network=stack([2, 2, 2], pool_after=[1, 2]), recipe=Recipe())
    with pytest.raises(UsageError, match="cannot take images of 1 x 11 x 13"):
        cost(proposal, (1, 11, 13), 4)


def test_layers_that_cannot_be() -> None:
    with pytest.raises(UsageError, match=r"Unknown layer 'nn.MaxPool'; did you mean nn.MaxPool2d\?"):
        layer("nn.MaxPool", 2)
    with pytest.raises(UsageError, match=r"given widths \[4\], kernels \[3, 5\], padding \[0\] and pools after \[\]"):
        stack([4], kernels=[3, 5])
    with pytest.raises(UsageError, match=r"pools after \[2\]"):
        stack([4], pool_after=[2])
    with pytest.raises(UsageError, match="cannot be built: TypeError"):
        cost(Proposal(network=(layer("nn.Linear", 3),), recipe=Recipe()), (1, 8, 8), 4)


def test_a_space_is_found_in_a_file_or_what_is_wrong_is_said(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"Unknown space 'smalest'; did you mean smallest\? There are: accurate, fast"):
        find_space("smalest")
    with pytest.raises(UsageError, match="There is no space at .*none.py"):
        find_space(str(tmp_path / "none.py"))
    broken = tmp_path / "broken.py"
    broken.write_text("1 / 0")
    with pytest.raises(UsageError, match="broken.py failed with ZeroDivisionError"):
        find_space(str(broken))
    broken.write_text("space = 3")
    with pytest.raises(UsageError, match="does not define `space`"):
        find_space(str(broken))
    found = find_space(str(space_file(tmp_path)))
    assert found.name == "bars" and found.limits() == "fewer than 500 parameters, at most 5 epochs"


def test_comments_and_layout_of_a_space_do_not_make_it_another(tmp_path: Path) -> None:
    path = space_file(tmp_path)
    before = find_space(str(path)).digest()
    path.write_text(SPACE.replace("def propose(trial):", "# Narrow.\n\n\ndef propose( trial ):"))
    assert find_space(str(path)).digest() == before
    path.write_text(SPACE.replace("2, 14", "2, 15"))
    assert find_space(str(path)).digest() != before


def test_what_a_space_proposes_is_checked() -> None:
    study = optuna.create_study()
    failing = Space(name="own", propose=lambda trial: {}["width"], budget=Budget())
    with pytest.raises(UsageError, match="The space own failed with KeyError: 'width'"):
        propose(failing, study.ask())
    wrong = Space(name="own", propose=lambda trial: 3, budget=Budget())  # type: ignore[arg-type,return-value]
    with pytest.raises(UsageError, match="The space own proposes 3; it must return a Proposal"):
        propose(wrong, study.ask())


@pytest.mark.parametrize("name", ["accurate", "fastest", "leanest", "smallest"])
def test_the_spaces_of_the_package_propose_within_and_over_their_budgets(name: str) -> None:
    assert names() == ["accurate", "fastest", "leanest", "smallest"]
    space = find_space(name)
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=3))
    within, keys = 0, set()
    for _ in range(12):
        proposal = propose(space, study.ask())
        keys.add(proposal.key)
        assert proposal == Proposal.from_json(proposal.to_json())
        assert proposal.recipe.epochs <= space.budget.epochs
        try:
            within += not excess(space, cost(proposal, (1, 28, 28), 10), (28, 28))
        except UsageError as problem:
            assert "cannot take images" in str(problem)
    assert len(keys) == 12 and within >= 2


@pytest.mark.parametrize("name", names())
def test_the_page_says_the_limits_of_each_space(name: str) -> None:
    budget = find_space(name).budget
    macs = f" and {budget.macs:,} MACs" if budget.macs else ""
    limits = f"fewer than {budget.parameters:,} parameters{macs}, at most {budget.epochs} epochs"
    page = (Path(__file__).parents[2] / "docs" / "search.md").read_text()
    assert [line for line in page.splitlines() if line.startswith(f"| `{name}` |") and line.endswith(f"| {limits} |")]
