"""The accuracy of a record's networks as programs in 8-bit C, on the whole test set."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from featherweight.data.dataset import Data
from featherweight.errors import UsageError
from featherweight.experiments.record import Record
from featherweight.export import export
from featherweight.io import scratch_folder
from featherweight.training.runs.folders import run_like
from featherweight.training.runs.trained import load_trained


def measured_in_c(
    records: Sequence[Record], folders: Sequence[Path], data: Data, tell: Callable[[str], None]
) -> list[Record]:
    """The records with the accuracy of their programs, which are written, compiled where that is possible, and run.

    The weights are those of the finished runs in `folders`; records that have the figure are left as they are. This is
    part of the attempt that trained them and no further look at the test set. Raises UsageError if a run is missing.
    """
    return [record if record.c_accuracy is not None else _with(record, folders, data, tell) for record in records]


def _with(record: Record, folders: Sequence[Path], data: Data, tell: Callable[[str], None]) -> Record:
    runs = (run_like(record, folder, record.seed, finished=True) for folder in folders)
    run = next((found for found in runs if found), None)
    if run is None:
        places = ", ".join(map(str, folders))
        raise UsageError(
            f"The run of {record.experiment}, seed {record.seed}, is not in {places}, so its program cannot be"
            " measured; name the folder of its runs with --out."
        )
    with scratch_folder() as folder:
        about = export(load_trained(run[0]), "c", folder, data=data).about
    accuracy = round(float(about["proof"]["accuracy"]), 2)  # as all accuracies of a record
    tell(f"seed {record.seed} in 8-bit C: {accuracy:.2f} %, as a network {record.verdict.last:.2f} %")
    return replace(record, c_accuracy=accuracy)
