"""MLflow: one MLflow run per training run, in a database and a folder of figures, in `mlruns` beside the run folders.

`mlflow ui --backend-store-uri sqlite:///runs/mlruns/mlflow.db` shows them. If MLFLOW_TRACKING_URI is set, they go there
instead. The run's folder keeps the id of its MLflow run in `mlflow-run`, so that a resumed run finds its log.
"""

import logging
import os
import time
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from featherweight.experiments.record import Record, Row
from featherweight.experiments.verdicts import verdict_sentence
from featherweight.io import write_text
from featherweight.report.trackers import Log, noted, quantities, settings_of, verdict_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def open_log(folder: Path, record: Record) -> Log:
    """The log of the run in this folder: a new one, or its previous one if the run is resumed."""
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
