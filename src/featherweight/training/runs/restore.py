"""From a run's record back to its network and experiment, without running anybody's Python.

A record holds the network as data (`architecture`). Records from before there was such data name an experiment of the
package, which is trusted; what is neither has to be named by the user, who then says which file to run. Whichever way a
network is had, it must have the fingerprint in the record, so that weights never meet another network than their own.
"""

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from featherweight.errors import FileError, UsageError
from featherweight.escape import printable
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment, find, ids, names_file
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.io import write_bytes
from featherweight.networks.architecture import describe_network, from_json, make, to_json
from featherweight.networks.checks import fingerprint
from featherweight.networks.layers.preprocessing import preprocessing_of
from featherweight.training.runs.folders import SOURCE


def keep_source(experiment: Experiment, folder: Path) -> None:
    """Copy the user's file of an experiment into a run's folder; of one of the package there is nothing to keep."""
    if experiment.file is not None and not experiment.packaged and experiment.file.is_file():
        write_bytes(folder / SOURCE, experiment.file.read_bytes())


def architecture_of(network: nn.Module) -> dict[str, Any]:
    """What a record keeps of a network that has just been made: its layers as data and a digest of its first weights.

    Of a network that cannot be written as data, what cannot. If its first layers prepare pictures, also that, in words.
    """
    whole, unserialisable = describe_network(network)
    architecture = {"unserialisable": unserialisable} if whole is None else {"layers": to_json(whole)}
    words = preprocessing_of(network).words
    named = {"preprocessing": words} if words else {}
    return architecture | named | {"first_weights": weights_digest(network)}


def weights_digest(network: nn.Module) -> str:
    """A digest of all weights and buffers, by which weights that were drawn again are known to be the same."""
    state = hashlib.sha256()
    for name, tensor in network.state_dict().items():
        state.update(name.encode() + tensor.detach().cpu().contiguous().numpy().tobytes())
    return state.hexdigest()[:16]


def network_of(record: Record, file: "Path | Experiment | None" = None) -> nn.Module:
    """The network that a record is of, its weights drawn anew by PyTorch's generator.

    It is built from the record's own data; of records without any, by the experiment of the package that they name;
    else by the experiment in `file`, which is run. Raises UsageError where a file is needed or has another network,
    FileError where the record's data are no network or not its own.
    """
    architecture = record.architecture or {}
    if "layers" in architecture:
        network = _built(record, architecture["layers"])
    else:
        known = _known(record, file)
        if known is None:
            earlier = architecture.get("foreign")  # the key in records up to version 0.2
            what = architecture.get("unserialisable", earlier)
            why = f"{what} is not kept as data" if what else "its record does not hold it"
            raise UsageError(
                f"The network of {_called(record)} cannot be rebuilt from its run: {why}. Name the experiment's file"
                " with --experiment FILE (in Python, experiment=FILE), which is then executed."
            )
        shape, classes = record.data["shape"], record.data["classes"]
        network = known.build(channels=shape[0], classes=len(classes))
    if fingerprint(network) != record.network:
        if "layers" in architecture:
            raise FileError(f"The layers in the record of {_called(record)} do not match its fingerprint.")
        raise UsageError(
            f"The network of {file if isinstance(file, Path) else _called(record)} is no longer the one that was"
            " trained; its layers have changed since. Restore the original experiment, and name it with"
            " --experiment FILE."
        )
    return network


def experiment_of(record: Record, file: "Path | Experiment | None" = None) -> Experiment:
    """The experiment that a record is of, as it was then: its network, recipe and budget are the record's.

    Text and claims are those of the package's experiment of that name, or of the one in `file`. Errors are as in
    `network_of`, raised when the network is built.
    """
    own = Path(record.experiment) if names_file(record.experiment) else None
    known = _known(record, file) or Experiment(network=nn.Identity, recipe=Recipe(), file=own)
    id = known.id or (own.stem if own else record.experiment)
    return replace(
        known,
        id=id,
        title=known.title or id,
        file=known.file if file is None else own,
        network=lambda channels=1, classes=10: network_of(record, file),
        recipe=Recipe.from_json(record.recipe),
        budget=Budget(**record.budget),
    )


def _known(record: Record, file: "Path | Experiment | None") -> Experiment | None:
    """The experiment in the user's file, else the package's of that name; None where there is none."""
    if isinstance(file, Experiment):
        return file
    if file is not None:
        return find(str(file))
    return find(record.experiment) if record.experiment in ids() else None


def _built(record: Record, layers: Any) -> nn.Module:
    try:
        return make(from_json(layers))
    except (UsageError, TypeError, ValueError, RuntimeError, AssertionError) as problem:
        raise FileError(f"The layers in the record of {_called(record)} do not form a network: {problem}") from problem


def _called(record: Record) -> str:
    return printable(record.experiment)
