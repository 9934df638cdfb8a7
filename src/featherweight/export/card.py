"""A model card beside every export (after Mitchell et al., "Model Cards for Model Reporting", 2019)."""

import json

from featherweight.data.pictures import FITTING_WORDS, fitting_of
from featherweight.errors import FeatherweightError
from featherweight.escape import markdown
from featherweight.experiments.calibration import Calibration
from featherweight.experiments.record import Record
from featherweight.experiments.statistics import accuracy_interval
from featherweight.experiments.verdicts import verdict_sentence
from featherweight.export.estimate import MARGIN, deployed, milliseconds, time_words
from featherweight.export.packages import takes_frames
from featherweight.export.source import Source


def hub_head(name: str, data: str, accuracy: float) -> str:
    """The head of a card, YAML between two rules, by which the hub of Hugging Face lists a model and its figures.

    >>> print(hub_head("f3", "mnist", 99.5).splitlines()[-3].strip())
    - {type: accuracy, value: 0.995, name: "Test accuracy"}
    """
    words = json.dumps(name), json.dumps(data)  # whose strings are YAML's, whatever a folder is called
    return f"""---
library_name: featherweight
pipeline_tag: image-classification
tags: [tinyml, microcontroller, quantized, onnx]
model-index:
- name: {words[0]}
  results:
  - task: {{type: image-classification}}
    dataset: {{name: {words[1]}, type: {words[1]}}}
    metrics:
    - {{type: accuracy, value: {accuracy / 100:.4g}, name: "Test accuracy"}}
---

"""


def card(source: Source, record: Record) -> str:
    """The card as Markdown; the same for every form of the same network."""
    data, classes = record.data, ", ".join(markdown(name) for name in source.classes)
    low, high = accuracy_interval(round(source.accuracy * data["test"] / 100), data["test"])
    channels, height, width = source.shape
    held_out = "held-out" if data["holdout"] else "test"
    digests = sorted(data.get("digests", {}).items())
    rows = [
        ("Accuracy", f"{source.accuracy:.2f} % of {markdown(source.tested)} (95 % interval {low:.2f} to {high:.2f})"),
        ("Verdict of this run", markdown(verdict_sentence(record))),
        ("Parameters", f"{source.parameters:,}"),
        *_on_a_chip(source),
        ("Trained on", f"{data['train']:,} images of {markdown(str(data['name']))}, seed {source.seed}"),
        ("Data's SHA-256", "; ".join(f"{markdown(name)} `{value}`" for name, value in digests)),
        ("Written by", f"featherweight {markdown(source.version)}"),
    ]
    table = "".join(f"| {name} | {value} |\n" for name, value in rows)
    head = hub_head(source.experiment, str(data["name"]), source.accuracy)
    return f"""{head}# Model card: {markdown(source.experiment)}

| | |
|---|---|
{table}
## What it is for

It tells {len(source.classes)} classes apart in pictures of {channels} x {height} x {width} (channels, height, width): {classes}. {none_of_these(source.calibration)} Pictures that
look unlike the training images (another camera, light or background) are read less surely than the {held_out} images.

## How pictures enter

Bytes of 0 to 255, (byte / 255 - mean) / std for each channel, with mean {_join_floats(source.mean)} and std {_join_floats(source.std)}.
The C program, the ONNX file and the page do this themselves.{_resizing(source)}

## How to have it again

`featherweight train EXPERIMENT --seed {source.seed}` gives the same bits on a like processor; the run's record names the data by
digest, the versions, the processor's instructions and the recipe.
"""  # noqa: E501 - the card's lines are longer than the code's


def none_of_these(known: Calibration | None) -> str:
    """What the card says of pictures that show none of the classes."""
    if known is None or known.threshold is None:
        few = ""
        if known is not None:
            few = f" ({known.held_out:,} held-out pictures are too few for a threshold that can be promised)"
        return f"""It
always names one of them, also for pictures that show none; a low probability is the only sign of that{few}."""
    return f"""It
answers "none of these" to pictures that show none, as far as was measured: it refuses {known.refusals()}.
With 95 % certainty, at most {known.refuse:g} % of new pictures of its classes are refused, as long as they resemble the
{known.held_out:,} held-out ones that this was fitted on (scores of {markdown(known.by)})."""


def _resizing(source: Source) -> str:
    """How pictures of other sizes are brought to the network's."""
    if not takes_frames(source):
        return ""
    _, height, width = source.shape
    how = f"{FITTING_WORDS[fitting_of(source.size)]} {height} x {width}"
    return (
        f"\n\nA picture of another size is {how} by Pillow's antialiased bilinear filter\n"
        f"(`Image.resize`); `{source.name}_frame` beside the C program gives the same bytes for a camera's frame."
    )


def _on_a_chip(source: Source) -> list[tuple[str, str]]:
    """What its C program takes, where it can become one."""
    try:
        smallest, faster = (
            deployed(source.network, source.shape, processor=name, bits=source.bits)
            for name in ("cortex-m0plus", "cortex-m4")
        )
        times = milliseconds(source.network, source.shape, source.bits)
    except FeatherweightError:
        return []
    return [
        ("Multiply-adds of one picture", f"{smallest.macs:,}"),
        ("C, estimated", f"{smallest.flash:,} bytes of flash, {smallest.ram:,} of RAM without the picture (Cortex-M0+);"
                         f" {faster.cycles:,} cycles (Cortex-M4), of which a limit counts {100 * MARGIN:g} % more"),
        ("A picture", time_words(times)),
    ]  # fmt: skip


def _join_floats(values: tuple[float, ...]) -> str:
    return ", ".join(f"{value:.4f}" for value in values)
