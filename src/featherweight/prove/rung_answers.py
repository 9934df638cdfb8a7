"""The answers of one run of a rung, as shown on its page: class by class, samples, every mistake."""

from collections.abc import Iterator, Mapping
from typing import Any

from featherweight.prove.rung_sections import published

Answered = Mapping[str, Mapping[str, Any]]
"""The results of `python -m benchmarks.answers` by rung: `seed`, `classes` with images and right ones, `mistakes`."""
REPORTS = ("d1", "f3")
"""Rungs that have their full report in the documentation."""


def answers(id: str, answered: Answered) -> Iterator[str]:
    """Recall of each class, sample predictions and all mistakes of one seed; empty if no seed was analysed."""
    if id not in answered:
        return
    about, recall = answered[id], published(id).get("recall", ())
    classes, wrong = about["classes"], about["mistakes"]
    images, right = sum(one["images"] for one in classes), sum(one["right"] for one in classes)
    yield f"**Answers of seed {about['seed']}**: {right:,} of {images:,} test digits right, {images - right} wrong."
    yield ""
    heads = ["digit", "images", "right", "recall %", *["source, recall %"] * bool(recall), "wrongly predicted"]
    yield f"| {' | '.join(heads)} |"
    yield "|" + "--:|" * len(heads)
    for at, one in enumerate(classes):
        taken = sum(mistake["answer"] == one["name"] for mistake in wrong)
        cells = [one["name"], f"{one['images']:,}", f"{one['right']:,}", f"{100 * one['right'] / one['images']:.2f}"]
        yield f"| {' | '.join([*cells, *[str(recall[at])] * bool(recall), str(taken)])} |"
    yield ""
    if recall:
        yield "What the source calls a class's accuracy is its recall, the share of its images that are right, in whole"
        yield "percents."
        yield ""
    yield f"![Errors of {id} class by class]({id}_classes.png)"
    yield ""
    yield "Sample predictions, evenly spaced in the order of the test set:"
    yield ""
    yield f"![Test digits with the answers of {id}]({id}_samples.png)"
    yield ""
    yield f"All {len(wrong)} misclassified digits, most confident first: label, answer, confidence."
    yield ""
    yield f"![Every test digit that {id} misclassifies]({id}_mistakes.png)"


def report(id: str) -> Iterator[str]:
    """A link to the full report of one seed, if there is one."""
    if id in REPORTS:
        yield f"[The full report of seed 0](../reports/{id}.html), as `featherweight report` writes it, is one file to"
        yield "open in a browser."
