"""TensorFlow Lite's files are read as LiteRT means them, in float32 and in 8 bits, and nothing else is passed over."""

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from commands import Run
from featherweight.errors import FileError
from featherweight.networks.foreign import read_network
from featherweight.networks.foreign.tflite_file import read_tflite

pytest.importorskip("onnx")
schema: Any = pytest.importorskip("ai_edge_litert.schema_py_generated")
SAME, VALID = 0, 1
NONE, RELU, RELU6 = 0, 1, 3
RESNET8 = Path(os.environ.get("FEATHERWEIGHT_DATA", ".")) / "mlperf-tiny" / "pretrainedResnet_quant.tflite"


class Lite:
    """A file under construction, written by the schema's own classes."""

    def __init__(self, shape: tuple[int, ...], kind: int = 0, scale: float = 0.0, zero: int = 0) -> None:
        self.model, self.graph = schema.ModelT(), schema.SubGraphT()
        self.model.version, self.model.buffers, self.model.subgraphs = 3, [schema.BufferT()], [self.graph]
        self.model.operatorCodes, self.graph.tensors, self.graph.operators = [], [], []
        self.graph.inputs = [self.tensor(shape, kind, None, [scale] if scale else [], [zero])]
        self.last = 0

    def tensor(
        self, shape: tuple[int, ...], kind: int = 0, values: Any = None, scale: Any = (), zero: Any = (), axis: int = 0
    ) -> int:
        """A tensor's number, with values that do not change if there are any."""
        one = schema.TensorT()
        one.shape, one.type, one.name, one.buffer = [*shape], kind, f"t{len(self.graph.tensors)}", 0
        if values is not None:
            buffer = schema.BufferT()
            buffer.data = np.frombuffer(np.ascontiguousarray(values).tobytes(), np.uint8)
            self.model.buffers.append(buffer)
            one.buffer = len(self.model.buffers) - 1
        if len(scale):
            one.quantization = schema.QuantizationParametersT()
            one.quantization.scale = np.asarray(scale, np.float32)
            one.quantization.zeroPoint = np.resize(np.asarray(zero, np.int64), len(scale))
            one.quantization.quantizedDimension = axis
        self.graph.tensors.append(one)
        return len(self.graph.tensors) - 1

    def floats(self, *shape: int) -> int:
        """A constant of random numbers."""
        return self.tensor(shape, 0, np.random.default_rng(len(self.graph.tensors)).normal(0, 0.4, shape).astype("f4"))

    def integers(self, *values: Any) -> int:
        """A constant of whole numbers."""
        found = np.array(values, np.int32)
        return self.tensor(found.shape, 2, found)

    def add(self, kind: str, inputs: list[int], shape: tuple[int, ...], options: str = "", **fields: Any) -> int:
        """An operator that makes a tensor of this shape, in float32."""
        return self.make(kind, inputs, self.tensor(shape), options, **fields)

    def make(self, kind: str, inputs: list[int], made: int, options: str = "", **fields: Any) -> int:
        """An operator that makes this tensor."""
        code, one = schema.OperatorCodeT(), schema.OperatorT()
        number = getattr(schema.BuiltinOperator, kind)
        code.builtinCode, code.deprecatedBuiltinCode, code.version = number, min(number, 127), 1
        self.model.operatorCodes.append(code)
        one.opcodeIndex, one.inputs, one.outputs = len(self.model.operatorCodes) - 1, inputs, [made]
        if options:
            one.builtinOptionsType = getattr(schema.BuiltinOptions, options)
            one.builtinOptions = getattr(schema, f"{options}T")()
            for name, value in fields.items():
                assert hasattr(one.builtinOptions, name)
                setattr(one.builtinOptions, name, value)
        self.graph.operators.append(one)
        self.last = made
        return made

    def save(self, path: Path) -> Path:
        """Write it to a file."""
        import flatbuffers

        self.graph.outputs = [self.last]
        builder = flatbuffers.Builder(1024)
        builder.Finish(self.model.Pack(builder), b"TFL3")
        path.write_bytes(bytes(builder.Output()))
        return path


