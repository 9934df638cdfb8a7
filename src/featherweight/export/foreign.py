"""Somebody else's network as C: quantised on pictures, and proved against the runtime of its own file."""

from collections.abc import Callable
from dataclasses import dataclass, replace
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
from featherweight.networks.foreign import read_network
from featherweight.networks.foreign.onnx_file import ForeignNetwork

CLOSE = 1e-3
"""The most by which a probability may differ from the runtime's, where both compute in float32."""
ROUNDED = 0.05
"""The share of answers that may differ from those of a file that computes in 8 bits."""


def export_network_file(
    path: Path, form: str, out: Path, *, data: str, data_dir: Path | None = None, mean: tuple[float, ...] = (),
    std: tuple[float, ...] = (),
) -> Exported:  # fmt: skip
    """Write the network of an ONNX or a TensorFlow Lite file as `c` or as a package to the folder `out`, quantised in
    8 bits, and check it.

    `data` is a folder of pictures or the name of a set, with as many classes as the network has; its training images
    calibrate and its test images judge. `mean` and `std`, one number or one for each channel, say how the file wants
    pixels of 0 to 1; a file that takes bytes needs none. Raises FileError for a file that cannot be read, UsageError
    for data that do not fit, and ExportError where the answers are not those of the file's own runtime.
    """
    if form not in ("c", *PACKAGES):
        raise UsageError(f"A network's file becomes c or one of {', '.join(PACKAGES)}; given {form!r:.40}.")
    runtime = _RUNTIMES.get(path.suffix.lower())
    if runtime is None:
        raise UsageError("Only the cost of a .pt2 file is shown; write the network as ONNX, with torch.onnx.export.")
    found = read_network(path)
    channels, height, width = found.shape
    size = (height, width) if Path(data).is_dir() else None
    pictures = load(data, directory=data_dir, size=size, grey=channels == 1 and size is not None)
    source = _source(found, pictures, mean, std)
    figures = runtime_proof(found, source, pictures.test.images, runtime)
    source = replace(source, accuracy=percent(_right(source, pictures), len(pictures.test)))
    done = export_source(source, form, out, pictures, _card(source, figures, runtime))
    about = done.about | {runtime.key: figures}
    line = f"{runtime.name} on {figures['pictures']:,} test images: {_words(figures)}"
    return replace(done, about=about, lines=(line, *done.lines))


