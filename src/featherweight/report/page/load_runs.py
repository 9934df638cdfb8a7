"""Reads the runs of a page: records, weights and answers, and a sentence for each thing that is missing."""

import json
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from featherweight.data.augment import normalise
from featherweight.data.dataset import Data
from featherweight.errors import FeatherweightError, FileError, UsageError
from featherweight.escape import printable
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record, read_record
from featherweight.export.estimate import Deployed, deployed
from featherweight.networks.anatomy import Anatomy, dissect
from featherweight.report.analysis import Answers, answers_of
from featherweight.training.runs.restore import experiment_of, network_of
from featherweight.training.runs.trained import TrainedModel, data_of, load_trained


@dataclass(frozen=True, kw_only=True)
class LoadedRun:
    """One run as a report reads it: its record, and its weights and answers if they are available."""

    path: Path
    name: str
    """The name in headings."""
    record: Record
    trained: TrainedModel | None = None
    answers: Answers | None = None

    @property
    def checked(self) -> bool:
        """Whether its weights were evaluated here, and give the accuracy that its record says."""
        return self.answers is not None and len(self.answers) == self.record.data["test"]


@dataclass(frozen=True, kw_only=True)
class Group:
    """Runs in a report that are of one experiment and network, judged on the same images."""

    key: str
    """A lower-case key for ids and file names, unique among the groups."""
    name: str
    runs: tuple[LoadedRun, ...]
    experiment: Experiment | None
    anatomy: Anatomy | None
    data: Data | None
    missing: tuple[str, ...]
    """A sentence for each thing that is not available, and what is left out because of it."""
    chip: tuple[Deployed, Deployed] | str | None = None
    """What the network takes as C on a Cortex-M0+ and on a Cortex-M4, or why it cannot be C; None without a network."""

    @property
    def records(self) -> list[Record]:
        """Of its runs, in order."""
        return [run.record for run in self.runs]

    @property
    def unchecked(self) -> str:
        """A sentence on the runs whose figures are their records' alone; "" where there are none."""
        runs = [run for run in self.runs if run.record.finished and run.record.rows and not run.checked]
        which = "" if len(runs) == len(self.runs) else f" of {', '.join(run.name for run in runs)}"
        changed = "" if all(run.record.digest for run in runs) else ", which has no digest that would tell of a change"
        return f"Not checked: the accuracy{which} is as recorded{changed}; nothing was evaluated." if runs else ""

    @property
    def answered(self) -> list[LoadedRun]:
        """Its runs that have answers."""
        return [run for run in self.runs if run.answers is not None]

    @property
    def answers(self) -> list[Answers]:
        """The answers of those runs."""
        return [run.answers for run in self.runs if run.answers is not None]

    @property
    def test_images(self) -> NDArray[np.uint8]:
        """The test images, uint8 [N C H W]; only if the data are available."""
        assert self.data is not None
        images: NDArray[np.uint8] = self.data.test.images.numpy()
        return images

    @property
    def first_trained(self) -> TrainedModel | None:
        """The network of the first run that has its weights, for pictures that need one."""
        return next((run.trained for run in self.runs if run.trained is not None), None)


@dataclass(frozen=True, kw_only=True)
class Story:
    """The runs that a report is about, in groups, and what of them is missing."""

    groups: tuple[Group, ...]

    @property
    def runs(self) -> list[LoadedRun]:
        """Of all groups, in order."""
        return [run for group in self.groups for run in group.runs]

    @property
    def records(self) -> list[Record]:
        """Of all groups, in order."""
        return [run.record for run in self.runs]

    @property
    def missing(self) -> list[str]:
        """What is missing from the page and why, one sentence each."""
        return [sentence for group in self.groups for sentence in group.missing]


def normalised_images(trained: TrainedModel, images: NDArray[np.uint8]) -> torch.Tensor:
    """The images, uint8 [N C H W], as the network takes them: float32 [N C H W]."""
    return normalise(torch.from_numpy(images), trained.mean, trained.std)


def of_group(story: Story, group: Group) -> str:
    """What a section's heading adds where a report is about several experiments."""
    return f" of {group.name}" if len(story.groups) > 1 else ""


def short_name(experiment: str) -> str:
    """The id of an experiment; for a path, the name of the file.

    >>> short_name("f3"), short_name("/home/me/nets/tiny.py")
    ('f3', 'tiny')
    """
    return _code_safe(experiment.replace("\\", "/").rsplit("/", 1)[-1].removesuffix(".py"))


def _code_safe(text: object) -> str:
    """Text from a record or a path, made printable and without backticks, which mark code on the page."""
    return printable(str(text)).replace("`", "'")


def read_story(paths: Sequence[Path], *, data_dir: Path | None = None, experiment: Path | None = None) -> Story:
    """The runs in these folders, or of these record files, in groups; each test set is loaded once.

    Raises UsageError if there are no runs, and FileError for a damaged record or weights. For anything else that is not
    available (weights not written yet, data missing or changed, a network that needs its `experiment` file), the story
    has a sentence instead.
    """
    if not paths:
        raise UsageError("A report needs a run; name one or more run folders.")
    records = {path: _printable(read_record(path)) for path in paths}
    names = [f"{short_name(record.experiment)} seed {record.seed}" for record in records.values()]
    together: dict[str, list[LoadedRun]] = {}
    for (path, record), name in zip(records.items(), names, strict=True):
        whole = name if names.count(name) == 1 else f"{name} ({_code_safe(path)})"
        together.setdefault(_sameness(record), []).append(LoadedRun(path=path, name=whole, record=record))
    loaded: dict[str, Data | str] = {}
    groups = [
        _load_group(number, runs, data_dir, loaded, experiment)
        for number, runs in enumerate(together.values(), start=1)
    ]
    return Story(groups=tuple(_named_apart(groups)))


