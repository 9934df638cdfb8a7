"""Search spaces: networks as plain data, proposals, the space they are drawn from, and the cost of a proposal."""

import ast
import hashlib
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featherweight.errors import FeatherweightError, UsageError, nearest
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import module_of
from featherweight.experiments.recipe import Recipe
from featherweight.networks.anatomy import dissect
from featherweight.networks.architecture import Layer, Value, build_layers, from_json, layer, to_json
from featherweight.networks.checks import check_network

if TYPE_CHECKING:
    import optuna

SPACES = Path(__file__).parent / "spaces"


def stack(
    widths: Sequence[int],
    *,
    pool_after: Sequence[int] = (),
    kernels: int | Sequence[int] = 3,
    padding: int | Sequence[int] = 0,
    dropout: float = 0.0,
    separable: bool = False,
    map_side: int = 0,
) -> tuple[Layer, ...]:
    """Convolutions of these widths, global average pooling, and a linear layer: the family of `f3`.

    A max pool of 2 follows each convolution whose number, counted from 1, is in `pool_after`. `kernels` and `padding`
    are sizes in pixels, one for all convolutions or one for each; `dropout` is a probability. With `separable`, all
    convolutions except the first are depthwise-separable, as in the family of `smallest`, and have no dropout. With
    `map_side`, the side of the last convolution's feature map, a global depthwise convolution replaces the average, as
    in the family of `fastest`: an average pool of 2, then one kernel per channel over the remaining map (Chen et al.,
    "MobileFaceNets", 2018). Raises UsageError if the arguments do not fit together.

    >>> print(*stack([8, 12], pool_after=[1]), sep="\\n")
    conv_norm_relu(channels, 8)
    nn.MaxPool2d(2)
    conv_norm_relu(8, 12)
    nn.AdaptiveAvgPool2d(1)
    nn.Flatten()
    nn.Linear(12, classes)
    """
    sizes = [kernels] * len(widths) if isinstance(kernels, int) else list(kernels)
    pads = [padding] * len(widths) if isinstance(padding, int) else list(padding)
    numbers = set(range(1, len(widths) + 1))
    if not widths or not len(sizes) == len(pads) == len(widths) or not set(pool_after) <= numbers:
        raise UsageError(
            "A stack needs a width, a kernel and a padding for each convolution, and pools after existing ones; given"
            f" widths {list(widths)}, kernels {sizes}, padding {pads} and pools after {list(pool_after)}."
        )
    if separable and dropout:
        raise UsageError(f"Depthwise-separable convolutions have no dropout; given {dropout}.")
    usual = {"kernel": 3, "padding": 0, "dropout": 0.0}
    found: list[Layer] = []
    before: Value = "channels"
    for number, (width, kernel, pad) in enumerate(zip(widths, sizes, pads, strict=True), start=1):
        settings = {"kernel": kernel, "padding": pad, "dropout": dropout}
        unusual = {name: value for name, value in settings.items() if value != usual[name]}
        block = "separable_norm_relu" if separable and number > 1 else "conv_norm_relu"
        found.append(layer(block, before, width, **unusual))
        found += [layer("nn.MaxPool2d", 2)] * (number in pool_after)
        before = width
    found += _global_depthwise(widths[-1], map_side) if map_side else [layer("nn.AdaptiveAvgPool2d", 1)]
    return (*found, layer("nn.Flatten"), layer("nn.Linear", before, "classes"))


