"""The sections of a page on one experiment: its network, its classes, its mistakes, samples, and training images."""

import math
from typing import Any

import numpy as np
import torch

from featherweight.report import figures
from featherweight.report.analysis import Answers, Mistake, calibration, class_rows, confusion, mistakes, pooled
from featherweight.report.attribution import FEWEST_UNITS, contrast, fields, first_kernels, seen_in_training
from featherweight.report.figures.images import MOST_KERNELS, evenly, reach, shown_fields
from featherweight.report.figures.style import share
from featherweight.report.figures.svg import pictured
from featherweight.report.page.blocks import Block, Section, Tiles, figure, paragraph
from featherweight.report.page.load_runs import Group, LoadedRun, Story, normalised_images, of_group
from featherweight.report.page.tables import (
    blocks_table,
    calibration_table,
    classes_table,
    confusion_table,
    layers_table,
    mistakes_table,
)
from featherweight.training.runs.trained import TrainedModel

AVERAGED = 64
"""The number of images over which an effective field is averaged; with more it hardly changes."""
MOST_CLASSES = 10
"""Evidence is shown for at most this many classes, with one image each."""
MOST_TILES = 1500
"""At most so many misclassified images are on a page; files have all."""
MOST_BYTES = 300_000
"""They also take no more bytes than this, so that a page stays below 1 MB whatever the size of its images."""
FRAME = 420
"""Bytes of a page around each image: its caption and its links."""

# ------------------------------------------------------------------------------------------- network


def network_section(story: Story, group: Group) -> Section | None:
    """The layer table, fields over an image and kernels; None if the network is not available."""
    if group.anatomy is None:
        return None
    blocks: list[Block] = [blocks_table(group.anatomy, group.key)]
    if trained := group.first_trained:
        blocks += [*([_fields(group, trained)] if group.data else []), *_kernels(group, trained)]
    blocks += [group.anatomy.sentence(), layers_table(group.anatomy, group.key)]
    return Section(id=f"network-{group.key}", title=f"The network{of_group(story, group)}", blocks=tuple(blocks))


def _fields(group: Group, trained: TrainedModel) -> Block:
    """The picture of the growing field, or the sentence that there is none."""
    images = group.test_images[evenly(len(group.test_images), AVERAGED)]
    found = fields(trained.network, normalised_images(trained, images))
    if not found:
        return paragraph("no_maps")
    data = [
        {"layer": field.layer, "kind": field.kind, "window": field.window, "reach_px": reach(field),
         "heat": field.heat.round(5).tolist()} for field in found
    ]  # fmt: skip
    drawn = figures.receptive_fields(found, images[0])
    shown = len(shown_fields(found))
    return figure("fields", drawn, group.key, data=data, fields=found, shown=shown, images=len(images), reach=reach)


def _kernels(group: Group, trained: TrainedModel) -> list[Block]:
    weights = first_kernels(trained.network)
    if weights is None:
        return [paragraph("no_convolution")]
    outputs, inputs, height, width = weights.shape
    drawn = figures.kernels(weights)
    about = {"outputs": outputs, "inputs": inputs, "height": height, "width": width, "seed": trained.record.seed}
    blocks: list[Block] = [figure("kernels", drawn, group.key, data=weights.tolist(), **about)]
    many = outputs * inputs
    return [*blocks, paragraph("many_kernels", kernels=many)] if many > MOST_KERNELS else blocks


# ------------------------------------------------------------------------------------------- classes


def classes_section(story: Story, group: Group) -> Section | None:
    """Recall and precision of each class, confusions and calibration; None if there are no answers."""
    if not group.answered:
        return None
    several, key = group.answers, group.key
    whole = pooled(several)
    error = calibration(whole).error
    worst = min(class_rows(whole), key=lambda row: 100.0 if row.recall is None else row.recall)
    drawn = figures.calibration_curve(*several)
    blocks: tuple[Block, ...] = (
        paragraph("classes", runs=len(several), answers=len(whole)),
        classes_table(whole, key),
        figure("classes", figures.class_errors(*several), key, worst=worst),
        figure("confusion", figures.confusion_matrix(*several), key, most=_most_confused(whole), answers=len(whole)),
        figure("calibration", drawn, key, data={"expected_calibration_error": error}, error=error),
        confusion_table(whole, key),
        calibration_table(whole, key),
    )
    return Section(id=f"classes-{key}", title=f"Class by class{of_group(story, group)}", blocks=blocks)


