"""A model card, a page and a picture of the front, for whoever is handed the network."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

from featherweight.escape import markdown
from featherweight.io import write_text
from featherweight.report.figures.style import QUIET, TARGET, TEST, blank, in_house_style
from featherweight.report.figures.svg import svg
from featherweight.report.page import page, read_story, sections
from featherweight.report.page.blocks import Column, FigureBlock, Section, Table
from featherweight.search.fit.cost import format_cost, kilobytes
from featherweight.search.fit.final_training import aim_words, file_name, options
from featherweight.search.fit.package_result import EXPORTS, Packaged
from featherweight.search.fit.result_words import doubt_lines
from featherweight.search.fit.state import FitState

if TYPE_CHECKING:
    from matplotlib.figure import Figure

CARD, PAGE, FRONT = "MODEL_CARD.md", "report.html", "front.svg"
TRAINED = ("a ninth", "a third", "all")
"""Of a finished network's training, rung by rung."""


@in_house_style
def front_figure(search: FitState, values: dict[str, Any]) -> "Figure":
    """Held-out accuracy of every candidate against what was to be small, with the front and the target."""
    from matplotlib.ticker import EngFormatter

    by = search.aim.minimize
    figure = blank(3.6)
    axes = figure.subplots()
    tried = [one for one in search.population.trials if one.rung >= 0 and not one.failed]
    for rung, name in enumerate(TRAINED):
        some = [one for one in tried if one.rung == rung]
        axes.plot([getattr(one.price, by) for one in some], [one.accuracy() for one in some], "o", color=QUIET,
                  markersize=2.5 + 1.5 * rung, alpha=0.35 + 0.3 * rung, label=f"{name} of the epochs")  # fmt: skip
    best = values["front"]
    axes.plot([one[by] for one in best], [one["accuracy"] for one in best], "-", color=TEST, linewidth=1.3,
              label="Pareto front")  # fmt: skip
    chosen = values["chosen"]
    axes.plot([values["cost"][by]], [chosen["held_out_accuracy"]], "D", color=TEST, markersize=7, label="chosen")
    if values["asked"]["accuracy"] is not None:
        axes.axhline(values["asked"]["accuracy"], color=TARGET, linestyle=(0, (6, 2)), linewidth=1.3, label="target")
    unit = "bytes" if by in ("flash", "ram") else ""
    axes.set(xlabel=f"{by}{', ' * bool(unit)}{unit}", ylabel="held-out accuracy, %", xscale="log")
    axes.xaxis.set_major_formatter(EngFormatter(sep=""))
    axes.grid(axis="y")
    axes.legend(fontsize="small", loc="lower right")
    return figure


def write_page(search: FitState, finished: Packaged, values: dict[str, Any], out: Path, directory: Path | None) -> None:
    """Write the page of the runs, which begins with the search, and the picture of its front."""
    figure = front_figure(search, values)
    write_text(out / FRONT, svg(front_figure(search, values)))
    story = read_story(list(finished.folders), data_dir=directory)
    parts = sections(story)
    write_text(out / PAGE, page(story, [parts[0], _section(search, values, figure), *parts[1:]]))


def _section(search: FitState, values: dict[str, Any], figure: "Figure") -> Section:
    by = search.aim.minimize
    about = (
        f"Every dot is a candidate, judged on training images that it was not trained on"
        f" ({values['search']['held_out']:,} of them). The test set was not read before the last training."
    )
    table = Table(
        name="front", caption="The Pareto front", folded=True,
        columns=(
            Column(name="candidate", heading="candidate"), Column(name="accuracy", heading="held out, %", form=".2f"),
            Column(name="flash", heading="flash, bytes", form=",d"),
            Column(name="ram", heading="RAM, bytes", form=",d"),
            Column(name="macs", heading="MACs", form=",d"), Column(name="parameters", heading="parameters", form=",d"),
        ),
        rows=tuple(
            (one["candidate"], one["accuracy"], one["flash"], one["ram"], one["macs"], one["parameters"])
            for one in values["front"]
        ),
    )  # fmt: skip
    answer = " ".join([*doubt_lines(values), values["sentence"][0].upper() + values["sentence"][1:] + "."])
    picture = FigureBlock(
        name="front", title=f"Candidates by accuracy and {by}", about=about,
        alt=f"Held-out accuracy against {by} of {values['search']['candidates']} candidates", figure=figure,
    )  # fmt: skip
    return Section(id="search", title="The search", blocks=(answer, picture, table))


