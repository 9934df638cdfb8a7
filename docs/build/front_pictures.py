"""The picture of the Pareto fronts of each data set: its records, its ladders, and what others have published."""

import hashlib
import json
from dataclasses import asdict
from pathlib import Path
from statistics import fmean

from docs.build.candidate_record import anchors
from docs.build.fronts import Point, pareto_fronts
from docs.build.network_stats import anatomy_of, deployed_of
from docs.build.pictures import Drawing

from featherweight.errors import UsageError
from featherweight.experiments.claims import Found
from featherweight.experiments.experiment import Experiment, contenders, find
from featherweight.experiments.statistics import mean_interval

AXES = {"mnist": (98.95, 99.75), "fashion-mnist": (88.5, 94.5), "cifar10": (78.0, 91.0)}
"""The lowest and the highest accuracy on the axis of each set, in percent."""


def front_of(data: str) -> str:
    """The name of a set's picture.

    >>> front_of("mnist"), front_of("cifar10")
    ('fronts.svg', 'fronts-cifar10.svg')
    """
    return "fronts.svg" if data == "mnist" else f"fronts-{data}.svg"


def points(found: Found) -> list[Point]:
    """The mean accuracy, its interval and the costs of every experiment of which there are records."""
    told = []
    for id, records in found.items():
        experiment, last = find(id), [record.verdict.last for record in records]
        low, high = mean_interval(last) if len(last) > 1 else (None, None)
        anatomy = anatomy_of(experiment)
        seconds = fmean(record.train_seconds for record in records)
        told.append(
            Point(name=id, accuracy=fmean(last), low=low, high=high, parameters=anatomy.parameters,
                  flash=_flash(experiment), macs=anatomy.macs, seconds=seconds or None)
        )  # fmt: skip
    return told


def _flash(experiment: Experiment) -> int | None:
    """Bytes of flash of its program in 8-bit C; None for a network that C does not support."""
    try:
        return deployed_of(experiment).flash
    except UsageError:
        return None


def rings(data: str) -> list[Point]:
    """What others have published on a set."""
    return [
        Point(name=one.what, accuracy=one.last, parameters=one.parameters, flash=one.flash)
        for one in anchors(data)
        if one.last is not None
    ]


def fronts_digest(found: Found, data: str = "mnist") -> str:
    """The digest of the figures behind the picture of a set's Pareto fronts; it is written into the picture."""
    drawn_from = [[asdict(point) for point in some] for some in (points(found), rings(data))]
    return hashlib.sha256(json.dumps([*drawn_from, AXES[data]]).encode()).hexdigest()


def fronts_drawing(path: Path, found: Found, data: str = "mnist") -> Drawing:
    """A set's accuracies against costs."""
    names = [experiment.id for experiment in contenders(data)]
    return Drawing(
        path=path,
        about=fronts_digest(found, data),
        draw=lambda: pareto_fronts(points(found), rings(data), names, AXES[data]),
    )