def of_lite(path: Path, pictures: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """What LiteRT makes of pictures [N H W C]."""
    from ai_edge_litert.interpreter import Interpreter

    model = Interpreter(str(path), num_threads=1)
    model.allocate_tensors()
    [given], [made] = model.get_input_details(), model.get_output_details()
    rows = []
    for picture in pictures:
        model.set_tensor(given["index"], picture[None])
        model.invoke()
        rows.append(model.get_tensor(made["index"]).reshape(-1))
    return np.stack(rows)


def conv(lite: Lite, given: int, sides: tuple[int, int, int, int], **fields: Any) -> int:
    """A convolution from so many channels to others, with a kernel of 3 x 3, that makes height and width."""
    into, out, height, width = sides
    weights = [lite.floats(out, 3, 3, into), lite.floats(out)]
    return lite.add("CONV_2D", [given, *weights], (1, height, width, out), "Conv2DOptions", **fields)


def network(path: Path, flatten: bool = False) -> Path:
    """A small network with every operator that is understood but those in 8 bits."""
    lite = Lite((1, 13, 10, 3))
    one = lite.add("MUL", [0, lite.floats(3)], (1, 13, 10, 3), "MulOptions")
    one = conv(lite, one, (3, 6, 7, 5), padding=SAME, strideW=2, strideH=2, fusedActivationFunction=RELU6)
    deep = [lite.floats(1, 3, 3, 12), lite.floats(12)]
    two = lite.add("DEPTHWISE_CONV_2D", [one, *deep], (1, 7, 5, 12), "DepthwiseConv2DOptions", padding=SAME, strideW=1,
                   strideH=1, depthMultiplier=2, fusedActivationFunction=RELU)  # fmt: skip
    back = [lite.floats(6, 1, 1, 12), lite.floats(6)]
    two = lite.add("CONV_2D", [two, *back], (1, 7, 5, 6), "Conv2DOptions", padding=VALID, strideW=1, strideH=1)
    one = lite.add("ADD", [one, two], (1, 7, 5, 6), "AddOptions", fusedActivationFunction=RELU)
    one = lite.add("ADD", [one, lite.floats(1, 1, 1, 6)], (1, 7, 5, 6), "AddOptions")
    one = lite.add("SUB", [one, lite.floats(6)], (1, 7, 5, 6), "SubOptions")
    one = lite.add("HARD_SWISH", [one], (1, 7, 5, 6))
    one = lite.add("PAD", [one, lite.integers([0, 0], [1, 0], [0, 1], [0, 0])], (1, 8, 6, 6))
    one = lite.add("MAX_POOL_2D", [one], (1, 4, 3, 6), "Pool2DOptions", padding=VALID, strideW=2, strideH=2,
                   filterWidth=2, filterHeight=2)  # fmt: skip
    one = lite.add("LEAKY_RELU", [one], (1, 4, 3, 6), "LeakyReluOptions", alpha=0.2)
    if flatten:
        one = lite.add("RESHAPE", [one, lite.integers(1, 72)], (1, 72))
        one = lite.add("TANH", [one], (1, 72))
        weights = [lite.floats(5, 72), lite.floats(5)]
    else:
        one = lite.add("LOGISTIC", [one], (1, 4, 3, 6))
        one = lite.add("AVERAGE_POOL_2D", [one], (1, 2, 1, 6), "Pool2DOptions", padding=VALID, strideW=2, strideH=2,
                       filterWidth=2, filterHeight=2)  # fmt: skip
        one = lite.add("MEAN", [one, lite.integers(1, 2)], (1, 6), "ReducerOptions", keepDims=False)
        weights = [lite.floats(5, 6), lite.floats(5)]
    one = lite.add("FULLY_CONNECTED", [one, *weights], (1, 5), "FullyConnectedOptions", fusedActivationFunction=RELU6)
    lite.add("SOFTMAX", [one], (1, 5), "SoftmaxOptions", beta=1.0)
    return lite.save(path)


@pytest.mark.parametrize("flatten", [False, True])
def test_it_gives_what_lite_gives(tmp_path: Path, flatten: bool) -> None:
    path = network(tmp_path / "it.tflite", flatten)
    found = read_tflite(path)
    assert (found.shape, found.ends_in, found.bytes_in, found.exact) == ((3, 13, 10), "probabilities", False, True)
    pictures = np.random.default_rng(1).random((9, 13, 10, 3), np.float32)
    with torch.no_grad():
        ours = found.network(torch.from_numpy(pictures).permute(0, 3, 1, 2)).softmax(1).numpy()
    assert np.abs(ours - of_lite(path, pictures)).max() < 1e-5
    assert ours.std(0).min() > 1e-4  # the answers differ


def test_a_map_that_is_a_row_before_the_last_layer_is_read_in_the_order_of_the_file(tmp_path: Path) -> None:
    lite = Lite((1, 4, 3, 2))
    one = conv(lite, 0, (2, 2, 4, 3), padding=SAME, strideW=1, strideH=1)
    lite.add("FULLY_CONNECTED", [one, lite.floats(5, 24), -1], (1, 5), "FullyConnectedOptions")
    path = lite.save(tmp_path / "it.tflite")
    pictures = np.random.default_rng(1).random((9, 4, 3, 2), np.float32)
    with torch.no_grad():
        ours = read_tflite(path).network(torch.from_numpy(pictures).permute(0, 3, 1, 2)).numpy()
    assert np.abs(ours - of_lite(path, pictures)).max() < 1e-5


def quantised(path: Path, signed: bool) -> Path:
    """A convolution and a linear layer in 8 bits, whose zero points are not in the middle."""
    kind, zero = (9, -100) if signed else (3, 28)
    shift = 0 if signed else 128
    draws = np.random.default_rng(3)
    lite = Lite((1, 8, 8, 1), kind, 1 / 200, zero)
    scales = np.array([0.01, 0.02, 0.005, 0.015], np.float32) if signed else np.array([0.01], np.float32)
    weights = draws.integers(-127, 128, (4, 3, 3, 1))
    kernel = (lite.tensor((4, 3, 3, 1), 9, weights.astype("i1"), scales) if signed
              else lite.tensor((4, 3, 3, 1), 3, (weights + 128).astype("u1"), scales, 128))  # fmt: skip
    bias = lite.tensor(
        (4,), 2, draws.integers(-4000, 4000, 4).astype("i4"), np.resize(scales / 200, 4 if signed else 1)
    )
    made = lite.tensor((1, 4, 4, 4), kind, None, [0.03], [-110 + shift])
    lite.make("CONV_2D", [0, kernel, bias], made, "Conv2DOptions", padding=SAME, strideW=2, strideH=2,
              fusedActivationFunction=RELU)  # fmt: skip
    pooled = lite.tensor((1, 1, 1, 4), kind, None, [0.03], [-110 + shift])
    lite.make("AVERAGE_POOL_2D", [made], pooled, "Pool2DOptions", padding=VALID, strideW=4, strideH=4, filterWidth=4,
              filterHeight=4)  # fmt: skip
    last = draws.integers(-127, 128, (3, 4))
    matrix = lite.tensor((3, 4), kind, (last + shift).astype("i1" if signed else "u1"), [0.01], [shift])
    more = lite.tensor((3,), 2, draws.integers(-900, 900, 3).astype("i4"), [0.03 * 0.01])
    scores = lite.tensor((1, 3), kind, None, [0.05], [3 + shift])
    lite.make("FULLY_CONNECTED", [pooled, matrix, more], scores, "FullyConnectedOptions")
    return lite.save(path)


@pytest.mark.parametrize("signed", [True, False])
def test_numbers_of_8_bits_are_what_they_stand_for(tmp_path: Path, signed: bool) -> None:
    path = quantised(tmp_path / "it.tflite", signed)
    found = read_tflite(path)
    assert found.bytes_in and not found.exact
    pixels = np.random.default_rng(1).integers(0, 256, (20, 8, 8, 1))
    with torch.no_grad():
        taken = torch.from_numpy(pixels).permute(0, 3, 1, 2) * found.scale[0] + found.shift[0]
        ours = found.network(taken.float()).numpy()
    theirs = of_lite(path, (pixels - 128).astype("i1") if signed else pixels.astype("u1")).astype(float)
    theirs = (theirs - (3 if signed else 131)) * 0.05
    assert np.abs(ours - theirs).max() < 0.12  # two steps of the output and one of each layer before it
    assert theirs.std() > 0.3


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda lite: lite.add("MEAN", [lite.last, lite.integers(0)], (1, 5), "ReducerOptions"), "mean over"),
        (lambda lite: lite.add("RESHAPE", [lite.last, lite.integers(1, 2, 1, 2)], (1, 2, 1, 2)), "row of numbers"),
        (lambda lite: lite.add("SOFTMAX", [lite.last], (1, 3, 3, 2), "SoftmaxOptions", beta=2.0), "settings"),
        (lambda lite: lite.add("RELU", [77], (1, 3, 3, 2)), "nothing makes"),
        (lambda lite: lite.add("ADD", [lite.last, lite.floats(1, 3, 3, 2)], (1, 3, 3, 2), "AddOptions"), "constant"),
        (lambda lite: lite.add("ADD", [lite.last, lite.last], (1, 3, 3, 2), "AddOptions", fusedActivationFunction=5),
         "activation 5"),
        (lambda lite: lite.add("RESHAPE", [lite.last, lite.integers(1, 18)], (1, 18)), "as its scores"),
        (lambda lite: lite.add("SOFTMAX", [lite.add("RESHAPE", [lite.last, lite.integers(1, 18)], (1, 18))], (1, 18),
                               "SoftmaxOptions", beta=1.0), "as a row"),
    ],
)  # fmt: skip
def test_what_is_not_understood_is_refused(tmp_path: Path, spoil: Any, why: str) -> None:
    lite = Lite((1, 3, 3, 2))
    lite.add("RELU", [0], (1, 3, 3, 2))
    spoil(lite)
    with pytest.raises(FileError, match=why):
        read_tflite(lite.save(tmp_path / "it.tflite"))


