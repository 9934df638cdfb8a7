"""The sections on one experiment: its network, its classes, its mistakes, the images it was trained on."""

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from featherweight.data.augment import normalise
from featherweight.explain import figures
from featherweight.explain.analysis import (
    Answers,
    Mistake,
    calibration,
    class_rows,
    confusion,
    evidence,
    fields,
    first_kernels,
    mistakes,
    pooled,
    seen_in_training,
)
from featherweight.explain.figures.inside import reach, shown_fields
from featherweight.explain.figures.style import share
from featherweight.explain.figures.tiles import evenly
from featherweight.explain.report.content import Block, Picture, Section, Tiles
from featherweight.explain.report.story import Group, Story, Told
from featherweight.explain.report.tables import (
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
"""The most misclassified images shown per run: about 700 bytes each, to keep the page below 4 MB. Files have all."""
DISPUTABLE = (
    "Labels are shown and counted as the test set gives them. Some of MNIST's are disputable: of several of these"
    " images, people too would say something else than the label. None is left out."
)


def _of(story: Story, group: Group) -> str:
    """An addition to headings if there are several experiments."""
    return f" of {group.name}" if len(story.groups) > 1 else ""


def network(story: Story, group: Group) -> Section | None:
    """The layer table, fields over an image and kernels; None if the network is not available."""
    if group.anatomy is None:
        return None
    blocks: list[Block] = [group.anatomy.sentence(), layers_table(group.anatomy, group.key)]
    trained = group.first_trained
    if trained and group.data:
        blocks += _fields(group, trained)
    if trained:
        weights = first_kernels(trained.network)
        if weights is None:
            blocks.append("The network has no convolution, so there are no kernels to show.")
        else:
            outputs, inputs, height, width = weights.shape
            picture = Picture(
                name=f"kernels-{group.key}",
                title="Kernels of the first convolution",
                about="What the first layer looks for: it answers where red is bright and blue is dark."
                f" Of seed {trained.record.seed}.",
                alt=f"{outputs} kernels of {height} x {width} pixels over {inputs} channel{'s' * (inputs > 1)}.",
                figure=figures.kernels(weights),
                data=weights.tolist(),
            )
            blocks.append(picture)
            if outputs * inputs > 64:
                blocks.append(f"The first 64 of {outputs * inputs:,} kernels are shown.")
    return Section(id=f"network-{group.key}", title=f"The network{_of(story, group)}", blocks=tuple(blocks))


def _normalised(trained: TrainedModel, images: NDArray[np.uint8]) -> torch.Tensor:
    return normalise(torch.from_numpy(images), trained.mean, trained.std)


def _fields(group: Group, trained: TrainedModel) -> list[Block]:
    """The picture of the growing field."""
    images = group.test_images[evenly(len(group.test_images), AVERAGED)]
    found = fields(trained.network, _normalised(trained, images))
    if not found:
        return ["No layer of the network gives a map, so there is no receptive field to picture."]
    of = f"{len(shown_fields(found))} of {len(found)} layers" if len(shown_fields(found)) < len(found) else ""
    about = (
        "The unit in the middle of each layer at which the field grows. On the left, framed, what it can see of an"
        " image; on the right, what it looks at: the mean gradient over"
        f" {len(images)} images, brightest where it is strongest. The figure under it is the side of the square that"
        f" is as large as the pixels with 90 % of the gradient. {of}"
    ).strip()
    sides = ", ".join(f"{field.kind} {field.height} px ({reach(field):.1f})" for field in found)
    return [
        Picture(
            name=f"fields-{group.key}",
            title="The receptive field, layer by layer",
            about=about,
            alt=f"Receptive fields over an image, theoretical (and effective): {sides}.",
            figure=figures.receptive_fields(found, images[0]),
            data=[
                {"layer": field.layer, "kind": field.kind, "window": field.window, "reach_px": reach(field),
                 "heat": field.heat.round(5).tolist()} for field in found
            ],
        )
    ]  # fmt: skip


def outcome(story: Story, group: Group) -> list[Section]:
    """Classes, mistakes and samples; empty if there are no answers."""
    if not group.answered:
        return []
    return [_classes(story, group), _mistakes(story, group), _samples(story, group)]


def _classes(story: Story, group: Group) -> Section:
    several, key = group.answers, group.key
    whole = pooled(several)
    rows, found = class_rows(whole), calibration(whole)
    of = f"All {len(several)} runs together: {len(whole):,} answers. " if len(several) > 1 else ""
    about = (
        f"{of}Precision is the share of answers that are right, recall the share of a class's images that are found"
        " (many call that the class's accuracy); accuracy counts every image, told rightly to be of the class or not."
    )
    worst = min(rows, key=lambda row: 100.0 if row.recall is None else row.recall)
    counts = confusion(whole)
    np.fill_diagonal(counts, 0)
    label, chosen = (int(place) for place in np.unravel_index(int(counts.argmax()), counts.shape))
    most = f"most often, {whole.classes[label]} is taken for {whole.classes[chosen]}, {counts.max():,} times"
    blocks: tuple[Block, ...] = (
        about,
        classes_table(whole, key),
        Picture(
            name=f"classes-{key}",
            title="Errors by class",
            about="What is missing to a recall and to a precision of 100 %.",
            alt=f"Bars of errors by class; most are missed of {worst.name}: {100 - (worst.recall or 0):.2f} %.",
            figure=figures.class_errors(*several),
        ),
        Picture(
            name=f"confusion-{key}",
            title="Confusion matrix",
            about="A row a label, a column what its images were taken for. Shades are of mistakes alone.",
            alt=f"Confusion matrix of {len(whole):,} answers; {most if counts.max() else 'there is no mistake'}.",
            figure=figures.confusion_matrix(*several),
        ),
        Picture(
            name=f"calibration-{key}",
            title="Calibration",
            about="On the dashed line, confidence is earned: of the images answered with 80 %, 80 % are right. Below"
            " it, too sure; above it, not sure enough.",
            alt=f"Accuracy against confidence; the expected calibration error is {100 * found.error:.2f} points.",
            figure=figures.calibration_curve(*several),
            data={"expected_calibration_error": found.error},
        ),
        confusion_table(whole, key),
        calibration_table(whole, key),
    )
    return Section(id=f"classes-{key}", title=f"Class by class{_of(story, group)}", blocks=blocks)


def _tiles(name: str, title: str, group: Group, places: list[int], lines: list[tuple[str, ...]], **how: Any) -> Tiles:
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
    blocks.append(DISPUTABLE if disputable else "Labels are shown and counted as the test set gives them.")
    blocks.append("Under each image: its label → what it was taken for, and how surely. The most confident come first.")
    runs = group.answered
    if len(runs) > 1:
        blocks += _shared(group, runs)
    for place, run in enumerate(runs):
        blocks += _mistakes_of(group, run, place)
    if any(len(mistakes(run.answers)) for run in runs if run.answers):
        blocks.append(mistakes_table(runs, group.key))
    return Section(id=f"mistakes-{group.key}", title=f"Every misclassified image{_of(story, group)}",
                   blocks=tuple(blocks))  # fmt: skip


def _shared(group: Group, runs: list[Told]) -> list[Block]:
    """Images that every run gets wrong, and how many images are wrong in one run, in two, and so on."""
    wrong = np.stack([run.answers.chosen != run.answers.labels for run in runs if run.answers])  # [runs N]
    times = wrong.sum(axis=0)
    counts = ", ".join(f"{int((times == n).sum()):,} by {n}" for n in range(1, len(runs) + 1))
    sentence = f"Of {len(times):,} images, {int((times > 0).sum()):,} are misclassified by a run or more: {counts}."
    everyone = np.flatnonzero(times == len(runs))[:MOST_TILES].tolist()
    if not everyone:
        return [sentence]
    answers = group.answers
    lines: list[tuple[str, ...]] = []
    for place in everyone:
        chosen = list(dict.fromkeys(int(one.chosen[place]) for one in answers))
        names = answers[0].classes
        lines.append((names[answers[0].labels[place]], f"→ {', '.join(names[at] for at in chosen)}"))
    title = f"Misclassified by all {len(runs)} runs: {int((times == len(runs)).sum()):,}"
    return [sentence, _tiles(f"mistakes-{group.key}-shared", title, group, everyone, lines)]


def _mistakes_of(group: Group, run: Told, place: int) -> list[Block]:
    """The tiles of one run; if there are several runs, they are folded."""
    assert run.answers is not None
    found = mistakes(run.answers)
    many = len(group.answered) > 1
    if not found:
        return [f"{run.name} classifies every one of the {len(run.answers):,} images as its label says."]
    title = f"Misclassified by {run.name}: {len(found):,} of {len(run.answers):,} images"
    limit = MOST_TILES // len(group.answered)
    if len(found) > limit:
        title += f", the {limit:,} most confident shown"
    lines = [_mistake_lines(run.answers, one) for one in found[:limit]]
    name = f"mistakes-{group.key}-run{place + 1}"
    return [_tiles(name, title, group, [one.index for one in found[:limit]], lines, folded=many and place > 0)]


def _samples(story: Story, group: Group) -> Section:
    """Evenly spaced images with their answers, and where the evidence for a class lies."""
    run = group.answered[0]
    assert run.answers is not None and run.trained is not None
    answers, names = run.answers, run.answers.classes
    places = evenly(len(answers), 24)
    lines = []
    for at in places:
        truth, chosen = names[answers.labels[at]], names[answers.chosen[at]]
        said = (truth,) if truth == chosen else (truth, f"→ {chosen}")
        lines.append((*said, share(float(answers.confidence[at]))))
    title = f"{len(places)} images, evenly spaced over the test set, as {run.name} answers"
    blocks: list[Block] = [_tiles(f"samples-{group.key}", title, group, places, lines), *_evidence(group, run.trained)]
    blocks += _training_images(group, run)
    return Section(
        id=f"samples-{group.key}", title=f"Samples, evidence, training images{_of(story, group)}", blocks=tuple(blocks)
    )


def _evidence(group: Group, trained: TrainedModel) -> list[Block]:
    assert group.data is not None
    labels = group.data.test.labels.numpy()
    present = sorted(set(labels.tolist()))
    chosen = [present[at] for at in evenly(len(present), MOST_CLASSES)]
    places = [int(np.flatnonzero(labels == label)[0]) for label in chosen]
    images = group.test_images[places]
    found = evidence(trained.network, _normalised(trained, images), torch.tensor(chosen))
    if found is None:
        return ["No layer of the network has a map, so evidence cannot be placed on an image."]
    height, width = found.map
    names = [group.data.classes[label] for label in chosen]
    about = (
        "Grad-CAM: the more orange, the more that place speaks for the label. It is read off the last layer with a map,"
        f" `{found.layer}`, whose {height} x {width} units are spread over the image. Of each class, the first image of"
        f" the test set; of seed {trained.record.seed}."
    )
    return [
        Picture(
            name=f"evidence-{group.key}",
            title="Where the evidence for a class lies",
            about=about,
            alt=f"Evidence for the label over one image each of: {', '.join(names)}.",
            figure=figures.class_evidence(found, images, names),
            data={"images": places, "classes": names, "heat": found.heat.round(4).tolist()},
        )
    ]


def _training_images(group: Group, run: Told) -> list[Block]:
    """Images as the network saw them."""
    assert group.data is not None
    seen = seen_in_training(run.record, group.data)
    if seen is None:
        return ["The recipe changes no image: the network saw the training images as they are."]
    drawn = "very changes that the run drew" if seen.exact else "changes drawn anew, since a GPU's cannot be had again"
    picture = Picture(
        name=f"seen-{group.key}",
        title="Training images as the network saw them",
        about=f"The first {len(seen.indices)} images of the first step of seed {run.record.seed}, with the {drawn}.",
        alt=f"{len(seen.indices)} training images in pairs: as given, and as the network saw them.",
        figure=figures.seen(seen),
        data={"training_images": seen.indices.tolist(), "seen": seen.changed.round(4).tolist()},
    )
    return [picture]
