"""Somebody else's networks, read from files: ONNX, PyTorch's exported programs, TensorFlow Lite."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from featherweight.networks.foreign.onnx_file import ForeignNetwork

ENDINGS = (".onnx", ".pt2", ".tflite")
FILE_BYTES = 64_000_000


def is_network_file(name: str | Path) -> bool:
    """Whether a name is that of a file with somebody else's network."""
    return Path(name).suffix.lower() in ENDINGS


def read_network(path: Path) -> "ForeignNetwork":
    """The network in a file, by the file's ending; FileError where it is damaged or holds what cannot be read."""
    ending = path.suffix.lower()
    if ending == ".pt2":
        from featherweight.networks.foreign.pt2_file import read_pt2

        return read_pt2(path)
    if ending == ".tflite":
        from featherweight.networks.foreign.tflite_file import read_tflite

        return read_tflite(path)
    from featherweight.networks.foreign.onnx_file import read_onnx

    return read_onnx(path)