def _most_confused(answers: Answers) -> str:
    """The two classes that are confused most often, as a clause; empty if there is no mistake."""
    counts = confusion(answers)
    np.fill_diagonal(counts, 0)
    most = int(counts.max())
    label, chosen = (answers.classes[int(at)] for at in np.unravel_index(int(counts.argmax()), counts.shape))
    return f"most often, {label} is taken for {chosen}, {most:,} time{'s' * (most > 1)}" if most else ""


# ------------------------------------------------------------------------------------------- mistakes


def mistakes_section(story: Story, group: Group) -> Section | None:
    """Every misclassified image, the most confident mistake first; None if there are no answers."""
    runs = group.answered
    if not runs:
        return None
    disputable = group.records[0].data["name"] == "mnist"
    blocks: list[Block] = [paragraph("disputable" if disputable else "labels"), paragraph("under_mistakes")]
    part = _share_shown(story)
    if len(runs) > 1:
        blocks += _shared_mistakes(group, runs, part)
    for place, run in enumerate(runs):
        blocks += _mistakes_of(group, run, place, part)
    if any(len(mistakes(run.answers)) for run in runs if run.answers):
        blocks.append(mistakes_table(runs, group.key))
    return Section(id=f"mistakes-{group.key}", title=f"Mistakes{of_group(story, group)}", blocks=tuple(blocks))


def _share_shown(story: Story) -> float:
    """The share of the misclassified images that fits on the page, 0 to 1, by the size of some of them."""
    total = 0.0
    for group in story.groups:
        runs = [run.answers for run in group.answered if run.answers]
        wrong = [one.index for answers in runs for one in mistakes(answers)]
        some = [wrong[at] for at in evenly(len(wrong), 20)]
        each = [len(pictured(group.test_images[at])) for at in some]
        total += len(wrong) * (1 + (len(runs) > 1)) * (sum(each) / max(1, len(each)) + FRAME)
    return min(1.0, MOST_BYTES / total) if total else 1.0


def _image_tiles(
    name: str, title: str, group: Group, places: list[int], lines: list[tuple[str, ...]], **how: Any
) -> Tiles:
    alts = tuple(f"test image {place}" for place in places)
    return Tiles(name=name, title=title, images=group.test_images[places], captions=tuple(lines), alts=alts, **how)


def _mistake_lines(answers: Answers, one: Mistake) -> tuple[str, ...]:
    truth, chosen = answers.classes[one.truth], answers.classes[one.chosen]
    if len(truth) + len(chosen) <= 6:
        return (f"{truth} → {chosen}", share(one.confidence))
    return (truth, f"→ {chosen}", share(one.confidence))


def _shared_mistakes(group: Group, runs: list[LoadedRun], part: float) -> list[Block]:
    """Images that every run gets wrong, and how many images are wrong in one run, in two, and so on."""
    wrong = np.stack([run.answers.chosen != run.answers.labels for run in runs if run.answers])  # [runs N]
    times = wrong.sum(axis=0)
    counts = [int((times == number).sum()) for number in range(1, len(runs) + 1)]
    sentence = paragraph("shared_mistakes", images=len(times), once=int((times > 0).sum()), counts=counts)
    everyone = np.flatnonzero(times == len(runs)).tolist()
    everyone = everyone[: min(MOST_TILES, math.ceil(part * len(everyone)))]
    if not everyone:
        return [sentence]
    answers = group.answers
    lines: list[tuple[str, ...]] = []
    for place in everyone:
        chosen = list(dict.fromkeys(int(one.chosen[place]) for one in answers))
        names = answers[0].classes
        lines.append((names[answers[0].labels[place]], f"→ {', '.join(names[at] for at in chosen)}"))
    title = f"Misclassified by all {len(runs)} runs: {counts[-1]:,}"
    return [sentence, _image_tiles(f"mistakes-{group.key}-shared", title, group, everyone, lines, zoom=True)]


