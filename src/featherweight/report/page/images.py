"""The sections of images: the mistakes, samples with the evidence for them, and what was trained on."""

import math
from typing import Any

import numpy as np
import torch

from featherweight.report import figures
from featherweight.report.analysis import Answers, Mistake, contrast, mistakes, seen_in_training
from featherweight.report.analysis.attribution import FEWEST_UNITS
from featherweight.report.figures.style import share
from featherweight.report.figures.tiles import evenly
from featherweight.report.page.blocks import Block, FigureBlock, Section, Tiles
from featherweight.report.page.load_runs import Group, LoadedRun, Story, normalised_images, of_group
from featherweight.report.page.pixels import pictured
from featherweight.report.page.tables import mistakes_table
from featherweight.training.runs.trained import TrainedModel

MOST_CLASSES = 10
"""Evidence is shown for at most this many classes, with one image each."""
MOST_TILES = 1500
"""At most so many misclassified images are on a page; files have all."""
MOST_BYTES = 300_000
"""They also take no more bytes than this, so that a page stays below 1 MB whatever the size of its images."""
FRAME = 420
"""Bytes of a page around each image: its caption and its links."""
DISPUTABLE = (
    "Labels are shown and counted as the test set has them. Some of MNIST's are disputable: people, too, would read"
    " several of these images differently from their label. None is left out."
)


def images_of(story: Story, group: Group) -> list[Section]:
    """Mistakes and samples; empty if there are no answers."""
    return [_mistakes(story, group), _sample_images(story, group)] if group.answered else []


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


def _mistakes(story: Story, group: Group) -> Section:
    blocks: list[Block] = []
    disputable = group.records[0].data["name"] == "mnist"
    blocks.append(DISPUTABLE if disputable else "Labels are shown and counted as the test set has them.")
    blocks.append(
        "Under each image: its label → the predicted class, and the network's confidence in it. The most confident"
        " mistakes come first. Select an image to enlarge it."
    )
    runs = group.answered
    part = _share_shown(story)
    if len(runs) > 1:
        blocks += _shared_mistakes(group, runs, part)
    for place, run in enumerate(runs):
        blocks += _mistakes_of(group, run, place, part)
    if any(len(mistakes(run.answers)) for run in runs if run.answers):
        blocks.append(mistakes_table(runs, group.key))
    return Section(id=f"mistakes-{group.key}", title=f"Mistakes{of_group(story, group)}",
                   blocks=tuple(blocks))  # fmt: skip


def _shared_mistakes(group: Group, runs: list[LoadedRun], part: float) -> list[Block]:
    """Images that every run gets wrong, and how many images are wrong in one run, in two, and so on."""
    wrong = np.stack([run.answers.chosen != run.answers.labels for run in runs if run.answers])  # [runs N]
    times = wrong.sum(axis=0)
    counts = ", ".join(f"{int((times == n).sum()):,} by {n} run{'s' * (n > 1)}" for n in range(1, len(runs) + 1))
    once = int((times > 0).sum())
    sentence = f"Of {len(times):,} images, {once:,} are misclassified by at least one run: {counts}."
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
    title = f"Misclassified by all {len(runs)} runs: {int((times == len(runs)).sum()):,}"
    return [sentence, _image_tiles(f"mistakes-{group.key}-shared", title, group, everyone, lines, zoom=True)]


def _mistakes_of(group: Group, run: LoadedRun, place: int, part: float) -> list[Block]:
    """The tiles of one run; if there are several runs, they are folded."""
    assert run.answers is not None
    found = mistakes(run.answers)
    many = len(group.answered) > 1
    if not found:
        return [f"{run.name} classifies every one of the {len(run.answers):,} images as its label says."]
    title = f"Misclassified by {run.name}: {len(found):,} of {len(run.answers):,} images"
    limit = min(MOST_TILES // len(group.answered), math.ceil(part * len(found)))
    if len(found) > limit:
        title += f", the {limit:,} most confident shown"
    lines = [_mistake_lines(run.answers, one) for one in found[:limit]]
    name = f"mistakes-{group.key}-run{place + 1}"
    places = [one.index for one in found[:limit]]
    return [_image_tiles(name, title, group, places, lines, folded=many and place > 0, zoom=True)]


def _sample_images(story: Story, group: Group) -> Section:
    """Evenly spaced images with their answers, and what decides between two classes."""
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
    blocks: list[Block] = [tiles, *_evidence(group, run.trained, answers)]
    blocks += _training_images(group, run)
    return Section(
        id=f"samples-{group.key}", title=f"Samples and training images{of_group(story, group)}", blocks=tuple(blocks)
    )


def _evidence(group: Group, trained: TrainedModel, answers: Answers) -> list[Block]:
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
        return [
            f"No layer of the network has a map of {FEWEST_UNITS} x {FEWEST_UNITS} units or more, so where in an image"
            " the evidence for a class lies cannot be shown."
        ]
    height, width = found.map
    names = answers.classes
    captions = [f"{names[label]}\nor {names[rival]}?" for label, rival in zip(chosen, rivals, strict=True)]
    about = (
        "Orange speaks for the first class, the label; blue for the second, its closest rival. For each class, the test"
        " image that was classified correctly by the narrowest margin. HiResCAM of the difference of the two scores, at"
        f" layer `{found.layer}` ({height} x {width} units), seed {trained.record.seed}."
    )
    return [
        FigureBlock(
            name=f"evidence-{group.key}",
            title="What decides between two classes",
            about=about,
            alt="Evidence for a label and for its closest rival, over one image each of: "
            + ", ".join(names[label] for label in chosen) + ".",
            figure=figures.class_evidence(found, images, captions),
            data={"images": places, "classes": [names[label] for label in chosen],
                  "rivals": [names[rival] for rival in rivals], "heat": found.heat.round(4).tolist()},
        )
    ]  # fmt: skip


def _training_images(group: Group, run: LoadedRun) -> list[Block]:
    """Images as the network saw them."""
    assert group.data is not None
    seen = seen_in_training(run.record, group.data, 12)
    if seen is None:
        return ["The recipe has no augmentation: the network saw the training images as they are."]
    exact, anew = "distorted exactly as in that step", "distorted anew, since a GPU's draws cannot be repeated"
    drawn = exact if seen.exact else anew
    picture = FigureBlock(
        name=f"seen-{group.key}",
        title="Training images as the network saw them",
        about=f"The first {len(seen.indices)} images of the first step of seed {run.record.seed}, {drawn}.",
        alt=f"{len(seen.indices)} training images in pairs: the original, and as the network saw it.",
        figure=figures.seen(seen),
        data={"training_images": seen.indices.tolist(), "seen": seen.changed.round(4).tolist()},
    )
    return [picture]
