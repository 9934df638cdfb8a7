"""The sections on one rung in the page of a ladder, besides its text and its result: layers, statements, logs."""

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from statistics import fmean
from typing import Any

from featherweight.experiments.experiment import LADDERS, Experiment
from featherweight.experiments.findings import Found
from featherweight.experiments.record import Record
from featherweight.experiments.rules import worded
from featherweight.networks.anatomy import Row
from featherweight.prove.facts import anatomy_of
from featherweight.prove.statements import answers

SEEDS_SHOWN = 5
"""Logs of up to this many seeds get a column each; for more, the mean with the lowest and the highest is shown."""
LEADING = ("Conv2d", "MaxPool2d", "AvgPool2d", "AdaptiveAvgPool2d", "Linear")


@cache
def _published() -> Mapping[str, Mapping[str, Any]]:
    found: Mapping[str, Mapping[str, Any]] = json.loads((LADDERS / "published.json").read_text(encoding="utf-8"))
    return found


def published(id: str) -> Mapping[str, Any]:
    """The figures that a rung's source prints besides its best test accuracy, accuracies in percent; empty if none.

    >>> published("e1")["last_test"], published("f3")
    (99.15, {})
    """
    return _published().get(id, {})


def published_log(id: str) -> Mapping[str, Sequence[float]]:
    """The log that a source prints, epoch by epoch: `train` and `test` in percent, `test_loss`, and `lr` if printed.

    >>> published_log("c3")["test"][-1], len(published_log("d1")["lr"]), published_log("a1")
    (99.4, 20, {})
    """
    log = dict(published(id).get("epochs", {}))
    if log:
        log["test"] = [correct / 100 for correct in log.pop("correct")]
    return log


# ------------------------------------------------------------------------------------------- layers


def layers(rung: Experiment) -> Iterator[str]:
    """The table of layers: one line for each convolution, pool or linear layer and the layers that follow it."""
    fields: Sequence[int] = published(rung.id).get("fields", ())
    anatomy = anatomy_of(rung)
    heads = [
        "layer",
        "followed by",
        "output",
        "parameters",
        "MACs",
        "field",
        "jump",
        *["field in the source"] * bool(fields),
    ]
    yield f"| {' | '.join(heads)} |"
    yield "|---|---|" + "--:|" * (len(heads) - 2)
    for place, group in enumerate(_groups(anatomy.rows)):
        first = group[0]
        after = ", ".join(row.kind for row in group[1:])
        sums = [sum(row.parameters for row in group), sum(row.macs for row in group)]
        cells = [first.kind, after, " x ".join(map(str, group[-1].output)), *(f"{one:,}" for one in sums)]
        cells += [str(first.field), str(first.jump)]
        if fields:
            printed = fields[place] if place < len(fields) else None
            wrong = printed is not None and printed != first.field
            cells.append("" if printed is None else f"**{printed}: wrong**" if wrong else str(printed))
        yield f"| {' | '.join(cells)} |"
    yield ""
    one = worded("digit", rung.data)
    yield f"{anatomy.parameters:,} parameters, {anatomy.macs:,} multiply-adds (MACs) a {one}. *Field* is the receptive"
    yield "field of a unit and *jump* the distance between neighbouring units, both in pixels of the input."


def _groups(rows: Sequence[Row]) -> list[list[Row]]:
    groups: list[list[Row]] = []
    for row in rows:
        if row.kind.split()[0] in LEADING or not groups:
            groups.append([row])
        else:
            groups[-1].append(row)
    return groups


# ------------------------------------------------------------------------------------------- statements


def stated(rung: Experiment, found: Found, numbers: dict[str, int]) -> Iterator[str]:
    """The table of the source's statements, empty if there are none; rules are added to `numbers`, counted from 1."""
    told = answers(rung.id, found)
    if not told:
        return
    yield from ("| part | the source states | answer | figures |", "|---|---|---|---|")
    for answer in told:
        one = answer.statement
        used = dict.fromkeys(numbers.setdefault(part.predicate.rule, len(numbers) + 1) for part in one.by)
        rules = f" ({', '.join(map(str, used))})" if used else ""
        aside = f" *({one.aside})*" if one.aside else ""
        yield f"| {one.part} | {one.says}{aside} | {answer.outcome}{rules} | {answer.figures} |"


# ------------------------------------------------------------------------------------------- logs


def log(rung: Experiment, records: Sequence[Record]) -> Iterator[str]:
    """The source's log beside those of our seeds, epoch by epoch; empty if nothing has run."""
    if not records:
        return
    source = published_log(rung.id)
    heads = ["epoch", "rate", *_source_heads(source), *_own_heads(records)]
    yield f"<details><summary>Log: {len(records[0].rows)} epochs of {len(records)} seeds{_beside(source)}</summary>"
    yield ""
    yield f"| {' | '.join(heads)} |"
    yield "|" + "--:|" * len(heads)
    for at, row in enumerate(records[0].rows):
        cells = [str(row.epoch), f"{row.lr:.3g}", *_source_cells(source, at), *_own_cells(records, at)]
        yield f"| {' | '.join(cells)} |"
    yield from ("", "</details>")


def _beside(source: Mapping[str, Sequence[float]]) -> str:
    return ", beside the published log" if source else ""


def _source_heads(source: Mapping[str, Sequence[float]]) -> list[str]:
    if not source:
        return []
    return [*["source: rate"] * ("lr" in source), "source: train %", "source: test %", "source: test loss"]


def _source_cells(source: Mapping[str, Sequence[float]], at: int) -> list[str]:
    if not source:
        return []
    forms = {"lr": "{:.3g}", "train": "{:.2f}", "test": "{:.2f}", "test_loss": "{:.4f}"}
    return [form.format(source[name][at]) for name, form in forms.items() if name in source]


def _own_heads(records: Sequence[Record]) -> list[str]:
    if len(records) > SEEDS_SHOWN:
        return ["train %, mean", "test %, mean", "lowest", "highest", "train loss, mean", "test loss, mean"]
    seeds = [record.seed for record in records]
    return [f"{what}, seed {seed}" for what in ("train %", "test %", "train loss", "test loss") for seed in seeds]


def _own_cells(records: Sequence[Record], at: int) -> list[str]:
    rows = [record.rows[at] for record in records]
    if len(records) > SEEDS_SHOWN:
        tests = [row.test_accuracy for row in rows]
        percents = [fmean(row.train_accuracy for row in rows), fmean(tests), min(tests), max(tests)]
        losses = [fmean(row.train_loss for row in rows), fmean(row.test_loss for row in rows)]
        return [*(f"{one:.2f}" for one in percents), *(f"{one:.4f}" for one in losses)]
    names = (("train_accuracy", 2), ("test_accuracy", 2), ("train_loss", 4), ("test_loss", 4))
    return [f"{getattr(row, name):.{digits}f}" for name, digits in names for row in rows]