def test_damaged_files_are_refused_by_name(tmp_path: Path) -> None:
    content = network(tmp_path / "it.tflite").read_bytes()
    draws, kept = np.random.default_rng(0), 0
    broken = [content[:length] for length in range(0, len(content), 97)]
    for _ in range(300):
        wrong = bytearray(content)
        for at in draws.integers(0, len(content), 3):
            wrong[at] = draws.integers(0, 256)
        broken.append(bytes(wrong))
    broken += [b"\xff" * 64, content[:4] + b"TFL2" + content[8:], b"\x00" * 4 + b"TFL3" + b"\xff" * 4096]
    for made in broken:
        (tmp_path / "bad.tflite").write_bytes(made)
        try:
            read_network(tmp_path / "bad.tflite")
        except FileError as problem:
            assert "bad.tflite" in str(problem) or "Node" in str(problem)
        else:
            kept += 1  # a weight that differs
    assert 0 < kept < 300


def test_many_tensors_of_one_buffer_take_no_more_memory_than_the_file(tmp_path: Path) -> None:
    lite = Lite((1, 3, 3, 2))
    lite.add("RELU", [0], (1, 3, 3, 2))
    lite.tensor((1 << 20,), 9, np.zeros(1 << 20, "i1"), [1.0])
    buffer = len(lite.model.buffers) - 1
    for _ in range(100):
        lite.graph.tensors[lite.tensor((1 << 20,), 9, None, [1.0])].buffer = buffer
    with pytest.raises(FileError, match="same weights"):
        read_tflite(lite.save(tmp_path / "it.tflite"))