def fit_card(search: FitState, finished: Packaged, values: dict[str, Any]) -> str:
    """The model card as Markdown (after Mitchell et al., "Model Cards for Model Reporting", 2019)."""
    data, found, cost, chosen = values["data"], values["c"], values["cost"], values["chosen"]
    channels, height, width = data["shape"]
    low, high = found["interval"]
    held_low, held_high = chosen["held_out_interval"]
    seeds = len(values["runs"])
    name, file = finished.records[0].experiment, file_name(search)
    classes = ", ".join(markdown(one) for one in data["classes"])
    cost_rows = "".join(
        f"| {label} | {format_cost(key, cost[key])} |\n"
        for key, label in (("flash", "Flash, estimated"), ("ram", "RAM without the picture, estimated"),
                           ("macs", "Multiply-adds of one picture"), ("parameters", "Parameters as trained"))
    )  # fmt: skip
    bits = chosen["genes"].get("bits", 8)
    kind = "8-bit C" if bits == 8 else f"C with {bits}-bit weights"
    size = search.views.sizes[finished.trial.genes.side].size
    brought = (
        f" Every picture is brought to {height} x {width} with Pillow's bilinear filter (`Image.resize`), whatever its"
        " proportions: do the same on the device."
    ) if size else ""  # fmt: skip
    doubts = "".join(f"**{markdown(line)}**\n\n" for line in doubt_lines(values))
    same = "byte for byte what the integers give" if found["proved"] else "not compiled, for want of a C compiler"
    return f"""# Model card

{doubts}{values["sentence"][0].upper() + values["sentence"][1:]}.

| | |
|---|---|
| Asked | {markdown(aim_words(search))} |
| Accuracy in {kind} | {found["accuracy"]:.2f} % of {found["images"]:,} test images (95 % interval {low:.2f} to {high:.2f}) |
| The same network in floating point | {found["float_accuracy"]:.2f} % |
| Over {seeds} seed{"s" * (seeds != 1)} | mean {values["mean"]:.2f} %, worst {values["worst"]:.2f} %; seed 0 is the one exported |
| Held-out accuracy, by which it was chosen | {chosen["held_out_accuracy"]:.2f} % of {chosen["held_out_images"]:,} (interval {held_low:.2f} to {held_high:.2f}) |
{cost_rows}| Verdict | {"met" if values["met"] else "**not met**"} |

## What it is for

Telling {len(data["classes"])} classes apart in pictures of {channels} x {height} x {width} (channels, height, width): {classes}. It always
names one of them, also for pictures that show none; a low probability is the only sign of that. Pictures that look
unlike the training set's (another camera, light or background) are read less surely than the figures above say.{brought}

## Data

{data["train"]:,} training images of {markdown(str(data["name"]))} and {data["test"]:,} test images. The test images were
read once, after the network had been chosen. {values["search"]["candidates"]} candidates were tried in
{values["search"]["seconds"] / 60:.0f} minutes, each judged on training images that it was not trained on.

## What is in this folder

| | |
|---|---|
| `{file}` | the network and its recipe; `featherweight train {file} --data ...{options(search, finished.trial)}` trains it anew |
| `runs/` | the runs, one a seed: records, metrics, weights |
| `{EXPORTS}/{markdown(finished.exported["c"].files[0].parent.name)}/` | C without dependencies, with an example and an Arduino sketch: {same} |
| `{EXPORTS}/*.onnx` | the same network for ONNX Runtime |
| `{PAGE}` | curves, recall and precision of each class, the mistakes, the front of the search |
| `trials.jsonl`, `fit.json` | every training of the search, and the figures of this card |

## How to have it again

```sh
{values["command"]}
```

A search that is limited by time finds other networks on another machine. What it found can be trained again bit for
bit on a like one: the run's record names the data by digest, the seed, the versions and the processor's instructions.

Network `{markdown(name.rpartition("/")[2])}`, figures of `fit.json`; flash {kilobytes(cost["flash"])} includes code, weights and tables.
"""  # noqa: E501 - a table's rows are lines


def write_card(search: FitState, finished: Packaged, values: dict[str, Any], out: Path) -> None:
    """Write the card."""
    write_text(out / CARD, fit_card(search, finished, values))
