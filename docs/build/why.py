"""Why 99.6 %: what each step from plain ground to `f3` and `f4` is worth, and what each part of `f3` is, taken out."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING

from docs.build.pictures import Drawing
from docs.build.rendering import rendered

from featherweight.experiments.claims import NOT_RUN, Found
from featherweight.experiments.experiment import Experiment, find, parts, rungs
from featherweight.experiments.record import Record
from featherweight.experiments.statistics import paired
from featherweight.protocol.records import clearing
from featherweight.report.figures.style import COLOURS, TARGET, blank, in_house_style
from featherweight.report.ladder_page import ABSENT, TextTable, percent_text

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LADDER = "k"
GOAL = ("f3", "f4")
"""What the ladder leads to: its last step is f3, and f4 is f3 with another network."""
LAST = {"f3": "the last 2 epochs on plain images", "f4": "separable convolutions, wider and on larger maps"}
"""What changes in the last steps, whose own titles compare them with others."""
COMPANIONS = Path("benchmarks") / "companions"
TAKEN_OUT = "f3_no_*.py"
GAIN, LOSS = COLOURS["test"][0], COLOURS["third"][0]


@dataclass(frozen=True, kw_only=True)
class Step:
    """One step, with what it is worth in points of accuracy at the last epoch."""

    experiment: Experiment
    seeds: int
    mean: float | None
    """Percent of the test images at the last epoch, over its seeds; None before it has run."""
    difference: float | None
    """From the step before, over the seeds that both have; None without such seeds."""
    low: float | None
    """The lower end of the difference's 95 % interval; None with fewer than two pairs. Likewise the upper end."""
    high: float | None


def steps(found: Found) -> list[Step]:
    """The steps from the ground to `f4`, in order; each is compared with the one before."""
    chain = [*rungs(LADDER), *map(find, GOAL)]
    before = [None, *chain[:-1]]
    return [_step(one, found, earlier.id if earlier else "") for one, earlier in zip(chain, before, strict=True)]


def without(found: Found, root: Path) -> list[Step]:
    """`f3` without each part of its recipe, compared with `f3` itself."""
    return [_step(find(str(path)), found, "f3") for path in sorted((root / COMPANIONS).glob(TAKEN_OUT))]


def _step(experiment: Experiment, found: Found, other: str) -> Step:
    mine = found.get(experiment.id, ())
    ours, theirs = (_by_seed(name, found) for name in (experiment.id, other))
    common = sorted(ours.keys() & theirs.keys())
    pairs = [[side[seed] for seed in common] for side in (ours, theirs)]
    test = paired(*pairs) if len(common) > 1 else None
    return Step(
        experiment=experiment,
        seeds=len(mine),
        mean=fmean(record.rows[-1].test_accuracy for record in mine) if mine else None,
        difference=fmean(pairs[0]) - fmean(pairs[1]) if common else None,
        low=test.low if test else None,
        high=test.high if test else None,
    )


def _by_seed(id: str, found: Found) -> dict[int, float]:
    """The last accuracy of each seed; of a confirmed record, also of those that cleared its bar, which others share."""
    runs: Sequence[Record] = (*found.get(clearing(id), ()), *found.get(id, ()))
    return {record.seed: record.rows[-1].test_accuracy for record in runs}


def page(found: Found, root: Path, picture: str) -> str:
    """The page, with both tables; it says of each step whether it has run."""
    told = steps(found)
    ran = [one for one in told if one.mean is not None]
    whole = len(ran) == len(told)
    return rendered(
        "why.md.j2",
        steps=_table(told, "against the step before"),
        without=_table(without(found, root), "against f3"),
        ran=len(ran),
        total=len(told),
        whole=whole,
        gained=ran[-1].mean - ran[0].mean if whole and ran[-1].mean and ran[0].mean else 0.0,
        first=told[0].mean,
        last=told[-1].mean,
        picture=picture if ran else "",
        decided=[(_title(one), one.difference) for one in told if one.low and one.high and one.low * one.high > 0],
    )


def _table(told: Sequence[Step], heading: str) -> TextTable:
    rows = []
    for one in told:
        id = one.experiment.id
        link = f"[`{id}`](ladders/{LADDER}.md#{id})" if id.startswith(LADDER) else f"`{id}`"
        why = parts(one.experiment.text).get("Why", "") if id.startswith(LADDER) else ""
        rows.append((link, _title(one), *_figures(one), why))
    headings = ("step", "what changes", "seeds", "last epoch %", heading, "why it should")
    table = TextTable(headings=headings, align="llrrrl", rows=tuple(rows))
    return table if any(row[-1] for row in rows) else table.without("why it should")


def _title(one: Step) -> str:
    return LAST.get(one.experiment.id, one.experiment.title)


def _figures(one: Step) -> tuple[str, str, str]:
    if one.mean is None:
        return "0", NOT_RUN, ABSENT
    change = ABSENT if one.difference is None else f"{one.difference:+.3f}"
    if one.low is not None and one.high is not None:
        change += f" ({one.low:+.3f} to {one.high:+.3f})"
    return str(one.seeds), percent_text(one.mean), change


# ------------------------------------------------------------------------------------------- the picture


@in_house_style
def waterfall(told: Sequence[Step]) -> "Figure":
    """A bar for each step, from the mean before it to its own."""
    figure = blank(0.34 * len(told) + 1.0, 8.4)
    axes = figure.subplots()
    before = None
    for place, one in enumerate(told):
        if one.mean is None:
            axes.text(99.02, place, NOT_RUN, va="center", fontsize=8)
            continue
        start = one.mean if before is None else before
        colour = GAIN if one.mean >= start else LOSS
        axes.barh(place, one.mean - start, left=start, height=0.6, color=colour)
        axes.plot([one.mean, one.mean], [place - 0.3, place + 1.3], color="black", linewidth=0.6)
        axes.annotate(f"{one.mean:.2f}", (max(start, one.mean), place), xytext=(4, 0), textcoords="offset points",
                      va="center", fontsize=8)  # fmt: skip
        before = one.mean
    axes.axvline(99.4, color=TARGET, linestyle="--", linewidth=1)
    axes.set_yticks(range(len(told)), [f"{one.experiment.id}: {_title(one)}" for one in told])
    axes.set(xlabel="test accuracy at the last epoch, mean over seeds, %", xlim=(99.0, 99.75))
    axes.invert_yaxis()
    axes.grid(axis="x")
    return figure


def drawing(path: Path, found: Found) -> Drawing:
    """The waterfall plot, redrawn when a figure of it changes."""
    told = steps(found)
    about = [(one.experiment.id, _title(one), one.mean) for one in told]
    digest = hashlib.sha256(json.dumps(about).encode()).hexdigest()
    return Drawing(path=path, about=digest, draw=lambda: waterfall(told))