def test_size_and_export_take_it(run: Run, tmp_path: Path) -> None:
    lite = Lite((1, 28, 28, 1))
    one = conv(lite, 0, (1, 6, 14, 14), padding=SAME, strideW=2, strideH=2, fusedActivationFunction=RELU)
    one = lite.add("AVERAGE_POOL_2D", [one], (1, 2, 2, 6), "Pool2DOptions", padding=VALID, strideW=7, strideH=7,
                   filterWidth=7, filterHeight=7)  # fmt: skip
    lite.add("FULLY_CONNECTED", [one, lite.floats(10, 24), lite.floats(10)], (1, 10), "FullyConnectedOptions")
    path = lite.save(tmp_path / "big.tflite")
    status, out, _ = run("size", path, "--json")
    assert status == 0 and json.loads(out)["parameters"] == 6 * 9 + 6 + 240 + 10
    status, out, err = run("export", path, "--to", "c", "--data", "digits", "--json")
    assert status == 0, err
    about = json.loads(out)
    assert about["litert"] == about["litert"] | {"pictures": 360, "different_answers": 0}
    assert about["litert"]["largest_difference"] < 1e-4 and about["proof"]["same_bytes"]


@pytest.mark.slow
@pytest.mark.skipif(not RESNET8.exists(), reason="the file of MLPerf Tiny is not here")
def test_the_resnet8_of_mlperf_tiny_as_it_comes(run: Run) -> None:
    status, out, err = run("export", RESNET8, "--to", "c", "--data", "cifar10", "--json")
    assert status == 0, err
    about = json.loads(out)
    assert about["litert"]["different_answers"] <= 250 and about["proof"]["accuracy"] >= 86.97
