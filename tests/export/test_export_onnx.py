"""ONNX files pass the checker, say what they are, and answer under ONNX Runtime as the networks do."""

import json
import sys

import numpy as np
import onnx
import onnxruntime
import pytest
from torch import nn

from exported import (
    BRANCHED_SHAPE,
    MNIST,
    NORMED_SHAPE,
    ODD_SHAPE,
    branched,
    lowered,
    noise,
    normed,
    odd,
    pooled_last,
    relu_last,
    source,
)  # fmt: skip
from featherweight import data as datasets
from featherweight.data.split import Split
from featherweight.errors import UsageError
from featherweight.export import onnx_model, proof
from featherweight.export.onnx_model import model_bytes
from featherweight.export.source import source_of
from featherweight.training.runs.trained import load_pretrained


def answers(model: bytes, pictures: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(model, providers=["CPUExecutionProvider"])
    found: np.ndarray = session.run(["probabilities"], {"pictures": pictures})[0]
    return found


@pytest.mark.parametrize(
    ("network", "shape", "classes"),
    [
        (odd(), ODD_SHAPE, 7),
        (pooled_last(), (1, 9, 12), 3),
        (relu_last(), (1, 14, 28), 4),
        (branched(), BRANCHED_SHAPE, 3),
        (normed(), NORMED_SHAPE, 3),
    ],
)
def test_unusual_networks_answer_as_they_do_in_torch(
    network: nn.Module, shape: tuple[int, int, int], classes: int
) -> None:
    of = source(network, shape, classes)
    model = model_bytes(of, lowered(of))
    pictures = noise(11, shape)
    for count in (1, 11):  # the batch is free
        found = answers(model, pictures[:count].numpy())
        assert found.shape == (count, classes) and np.allclose(found.sum(1), 1, atol=1e-5)
        assert np.abs(found - proof.network_probabilities(of, pictures[:count])).max() < 1e-5


@MNIST
def test_all_test_digits_are_answered_as_in_torch() -> None:
    of, test = source_of(load_pretrained("f3")), datasets.load("mnist").test
    figures = proof.onnx_proof(model_bytes(of, lowered(of)), of, test)
    assert figures["pictures"] == 10_000
    assert figures["largest_difference"] < 1e-4 and figures["different_answers"] == 0


def test_a_file_says_what_it_is_and_takes_raw_digits() -> None:
    trained = load_pretrained("f3")
    of = source_of(trained)
    model = model_bytes(of, lowered(of))
    read = onnx.load_from_string(model)
    onnx.checker.check_model(read, full_check=True)
    assert [(entry.domain, entry.version) for entry in read.opset_import] == [("", 26)]
    about = {entry.key: entry.value for entry in read.metadata_props}
    assert json.loads(about["classes"]) == list("0123456789")
    assert (about["experiment"], about["seed"], about["parameters"]) == ("f3", "0", "7864")
    assert float(about["test_accuracy"]) == trained.record.verdict.last
    [given], [gives] = read.graph.input, read.graph.output
    sizes = [dimension.dim_param or dimension.dim_value for dimension in given.type.tensor_type.shape.dim]
    assert (given.name, given.type.tensor_type.elem_type, sizes) == ("pictures", onnx.TensorProto.UINT8, ["N", 28, 28])
    sizes = [dimension.dim_param or dimension.dim_value for dimension in gives.type.tensor_type.shape.dim]
    assert (gives.name, gives.type.tensor_type.elem_type, sizes) == ("probabilities", onnx.TensorProto.FLOAT, ["N", 10])
    names = [node.name for node in read.graph.node]
    assert len(set(names)) == len(names) and all(names)
    assert model_bytes(of, lowered(of)) == model


def test_without_the_packages_the_command_that_installs_them_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(UsageError, match=r"pip install --upgrade onnx onnxruntime onnxscript") as caught:
        onnx_model.require_onnx()
    assert caught.value.exit_status == 2


def test_an_old_onnx_is_refused_with_the_command_that_renews_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(onnx.defs, "onnx_opset_version", lambda: 21)
    with pytest.raises(UsageError, match=r"does not know operator set 26; .*pip install --upgrade"):
        onnx_model.require_onnx()


def test_a_file_that_answers_otherwise_is_not_handed_over() -> None:
    of = source(pooled_last(), (1, 9, 12), 3)
    test = Split(images=noise(5, (1, 9, 12)), labels=datasets.load("digits").test.labels[:5])
    moved = source(nn.Sequential(of.network, nn.LogSoftmax(1)), (1, 9, 12), 3)
    assert proof.steps_proof(lowered(of), moved, test)["different_answers"] == 0
    shifted = source(nn.Sequential(of.network, nn.Softmax(1)), (1, 9, 12), 3)
    with pytest.raises(proof.ExportError, match=r"Over 5 pictures, the page's answers differ by up to"):
        proof.steps_proof(lowered(of), shifted, test)
