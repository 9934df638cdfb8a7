"""The logs of a run that each tracker keeps: TensorBoard's, MLflow's, and those of Weights & Biases."""

import logging
import os
import re
import time
from collections.abc import Mapping
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from PIL import Image

from featherweight.escape import markdown
from featherweight.experiments.record import Record, Row
from featherweight.experiments.verdicts import verdict_sentence
from featherweight.io import write_text
from featherweight.report.figures.svg import png
from featherweight.report.trackers import Log, Value, noted, quantities, settings_of, verdict_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def tensorboard_log(folder: Path, record: Record) -> Log:
    """TensorBoard: event files in the run's folder, so that `tensorboard --logdir runs` shows every run by its name.

    Rows in an earlier log there are not written again.
    """
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


def mlflow_log(folder: Path, record: Record) -> Log:
    """MLflow: one MLflow run per training run, in a database and a folder of figures, `mlruns` beside the run folders.

    `mlflow ui --backend-store-uri sqlite:///runs/mlruns/mlflow.db` shows them. If MLFLOW_TRACKING_URI is set, they go
    there instead. The run's folder keeps the id of its MLflow run in `mlflow-run`, for a resumed run to find its log.
    """
    os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # no telemetry
    for name in ("alembic", "mlflow"):  # these log many lines while they create a database
        logging.getLogger(name).setLevel(logging.WARNING)
    store = (folder.parent / "mlruns").resolve()
    client: Any = import_module("mlflow").MlflowClient(tracking_uri=_address(store))
    run = _known_run(client, folder) or _new_run(client, folder, record, store)
    logged = {name: _last_step(client, run, name) for name in quantities(record.rows[0])} if record.rows else {}

    def figures_at(values: Mapping[str, float], epoch: int) -> None:
        make, now = import_module("mlflow.entities").Metric, int(1000 * time.time())
        metrics = [make(name, value, now, epoch) for name, value in values.items() if epoch > logged.get(name, 0)]
        client.log_batch(run, metrics=metrics)

    def row(row: Row) -> None:
        figures_at(quantities(row), row.epoch)

    def verdict(record: Record, figures: Mapping[str, "Figure"]) -> None:
        figures_at(verdict_figures(record), len(record.rows))
        client.set_tag(run, "verdict", verdict_sentence(record))
        for name, figure in figures.items():
            client.log_figure(run, figure, f"{name}.png")

    def close(finished: bool) -> None:
        client.set_terminated(run, "FINISHED" if finished else "KILLED")

    return Log(row=row, verdict=verdict, close=close)


def _address(store: Path) -> str:
    given = os.environ.get("MLFLOW_TRACKING_URI")
    if given:
        return given
    store.mkdir(parents=True, exist_ok=True)
    return f"sqlite:///{(store / 'mlflow.db').as_posix()}"


def _known_run(client: Any, folder: Path) -> str | None:
    """The id of the MLflow run for the run in this folder; None if the store has none."""
    known = noted(folder / "mlflow-run", r"([\w-]{1,64})")
    if known is None:
        return None
    (run,) = known
    try:
        client.get_run(run)
    except import_module("mlflow.exceptions").MlflowException:
        return None
    client.update_run(run, status="RUNNING")
    return run


def _new_run(client: Any, folder: Path, record: Record, store: Path) -> str:
    run = str(client.create_run(_experiment_id(client, record.experiment, store), run_name=folder.name).info.run_id)
    write_text(folder / "mlflow-run", run + "\n")
    make = import_module("mlflow.entities").Param
    client.log_batch(run, params=[make(name, str(value)) for name, value in settings_of(record).items()])
    return run


def _experiment_id(client: Any, name: str, store: Path) -> str:
    """The id of MLflow's experiment of this name; a new one keeps its figures beside the database if that is ours."""
    found = client.get_experiment_by_name(name)
    if found is not None:
        return str(found.experiment_id)
    ours = "MLFLOW_TRACKING_URI" not in os.environ
    return str(client.create_experiment(name, artifact_location=(store / "figures").as_uri() if ours else None))


def _last_step(client: Any, run: str, name: str) -> int:
    return max((point.step for point in client.get_metric_history(run, name)), default=0)


def wandb_log(folder: Path, record: Record) -> Log:
    """Weights & Biases: one W&B run per training run, kept offline in the folder `wandb` beside the run folders.

    `wandb sync runs/wandb/offline-run-*` uploads them; if WANDB_MODE is `online`, they are uploaded at once. A run's
    folder keeps the id of its log and the last logged epoch in `wandb-run`, so that a resumed run finds its log.
    """
    for name, value in (("WANDB_MODE", "offline"), ("WANDB_SILENT", "true")):  # nothing is uploaded unasked
        os.environ.setdefault(name, value)
    wandb: Any = import_module("wandb")
    note = folder / "wandb-run"
    id, known = noted(note, r"([\w-]{1,64}) (\d{1,9})") or (uuid4().hex[:8], "0")
    run = wandb.init(
        project=re.sub(r"[^\w.-]+", "-", record.experiment).strip("-")[-100:], id=id, name=folder.name,
        dir=str(folder.parent), config=settings_of(record), resume="allow", reinit="create_new",
        settings=wandb.Settings(console="off", disable_git=True, save_code=False, x_disable_stats=True),
    )  # fmt: skip

    def row(row: Row) -> None:
        if row.epoch > int(known):
            run.log(quantities(row), step=row.epoch)
            write_text(note, f"{id} {row.epoch}\n")

    def verdict(record: Record, figures: Mapping[str, "Figure"]) -> None:
        pictures = {name: wandb.Image(Image.open(BytesIO(png(figure)))) for name, figure in figures.items()}
        run.log(verdict_figures(record) | pictures, step=len(record.rows))
        run.summary["verdict"] = verdict_sentence(record)

    return Log(row=row, verdict=verdict, close=lambda finished: run.finish(exit_code=0 if finished else 1))