def _global_depthwise(width: int, map_side: int) -> list[Layer]:
    """A depthwise convolution over the whole map, after an average pool of 2."""
    if map_side < 2:
        raise UsageError(f"A global depthwise convolution needs a map of 2 x 2 or more; given a side of {map_side}.")
    kernel = layer("nn.Conv2d", width, width, map_side // 2, groups=width, bias=False)
    return [layer("nn.AvgPool2d", 2), kernel, layer("nn.BatchNorm2d", width)]


@dataclass(frozen=True, kw_only=True)
class Proposal:
    """A network and a recipe that a space proposes."""

    network: tuple[Layer, ...]
    recipe: Recipe

    def to_json(self) -> dict[str, Any]:
        """The proposal as plain values."""
        return {"network": [to_json(one) for one in self.network], "recipe": self.recipe.to_json()}

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> "Proposal":
        """The proposal that `to_json` wrote."""
        network = tuple(from_json(one) for one in values["network"])
        return cls(network=network, recipe=Recipe.from_json(values["recipe"]))

    @property
    def key(self) -> str:
        """A key that is equal for equal proposals."""
        return hashlib.sha256(json.dumps(self.to_json(), sort_keys=True).encode()).hexdigest()[:16]


@dataclass(frozen=True, kw_only=True)
class Space:
    """A search space: a function that makes proposals, and the budget that no trained proposal may exceed.

    A file defines one with `space = Space(...)`.
    """

    name: str
    propose: "Callable[[optuna.Trial], Proposal]"
    """Asks the trial for values (`trial.suggest_int("width", 4, 16)`) and turns them into a network and a recipe."""
    budget: Budget
    """Its limits refuse proposals; its accuracy does not, and its `held` is the number of last epochs to judge."""
    file: Path | None = None
    """The file that defines it."""

    def digest(self) -> str:
        """A digest of its file's syntax tree, so that comments and layout may change without changing the study."""
        assert self.file is not None
        text = ast.unparse(ast.parse(self.file.read_text(encoding="utf-8")))
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def limits(self) -> str:
        """The hard limits in words."""
        macs = "" if self.budget.macs is None else f", fewer than {self.budget.macs:,} MACs"
        return f"fewer than {self.budget.parameters:,} parameters{macs}, at most {self.budget.epochs} epochs"


@dataclass(frozen=True, kw_only=True)
class ProposalCost:
    """The cost of a proposal, known before it is trained."""

    parameters: int
    macs: int
    """Multiply-adds per image."""
    field: tuple[int, int]
    """Receptive field of the last convolution: height and width in pixels."""
    epochs: int


def cost(proposal: Proposal, shape: tuple[int, int, int], classes: int) -> ProposalCost:
    """The cost of the proposal on images of this shape (C H W); UsageError if the network cannot process them."""
    try:
        network = build_layers(proposal.network, shape[0], classes)
    except FeatherweightError:
        raise
    except Exception as problem:  # a layer given invalid arguments may raise anything
        raise UsageError(f"The layers of a proposal cannot be built: {type(problem).__name__}: {problem}") from problem
    check_network(network, shape, classes, "a proposal")
    anatomy = dissect(network, shape)
    fields = [row.field for row in anatomy.rows if row.kind.startswith("Conv")] or [anatomy.field]
    return ProposalCost(
        parameters=anatomy.parameters,
        macs=anatomy.macs,
        field=(fields[-1], fields[-1]) if isinstance(fields[-1], int) else fields[-1],
        epochs=proposal.recipe.epochs,
    )


def excess(space: Space, costs: ProposalCost, image: tuple[int, int]) -> dict[str, float]:
    """By how much a proposal exceeds each limit of its space, relatively; empty if it may be trained.

    >>> costs = ProposalCost(parameters=8000, macs=500, field=(42, 28), epochs=15)
    >>> excess(Space(name="", propose=print, budget=Budget(parameters=4000)), costs, (28, 28))
    {'parameters': 1.00025, 'field': 0.5}
    """
    macs = space.budget.macs
    over = {
        "parameters": (costs.parameters + 1 - space.budget.parameters) / space.budget.parameters,
        "macs": 0.0 if macs is None else (costs.macs + 1 - macs) / macs,
        "epochs": (costs.epochs - space.budget.epochs) / space.budget.epochs,
        "field": max((field - side) / side for field, side in zip(costs.field, image, strict=True)),
    }
    return {name: share for name, share in over.items() if share > 0}


def rounded(value: float, figures: int = 2) -> float:
    """The value rounded to this many significant figures; further digits of a rate change nothing and hinder reading.

    >>> rounded(0.15450783108293328)
    0.15
    """
    return float(f"{value:.{figures}g}")


def names() -> list[str]:
    """The names of the spaces in the package.

    >>> names()
    ['accurate', 'fastest', 'leanest', 'smallest']
    """
    return sorted(path.stem for path in SPACES.glob("*.py") if path.stem != "__init__")


def find_space(name: str) -> Space:
    """The space with this name or in this file; UsageError gives the closest name, or what is wrong with the file."""
    own = name.endswith(".py") or "/" in name or "\\" in name
    if not own and name not in names():
        raise UsageError(f"Unknown space {name!r}; {nearest(name, names())} A path to a .py file works too.")
    path = Path(name) if own else SPACES / f"{name}.py"
    if not path.is_file():
        raise UsageError(f"There is no space at {path}; give a .py file that defines `space = Space(...)`.")
    found = getattr(module_of(path, "space"), "space", None)
    if not isinstance(found, Space):
        raise UsageError(f"{path} does not define `space`; write `space = Space(...)` in it.")
    return replace(found, file=path.resolve())


def propose(space: Space, trial: "optuna.Trial") -> Proposal:
    """The space's proposal for a trial; UsageError says how the space failed."""
    try:
        proposal = space.propose(trial)
    except FeatherweightError:
        raise
    except Exception as problem:
        raise UsageError(f"The space {space.name} failed with {type(problem).__name__}: {problem}.") from problem
    if not isinstance(proposal, Proposal):
        raise UsageError(f"The space {space.name} proposes {proposal!r}; it must return a Proposal(network, recipe).")
    return proposal