def _mistakes_of(group: Group, run: LoadedRun, place: int, part: float) -> list[Block]:
    """The tiles of one run; if there are several runs, they are folded."""
    assert run.answers is not None
    found = mistakes(run.answers)
    many = len(group.answered) > 1
    if not found:
        return [paragraph("no_mistakes", run=run.name, images=len(run.answers))]
    title = f"Misclassified by {run.name}: {len(found):,} of {len(run.answers):,} images"
    limit = min(MOST_TILES // len(group.answered), math.ceil(part * len(found)))
    if len(found) > limit:
        title += f", the {limit:,} most confident shown"
    lines = [_mistake_lines(run.answers, one) for one in found[:limit]]
    name = f"mistakes-{group.key}-run{place + 1}"
    places = [one.index for one in found[:limit]]
    return [_image_tiles(name, title, group, places, lines, folded=many and place > 0, zoom=True)]


# ------------------------------------------------------------------------------------------- samples


def samples_section(story: Story, group: Group) -> Section | None:
    """Evenly spaced images with their answers, what decides between two classes, and training images as they were seen.

    None if there are no answers.
    """
    if not group.answered:
        return None
    run = group.answered[0]
    assert run.answers is not None and run.trained is not None
    answers, names = run.answers, run.answers.classes
    places = evenly(len(answers), 24)
    lines = []
    for at in places:
        truth, chosen = names[answers.labels[at]], names[answers.chosen[at]]
        words = (truth,) if truth == chosen else (truth, f"→ {chosen}")
        lines.append((*words, share(float(answers.confidence[at]))))
    title = f"{len(places)} images, evenly spaced over the test set, with the answers of {run.name}"
    tiles = _image_tiles(f"samples-{group.key}", title, group, places, lines, zoom=True)
    blocks = (tiles, _evidence(group, run.trained, answers), _training_images(group, run))
    return Section(
        id=f"samples-{group.key}", title=f"Samples and training images{of_group(story, group)}", blocks=blocks
    )


def _evidence(group: Group, trained: TrainedModel, answers: Answers) -> Block:
    """What speaks for one class rather than another: of each class, the image that is right by the narrowest margin."""
    labels, probabilities = answers.labels, answers.probabilities
    present = sorted(set(labels.tolist()))
    chosen = [present[at] for at in evenly(len(present), MOST_CLASSES)]
    places, rivals = [], []
    for label in chosen:
        others = probabilities[labels == label].copy()
        others[:, label] = -1
        right = answers.chosen[labels == label] == label
        nearest = int((others.max(axis=1) + right).argmax())
        places.append(int(np.flatnonzero(labels == label)[nearest]))
        rivals.append(int(others[nearest].argmax()))
    images = group.test_images[places]
    found = contrast(trained.network, normalised_images(trained, images), torch.tensor(chosen), torch.tensor(rivals))
    if found is None:
        return paragraph("no_evidence", fewest=FEWEST_UNITS)
    labelled, against = ([answers.classes[at] for at in side] for side in (chosen, rivals))
    captions = [f"{label}\nor {rival}?" for label, rival in zip(labelled, against, strict=True)]
    drawn = figures.class_evidence(found, images, captions)
    data = {"images": places, "classes": labelled, "rivals": against, "heat": found.heat.round(4).tolist()}
    return figure("evidence", drawn, group.key, data=data, found=found, labels=labelled, seed=trained.record.seed)


def _training_images(group: Group, run: LoadedRun) -> Block:
    """Images as the network saw them."""
    assert group.data is not None
    seen = seen_in_training(run.record, group.data, 12)
    if seen is None:
        return paragraph("no_augmentation")
    data = {"training_images": seen.indices.tolist(), "seen": seen.changed.round(4).tolist()}
    about = {"images": len(seen.indices), "exact": seen.exact, "seed": run.record.seed}
    return figure("seen", figures.seen(seen), group.key, data=data, **about)


OF_EACH = (network_section, classes_section, mistakes_section, samples_section)
"""In reading order."""
