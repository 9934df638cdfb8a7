"""Experiments, the data sets and rules that they are made for, and how to find one: by id, name or file."""

import importlib
import importlib.util
import inspect
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from featherweight.errors import UsageError, nearest
from featherweight.experiments.bar import Bar
from featherweight.experiments.budget import Budget
from featherweight.experiments.claims import Claim
from featherweight.experiments.recipe import Recipe
from featherweight.io import is_file, require_utf8

if TYPE_CHECKING:
    from torch import nn

PACKAGED = Path(__file__).parent
"""The folder of the experiments in the package."""
LADDERS = PACKAGED / "ladders"
RECORDS = "records"
"""The folder of named experiments, which form no ladder."""

RULES = {
    "mnist": Budget(),
    "fashion-mnist": Budget(accuracy=92.8, held=1),
    "cifar10": Budget(parameters=50_000, epochs=20, accuracy=85.0),
}
"""By the set's name. MNIST's is the published rule of the exercise. Fashion-MNIST's has the same limits and asks for an
accuracy that nothing published at that size reaches. CIFAR-10's asks for MLPerf Tiny's 85 %, which that sets for a
network of 78,000 parameters."""

SHAPES = {"mnist": (1, 28, 28), "fashion-mnist": (1, 28, 28), "cifar10": (3, 32, 32)}
"""Channels, height and width of each set's pictures."""

TITLES = {"mnist": "MNIST", "fashion-mnist": "Fashion-MNIST", "cifar10": "CIFAR-10"}
"""The sets' names as people write them."""


