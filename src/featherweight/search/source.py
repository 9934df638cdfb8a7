"""Experiment files as source: of a trial that a search found, and to begin an experiment of one's own with."""

from contextlib import suppress
from dataclasses import MISSING, fields, is_dataclass, replace
from keyword import iskeyword
from pathlib import Path
from typing import Any

from featherweight.data.dataset import Data
from featherweight.errors import FileError, UsageError
from featherweight.escape import in_docstring, python_string
from featherweight.experiments.experiment import TITLES, Experiment
from featherweight.io import write_text
from featherweight.json_files import LARGEST, read_regular
from featherweight.networks.anatomy import LayerRow, dissect
from featherweight.networks.architecture import Layer, build_layers, describe_network
from featherweight.networks.layers.blocks import KINDS as BLOCKS
from featherweight.networks.layers.kind import DATA_SIZES
from featherweight.search.outcome import Entry
from featherweight.search.space import Space
from featherweight.training.runs.task import adapt_budget

LONGEST = 120
"""Maximum length of a line of code, in characters."""
OPENING = "    return nn.Sequential("
MARK = '"""Found by `featherweight search '
"""The beginning of a generated file, which may be overwritten."""


def require_writable(path: Path) -> None:
    """Raise UsageError unless an experiment can be written to this path: a .py file that is new or was generated."""
    if path.suffix != ".py":
        raise UsageError(f"An experiment must be written to a .py file; given {path.name}.")
    if not path.parent.is_dir():
        raise UsageError(f"There is no folder {path.parent} to write {path.name} into; create it, or choose another.")
    if (path.exists() or path.is_symlink()) and not _was_generated(path):
        raise UsageError(f"{path} exists and was not written by a search; choose another file.")


def write_experiment(path: Path, entry: Entry, space: Space, data: Data) -> None:
    """Write the trial as an experiment file; its margin gives the sizes for the images used in the search."""
    require_writable(path)
    write_text(path, source(entry, space, data, path.stem))


def source(entry: Entry, space: Space, data: Data, id: str) -> str:
    """The source of an experiment file with the trial's network, recipe and budget."""
    network, recipe = entry.proposal.network, entry.proposal.recipe
    for one in network:
        _require_names(one)
    settings = {
        "id": id,
        "title": f"trial {entry.trial} of the search {space.name}",
        "network": _Name("network"),
        "recipe": recipe,
        "budget": space.budget,
    }
    body = "".join(f"    {name}={code(value, 4, len(name) + 2)},\n" for name, value in settings.items())
    return (
        f"{_docstring(entry, space, data)}\n\nfrom torch import nn\n\nimport featherweight as fw\n"
        f"\n\n{function(network, *_sizes(data))}\n\nexperiment = fw.Experiment(\n{body})\n"
    )


def _require_names(value: Any) -> None:
    """Raise UsageError unless what is written as it stands holds numbers, the data's two words and names of Python.

    A study may come from anybody, and a proposal's texts would become code.
    """
    if isinstance(value, Layer):
        names = [*value.make.split("."), *(name for name, _ in value.settings)]
        for name in names:
            if not _is_name(name):
                raise UsageError(f"A proposal has {name[:60]!r} where a Python name is expected; it is not written.")
        for inner in (*value.given, *(inner for _, inner in value.settings)):
            _require_names(inner)
    elif isinstance(value, tuple):
        for inner in value:
            _require_names(inner)
    elif not (value is None or isinstance(value, int | float) or _is_name(value)):
        raise UsageError(f"A proposal has {str(value)[:60]!r} where a number is expected; it is not written.")


def _was_generated(path: Path) -> bool:
    """Whether it is a file that a search wrote."""
    with suppress(FileError):
        return read_regular(path, LARGEST).startswith(MARK.encode())
    return False


def _is_name(value: Any) -> bool:
    return isinstance(value, str) and value.isidentifier() and value.isascii() and not iskeyword(value)


class _Name(str):
    """A name, written without quotation marks."""


def _docstring(entry: Entry, space: Space, data: Data) -> str:
    seeds = f" of {entry.seeds} seeds" if entry.seeds > 1 else ""
    held = min(space.budget.held, entry.epochs)
    over = "the last epoch" if held == 1 else f"the mean over the last {held} epochs"
    return (
        f"{MARK}{in_docstring(space.name)}`: trial {entry.trial}.\n\n"
        f"Target: {space.budget.sentence()}.\n\n"
        f"Search: {entry.accuracy:.3f} % of {data.holdout:,} held-out training images of {in_docstring(data.name)},\n"
        f"{over}{seeds} (worst {entry.worst:.2f}); chosen for that, so expect a little less. The"
        " test set was not read.\n"
        f'{entry.parameters:,} parameters, {entry.macs:,} MACs.\n"""'
    )


