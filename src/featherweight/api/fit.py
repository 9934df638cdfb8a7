"""`fw.fit`: the smallest network for your pictures and your chip, in one call."""

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from numbers import Integral, Real
from pathlib import Path
from typing import Any

from featherweight.api.arguments import require_function, require_kinds
from featherweight.api.model import Model, load
from featherweight.data.dataset import Data
from featherweight.io import as_path
from featherweight.search.fit.cost import Limits
from featherweight.search.fit.pipeline import FitRequest, News, Outcome, run_fit, size_of
from featherweight.search.fit.result_words import doubt_lines


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

    def __repr__(self) -> str:
        return f"<Fitted {self.folder}: {self.values['sentence']}>"


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
    size: tuple[int, int] | None = None,
    data_dir: "str | Path | None" = None,
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
    with every step.

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
    )  # fmt: skip
    require_function("on_news", on_news)
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
        data_dir=None if data_dir is None else as_path(data_dir, "data_dir"),
        command="fw.fit(...) with what `request` of fit.json holds",
    )
    outcome: Outcome | None = None
    for news in run_fit(asked):
        outcome = news if isinstance(news, Outcome) else outcome
        if on_news is not None:
            on_news(news)
    assert outcome is not None
    if outcome.doubtful:
        warnings.warn(" ".join(doubt_lines(outcome.values)), UserWarning, stacklevel=2)
    return Fitted(folder=outcome.folder, values=outcome.values)


def _plain(size: "str | int | None") -> "str | int | None":
    """A size, with numpy's whole numbers as Python's."""
    return int(size) if isinstance(size, Integral) else size
