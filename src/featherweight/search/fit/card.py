"""The model card, for whoever is handed the network."""

from pathlib import Path
from typing import Any

from featherweight.data.pictures import FITTING_WORDS, fitting_of
from featherweight.escape import markdown
from featherweight.export.card import hub_head
from featherweight.export.estimate import time_words
from featherweight.io import write_text
from featherweight.search.fit.cost import format_cost, kilobytes
from featherweight.search.fit.final_training import aim_words, file_name, options
from featherweight.search.fit.package_result import EXPORTS, Packaged
from featherweight.search.fit.result_words import FAILING, doubt_lines, failing_classes
from featherweight.search.fit.state import FitState

CARD, PAGE = "MODEL_CARD.md", "report.html"


def fit_card(search: FitState, finished: Packaged, values: dict[str, Any]) -> str:
    """The model card as Markdown (after Mitchell et al., "Model Cards for Model Reporting", 2019)."""
    data, found, cost, chosen = values["data"], values["c"], values["cost"], values["chosen"]
    channels, height, width = data["shape"]
    low, high = found["interval"]
    held_low, held_high = chosen["held_out_interval"]
    hoped, over, checks = values["promise"], values["over_seeds"], values["checks"]
    new_groups = f" on new groups ({hoped['groups']:,} held out)" if hoped["groups"] < hoped["images"] else ""
    looked = "".join(f" {markdown(line[0].upper() + line[1:])}." for line in checks["lines"])
    seeds = len(values["runs"])
    name, file = finished.records[0].experiment, file_name(search)
    classes = ", ".join(markdown(one) for one in data["classes"])
    cost_rows = "".join(
        f"| {label} | {format_cost(key, cost[key])} |\n"
        for key, label in (("flash", "Flash, estimated"), ("ram", "RAM without the picture, estimated"),
                           ("macs", "Multiply-adds of one picture"), ("cycles", "Cortex-M4, estimated"),
                           ("parameters", "Parameters as trained"))
    )  # fmt: skip
    bits = chosen["genes"].get("bits", 8)
    kind = "8-bit C" if bits == 8 else f"C with {bits}-bit weights"
    size = search.views.sizes[finished.trial.genes.side].size
    brought = (
        f" Every picture is {FITTING_WORDS[fitting_of(size)]} {height} x {width} with Pillow's bilinear filter"
        " (`Image.resize`), whatever its proportions: do the same on the device."
    ) if size else ""  # fmt: skip
    doubts = "".join(f"**{markdown(line)}**\n\n" for line in doubt_lines(values))
    onnx = f"| `{EXPORTS}/*.onnx` | the same network for ONNX Runtime |\n" if "onnx" in finished.exported else ""
    same = "byte for byte what the integers give" if found["proved"] else "not compiled, for want of a C compiler"
    head = hub_head(name.rpartition("/")[2].removesuffix(".py"), str(data["name"]), found["accuracy"])
    return f"""{head}# Model card

{doubts}{values["sentence"][0].upper() + values["sentence"][1:]}.

| | |
|---|---|
| Asked | {markdown(aim_words(search))} |
| Accuracy in {kind} | {found["accuracy"]:.2f} % of {found["images"]:,} test images (95 % interval {low:.2f} to {high:.2f}) |
| The same over seeds as well as images | {over["mean"]:.2f} % (95 % interval {over["interval"][0]:.2f} to {over["interval"][1]:.2f}) |
| The same network in floating point | {found["float_accuracy"]:.2f} % |
| Over {seeds} seed{"s" * (seeds != 1)} | mean {values["mean"]:.2f} %, worst {values["worst"]:.2f} %; seed 0 is the one exported |
| Held-out accuracy, by which it was chosen | {chosen["held_out_accuracy"]:.2f} % of {chosen["held_out_images"]:,} |
| Expected by that{new_groups}, as the best of {hoped["candidates"]:,} candidates | {hoped["accuracy"]:.2f} % (95 % interval {held_low:.2f} to {held_high:.2f}) |
| Classes of which less than {FAILING} % are found | {markdown(", ".join(failing_classes(values)) or "none")} |
| Bits of a weight | {bits} |
{cost_rows}| A picture | {time_words(values["milliseconds"])} |
| Verdict | {"met" if values["met"] else "**not met**"} |

## What it is for

Telling {len(data["classes"])} classes apart in pictures of {channels} x {height} x {width} (channels, height, width): {classes}. It always
names one of them, also for pictures that show none; a low probability is the only sign of that. Pictures that look
unlike the training set's (another camera, light or background) are read less surely than the figures above say.{brought}

## Data

{data["train"]:,} training images of {markdown(str(data["name"]))} and {data["test"]:,} test images. The test images were
read once, after the network had been chosen.{looked} {values["search"]["candidates"]} candidates were tried in
{values["search"]["seconds"] / 60:.0f} minutes, each judged on training images that it was not trained on.

## What is in this folder

| | |
|---|---|
| `{file}` | the network and its recipe; `featherweight train {file} --data ...{options(search, finished.trial)}` trains it anew |
| `runs/` | the runs, one a seed: records, metrics, weights |
| `{EXPORTS}/{markdown(finished.exported["c"].files[0].parent.name)}/` | C without dependencies, with an example and an Arduino sketch: {same} |
{onnx}| `{PAGE}` | curves, recall and precision of each class, the mistakes, the front of the search |
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
