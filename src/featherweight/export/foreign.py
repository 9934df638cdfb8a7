"""Somebody else's network as C: quantised on pictures, and proved against ONNX Runtime."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featherweight.data import load
from featherweight.data.dataset import Data
from featherweight.errors import UsageError
from featherweight.escape import markdown
from featherweight.experiments.record import percent
from featherweight.export import Exported, export_source
from featherweight.export.packages import PACKAGES
from featherweight.export.proof import BATCH, ExportError, network_probabilities
from featherweight.export.source import Source, identifier
from featherweight.networks.foreign.onnx_file import ForeignNetwork, read_onnx

CLOSE = 1e-3
"""The most by which a probability may differ from ONNX Runtime's."""


def export_onnx_file(
    path: Path, form: str, out: Path, *, data: str, data_dir: Path | None = None, mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
) -> Exported:  # fmt: skip
    """Write the network of an ONNX file as `c` or as a package to the folder `out`, quantised in 8 bits, and check it.

    `data` is a folder of pictures or the name of a set, with as many classes as the network has; its training images
    calibrate and its test images judge. `mean` and `std`, one number or one for each channel, say how the file wants
    pixels of 0 to 1; a file that takes bytes needs none. Raises FileError for a file that cannot be read, UsageError
    for data that do not fit, and ExportError where the answers are not those of ONNX Runtime.
    """
    if form not in ("c", *PACKAGES):
        raise UsageError(f"An ONNX file becomes c or one of {', '.join(PACKAGES)}; given {form!r:.40}.")
    found = read_onnx(path)
    channels, height, width = found.shape
    size = (height, width) if Path(data).is_dir() else None
    pictures = load(data, directory=data_dir, size=size, grey=channels == 1 and size is not None)
    source = _source(found, pictures, mean, std)
    figures = onnx_runtime_proof(found, source, pictures.test.images)
    source = replace(source, accuracy=percent(_right(source, pictures), len(pictures.test)))
    done = export_source(source, form, out, pictures, _card(source, figures))
    about = done.about | {"onnx_runtime": figures}
    line = (
        f"ONNX Runtime on {figures['pictures']:,} test images: {figures['different_answers']} other answers, and"
        f" probabilities that differ by at most {figures['largest_difference']:.1e}"
    )
    return replace(done, about=about, lines=(line, *done.lines))


def _source(found: ForeignNetwork, data: Data, mean: tuple[float, ...], std: tuple[float, ...]) -> Source:
    channels = found.shape[0]
    if found.bytes_in and (mean or std):
        raise UsageError("The file takes pixels of 0 to 255 and normalises them itself; leave --mean and --std out.")
    for name, values in (("--mean", mean), ("--std", std)):
        if len(values) not in (0, 1, channels) or not all(np.isfinite(values)):
            raise UsageError(f"{name} takes one number, or one for each of {channels} channels; given {values}.")
    shape, classes = tuple(data.train.images.shape[1:]), len(data.classes)
    with torch.no_grad():
        made = found.network(torch.zeros(1, *found.shape)).shape[1]
    if shape != found.shape or made != classes:
        raise UsageError(
            f"The network takes pictures of {found.shape} and tells {made} classes apart; {data.name} has pictures of"
            f" {shape} and {classes} classes."
        )
    before = np.broadcast_to(np.array(mean or (0.0,)), (channels,))
    by = np.broadcast_to(np.array([1 / 255] if found.bytes_in else std or (1.0,)), (channels,))
    scale, shift = np.array(found.scale), np.array(found.shift)
    if not ((by > 0) & (scale > 0)).all():
        raise UsageError("Pixels are divided by numbers above 0; the file, or --std, has others.")
    return Source(
        name=identifier(found.name), network=found.network, shape=found.shape, classes=data.classes,
        mean=tuple(map(float, before - shift * by / scale)), std=tuple(map(float, by / scale)), experiment=found.name,
        seed=None, parameters=sum(p.numel() for p in found.network.parameters()), accuracy=0.0,
        tested=f"{len(data.test):,} test images of {data.name}", size=data.size,
    )  # fmt: skip


def _right(source: Source, data: Data) -> int:
    answers = network_probabilities(source, data.test.images).argmax(1)
    return int((answers == data.test.labels.numpy()).sum())


def onnx_runtime_proof(found: ForeignNetwork, source: Source, pictures: Tensor) -> dict[str, Any]:
    """How the network, as it was read, differs from ONNX Runtime's on pictures, uint8 [N C H W]; ExportError if it does
    in more than rounding."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(found.content, options, providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()
    each = given.shape[0] if isinstance(given.shape[0], int) else BATCH
    theirs = np.concatenate(
        [_answers(session, given.name, found, source, part, each) for part in torch.split(pictures, each)]
    )
    if found.ends_in != "probabilities":
        theirs = np.exp(theirs - theirs.max(1, keepdims=True))
        theirs = theirs / theirs.sum(1, keepdims=True)
    ours = network_probabilities(source, pictures)
    figures = {
        "pictures": len(pictures), "different_answers": int((ours.argmax(1) != theirs.argmax(1)).sum()),
        "largest_difference": float(np.abs(ours - theirs).max()),
    }  # fmt: skip
    if figures["largest_difference"] >= CLOSE or figures["different_answers"] > max(1, len(pictures) // 2000):
        raise ExportError(
            f"Over {len(pictures):,} pictures, ONNX Runtime gives {figures['different_answers']} other answers, and"
            f" probabilities that differ by up to {figures['largest_difference']:.2g}: the file was not read as it is"
            " meant, so nothing is exported."
        )
    return figures


def _answers(
    session: Any, name: str, found: ForeignNetwork, source: Source, part: Tensor, each: int
) -> NDArray[np.float32]:
    """What ONNX Runtime makes of some pictures, filled up to as many as the file wants at a time."""
    scale, shift = (torch.tensor(values).reshape(1, -1, 1, 1) for values in (found.scale, found.shift))
    mean, std = (torch.tensor(values).reshape(1, -1, 1, 1) for values in (source.mean, source.std))
    pixels = part if found.bytes_in else ((part.double() / 255 - mean) / std - shift) / scale
    full = torch.cat([pixels, pixels[-1:].expand(each - len(part), -1, -1, -1)]) if each != BATCH else pixels
    plain = full.numpy() if found.bytes_in else full.float().numpy()
    made: NDArray[np.float32] = session.run(None, {name: np.ascontiguousarray(plain)})[0]
    return made[: len(part)]


def _card(source: Source, figures: dict[str, Any]) -> str:
    classes = ", ".join(markdown(name) for name in source.classes)
    return (
        f"# {markdown(source.experiment)}\n\nSomebody else's network, read from an ONNX file: {source.sentence()}.\n\n"
        f"It tells {len(source.classes)} classes apart: {classes}.\n\nAs it was read, it gives"
        f" {figures['different_answers']} other answers than ONNX Runtime on {figures['pictures']:,} test images, and"
        f" probabilities that differ by at most {figures['largest_difference']:.1e}.\n"
    )
