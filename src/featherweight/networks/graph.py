"""A network as a graph of layers, as somebody else's file has it."""

from collections import Counter
from collections.abc import Mapping, Sequence

from torch import Tensor, nn

from featherweight.networks.layers.blocks import LOWERED, Lower
from featherweight.networks.layers.kind import Draft

Plan = Sequence[tuple[str, tuple[int, ...]]]
"""Step by step: the name of a layer, or "" for a sum, and which tensors it reads. Tensor 0 is the pictures, tensor i
what step i makes, from 1 on."""


class Graph(nn.Sequential):
    """Layers that each read the pictures or what an earlier step has made, and sums of two of these."""

    def __init__(self, layers: Mapping[str, nn.Module], plan: Plan) -> None:
        super().__init__()
        for name, layer in layers.items():
            self.add_module(name, layer)
        self.plan = tuple(plan)

    def forward(self, images: Tensor) -> Tensor:
        """What the last step makes."""
        made = [images]
        for name, inputs in self.plan:
            given = [made[at] for at in inputs]
            made.append(given[0] + given[1] if not name else getattr(self, name)(given[0]))
        return made[-1]


def _lowered(module: nn.Module, prefix: str, draft: Draft, lower: Lower) -> None:
    assert isinstance(module, Graph)
    readers = Counter(at for _, inputs in module.plan for at in inputs)
    draft.flush()
    made: list[tuple[int, bool]] = [(draft.current, draft.flat)]
    if readers[0] > 1:
        draft.held.add(draft.current)
    for at, (name, inputs) in enumerate(module.plan, start=1):
        draft.current, draft.flat = made[inputs[0]]
        called = f"{prefix}.{name}" if prefix else name
        if name:
            lower(getattr(module, name), called, draft)
        else:
            same = draft.size == draft.sizes[made[inputs[1]][0]]
            draft.require(same, module, called, "adds tensors of several shapes")
            draft.add(draft.size, "add", name=called or "sum", other=made[inputs[1]][0])
        draft.flush()
        made.append((draft.current, draft.flat))
        if readers[at] > 1 or (at < len(module.plan) and at not in module.plan[at][1]):
            draft.held.add(draft.current)


LOWERED[Graph.forward] = _lowered
