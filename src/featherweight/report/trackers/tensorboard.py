"""TensorBoard: event files in the run's folder, so that `tensorboard --logdir runs` shows every run by its name."""

from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featherweight.escape import markdown
from featherweight.experiments.record import Record, Row
from featherweight.experiments.verdicts import verdict_sentence
from featherweight.report.trackers import Log, Value, quantities, settings_of, verdict_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def open_log(folder: Path, record: Record) -> Log:
    """The log of the run in this folder; rows in an earlier log there are not written again."""
    logged = _last_steps(folder)
    writer: Any = import_module("torch.utils.tensorboard").SummaryWriter(str(folder))
    if "settings/text_summary" not in logged:
        _write_settings(writer, settings_of(record))

    def row(row: Row) -> None:
        for name, value in quantities(row).items():
            if row.epoch > logged.get(name, 0):
                writer.add_scalar(name, value, row.epoch)
        writer.flush()  # immediately, so that the curve grows during the run

    def verdict(record: Record, figures: Mapping[str, "Figure"]) -> None:
        epoch = len(record.rows)
        for name, value in verdict_figures(record).items():
            writer.add_scalar(name, value, epoch)
        writer.add_text("verdict", verdict_sentence(record), epoch)
        for name, figure in figures.items():
            writer.add_figure(name, figure, epoch, close=False)

    def close(finished: bool) -> None:
        writer.close()

    return Log(row=row, verdict=verdict, close=close)


def _last_steps(folder: Path) -> dict[str, int]:
    """The last logged step of each name in the event files of a folder."""
    kept: Any = import_module("tensorboard.backend.event_processing.event_accumulator").EventAccumulator(str(folder))
    kept.Reload()
    tags = kept.Tags()
    steps = {name: kept.Scalars(name)[-1].step for name in tags["scalars"]}
    return steps | {name: kept.Tensors(name)[-1].step for name in tags["tensors"]}


def _write_settings(writer: Any, settings: Mapping[str, Value]) -> None:
    """Write the settings as a table under Text, and for the HParams tab, which compares runs by them."""
    lines = [
        "| setting | value |",
        "|---|---|",
        *(f"| {markdown(name)} | {markdown(str(value))} |" for name, value in settings.items()),
    ]
    writer.add_text("settings", "\n".join(lines), 0)
    make = import_module("torch.utils.tensorboard.summary").hparams
    for part in make(dict(settings), {"test_accuracy": 0.0, "verdict/worst_of_last": 0.0, "verdict/passed": 0.0}):
        writer.file_writer.add_summary(part)