@dataclass(frozen=True, kw_only=True)
class Experiment:
    """One network, one recipe, one budget, and the text about them. An experiment file defines `experiment`."""

    network: "Callable[..., nn.Module]"
    """Called without arguments, returns a new network for the pictures and classes of its own set: 1 x 28 x 28 and 10
    for MNIST. If it accepts the arguments `channels` and `classes`, it works with other data too."""
    recipe: Recipe
    data: str = "mnist"
    """The set that it is made for and trained on unless another is named, as `--data` takes it."""
    budget: Budget = field(default_factory=Budget)
    rule: Budget | None = None
    """The rule it is judged by in comparisons, if that is not the rule of its set."""
    id: str = ""
    """Its name in records and run folders; by default the name of its file."""
    title: str = ""
    """What changed from the parent, in a few words."""
    parent: str | None = None
    """The id of the rung from which this one differs by one change."""
    claims: tuple[Claim, ...] = ()
    """The sentences of the analysis, each with the predicate that decides it or marked as an opinion."""
    claimed: float | None = None
    """Best test accuracy in percent reported by the source, if any."""
    bar: Bar | None = None
    """For a record: what its seeds must reach together, which `prove` checks."""
    text: str = ""
    """The file's docstring: target, result and analysis."""
    file: Path | None = None
    """The file that defines it."""

    @property
    def judged_by(self) -> Budget:
        """The rule by which it is compared with others: its own, or that of its data set."""
        return self.rule or RULES.get(self.data, self.budget)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Channels, height and width of its own set's pictures, or of MNIST's if that set has no rule."""
        return SHAPES.get(self.data, SHAPES["mnist"])

    def data_named(self, name: str) -> str:
        """The set meant by `name`: for `auto`, its own set; for MNIST, it stays `auto`, with its fallbacks."""
        return self.data if name == "auto" and self.data != "mnist" else name

    @property
    def packaged(self) -> bool:
        """Whether its file comes with the package."""
        return self.file is not None and self.file.is_relative_to(PACKAGED.resolve())

    @property
    def name(self) -> str:
        """The name by which `find` finds it: its id, or the path of its file if it is not part of the package."""
        return self.id if self.file is None or self.packaged else str(self.file)

    def build(self, channels: int | None = None, classes: int = 10) -> "nn.Module":
        """A new network for this many input channels (by default its own set's) and classes; UsageError if it cannot be
        built for them."""
        home = self.shape[0]
        channels = home if channels is None else channels
        sizes = {"channels": channels, "classes": classes}
        try:
            accepted = inspect.signature(self.network).parameters.keys()
        except (TypeError, ValueError):  # what is built into Python has none
            accepted = {}.keys()
        sizes = sizes if sizes.keys() <= accepted else {}
        if not sizes and (channels, classes) != (home, 10):
            made_for = f"{home} channel{'s' * (home > 1)} and 10 classes"
            raise UsageError(
                f"{self.id} is made for {made_for}, but the data has {channels} and {classes}; let its"
                " network function accept `channels` and `classes`, or choose f1, f2 or f3, which do."
            )
        try:
            return self.network(**sizes)
        except Exception as problem:  # a user's file may raise anything
            raise UsageError(f"The network of {self.id} failed with {type(problem).__name__}: {problem}") from problem


@cache
def _files() -> Mapping[str, Path]:
    """The file of every experiment in the package by id: the ladders in order of their rungs, then the records."""

    def place(path: Path) -> tuple[bool, str, int]:
        letters = path.stem.rstrip("0123456789")
        return path.parent.name == RECORDS, letters, int(re.sub(r"\D", "", path.stem) or 0)

    files = [*LADDERS.glob("*/*.py"), *(PACKAGED / RECORDS).glob("*.py")]
    files = [path for path in files if path.stem != "__init__"]
    return {path.stem: path for path in sorted(files, key=place)}


def ids() -> list[str]:
    """The ids of all experiments in the package: the ladders in order of their rungs, then the named experiments.

    >>> ids()[23:27]
    ['f1', 'f2', 'f3', 'g1']
    """
    return list(_files())


def ladder_of(id: str) -> str:
    """The folder of an experiment in the package: a ladder's letter, or `records`.

    >>> ladder_of("a10"), ladder_of("smallest")
    ('a', 'records')
    """
    return _files()[id].parent.name


def place_of(id: str) -> Path:
    """Where an experiment's file lies under the package's folder of experiments.

    >>> place_of("a10").as_posix()
    'ladders/a/a10.py'
    """
    return _files()[id].relative_to(PACKAGED)


def letters() -> list[str]:
    """The letters of the ladders, in order."""
    return sorted({path.parent.name for path in _files().values()} - {RECORDS})


def rungs(letter: str) -> list[Experiment]:
    """The experiments of a ladder, in order; UsageError if there is no such ladder."""
    if letter not in letters():
        raise UsageError(f"Unknown ladder {letter!r}; {nearest(letter, letters())}")
    return [find(name) for name, path in _files().items() if path.parent.name == letter]


def contenders(data: str = "mnist") -> list[Experiment]:
    """The experiments on a set that compete to be records: all those with a bar.

    >>> [experiment.id for experiment in contenders()][:5]
    ['f3', 'f4', 'fastest', 'leanest', 'leanest-150k']
    """
    return [experiment for experiment in map(find, ids()) if experiment.bar and experiment.data == data]


def names_file(name: str) -> bool:
    """Whether an experiment's name is the path of somebody's file.

    >>> names_file("f3"), names_file("nets/own.py")
    (False, True)
    """
    return name.endswith(".py") or "/" in name or "\\" in name


def find(name: str) -> Experiment:
    """The experiment with this id or in this file, which is executed: only for names that the user gave.

    UsageError gives the closest id, or what is wrong with the file.
    """
    if names_file(name):
        return _from_file(Path(name))
    known = _files()
    if name not in known:
        choices = nearest(name, known, "featherweight list")
        raise UsageError(f"Unknown experiment {name[:60]!r}; {choices} A path to a .py file works too.")
    return _packaged_experiment(name)


@cache
def _packaged_experiment(id: str) -> Experiment:
    """An experiment of the package; a page of a ladder asks for the same one many times."""
    path = _files()[id]
    room = ".".join(path.relative_to(PACKAGED).parts[:-1])
    return _of(importlib.import_module(f"featherweight.experiments.{room}.{id}"), path)


def _from_file(path: Path) -> Experiment:
    if not is_file(path):
        raise UsageError(f"There is no experiment file at {path}; name a .py file that defines `experiment`.")
    require_utf8(path.resolve(), "The experiment file")
    return _of(module_of(path, "experiment"), path)


LARGEST = 1 << 24
"""Bytes of a Python file."""


def module_of(path: Path, what: str) -> ModuleType:
    """A user's Python file, executed as a module; UsageError, calling it the `what` file, if that fails."""
    if is_file(path) and path.stat().st_size > LARGEST:
        raise UsageError(f"{path} has {path.stat().st_size:,} bytes; a {what} file has at most {LARGEST:,}.")
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise UsageError(f"{path} cannot be read as Python; the {what} file must be a .py file.")
    module = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as problem:  # a user's file may raise anything
        raise UsageError(f"The {what} file {path} failed with {type(problem).__name__}: {problem}.") from problem
    return module


def _of(module: ModuleType, path: Path) -> Experiment:
    found = getattr(module, "experiment", None)
    if not isinstance(found, Experiment):
        raise UsageError(f"{path} does not define `experiment`; write `experiment = Experiment(...)` in it.")
    id = found.id or path.stem
    return replace(
        found, id=id, title=found.title or id, text=inspect.cleandoc(module.__doc__ or ""), file=path.resolve()
    )


# ------------------------------------------------------------------------------------------- its text


def parts(text: str) -> dict[str, str]:
    """The paragraphs of a rung's docstring by label, each as a single line.

    >>> parts("Title.\\n\\nTarget: this\\nand that.\\nWhy: so.")
    {'Target': 'this and that.', 'Why': 'so.'}
    """
    pattern = r"^(Target|Why|Open|Result|Analysis): (.*?)(?=^(?:Target|Why|Open|Result|Analysis): |\Z)"
    found = re.findall(pattern, text, re.MULTILINE | re.DOTALL)
    return {label: " ".join(words.split()) for label, words in found}


def worded(text: str, data: str) -> str:
    """A text about MNIST reworded for another data set, whose pictures are not digits.

    >>> worded("all 10,000 test digits", "mnist"), worded("all 10,000 test digits", "cifar10")
    ('all 10,000 test digits', 'all 10,000 test pictures')
    """
    return text if data == "mnist" else text.replace("digit", "picture")
