"""Tests of the optimisers that train the flat parameters."""

import subprocess
import sys
from dataclasses import replace

import pytest
import torch
from torch import nn

from featherweight.experiments.recipe import Recipe
from featherweight.training.state import flatten_parameters, optimizer_for

RECIPE = Recipe(lr=0.1, momentum=0.9, weight_decay=1e-2)


@pytest.mark.parametrize("name", ["sgd", "adam", "adamw"])
def test_steps_are_bit_for_bit_those_of_pytorch_s_optimisers(name: str) -> None:
    ours, theirs = (nn.Linear(7, 3), nn.Linear(7, 3))
    theirs.load_state_dict(ours.state_dict())
    flat = flatten_parameters(ours)
    groups = [{"params": [theirs.weight], "weight_decay": 1e-2}, {"params": [theirs.bias], "weight_decay": 0.0}]
    optimizer = optimizer_for(flat, replace(RECIPE, optimizer=name))
    if name == "sgd":
        reference: torch.optim.Optimizer = torch.optim.SGD(
            groups, lr=0.1, momentum=0.9, nesterov=RECIPE.nesterov, fused=True
        )
    else:
        reference = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[name](groups, lr=0.1)
    draws = torch.Generator().manual_seed(0)
    for _ in range(5):
        for mine, its in zip(ours.parameters(), theirs.parameters(), strict=True):
            its.grad = torch.randn(its.shape, generator=draws)
            assert mine.grad is not None
            mine.grad.copy_(its.grad)
        optimizer.step()
        reference.step()
    assert torch.equal(ours.weight, theirs.weight) and torch.equal(ours.bias, theirs.bias)
    assert optimizer.state_dict()["param_groups"][0]["lr"] == 0.1 and type(optimizer) is not type(reference)


def test_pytorch_s_compiler_is_not_imported_to_train() -> None:
    program = (
        "import sys, torch, torch.nn as nn\n"
        "from featherweight.experiments.recipe import Recipe\n"
        "from featherweight.training.state import flatten_parameters, optimizer_for\n"
        "optimizer = optimizer_for(flatten_parameters(nn.Linear(2, 2)), Recipe())\n"
        "optimizer.zero_grad(set_to_none=False), optimizer.step(), optimizer.load_state_dict(optimizer.state_dict())\n"
        "sys.exit('torch._dynamo' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0