def _named_apart(groups: list[Group]) -> list[Group]:
    """The groups with distinct names: those of one experiment are also named after their data, or else numbered."""
    names = [group.name for group in groups]
    longer = [
        f"{group.name} on {printable(group.records[0].data['name'])}" if names.count(group.name) > 1 else group.name
        for group in groups
    ]
    return [
        replace(group, name=f"{name} ({longer[: at + 1].count(name)})" if longer.count(name) > 1 else name)
        for at, (group, name) in enumerate(zip(groups, longer, strict=True))
    ]


def _printable(record: Record) -> Record:
    """The record with class names that are printable in any font and file."""
    about = {**record.data, "name": _code_safe(record.data["name"])}
    about["classes"] = [printable(name) for name in record.data.get("classes", [])]
    where = {name: _code_safe(value) if isinstance(value, str) else value for name, value in record.environment.items()}
    return replace(record, data=about, environment=where)


def _sameness(record: Record) -> str:
    data = {name: value for name, value in record.data.items() if name not in ("mean", "std")}
    return json.dumps([record.experiment, record.network, data], sort_keys=True)


def _load_group(
    number: int, runs: list[LoadedRun], data_dir: Path | None, loaded: dict[str, Data | str], file: Path | None
) -> Group:
    record, missing = runs[0].record, []
    name = short_name(record.experiment)
    experiment, anatomy, why = _load_network(record, file)
    if why:
        missing.append(why)
    else:
        runs = [_with_weights(run, file) for run in runs]
        without = [run.name for run in runs if run.trained is None]
        if without:
            which = f"Of {', '.join(without)} there are no weights" if len(runs) > 1 else "There are no weights"
            missing.append(f"{which}, so what needs them is left out: answers, mistakes, kernels, evidence.")
    data = None
    if any(run.trained for run in runs):
        found = _load_data(record, data_dir, loaded)
        if isinstance(found, str):
            missing.append(found)
        else:
            data = replace(found, classes=tuple(record.data["classes"]))
            runs = [_with_answers(run, data) for run in runs]
    letters = "".join(letter if letter.isalnum() and letter.isascii() else "-" for letter in name.lower())
    return Group(
        key=f"{number}-{letters}", name=name, runs=tuple(runs), experiment=experiment, anatomy=anatomy, data=data,
        missing=tuple(missing), chip=None if anatomy is None else _deployment(record, file),
    )  # fmt: skip


def _deployment(record: Record, file: Path | None) -> tuple[Deployed, Deployed] | str:
    """What the network takes on two processors, or the sentence that says why it cannot become C."""
    channels, height, width = (int(side) for side in record.data["shape"])
    network = network_of(record, file).eval()
    try:
        shape, bits = (channels, height, width), Recipe.from_json(record.recipe).bits_in_c
        return deployed(network, shape, bits=bits), deployed(network, shape, processor="cortex-m4", bits=bits)
    except FeatherweightError as problem:
        return _code_safe(problem)


def _load_network(record: Record, file: Path | None) -> tuple[Experiment | None, Anatomy | None, str]:
    """The experiment and the anatomy of the network, or a sentence that says why they are not available."""
    left_out = "so its layer table and what needs weights are left out."
    try:
        experiment = experiment_of(record, file)
        channels, height, width = (int(side) for side in record.data["shape"])
        return experiment, dissect(network_of(record, file), (channels, height, width)), ""
    except (UsageError, FileError) as problem:
        return None, None, f"{_code_safe(problem)} The network is not available, {left_out}"
    except (KeyError, ValueError, TypeError):
        return None, None, f"The record does not say what images it is of, {left_out}"


def _with_weights(run: LoadedRun, file: Path | None) -> LoadedRun:
    if not (run.path.is_dir() and (run.path / "weights.safetensors").is_file()):
        return run
    return replace(run, trained=load_trained(run.path, experiment=file))


def _with_answers(run: LoadedRun, data: Data) -> LoadedRun:
    if run.trained is None:
        return run
    answers = answers_of(replace(run.trained, classes=data.classes), data)
    _require_reproduced(run, answers)
    return replace(run, answers=answers)


def _require_reproduced(run: LoadedRun, answers: Answers) -> None:
    """Raise FileError unless the weights get as many images right as the record says; one in 2,000 may differ, since
    another engine or processor rounds differently."""
    total, record = len(answers), run.record
    right, recorded = round(answers.accuracy * total / 100), round(record.rows[-1].test_accuracy * total / 100)
    if total == record.data["test"] and abs(right - recorded) > max(1, total // 2000):
        raise FileError(
            f"The weights of {run.name} get {right:,} of {total:,} test images right, but its record says {recorded:,};"
            " no page is made of figures that are not those of the weights. Train the run again."
        )


def _load_data(record: Record, data_dir: Path | None, loaded: dict[str, Data | str]) -> Data | str:
    """The run's data set, or a sentence that says why it is not available."""
    about = record.data
    key = json.dumps([about["source"], about["holdout"], about["seed"], about.get("digests")])
    if key not in loaded:
        loaded[key] = _load(record, data_dir)
    return loaded[key]


def _load(record: Record, data_dir: Path | None) -> Data | str:
    left_out = "so pictures of images and tables of answers are left out."
    try:
        data = data_of(record, data_dir)
    except FeatherweightError as problem:
        return f"The images are not available, {left_out} {_code_safe(problem)}"
    digests = record.data.get("digests")
    if digests is not None and dict(data.digests) != digests:
        return f"The images of {_code_safe(record.data['source'])} are not those of the run any more, {left_out}"
    return data
