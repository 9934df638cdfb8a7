"""Adam in the eigenbasis of Shampoo's preconditioner (Vyas et al., "SOAP", 2024), for networks this small.

A kernel is a matrix [outputs, inputs * rows * columns]; norms and biases get plain Adam.
"""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from featherweight.training.state import State

TINY = 1e-12


class Soap(torch.optim.Optimizer):
    """Steps for a state's kernels and matrices in their eigenbases, and for its vector of norms and biases."""

    def __init__(self, state: State, betas: tuple[float, float] = (0.95, 0.95), decay: float = 1e-4, turn: int = 10):
        super().__init__(
            [{"params": [state.parameters.decayed]}, {"params": [state.parameters.undecayed]}], {"lr": 1e-3}
        )
        self.betas, self.decay, self.turn, self.steps = betas, decay, turn, 0
        self.matrices = [p for p in state.network.parameters() if p.ndim > 1]
        self.memory = [_memory(p) for p in self.matrices]
        self.vector = state.parameters.undecayed
        self.first, self.second = torch.zeros_like(self.vector), torch.zeros_like(self.vector)

    @torch.no_grad()
    def step(self, closure: Any = None) -> None:
        """One step from the gradients in `.grad`; every `turn` steps the bases follow the preconditioners."""
        self.steps += 1
        rate, (beta1, beta2) = self.param_groups[0]["lr"], self.betas
        bias1, bias2 = 1 - beta1**self.steps, 1 - beta2**self.steps
        for parameter, memory in zip(self.matrices, self.memory, strict=True):
            assert parameter.grad is not None
            gradient = parameter.grad.view(memory["first"].shape)
            memory["left"].lerp_(gradient @ gradient.T, 1 - beta2)
            memory["right"].lerp_(gradient.T @ gradient, 1 - beta2)
            if self.steps == 1:
                memory["left basis"], memory["right basis"] = _basis(memory["left"]), _basis(memory["right"])
            left, right = memory["left basis"], memory["right basis"]
            memory["first"].lerp_(gradient, 1 - beta1)
            turned = left.T @ gradient @ right
            mean = left.T @ memory["first"] @ right
            memory["second"].lerp_(turned * turned, 1 - beta2)
            update = left @ ((mean / bias1) / ((memory["second"] / bias2).sqrt() + 1e-8)) @ right.T
            weights = parameter.data.view(update.shape)
            weights.mul_(1 - rate * self.decay)
            weights.add_(update, alpha=-rate)
            if self.steps % self.turn == 0:
                _turn(memory, "left", 0)
                _turn(memory, "right", 1)
        assert self.vector.grad is not None
        self.first.lerp_(self.vector.grad, 1 - beta1)
        self.second.lerp_(self.vector.grad * self.vector.grad, 1 - beta2)
        self.vector.data.add_((self.first / bias1) / ((self.second / bias2).sqrt() + 1e-8), alpha=-rate)


def _memory(parameter: Tensor) -> dict[str, Tensor]:
    rows, columns = parameter.shape[0], parameter.numel() // parameter.shape[0]
    return {
        "left": torch.zeros(rows, rows),
        "right": torch.zeros(columns, columns),
        "first": torch.zeros(rows, columns),
        "second": torch.zeros(rows, columns),
    }


def _basis(matrix: Tensor) -> Tensor:
    vectors: Tensor = torch.linalg.eigh(matrix + TINY * torch.eye(len(matrix)))[1]
    return vectors


def _turn(memory: dict[str, Tensor], side: str, axis: int) -> None:
    """One power iteration towards the eigenvectors of now, largest first."""
    basis, matrix = memory[f"{side} basis"], memory[side]
    order = torch.argsort(torch.einsum("ij,ij->j", basis, matrix @ basis), descending=True)
    memory["second"] = memory["second"].index_select(axis, order)
    memory[f"{side} basis"] = torch.linalg.qr(matrix @ basis[:, order])[0]


def soap() -> Callable[[State], Soap]:
    """As a trial's optimizer."""
    return Soap
