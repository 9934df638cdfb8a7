"""A result in words, made of its figures when it is shown: the answer, and what stands in front of one that should not
be used as it is. Files hold the figures alone."""

from collections.abc import Mapping
from typing import Any

from featherweight.export.estimate import time_words
from featherweight.search.fit.cost import kilobytes, milliseconds
from featherweight.search.fit.state import LEAST_EPOCHS

FEW = 20
"""Training images of a class below which a network may well fail for want of pictures."""
FAILING = 80
"""Percent of a class's test images: a class of which fewer are found is named."""
BASELINE = ("commonest_class", "epochs", "usual_epochs")
KEYS = {"asked": "request", "binding": "active_limits", "front": "pareto_front"}
"""What Python and `--json` call some parts of a result, and what its file calls them; files up to version 0.2 have the
former."""


def in_file(values: Mapping[str, Any]) -> dict[str, Any]:
    """A result as its file holds it: figures, under the file's names.

    >>> in_file({"front": [], "binding": ["ram"], "met": True, "sentence": "It does."})
    {'pareto_front': [], 'active_limits': ['ram'], 'met': True}
    """
    return {KEYS.get(name, name): value for name, value in values.items() if name not in ("sentence", "warning")}


def in_words(values: Mapping[str, Any]) -> dict[str, Any]:
    """A result as it is shown, from its file or as it was made: with the answer as a `sentence`, and the `warning`."""
    names = {new: old for old, new in KEYS.items()}
    found = {names.get(name, name): value for name, value in values.items()}
    known = found.get("baseline")
    warning = doubt(found, *(known[name] for name in BASELINE)) if known else None
    return found | {"sentence": sentence(found), "warning": warning}


def sentence(values: dict[str, Any]) -> str:
    """The answer.

    >>> values = {"asked": {"accuracy": 95.0, "minimize": "flash", "limits": {}}, "met": True, "binding": [],
    ...           "cost": {"flash": 4100, "ram": 1900}, "c": {"accuracy": 95.8, "interval": [94.9, 96.5]},
    ...           "chosen": {"held_out_accuracy": 95.2}}
    >>> sentence(values)
    'smallest found that meets 95 %: 4.1 kB flash, 1.9 kB RAM, 95.8 % (94.9-96.5)'
    """
    cost, found, target = values["cost"], values["c"], values["asked"]["accuracy"]
    low, high = found["interval"]
    figures = (
        f"{kilobytes(cost['flash'])} flash, {kilobytes(cost['ram'])} RAM,"
        f" {found['accuracy']:.1f} % ({low:.1f}-{high:.1f})"
    )
    if target is None:
        return f"most accurate found within the limits: {figures}"
    if values["met"]:
        least = {"flash": "smallest"}.get(values["asked"]["minimize"], f"least {values['asked']['minimize']}")
        held = values["chosen"]["held_out_accuracy"]
        only = f"; of held-out images it gets only {held:.1f} %" if held < target else ""
        return f"{least} found that meets {target:g} %{' on the test images' * bool(only)}: {figures}{only}"
    names = {"flash": "flash", "ram": "RAM", "macs": "MACs", "parameters": "parameters", "cycles": "cycles"}
    limit = ", ".join(names[name] for name in values["binding"])
    why = f"what binds is the limit of {limit}" if limit else "no limit binds: more minutes or more pictures may help"
    return f"nothing found meets {target:g} %; the nearest: {figures}; {why}"


