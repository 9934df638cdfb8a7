"""`fw.fit`: the smallest network for your pictures and your chip, in one call."""

import time
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from featherweight.api.model import Model, load
from featherweight.data.dataset import Data
from featherweight.errors import UsageError, require_function, require_kinds
from featherweight.experiments.record import Sides
from featherweight.io import as_path
from featherweight.json_files import LARGEST, read_regular
from featherweight.parallel.messages import LOCAL, Backend
from featherweight.parallel.pool import require_backend
from featherweight.search.fit.card import CARD
from featherweight.search.fit.cost import Limits
from featherweight.search.fit.pipeline import run_fit
from featherweight.search.fit.request import FitRequest, News, Outcome, Stage, size_of
from featherweight.search.fit.result_words import doubt_lines
from featherweight.search.fit.search_loop import Snapshot
from featherweight.training.runs.events import Progress


@dataclass(frozen=True, kw_only=True, repr=False)
class Fitted:
    """The result of a search."""

    folder: Path
    """With the model card, the page, the exports, the experiment file and the runs."""
    values: dict[str, Any]
    """What was asked for, candidates, costs, accuracies, the front, as `featherweight fit --json` calls them, and the
    answer as a sentence. `fit.json` holds the same figures."""

    @property
    def met(self) -> bool:
        """Whether the C program meets the target and every limit."""
        return bool(self.values["met"])

    @property
    def model(self) -> Model:
        """The exported network, as a model that predicts and evaluates."""
        return load(self.folder / self.values["runs"][0]["folder"])

    @property
    def card(self) -> str:
        """The model card, as Markdown."""
        return read_regular(self.folder / CARD, LARGEST).decode("utf-8", "replace")

    def __repr__(self) -> str:
        return f"<Fitted {self.folder}: {self.values['sentence']}>"

    def __str__(self) -> str:
        return self.card

    def _repr_markdown_(self) -> str:
        """What a notebook shows."""
        return self.card


def fit(
    data: "str | Path | Data",
    *,
    accuracy: float | None = None,
    flash: "str | int | None" = None,
    ram: "str | int | None" = None,
    macs: int | None = None,
    parameters: int | None = None,
    cycles: int | None = None,
    minimize: str = "flash",
    minutes: float = 30.0,
    trials: int | None = None,
    seed: int = 0,
    out: "str | Path | None" = None,
    size: Sides | None = None,
    group: str | None = None,
    teacher: "str | Path | None" = None,
    balanced: bool = False,
    point: int | None = None,
    data_dir: "str | Path | None" = None,
    on: str = "local",
    gpus: float = 0.0,
    progress: Callable[[float, str], object] | None = None,
    on_news: Callable[[News], object] | None = None,
) -> Fitted:
    """The smallest network found that meets a target, trained, proved in 8-bit C and written to a folder.

    `data` is a folder of pictures with one subfolder per class, a set's name, or data in memory. With `accuracy`, in
    percent of the test images, the candidate with the least of `minimize` (flash, ram, macs, parameters or cycles) that
    reaches it on held-out images is chosen; without it, the most accurate within the limits. `flash` and `ram` are
    bytes, as numbers or as "32k"; `minutes` cover everything; with `trials`, so many candidates are tried instead, the
    same ones on any machine, and a search that was killed ends with the same network as one that was not. `out` is the
    folder, `fits/NAME` by default; the same call with the same folder continues a stopped search. `size` is the
    (height, width) that a folder's pictures are resized to; by default the search chooses it. `on_news` is called
    with every step, `progress` with how far it is, 0 to 1, and what it is at, a few times a second. `group` is a
    regular expression that finds in a picture's path what names its group, such as a person; groups are held out whole.
    `teacher` is a network's file (.onnx, .pt2, .tflite), of which the chosen one learns too. With `balanced`, every
    class counts alike. `point` hands over that point of the front of an earlier search. `on` is "local", "ray" or a
    cluster's address.

    A UserWarning says where the result should not be used as it is: no better than the commonest class, or below what
    held-out images promised; `warning` among the values has the same words.

    Raises UsageError or DataError for data that cannot be used, BudgetError if no network is within the limits.

    ```python
    found = fw.fit("pictures", accuracy=95, flash="32k", ram="8k", minutes=30)
    found.met, found.model.predict("one.png")
    ```
    """
    require_kinds(
        data=(data, str | Path | Data), accuracy=(accuracy, Real | None), flash=(flash, str | Integral | None),
        ram=(ram, str | Integral | None), macs=(macs, Integral | None), parameters=(parameters, Integral | None),
        cycles=(cycles, Integral | None), minimize=(minimize, str), minutes=(minutes, Real),
        trials=(trials, Integral | None), seed=(seed, Integral), size=(size, tuple | None),
        group=(group, str | None), balanced=(balanced, bool), point=(point, Integral | None), on=(on, str),
        gpus=(gpus, Real),
    )  # fmt: skip
    require_function("on_news", on_news)
    require_function("progress", progress)
    asked = FitRequest(
        data=data if isinstance(data, Data) else str(data),
        accuracy=accuracy,
        limits=Limits(
            flash=size_of(_plain(flash), "flash"),
            ram=size_of(_plain(ram), "ram"),
            macs=macs,
            parameters=parameters,
            cycles=cycles,
        ),
        minimize=minimize,
        minutes=minutes,
        trials=trials,
        seed=seed,
        out=None if out is None else as_path(out, "out"),
        size=size,
        group=group,
        teacher=None if teacher is None else as_path(teacher, "teacher"),
        balanced=balanced,
        point=point,
        data_dir=None if data_dir is None else as_path(data_dir, "data_dir"),
        on=_backend(on, gpus),
        command="fw.fit(...) with what `request` of fit.json holds",
    )
    outcome: Outcome | None = None
    begun = time.monotonic()
    for news in run_fit(asked):
        outcome = news if isinstance(news, Outcome) else outcome
        if on_news is not None:
            on_news(news)
        if progress is not None:
            progress(*_how_far(news, asked, time.monotonic() - begun))
    assert outcome is not None
    if outcome.doubtful:
        warnings.warn(" ".join(doubt_lines(outcome.values)), UserWarning, stacklevel=2)
    return Fitted(folder=outcome.folder, values=outcome.values)


def _backend(address: str, gpus: float) -> Backend:
    require_backend(address)
    if address == LOCAL and gpus:
        raise UsageError("gpus needs on='ray'; candidates are trained on this machine's processors.")
    return Backend(address=address, gpus=gpus)


def _how_far(news: News, asked: FitRequest, seconds: float) -> tuple[float, str]:
    """The share of the whole that is done, and what is being done, in words."""
    share = min(0.99, seconds / (60 * asked.minutes))
    match news:
        case Outcome():
            return 1.0, news.sentence
        case Stage():
            return share, news.text
        case Snapshot():
            tried = len(news.trials)
            if asked.trials:
                share = min(0.6, 0.6 * tried / asked.trials)
            best = f", the best at {news.best.accuracy():.1f} % of held-out images" if news.best else ""
            return share, f"{tried} candidates{best}"
        case Progress():
            share = max(0.6, share) if asked.trials else share
            return share, f"training the chosen network, epoch {news.epoch} of {news.epochs}"
    return share, ""


def _plain(size: "str | int | None") -> "str | int | None":
    """A size, with numpy's whole numbers as Python's."""
    return int(size) if isinstance(size, Integral) else size