def _source(found: ForeignNetwork, data: Data, mean: tuple[float, ...], std: tuple[float, ...]) -> Source:
    channels = found.shape[0]
    if found.bytes_in and (mean or std):
        raise UsageError("The file takes pixels of 0 to 255 and normalises them itself; leave --mean and --std out.")
    for name, values in (("--mean", mean), ("--std", std)):
        if len(values) not in (0, 1, channels) or not all(np.isfinite(values)):
            raise UsageError(f"{name} takes one number, or one for each of {channels} channels; given {values}.")
    shape, classes = tuple(data.train.images.shape[1:]), len(data.classes)
    if shape != found.shape or found.classes != classes:
        raise UsageError(
            f"The network takes pictures of {found.shape} and tells {found.classes} classes apart; {data.name} has"
            f" pictures of {shape} and {classes} classes."
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


Run = Callable[[Tensor], NDArray[np.float32]]
"""Scores or probabilities of pictures as the file wants them."""


@dataclass(frozen=True)
class Runtime:
    """What carries a file out as its makers do."""

    name: str
    key: str
    """In JSON."""
    start: Callable[[ForeignNetwork], Run]


def runtime_proof(found: ForeignNetwork, source: Source, pictures: Tensor, runtime: Runtime) -> dict[str, Any]:
    """How the network, as it was read, differs from the file in its runtime on pictures, uint8 [N C H W].

    ExportError if it differs in more than rounding; of a file that computes in 8 bits, in more than `ROUNDED` of its
    answers.
    """
    run = runtime.start(found)
    theirs = np.concatenate([run(_as_wanted(found, source, part)) for part in torch.split(pictures, BATCH)])
    if found.ends_in != "probabilities":
        theirs = np.exp(theirs - theirs.max(1, keepdims=True))
        theirs = theirs / theirs.sum(1, keepdims=True)
    ours = network_probabilities(source, pictures)
    figures = {
        "pictures": len(pictures), "different_answers": int((ours.argmax(1) != theirs.argmax(1)).sum()),
        "largest_difference": float(np.abs(ours - theirs).max()),
    }  # fmt: skip
    allowed = max(1, int(len(pictures) * (1 / 2000 if found.exact else ROUNDED)))
    if figures["different_answers"] > allowed or (found.exact and figures["largest_difference"] >= CLOSE):
        raise ExportError(
            f"Over {len(pictures):,} pictures, {runtime.name} gives {_words(figures)}: the file was not read as it is"
            " meant, so nothing is exported."
        )
    return figures


def _words(figures: dict[str, Any]) -> str:
    return (
        f"{figures['different_answers']} other answers, and probabilities that differ by at most"
        f" {figures['largest_difference']:.1e}"
    )


def _as_wanted(found: ForeignNetwork, source: Source, part: Tensor) -> Tensor:
    """Pictures, uint8 [N C H W], as bytes or in float32, as the file takes them."""
    if found.bytes_in:
        return part
    scale, shift = (torch.tensor(values).reshape(1, -1, 1, 1) for values in (found.scale, found.shift))
    mean, std = (torch.tensor(values).reshape(1, -1, 1, 1) for values in (source.mean, source.std))
    return (((part.double() / 255 - mean) / std - shift) / scale).float()


def _onnx_runtime(found: ForeignNetwork) -> Run:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(found.content, options, providers=["CPUExecutionProvider"])
    [given] = session.get_inputs()

    def answers(pictures: Tensor) -> NDArray[np.float32]:
        made: NDArray[np.float32] = session.run(None, {given.name: np.ascontiguousarray(pictures.numpy())})[0]
        return made

    return _at_a_time(answers, given.shape[0] if isinstance(given.shape[0], int) else 0)


def _lite_runtime(found: ForeignNetwork) -> Run:
    try:
        from ai_edge_litert.interpreter import Interpreter
    except ImportError as problem:
        raise UsageError(
            "A TensorFlow Lite file is proved against its own runtime, which is missing: pip install ai-edge-litert"
        ) from problem
    model = Interpreter(model_content=found.content, num_threads=1)
    model.allocate_tensors()
    [given], [made] = model.get_input_details(), model.get_output_details()
    scale, zero = made["quantization"] if made["dtype"] != np.float32 else (1.0, 0)

    def answers(pictures: Tensor) -> NDArray[np.float32]:
        pixels = pictures.permute(0, 2, 3, 1).numpy()
        signed = given["dtype"] == np.int8
        pixels = (pixels.astype(np.int16) - 128).astype(np.int8) if signed else pixels
        model.set_tensor(given["index"], np.ascontiguousarray(pixels))
        model.invoke()
        numbers: NDArray[np.float32] = (model.get_tensor(made["index"]).astype(np.float32) - zero) * scale
        return numbers.reshape(len(pixels), -1)

    return _at_a_time(answers, int(given["shape"][0]))


def _at_a_time(answers: Run, count: int) -> Run:
    """The same, for a file that wants exactly so many pictures at a time; 0 for any number."""
    if not count:
        return answers

    def in_parts(pictures: Tensor) -> NDArray[np.float32]:
        parts = []
        for part in torch.split(pictures, count):
            full = torch.cat([part, part[-1:].expand(count - len(part), -1, -1, -1)])
            parts.append(answers(full)[: len(part)])
        return np.concatenate(parts)

    return in_parts


_RUNTIMES = {
    ".onnx": Runtime("ONNX Runtime", "onnx_runtime", _onnx_runtime),
    ".tflite": Runtime("LiteRT", "litert", _lite_runtime),
}


def _card(source: Source, figures: dict[str, Any], runtime: Runtime) -> str:
    classes = ", ".join(markdown(name) for name in source.classes)
    return (
        f"# {markdown(source.experiment)}\n\nSomebody else's network, read from a file: {source.sentence()}.\n\n"
        f"It tells {len(source.classes)} classes apart: {classes}.\n\nBeside {runtime.name} on"
        f" {figures['pictures']:,} test images, it gives, as it was read, {_words(figures)}.\n"
    )
