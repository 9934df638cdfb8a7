"""Compares the answers of an exported file with those of its network, picture by picture."""

import math
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from featherweight.data.dataset import Data
from featherweight.data.split import Split
from featherweight.errors import FeatherweightError
from featherweight.experiments.record import Record, percent
from featherweight.export import execute, integers
from featherweight.export.fixed_point import FixedPoint
from featherweight.export.lowering import Lowered
from featherweight.export.source import Source
from featherweight.io import scratch_folder

BATCH = 1000
SLOW = 2e10
"""Products of integers, which take some tens of seconds in Python: if all pictures would need more, only some of them
are compared with the answers of the compiled program."""


def work_of(network: FixedPoint) -> int:
    """The number of products per picture."""
    return sum(
        stage.weights[0].size * math.prod(size)
        for stage, size in zip(network.stages, network.sizes[1:], strict=True)
        if stage.weights.size
    )


class ExportError(FeatherweightError):
    """The exported files do not give the network's answers; none of them is kept."""


def normalise_pictures(source: Source, pictures: Tensor) -> Tensor:
    """Pictures, uint8 [N C H W], as the float32 [N C H W] that the network takes."""
    mean, std = (torch.tensor(values).reshape(1, -1, 1, 1) for values in (source.mean, source.std))
    return (pictures.float() / 255 - mean) / std


def network_probabilities(source: Source, pictures: Tensor) -> NDArray[np.float32]:
    """The network's own probability of each class, [N classes], for pictures, uint8 [N C H W]."""
    held: NDArray[np.float32] = _batched(
        pictures, lambda part: source.network(normalise_pictures(source, part)).softmax(1).numpy()
    )
    return held


