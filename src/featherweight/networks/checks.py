"""Which network a module is, and whether it fits its data."""

import hashlib

import torch
from torch import nn

from featherweight.errors import UsageError


def fingerprint(network: nn.Module) -> str:
    """A digest of the layers and their settings, by which records and checkpoints identify their network.

    >>> fingerprint(nn.Sequential(nn.ReLU())) == fingerprint(nn.Sequential(nn.SiLU()))
    False
    """
    shapes = [(name, tuple(value.shape)) for name, value in network.state_dict().items()]
    return hashlib.sha256(f"{network!r}{shapes}".encode()).hexdigest()[:16]


def check_network(network: nn.Module, shape: tuple[int, int, int], classes: int, name: str) -> None:
    """Raise UsageError unless the network has parameters and turns [N *shape] into [N classes]."""
    if not isinstance(network, nn.Module):
        raise UsageError(f"The network function of {name} returns {network!r}; it must return an nn.Module.")
    if not any(p.requires_grad for p in network.parameters()):
        raise UsageError(f"The network of {name} has no parameters to train; give it a layer that has some.")
    training = network.training
    try:
        with torch.no_grad():
            output = network.eval()(torch.zeros(2, *shape))
    except Exception as problem:
        size = " x ".join(map(str, shape))
        raise UsageError(f"The network of {name} cannot take images of {size}: {problem}") from problem
    finally:
        network.train(training)
    if output.shape != (2, classes):
        raise UsageError(
            f"For 2 images, the network of {name} returns shape {tuple(output.shape)}; the data needs (2, {classes})."
        )
