"""What `show` displays: an experiment, for its own or for other data, or a run."""

from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from featherweight.errors import UsageError
from featherweight.experiments.experiment import Experiment, find, ids, names_file
from featherweight.experiments.record import Record, read_record
from featherweight.networks.difference import differences
from featherweight.training.runs.folders import run_of
from featherweight.training.runs.restore import experiment_of, network_of
from featherweight.training.runs.task import adapt_budget

Subject = tuple[Experiment, nn.Module, tuple[int, int, int], str]


def resolve_subject(name: str, file: Path | None, data: str, **how: Any) -> Subject:
    """The experiment, its network, the shape of its images (C H W), and a note on its budget, which may be
    empty. `data` is loaded, if it is given, with `how` as keyword arguments of `load`."""
    if (run_of(Path(name)) / "record.json").is_file():
        if data:
            raise UsageError("A run has its own data; leave out --data, or name the experiment instead of the run.")
        record = read_record(run_of(Path(name)))
        channels, height, width = map(int, record.data["shape"])
        found = replace(experiment_of(record, file), title=f"seed {record.seed} on {record.data['name']}")
        return found, network_of(record, file), (channels, height, width), _changed(record)
    found = find(name)
    if not data:
        return found, found.build(), found.shape, ""
    from featherweight.data import load

    source = load(data, **how)
    found, note = adapt_budget(found, source)
    channels, height, width = map(int, source.train.images.shape[1:])
    return found, found.build(channels, len(source.classes)), (channels, height, width), note


def _changed(record: Record) -> str:
    """What differs between a run of the package's experiments and the experiment; of a file, which is not run, none."""
    if names_file(record.experiment) or record.experiment not in ids():
        return ""
    changed = differences(record, find(record.experiment))
    return f"changed from {record.experiment}: {', '.join(changed)}" if changed else ""