def require_recorded(source: Source, record: Record, data: Data) -> None:
    """Raise ExportError unless the network gets as many of the run's own test images right as its record says.

    One image in 2,000 may differ: another engine or processor rounds differently, which changes the closest answers.
    Nothing is checked if `data` are not the run's own.
    """
    if dict(data.digests) != record.data.get("digests") or data.holdout != record.data["holdout"] or not record.rows:
        return
    total = len(data.test)
    right = int((network_probabilities(source, data.test.images).argmax(1) == data.test.labels.numpy()).sum())
    recorded = round(record.rows[-1].test_accuracy * total / 100)
    if abs(right - recorded) > max(1, total // 2000):
        raise ExportError(
            f"The network gets {right:,} of {total:,} test images of {data.name} right, but its record says"
            f" {recorded:,}; the weights are not those of the record, so nothing is exported. Train the run again."
        )


def _batched(pictures: Tensor, answer: Callable[[Tensor], Any]) -> Any:
    with torch.no_grad():
        return np.concatenate([answer(part) for part in torch.split(pictures, BATCH)])


def compare_outputs(ours: NDArray[Any], theirs: NDArray[Any], test: Split) -> dict[str, Any]:
    """Figures that compare two forms of one network on the same pictures; accuracies in percent.

    Both arrays are [N classes], and the class with the greatest number is the answer; `theirs` is the network's.
    """
    labels = test.labels.numpy()
    return {
        "pictures": len(labels),
        "different_answers": int((ours.argmax(1) != theirs.argmax(1)).sum()),
        "accuracy": percent(int((ours.argmax(1) == labels).sum()), len(labels)),
        "network_accuracy": percent(int((theirs.argmax(1) == labels).sum()), len(labels)),
    }


def onnx_proof(model: bytes, source: Source, test: Split) -> dict[str, Any]:
    """Compare ONNX Runtime with the network; ExportError if a probability differs by 1e-4, or any answer differs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    name = session.get_inputs()[0].name
    plain = len(session.get_inputs()[0].shape) == 3
    given = test.images[:, 0] if plain else test.images
    ours = _batched(given, lambda part: session.run(None, {name: part.contiguous().numpy()})[0])
    return _close(ours, network_probabilities(source, test.images), test, "ONNX Runtime's answers")


def steps_proof(lowered: Lowered, source: Source, test: Split) -> dict[str, Any]:
    """Compare the steps with the network, as in `onnx_proof`; for forms that carry out the steps themselves."""
    ours = _batched(
        test.images, lambda part: execute.scores(lowered, normalise_pictures(source, part)).softmax(1).numpy()
    )
    return _close(ours, network_probabilities(source, test.images), test, "the page's answers")


def _close(ours: NDArray[Any], theirs: NDArray[Any], test: Split, who: str) -> dict[str, Any]:
    figures = compare_outputs(ours, theirs, test) | {"largest_difference": float(np.abs(ours - theirs).max())}
    if figures["largest_difference"] >= 1e-4 or figures["different_answers"]:
        raise ExportError(
            f"Over {figures['pictures']:,} pictures, {who} differ by up to {figures['largest_difference']:.2g}"
            f" from the network's, {figures['different_answers']} of them in the class; this is a bug in featherweight."
        )
    return figures


def c_proof(folder: Path, network: FixedPoint, source: Source, test: Split) -> dict[str, Any]:
    """Compare the integers with the network and, if there is a C compiler, the compiled program with the integers.

    Returns the figures. Raises ExportError if the program gives different bytes.
    """
    compiler = next((path for name in ("cc", "gcc", "clang") if (path := shutil.which(name))), None)
    held = len(test)
    if compiler and work_of(network) * held > SLOW:  # the program is many times as fast as the integers in Python
        held = min(held, max(100, round(SLOW / work_of(network))))
    sample = torch.arange(held) * len(test) // held
    expected = integers.integer_scores(network, test.images[sample])
    answers = compiled_scores(compiler, [], folder, source, test.images) if compiler else expected
    figures = compare_outputs(answers, network_probabilities(source, test.images), test)
    figures |= _refusals(answers, network, source, test)
    figures["compiled"] = compiler is not None
    if compiler:
        same = bool((answers[sample] == expected).all())
        figures["same_bytes"] = same
        figures |= {"compared_bytes_on": held} if held < len(test) else {}
        if not same:
            raise ExportError("The C program and the integers it is made from give different scores; it was not kept.")
    return figures


def _refusals(answers: NDArray[Any], network: FixedPoint, source: Source, test: Split) -> dict[str, Any]:
    """How many of the pictures with these scores in integers are of none of the classes, in percent, and of how many
    the network says otherwise; nothing without a threshold."""
    known = source.calibration
    if known is None or known.threshold is None:
        return {}
    ours = integers.unknown(answers, known, network.score_bits)
    scores = _batched(test.images, lambda part: source.network(normalise_pictures(source, part)).double().numpy())
    return {
        "refused": percent(int(ours.sum()), len(ours)),
        "different_refusals": int((ours != known.unknown(scores)).sum()),
    }


def compiled_scores(compiler: str, options: list[str], folder: Path, source: Source, pictures: Tensor) -> Any:
    """The scores, int64 [N classes], of the exported C program, compiled and run on these pictures, uint8 [N C H W]."""
    with scratch_folder() as scratch:
        program = scratch / "program"
        command = [compiler, "-std=c99", "-O2", *options, "-I", str(folder), str(folder / "example" / "main.c")]
        built = subprocess.run([*command, str(folder / f"{source.name}.c"), "-o", str(program)],
                               capture_output=True, text=True, check=False)  # fmt: skip
        if built.returncode:
            raise ExportError(f"{compiler} does not compile {folder}: {built.stderr.strip()[:500]}")
        raw = pictures.permute(0, 2, 3, 1).contiguous().numpy().tobytes()
        done = subprocess.run([str(program)], input=raw, capture_output=True, check=False)
    if done.returncode:
        raise ExportError(f"The program of {folder} ended with {done.returncode}: {done.stderr.decode()[:500]}")
    lines = done.stdout.decode().splitlines()
    classes = len(source.classes)  # class names may contain spaces, so scores are counted from the end
    return np.array([[int(score) for score in line.split()[-classes:]] for line in lines]).reshape(-1, classes)
