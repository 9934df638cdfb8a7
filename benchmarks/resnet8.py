"""MLPerf Tiny's ResNet8 on all of CIFAR-10's test pictures: `python -m benchmarks.resnet8 FILE.tflite`.

Its submissions are judged on 200 pictures, whose 95 % interval is ten points wide. The file is that of
mlcommons/tiny, and the interpreter is TensorFlow Lite's (`pip install ai-edge-litert`). Beside it, the same file as C.
"""

import hashlib
import json
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from featherweight.data import load
from featherweight.export.foreign import export_network_file

RESULT = Path(__file__).parents[1] / "results" / "bench" / "resnet8.json"


def main(file: Path) -> None:
    """Count the pictures that the file's network gets right, and keep the count."""
    from ai_edge_litert.interpreter import Interpreter

    test, model = load("cifar10").test, Interpreter(str(file), num_threads=1)
    inputs, outputs = (one[0]["index"] for one in (model.get_input_details(), model.get_output_details()))
    model.resize_tensor_input(inputs, (100, 32, 32, 3))
    model.allocate_tensors()
    correct = 0
    for images, labels in zip(test.images.split(100), test.labels.split(100), strict=True):
        pixels = images.permute(0, 2, 3, 1).numpy().astype(np.int16) - 128
        model.set_tensor(inputs, pixels.astype(np.int8))
        model.invoke()
        correct += int((model.get_tensor(outputs).argmax(1) == labels.numpy()).sum())
    content = file.read_bytes()
    with TemporaryDirectory() as folder:
        proof = export_network_file(file, "c", Path(folder), data="cifar10").about["proof"]
    values = {"file": file.name, "sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content),
              "correct": correct, "images": len(test), "c": {"accuracy": proof["accuracy"],
              "flash": proof["flash_estimate"], "ram": proof["ram_estimate"]}}  # fmt: skip
    RESULT.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")
    print(f"{correct:,} of {len(test):,}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
