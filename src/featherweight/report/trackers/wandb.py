"""Weights & Biases: one W&B run per training run, kept offline in the folder `wandb` beside the run folders.

`wandb sync runs/wandb/offline-run-*` uploads them; if WANDB_MODE is `online`, they are uploaded at once. A run's folder
keeps the id of its log and the last logged epoch in `wandb-run`, so that a resumed run finds its log.
"""

import os
import re
from collections.abc import Mapping
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any
from uuid import uuid4

from PIL import Image

from featherweight.experiments.record import Record, Row
from featherweight.experiments.verdicts import verdict_sentence
from featherweight.io import write_text
from featherweight.report.figures.svg import png
from featherweight.report.trackers import Log, noted, quantities, settings_of, verdict_figures

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def open_log(folder: Path, record: Record) -> Log:
    """The log of the run in this folder: a new one, or its previous one if the run is resumed."""
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
