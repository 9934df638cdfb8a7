"""Parameters by layer, without running the network, so that budgets can be checked for any module."""

from torch import nn


def parameters_by_layer(network: nn.Module) -> list[tuple[str, int]]:
    """(dotted name, number of own parameters) of every layer that has any, largest first; shared ones count once.

    >>> parameters_by_layer(nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 5)))
    [('2', 20), ('0', 9)]
    """
    seen: set[int] = set()
    counts: list[tuple[str, int]] = []
    for name, layer in network.named_modules():
        own = [p for p in layer.parameters(recurse=False) if id(p) not in seen]
        seen |= {id(p) for p in own}
        if own:
            counts.append((name or "the network itself", sum(p.numel() for p in own)))
    return sorted(counts, key=lambda count: -count[1])
