"""The sections on one experiment: its network and its classes."""

import numpy as np

from featherweight.report import figures
from featherweight.report.analysis import (
    calibration,
    class_rows,
    confusion,
    fields,
    first_kernels,
    pooled,
)
from featherweight.report.figures.tiles import evenly
from featherweight.report.figures.weight_plots import reach, shown_fields
from featherweight.report.page.blocks import Block, FigureBlock, Section
from featherweight.report.page.load_runs import Group, Story, normalised_images, of_group
from featherweight.report.page.tables import (
    blocks_table,
    calibration_table,
    classes_table,
    confusion_table,
    layers_table,
)
from featherweight.training.runs.trained import TrainedModel

AVERAGED = 64
"""The number of images over which an effective field is averaged; with more it hardly changes."""


def network(story: Story, group: Group) -> Section | None:
    """The layer table, fields over an image and kernels; None if the network is not available."""
    if group.anatomy is None:
        return None
    blocks: list[Block] = [blocks_table(group.anatomy, group.key)]
    trained = group.first_trained
    if trained and group.data:
        blocks += _fields(group, trained)
    if trained:
        weights = first_kernels(trained.network)
        if weights is None:
            blocks.append("The network has no convolution, so there are no kernels to show.")
        else:
            outputs, inputs, height, width = weights.shape
            picture = FigureBlock(
                name=f"kernels-{group.key}",
                title="Kernels of the first convolution",
                about="What the first layer looks for: it responds where the red is bright and the blue is dark."
                f" From seed {trained.record.seed}.",
                alt=f"{outputs} kernels of {height} x {width} pixels over {inputs} channel{'s' * (inputs > 1)}.",
                figure=figures.kernels(weights),
                data=weights.tolist(),
            )
            blocks.append(picture)
            if outputs * inputs > 64:
                blocks.append(f"The first 64 of {outputs * inputs:,} kernels are shown.")
    blocks += [group.anatomy.sentence(), layers_table(group.anatomy, group.key)]
    return Section(id=f"network-{group.key}", title=f"The network{of_group(story, group)}", blocks=tuple(blocks))


def _fields(group: Group, trained: TrainedModel) -> list[Block]:
    """The picture of the growing field."""
    images = group.test_images[evenly(len(group.test_images), AVERAGED)]
    found = fields(trained.network, normalised_images(trained, images))
    if not found:
        return ["No layer of the network gives a map, so there is no receptive field to picture."]
    some = len(shown_fields(found))
    of = f"Shown are {some} of {len(found)} layers." if some < len(found) else ""
    about = (
        "For each layer that widens the field, its middle unit: on the left, framed, the pixels that it can see; on the"
        f" right, those that it depends on, by the mean gradient over {len(images)} images. Nine tenths of the gradient"
        f" lie in an area as large as a square with the side given below. {of}"
    ).strip()
    sides = ", ".join(f"{field.kind} {field.height} px ({reach(field):.1f})" for field in found)
    return [
        FigureBlock(
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


def classes(story: Story, group: Group) -> Section | None:
    """Recall and precision of each class, confusions and calibration; None if there are no answers."""
    if not group.answered:
        return None
    several, key = group.answers, group.key
    whole = pooled(several)
    rows, found = class_rows(whole), calibration(whole)
    of = f"All {len(several)} runs together: {len(whole):,} answers. " if len(several) > 1 else ""
    about = (
        f"{of}Recall is the share of a class's images that the network finds; precision is the share of its predictions"
        " of that class that are right. Accuracy asks of every image only whether it is of this class or not."
    )
    worst = min(rows, key=lambda row: 100.0 if row.recall is None else row.recall)
    counts = confusion(whole)
    np.fill_diagonal(counts, 0)
    label, chosen = (int(place) for place in np.unravel_index(int(counts.argmax()), counts.shape))
    times = f"{counts.max():,} time{'s' if counts.max() > 1 else ''}"
    most = f"most often, {whole.classes[label]} is taken for {whole.classes[chosen]}, {times}"
    blocks: tuple[Block, ...] = (
        about,
        classes_table(whole, key),
        FigureBlock(
            name=f"classes-{key}",
            title="Errors by class",
            about="How far each class's recall and precision are from 100 %; a short bar is good.",
            alt=f"Bars of errors by class; the lowest recall is that of {worst.name}, {worst.recall or 0:.2f} %.",
            figure=figures.class_errors(*several),
        ),
        FigureBlock(
            name=f"confusion-{key}",
            title="Confusion matrix",
            about="A row for each label, a column for each predicted class. Only mistakes are shaded"
            + (f"; {most}." if counts.max() else "."),
            alt=f"Confusion matrix of {len(whole):,} answers; {most if counts.max() else 'there is no mistake'}.",
            figure=figures.confusion_matrix(*several),
        ),
        FigureBlock(
            name=f"calibration-{key}",
            title="Calibration",
            about="On the dashed line, confidence equals accuracy: of the answers given with 80 % confidence, 80 % are"
            " right. Below the line the network is too sure, above it not sure enough.",
            alt=f"Accuracy against confidence; the expected calibration error is {100 * found.error:.2f} points.",
            figure=figures.calibration_curve(*several),
            data={"expected_calibration_error": found.error},
        ),
        confusion_table(whole, key),
        calibration_table(whole, key),
    )
    return Section(id=f"classes-{key}", title=f"Class by class{of_group(story, group)}", blocks=blocks)
