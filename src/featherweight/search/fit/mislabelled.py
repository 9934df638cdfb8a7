"""Training pictures whose label is probably wrong: those that networks trained on the others find most unlikely.

The chosen network is trained briefly on two thirds of the pictures and judges the last third, three times over, so that
each picture is judged once by a network that has not seen it; they are ranked by its loss (Northcutt et al., "Confident
Learning", 2021, rank by probability).
"""

import base64
import io
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from featherweight.escape import printable
from featherweight.io import scratch_folder, write_text
from featherweight.parallel.messages import THIS_MACHINE, Backend
from featherweight.parallel.pool import open_pool, run_works
from featherweight.parallel.transfer import files_of
from featherweight.report.templating import environment
from featherweight.search.fit.groups import held_groups
from featherweight.search.fit.resized import ResizedData, ResizedView, save
from featherweight.search.fit.state import FitState, epochs_for
from featherweight.search.fit.trial import Trial, TrialTask, TrialUpdate
from featherweight.search.fit.workers import serve

PARTS = 3
SHOWN, MOST_SHOWN = 0.04, 200
"""The share of the pictures that the page shows, and how many at most."""
LONGEST = 0.25
"""Of a whole training's epochs, what each of the three is at most: longer ones learn wrong labels by heart."""
FEWEST_EPOCHS = 2
PAGE = "labels.html"


@dataclass(frozen=True, kw_only=True)
class Suspect:
    """A training picture and what speaks against its label."""

    image: int
    """Position in the training set."""
    loss: float
    answer: int
    """The class that a network which has not seen it gives."""


def rank_labels(
    search: FitState,
    trial: Trial,
    seconds: float,
    cores: int,
    stopped: Callable[[], bool] = lambda: False,
    on: Backend = THIS_MACHINE,
) -> Iterator[TrialUpdate | list[Suspect]]:
    """Yield how the trainings go, and last all training pictures that were judged, the most suspect first.

    The list is empty where so many `seconds` are too few. The test set is not read.
    """
    views = search.views
    groups = views.groups.of if views.groups is not None else torch.arange(len(views.labels))
    part_of = held_groups(groups, PARTS, seed=1)
    folds = tuple(part_of == part for part in range(PARTS))
    images = len(views.labels) * (PARTS - 1) // PARTS
    each = search.epoch_seconds(trial.price, trial.shape, images, search.rate_of(trial))
    epochs = int(min(round(LONGEST * epochs_for(len(views.labels))), seconds * min(cores, PARTS) / PARTS / each))
    if epochs < FEWEST_EPOCHS or any(not fold.any() or fold.all() for fold in folds):
        yield []
        return
    found: dict[int, TrialUpdate] = {}
    begun = time.monotonic()
    with scratch_folder() as folder:
        save(replace(views, folds=folds), folder)
        with open_pool(on, min(cores, PARTS)) as pool:
            given: Any = folder if on.local else pool.put(files_of(folder, [path.name for path in folder.iterdir()]))
            tasks = [TrialTask(trial=trial.number, genes=trial.genes, epochs=epochs, fold=at) for at in range(PARTS)]
            for _, update in run_works(pool, [(serve, task, given, views.classes) for task in tasks]):
                yield update
                if update.ended:
                    found[update.work.fold] = update
                if stopped() or time.monotonic() - begun > 2 * seconds + 10:
                    yield []
                    return
    yield ranked(folds, list(found.values()))


def ranked(folds: tuple[Tensor, ...], updates: list[TrialUpdate]) -> list[Suspect]:
    """The images that were judged, by falling loss; those that were answered as they are labelled come last."""
    found = []
    for update in updates:
        places = folds[update.work.fold].nonzero()[:, 0].tolist()
        wrong = [not image & 1 for image in update.images]
        found += [
            (not_same, loss, Suspect(image=place, loss=loss, answer=answer))
            for place, loss, answer, not_same in zip(places, update.losses, update.answers, wrong, strict=True)
        ]
    return [one for *_, one in sorted(found, key=lambda one: (not one[0], -one[1], one[2].image))]


def write_labels(found: list[Suspect], views: ResizedData, out: Path) -> int:
    """Write the page with the most suspect pictures, to be clicked through; how many it shows, 0 if there are none."""
    shown = [one for one in found[: min(MOST_SHOWN, round(SHOWN * len(views.labels)))]
             if one.answer != int(views.labels[one.image])]  # fmt: skip
    if not shown:
        return 0
    rows = [
        {
            "picture": _data_uri(views.sizes[-1], one.image), "label": views.classes[int(views.labels[one.image])],
            "answer": views.classes[one.answer], "loss": one.loss,
            "name": printable(views.names[one.image]) if views.names else f"training image {one.image}",
        }
        for one in shown
    ]  # fmt: skip
    template = environment(autoescape=True).get_template("labels.html.j2")
    write_text(out / PAGE, template.render(rows=rows, name=views.name, total=len(views.labels)))
    return len(rows)


def _data_uri(view: ResizedView, image: int) -> str:
    pixels = view.images[image].permute(1, 2, 0).numpy()
    picture = Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    return f"data:image/png;base64,{base64.b64encode(content.getvalue()).decode()}"
