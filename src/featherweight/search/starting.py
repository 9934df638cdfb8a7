"""A file to begin an experiment of one's own with: another's network, recipe and budget, spelled out and commented."""

from dataclasses import replace
from pathlib import Path

from featherweight.data.dataset import Data
from featherweight.errors import UsageError
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.rules import TITLES
from featherweight.io import write_text
from featherweight.networks.architecture import Layer, describe_network
from featherweight.search.source import code, function
from featherweight.training.runs.adapt import adapt_budget

CLASSES = 10
"""How many classes there are where no data are named, as in every set that an experiment of the package is made for."""


def write_start(path: Path, base: Experiment, data: Data | None) -> None:
    """Write the file; UsageError where there is one already, or where the base's network is not a list of layers."""
    if path.suffix != ".py" or not path.stem.isidentifier():
        raise UsageError(
            f"An experiment is a .py file whose name is a valid variable name, such as my.py; given {path.name}."
        )
    if path.exists():
        raise UsageError(f"{path} exists; name a new file.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent}; make it, or name another.")
    write_text(path, text(path, base, data))


def text(path: Path, base: Experiment, data: Data | None) -> str:
    """The text of that file."""
    shape, classes = base.shape, CLASSES
    note = ""
    if data is not None:
        _, channels, height, width = data.train.images.shape
        shape, classes = (channels, height, width), len(data.classes)
        base, note = adapt_budget(base, data)
    network = layers_of(base, shape[0], classes)
    on = f" --data {data.source}" if data is not None and data.source != "mnist" else ""
    if data is not None and data.size:
        on += f" --size {data.size if isinstance(data.size, str) else '{}x{}'.format(*data.size)}"
    sizes = f"({shape[0]} x {shape[1]} x {shape[2]}, {classes} classes)"
    own = "the digits of MNIST" if base.data == "mnist" else f"{TITLES.get(base.data, base.data)} {sizes}"
    about = own if data is None else f"{data.name} {sizes}"
    made_for = "" if data is not None or base.data == "mnist" else f"    data={base.data!r},\n".replace("'", '"')
    comment = f"    # {note}.\n" if note else ""
    bar, asked = "seeds=5, confirming=5", "add what you ask for, such as mean=95 or passed=4"
    if data is None or data.source == base.data:
        bar, asked = f"{bar}, passed=4", "here, four of five within budget"
    return (
        f'"""A network of my own for {about}, which began as {base.id}.\n\n'
        f"Target: {base.budget.sentence()}.\n\n"
        f"Why: what should be better than in {base.id}, and why.\n\n"
        'Analysis: what came of it; write it after the run.\n"""\n\n'
        "# See it:     featherweight show {0}{1}\n"
        "# Train it:   featherweight train {0}{1}\n"
        "# Try a rate: featherweight train {0}{1} --set recipe.lr=0.05\n\n"
        "from torch import nn\n\nimport featherweight as fw\n\n\n".format(path.name, on)
        + f"{function(network, shape, classes)}\n\n"
        f"experiment = fw.Experiment(\n{made_for}"
        "    network=network,\n"
        "    # How it is trained; every field: help(fw.Recipe).\n"
        f"    recipe={code(base.recipe, 4, 8)},\n"
        "    # What it may cost and must reach; a network over it is refused before training.\n"
        f"{comment}"
        f"    budget={code(base.budget, 4, 8)},\n"
        f"    # What its seeds must reach together, which `featherweight prove {path.name}` tests; {asked}.\n"
        f"    bar=fw.Bar({bar}),\n)\n"
    )


def layers_of(base: Experiment, channels: int, classes: int) -> tuple[Layer, ...]:
    """The base's layers, with the words `channels` and `classes` in the first and the last one that has weights."""
    whole, foreign = describe_network(base.build(channels, classes))
    if whole is None or whole.settings or whole.make != "nn.Sequential":
        raise UsageError(
            f"The network of {base.id} is not one list of layers ({foreign or (whole and whole.make)}); begin with f3."
        )
    layers = [part for part in whole.given if isinstance(part, Layer)]
    weighed = [at for at, layer in enumerate(layers) if len(layer.given) >= 2]
    first, last = layers[weighed[0]], layers[weighed[-1]]
    layers[weighed[0]] = replace(first, given=("channels", *first.given[1:]))
    if last.given[1] == classes and weighed[-1] != weighed[0]:
        layers[weighed[-1]] = replace(last, given=(last.given[0], "classes", *last.given[2:]))
    return tuple(layers)
