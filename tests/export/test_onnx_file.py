"""Somebody else's ONNX file is read as ONNX Runtime reads it, or refused; and becomes C."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from commands import Run
from featherweight.errors import FileError
from featherweight.export import integers
from featherweight.export.execute import scores
from featherweight.export.fixed_point import quantise
from featherweight.export.lowering import lower
from featherweight.networks.foreign import FILE_BYTES
from featherweight.networks.foreign.onnx_file import ForeignNetwork, read_onnx

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

F = np.float32
SHAPE = (3, 11, 9)


class Made:
    """A graph that is written node by node."""

    def __init__(self, seed: int = 0, shape: tuple[int, ...] = SHAPE, kind: int = TensorProto.FLOAT) -> None:
        self.draws = np.random.default_rng(seed)
        self.nodes: list[Any] = []
        self.constants: list[Any] = []
        self.last, self.shape, self.given, self.kind = "pictures", shape, shape, kind

    def constant(self, values: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def node(self, kind: str, *others: str, inputs: tuple[str, ...] = (), **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(
            helper.make_node(kind, [*(inputs or (self.last,)), *others], [name], name=f"n{name}", **attributes)
        )
        self.last = name
        return name

    def weights(self, *shape: int) -> str:
        return self.constant(self.draws.normal(0, 0.5, shape).astype(F))

    def conv(self, outputs: int, kernel: tuple[int, int], channels: int, groups: int = 1, **attributes: Any) -> None:
        self.node(
            "Conv",
            self.weights(outputs, channels // groups, *kernel),
            self.weights(outputs),
            group=groups,
            **attributes,
        )

    def bytes(self) -> bytes:
        graph = helper.make_graph(
            self.nodes, "made", [helper.make_tensor_value_info("pictures", self.kind, ["N", *self.given])],
            [helper.make_tensor_value_info(self.last, TensorProto.FLOAT, ["N", "scores"])], self.constants,
        )  # fmt: skip
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9).SerializeToString()

    def read(self, folder: Path) -> ForeignNetwork:
        (folder / "made.onnx").write_bytes(self.bytes())
        return read_onnx(folder / "made.onnx")


def drawn(seed: int) -> Made:
    """A random network: convolutions of all kinds, norms, activations, pools, sums, and an end."""
    made = Made(seed)
    draws, channels = made.draws, SHAPE[0]
    for _ in range(int(draws.integers(1, 5))):
        outputs = int(draws.choice([channels, 2 * channels, 4]))
        groups = int(draws.choice([1, channels])) if outputs % channels == 0 else 1
        kernel = (int(draws.integers(1, 4)), int(draws.integers(1, 4)))
        pads = [int(pad) for pad in draws.integers(0, 3, 4)]
        start = made.last
        way = draws.integers(4)
        if way == 0:
            made.conv(outputs, kernel, channels, groups, pads=pads, strides=[1, int(draws.integers(1, 3))])
        elif way == 1:
            made.conv(
                outputs, kernel, channels, groups, auto_pad=str(draws.choice(["SAME_UPPER", "SAME_LOWER", "VALID"]))
            )
        elif way == 2:
            made.node("Pad", made.constant(np.array([0, 0, *pads[:2], 0, 0, *pads[2:]])))
            made.conv(outputs, kernel, channels, groups, dilations=[1, 2])
        else:
            outputs = channels
            made.conv(outputs, (3, 3), channels, channels, pads=[1, 1, 1, 1])
            made.node("Add", inputs=(made.last, start))
        channels = outputs
        if draws.random() < 0.5:
            parts = [made.weights(channels) for _ in range(3)]
            made.node(
                "BatchNormalization", *parts, made.constant(draws.uniform(0.5, 2, channels).astype(F)), epsilon=0.01
            )
        if draws.random() < 0.3:
            made.node(str(draws.choice(["Mul", "Add"])), made.weights(channels, 1, 1))
        end = draws.integers(6)
        if end == 0:
            made.node("Clip", made.constant(F(0)), made.constant(F(6)))
        elif end == 1:
            before = made.last
            made.node("Mul", inputs=(before, made.node(str(draws.choice(["Sigmoid"])))))
        elif end == 2:
            before = made.last
            made.node("Mul", inputs=(before, made.node("HardSigmoid", alpha=1 / 6, beta=0.5)))
        elif end == 3:
            made.node(
                "AveragePool",
                kernel_shape=[2, 2],
                strides=[1, 1],
                pads=[1, 1, 1, 1],
                count_include_pad=int(draws.integers(2)),
            )
        else:
            made.node(str(draws.choice(["Relu", "HardSwish", "Tanh", "LeakyRelu"])))
    if draws.random() < 0.5:
        made.node("GlobalAveragePool")
    else:
        made.node("ReduceMean", made.constant(np.array([2, 3])))
    made.node("Flatten") if draws.random() < 0.5 else made.node("Reshape", made.constant(np.array([-1, channels])))
    if draws.random() < 0.5:
        made.node("Gemm", made.weights(5, channels), made.weights(5), transB=1)
    else:
        made.node("MatMul", made.weights(channels, 5))
        made.node("Add", made.weights(5))
    if draws.random() < 0.5:
        made.node(str(draws.choice(["Softmax", "LogSoftmax"])), axis=1)
    return made


def runtime(content: bytes, pictures: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(None, {"pictures": pictures})[0]
    return found


def test_random_networks_give_what_onnx_runtime_gives(tmp_path: Path) -> None:
    lowered = 0
    for seed in range(50):
        made = drawn(seed)
        found = made.read(tmp_path)
        pictures = made.draws.normal(size=(3, *SHAPE)).astype(F)
        with torch.no_grad():
            ours = found.network(torch.from_numpy(pictures))
        ends = {
            "probabilities": lambda it: it.softmax(1),
            "logarithms": lambda it: it.log_softmax(1),
            "scores": lambda it: it,
        }
        theirs = runtime(made.bytes(), pictures)
        assert np.abs(ends[found.ends_in](ours).numpy() - theirs).max() < 1e-4, seed
        if not any(isinstance(layer, nn.LeakyReLU) or (isinstance(layer, nn.AvgPool2d) and not layer.count_include_pad)
                   for layer in found.network.modules()):  # fmt: skip
            steps = scores(lower(found.network, found.shape), torch.from_numpy(pictures))
            assert (steps - ours).abs().max() < 1e-4, seed
            lowered += 1
    assert lowered > 25


def test_pytorch_s_own_files_are_read_whichever_exporter_wrote_them(tmp_path: Path) -> None:
    torch.manual_seed(3)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.inner = nn.Sequential(
                nn.Conv2d(4, 6, 3, 2, 1, bias=False), nn.BatchNorm2d(6), nn.SiLU(), nn.Conv2d(6, 6, 3, 1, 1)
            )
            self.aside = nn.Conv2d(4, 6, 1, 2)

        def forward(self, images: torch.Tensor) -> torch.Tensor:
            return torch.relu(self.inner(images) + self.aside(images))

    network = nn.Sequential(
        nn.Conv2d(3, 4, 3, padding=1), nn.ReLU6(), Block(), nn.Conv2d(6, 6, 3, padding=1, groups=6), nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(6, 5),
    ).eval()  # fmt: skip
    pictures = torch.rand(1, 3, 16, 12)
    torch.onnx.export(network, (pictures,), str(tmp_path / "it.onnx"), dynamo=False)
    found = read_onnx(tmp_path / "it.onnx")
    with torch.no_grad():
        assert (found.network(pictures) - network(pictures)).abs().max() < 1e-5
        fixed = quantise(
            lower(found.network, found.shape),
            torch.randint(0, 256, (50, 3, 16, 12), dtype=torch.uint8),
            (0.0,) * 3,
            (1.0,) * 3,
        )
    assert len(integers.integer_scores(fixed, torch.zeros(2, 3, 16, 12, dtype=torch.uint8))[0]) == 5


def refused(change: Callable[[Made], object]) -> Made:
    made = Made()
    change(made)
    made.node("GlobalAveragePool")
    made.node("Flatten")
    return made


REFUSED: dict[str, Callable[[Made], object]] = {
    "kind": lambda it: it.node("Erf"),
    "ceil_mode": lambda it: it.node("MaxPool", kernel_shape=[2, 2], strides=[2, 2], ceil_mode=1),
    "pads": lambda it: it.node("MaxPool", kernel_shape=[3, 3], pads=[1, 0, 0, 1]),
    "dilations": lambda it: it.node("MaxPool", kernel_shape=[2, 2], dilations=[2, 2]),
    "clips": lambda it: it.node("Clip", "", it.constant(F(3))),
    "alpha": lambda it: it.node("HardSigmoid", alpha=0.2, beta=0.5),
    "axes": lambda it: it.node("ReduceMean", it.constant(np.array([1]))),
    "reflect": lambda it: it.node("Pad", it.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])), mode="reflect"),
    "with 1": lambda it: it.node("Pad", it.constant(np.array([0, 0, 1, 1, 0, 0, 1, 1])), it.constant(F(1))),
    "two tensors": lambda it: it.node("Mul", inputs=(it.node("Relu"), it.node("Tanh"))),
    "adds": lambda it: it.node("Add", inputs=("pictures", it.node("MaxPool", kernel_shape=[2, 2]))),
    "one number for each channel": lambda it: (it.node("Relu"), it.node("Mul", it.weights(3, 11, 9))),
    "no constant": lambda it: it.node("Conv", it.node("Relu")),
}


@pytest.mark.parametrize("words", REFUSED)
def test_what_is_not_understood_is_refused_by_its_node(words: str, tmp_path: Path) -> None:
    with pytest.raises(FileError) as problem:
        refused(REFUSED[words]).read(tmp_path)
    assert "Node n" in str(problem.value) and words in str(problem.value)


def test_what_several_nodes_read_is_not_changed_for_one_of_them(tmp_path: Path) -> None:
    made = Made(1, (1, 2, 2))
    made.node("Flatten")
    product = made.node("MatMul", made.weights(4, 3))
    shifted = made.node("Add", made.weights(3))
    made.node("Add", inputs=(shifted, product))
    pictures = made.draws.normal(size=(2, 1, 2, 2)).astype(F)
    with torch.no_grad():
        ours = made.read(tmp_path).network(torch.from_numpy(pictures)).numpy()
    assert np.abs(ours - runtime(made.bytes(), pictures)).max() < 1e-5
    made = Made(2, (1, 2, 2))
    made.node("Flatten")
    x = made.node("Gemm", made.weights(4, 3), made.weights(3))
    gate = made.node("Sigmoid")
    made.node("Mul", inputs=(x, gate))
    made.node("Add", inputs=(made.last, gate))
    with pytest.raises(FileError, match="two tensors"):
        made.read(tmp_path)


def test_hostile_files_end_in_a_sentence(tmp_path: Path, run: Run, alone: Path) -> None:
    whole = drawn(1).bytes()
    draws = np.random.default_rng(0)
    files = {"empty": b"", "text": b"hello", "cut": whole[: len(whole) // 2]}
    for at in range(60):
        changed = bytearray(whole)
        for place in draws.integers(0, len(whole), 3):
            changed[place] = int(draws.integers(256))
        files[f"mutated{at}"] = bytes(changed)
    many = Made()
    for _ in range(2001):
        many.node("Relu")
    files["many"] = many.bytes()
    outside = Made()
    outside.conv(4, (3, 3), 3)
    model = onnx.load_model_from_string(outside.bytes())
    onnx.external_data_helper.set_external_data(model.graph.initializer[0], "../../etc/passwd")
    model.graph.initializer[0].ClearField("raw_data")
    files["outside"] = model.SerializeToString()
    huge = Made(0, (1, 512, 512))
    huge.conv(2000, (1, 1), 1)
    huge.conv(2000, (1, 1), 2000)
    files["huge"] = huge.bytes()
    for name, content in files.items():
        path = tmp_path / (name if "." in name else f"{name}.onnx")
        path.write_bytes(content)
        try:
            assert read_onnx(path).shape and name.startswith("mutated")
        except FileError as problem:
            assert "\n" not in str(problem)
    (tmp_path / "pt2.pt2").write_bytes(b"PK")
    (tmp_path / "long.onnx").write_bytes(b"0" * (FILE_BYTES + 1))
    status, _, err = run("size", tmp_path / "long.onnx")
    assert status == 4 and "64,000,000" in err
    assert run("size", tmp_path / "nothing.onnx")[0] == 4
    status, _, err = run("export", tmp_path / "pt2.pt2", "--to", "c", "--data", "digits")
    assert status == 2 and "torch.onnx.export" in err


@pytest.fixture
def of_digits(tmp_path: Path) -> Path:
    """A network for 1 x 28 x 28 bytes, which it normalises itself."""
    made = Made(4, (1, 28, 28), TensorProto.UINT8)
    made.node("Cast", to=TensorProto.FLOAT)
    made.node("Div", made.constant(F(255)))
    made.node("Sub", made.constant(F(0.13)))
    made.conv(6, (5, 5), 1, strides=[2, 2])
    made.node("Relu")
    made.node("Flatten")
    made.node("Gemm", made.weights(6 * 144, 10), made.weights(10))
    (tmp_path / "their net.onnx").write_bytes(made.bytes())
    return tmp_path / "their net.onnx"


def test_size_prints_what_it_costs(run: Run, of_digits: Path) -> None:
    status, out, _ = run("size", of_digits, "--json")
    told = json.loads(out)
    # 6 kernels of 25 and a bias; 10 of 6 x 12 x 12.
    assert status == 0 and told["parameters"] == 6 * 26 + 10 * 865
    assert told["c"]["flash"] > 4000 and told["milliseconds"] and told["lacking"] == {}
    out = run("size", of_digits)[1]
    assert "Conv2d 5x5" in out and "bytes of flash" in out and "Cortex-M4" in out


def test_a_file_becomes_c_that_answers_as_onnx_runtime(run: Run, of_digits: Path, alone: Path) -> None:
    status, _, err = run("export", of_digits, "--to", "c")
    assert status == 2 and "--data" in err
    for words in (("--data", "digits", "--mean", "0.5"), ("--data", "digits", "--mean", "x")):
        assert run("export", of_digits, "--to", "c", *words)[0] == 2
    assert run("export", of_digits, "--to", "page", "--data", "digits")[0] == 2
    status, out, _ = run("export", of_digits, "--to", "c", "--data", "digits", "--json")
    about = json.loads(out)
    assert status == 0 and about["onnx_runtime"]["different_answers"] == 0
    assert about["onnx_runtime"]["largest_difference"] < 1e-4 and about["seed"] is None
    assert about["proof"]["network_accuracy"] == about["test_accuracy"]
    assert about["mean"] == pytest.approx([0.13]) and about["std"] == pytest.approx([1.0])
    assert abs(about["proof"]["accuracy"] - about["test_accuracy"]) < 3
    assert (
        Path("exports/their_net/their_net.c").exists()
        and "ONNX Runtime" in Path("exports/their_net-card.md").read_text()
    )
    assert run("export", "f3", "--to", "c", "--data", "digits")[0] == 2