def doubt(values: dict[str, Any], usual: float, epochs: int, wanted: int) -> dict[str, str] | None:
    """The headline, its probable cause and what to do; None for a result that is what held-out images promised.

    There is one where the program is no better than answering the commonest class of the test images, `usual` percent
    of them, each time; or where its accuracy lies below the interval that held-out images gave, by more than chance.
    `epochs` is how long the last training was, `wanted` what suits so many images.

    >>> values = {"c": {"accuracy": 91.4, "interval": [89.0, 93.0]}, "data": {"train": 900, "classes": ["a", "b"]},
    ...           "chosen": {"held_out_accuracy": 99.7, "held_out_interval": [99.0, 99.9]}}
    >>> doubt(values, 91.4, 1, 60)["headline"]
    'The network is no better than naming the commonest class each time: 91.4 % of the test images, for 91.4 %'
    >>> doubt(values, 50.0, 60, 60)["cause"][:58]
    'the test images are probably of other sources than those t'
    >>> doubt(values | {"chosen": {"held_out_accuracy": 92, "held_out_interval": [89, 94]}}, 50.0, 60, 60) is None
    True
    """
    found, chosen = values["c"], values["chosen"]
    accuracy, low = found["accuracy"], chosen["held_out_interval"][0]
    if accuracy <= usual:
        headline = (
            "The network is no better than naming the commonest class each time:"
            f" {accuracy:.1f} % of the test images, for {usual:.1f} %"
        )
    elif accuracy < low and found["interval"][1] < chosen["held_out_accuracy"]:
        headline = (
            f"The network reaches {accuracy:.1f} % of the test images, where held-out images promised"
            f" {chosen['held_out_accuracy']:.1f} % ({low:.1f} to {chosen['held_out_interval'][1]:.1f})"
        )
    else:
        return None
    cause, advice = _cause(values, accuracy <= usual, epochs, wanted)
    return {"headline": headline, "cause": cause, "advice": advice}


def _cause(values: dict[str, Any], constant: bool, epochs: int, wanted: int) -> tuple[str, str]:
    each = values["data"]["train"] / len(values["data"]["classes"])
    if epochs < min(LEAST_EPOCHS, wanted):
        return f"the last training was cut short, at {epochs} of {wanted} epochs", "ask for more --minutes"
    if each < FEW:
        return f"there are few pictures, {each:.0f} a class for training", "add pictures, 50 a class or more"
    if constant and values["chosen"]["held_out_accuracy"] <= values["c"]["accuracy"] + 5:
        return (
            "no network within the limits and the time has learned to tell the classes apart",
            "ask for more --minutes or wider limits, and look whether the labels are right",
        )
    return (
        "the test images are probably of other sources than those trained on (other people, cameras or days)",
        "put pictures of every source into training, and expect the lower figure elsewhere",
    )


def result_lines(values: dict[str, Any]) -> list[str]:
    """What else people need to know, a sentence each: seeds, what held-out images promise, classes that fail, time on a
    processor, labels to look at."""
    seeds, found = len(values["runs"]), []
    over = values.get("over_seeds")
    between = f" ({over['interval'][0]:.2f} to {over['interval'][1]:.2f} over seeds and images)" if over else ""
    found.append(
        f"Over {seeds} seed{'s' * (seeds != 1)}: mean {values['mean']:.2f} %{between}, worst {values['worst']:.2f} %."
    )
    if hoped := values.get("promise"):
        low, high = hoped["interval"]
        of = f"{hoped['images']:,} held-out images"
        new = ""
        if hoped["groups"] < hoped["images"]:
            of, new = f"{of} of {hoped['groups']:,} groups", " on pictures of new groups"
        found.append(
            f"Expect{new} about {hoped['accuracy']:.1f} % ({low:.1f} to {high:.1f}), by {of} and the best of"
            f" {hoped['candidates']:,} candidates."
        )
    if failing := failing_classes(values):
        found.append(f"Classes of which less than {FAILING} % are found: {', '.join(failing)}.")
    if "cycles" in values["cost"]:
        times = values.get("milliseconds") or {"Cortex-M4": milliseconds(values["cost"]["cycles"])}
        found.append(f"With weights of {values['chosen']['genes'].get('bits', 8)} bits, {time_words(times)}.")
    if suspects := (values.get("checks") or {}).get("suspects"):
        found.append(f"{suspects} labels are worth a look: labels.html.")
    return found


def failing_classes(values: dict[str, Any]) -> list[str]:
    """The classes of which fewer than `FAILING` percent of the test images are found, with the share, the worst first.

    >>> failing_classes({"recalls": [{"name": "cat", "images": 50, "recall": 62.0}, {"name": "dog", "images": 50,
    ...                  "recall": 91.0}]})
    ['cat 62 % of 50']
    """
    rows = [row for row in values.get("recalls") or () if row["recall"] is not None and row["recall"] < FAILING]
    return [
        f"{row['name']} {row['recall']:.0f} % of {row['images']:,}"
        for row in sorted(rows, key=lambda row: row["recall"])
    ]


def doubt_lines(values: dict[str, Any]) -> list[str]:
    """The headline as people read it, with the cause and the advice; [] where there is none."""
    found = values.get("warning")
    if not found:
        return []
    return [f"{found['headline']}.", f"The probable cause: {found['cause']}; {found['advice']}."]