def _sizes(data: Data) -> tuple[tuple[int, int, int], int]:
    """The shape of the images (C H W) and the number of classes."""
    _, channels, height, width = data.train.images.shape
    return (channels, height, width), len(data.classes)


def function(network: tuple[Layer, ...], shape: tuple[int, int, int], classes: int) -> str:
    """The network function for images of `shape` (C H W), with a margin: channels, height, width and field."""
    blocks = dissect(build_layers(network, shape[0], classes), shape).blocks()
    calls = [call(one) for one in network]
    rows = [(f"        {call},", block) for call, block in zip(calls, blocks, strict=True)]
    figures = [_margin(block) for _, block in rows]
    widths = [max(map(len, column)) for column in zip(*filter(None, figures), strict=True)]
    reach = max([len(OPENING), *(len(code) for (code, _), margin in zip(rows, figures, strict=True) if margin)]) + 2
    lines = []
    for (code, _), margin in zip(rows, figures, strict=True):
        cells = [number.rjust(wide) for number, wide in zip(margin, widths, strict=False)]
        lines.append(f"{code:<{reach}}# {' '.join(cells)}" if margin else code)
    size = "" if shape == (1, 28, 28) else f", of {shape[0]} x {shape[1]} x {shape[2]}"
    return (
        f"def network(channels: int = {shape[0]}, classes: int = {classes}) -> nn.Sequential:\n"
        f'    """{_sentence(network)}"""\n'
        "    # fmt: off\n"
        f"{OPENING:<{reach}}# channels height width field{size}\n" + "\n".join(lines) + "\n    )\n    # fmt: on\n"
    )


def call(one: Layer) -> str:
    """The layer as it is written in an experiment file, with those inside it.

    >>> from featherweight.networks.architecture import layer
    >>> call(layer("Residual", layer("conv_norm_relu", 8, 8, padding=1), layer("nn.ReLU")))
    'fw.Residual(fw.conv_norm_relu(8, 8, padding=1), nn.ReLU())'
    """
    parts = [call(value) if isinstance(value, Layer) else _word(value) for value in one.given]
    settings = [f"{name}={call(value) if isinstance(value, Layer) else _word(value)}" for name, value in one.settings]
    return f"{'' if one.make.startswith('nn.') else 'fw.'}{one.make}({', '.join([*parts, *settings])})"


def _word(value: Any) -> str:
    return value if value in DATA_SIZES else repr(value)


def _margin(block: LayerRow) -> list[str]:
    """Channels, height, width and field of a layer's output; empty if the output is not a feature map."""
    field = block.field if isinstance(block.field, int) else "{}x{}".format(*block.field)
    return [*map(str, block.output), str(field)] if len(block.output) == 3 else []


def _sentence(network: tuple[Layer, ...]) -> str:
    """A short description of the network."""
    kinds = ("nn.Conv2d", *(block.written for block in BLOCKS))
    convolutions = sum(one.make in kinds for one in network)
    pools = sum("Pool" in one.make and "Adaptive" not in one.make for one in network)
    return (
        f"{convolutions} convolution{'s' * (convolutions != 1)} and {pools or 'no'} pool{'s' * (pools != 1)};"
        " scores of the classes."
    )


def _unusual(value: Any) -> list[Any]:
    """The fields whose values differ from their defaults."""

    def usual(one: Any) -> Any:
        return one.default_factory() if one.default_factory is not MISSING else one.default

    return [one for one in fields(value) if getattr(value, one.name) != usual(one)]


def code(value: Any, indent: int, taken: int) -> str:
    """A value as Python source in an experiment file; a dataclass too long for one line is spread over several.

    >>> from featherweight.experiments.budget import Budget
    >>> print(code(Budget(parameters=4000), 4, 0))
    fw.Budget(parameters=4000)
    """
    if isinstance(value, _Name):
        return str(value)
    if isinstance(value, str):
        return python_string(value)
    if not is_dataclass(value):
        return repr(value)
    chosen = [(one.name, getattr(value, one.name)) for one in _unusual(value)]
    kind = f"fw.{type(value).__name__}"
    flat = f"{kind}({', '.join(f'{name}={code(inner, 0, 0)}' for name, inner in chosen)})"
    if indent + taken + len(flat) + 1 <= LONGEST and "\n" not in flat:
        return flat
    inside = indent + 4
    lines = [f"{' ' * inside}{name}={code(inner, inside, len(name) + 2)},\n" for name, inner in chosen]
    return f"{kind}(\n{''.join(lines)}{' ' * indent})"


CLASSES = 10
"""How many classes there are where no data are named, as in every set that an experiment of the package is made for."""


def write_start(path: Path, base: Experiment, data: Data | None) -> None:
    """Write a file to begin one's own experiment with; UsageError where there is one already, or where the base's
    network is not a list of layers."""
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
    """The source of a file to begin one's own experiment with."""
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
    """The layers of a starting file's network, with the words `channels` and `classes` in the first and the last one
    that has weights."""
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
