"""ONNX files of networks that have no steps here: by PyTorch's exporter, held against the network as all are."""

from pathlib import Path

import pytest
from torch import nn

import featherweight as fw
import toy
from featherweight import export as module

pytest.importorskip("onnxruntime")


@pytest.mark.parametrize("classes", [4])
def test_layers_without_a_step_are_traced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, classes: int) -> None:
    monkeypatch.setattr(module, "pictures_at_hand", lambda record, directory: toy.data())
    network = nn.Sequential(
        nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5), nn.Hardswish(), nn.Conv2d(5, 7, 3), nn.GELU(),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(7, classes),
    )  # fmt: skip
    model = fw.train(network, toy.data(), settings={"recipe.epochs": 1}, out=tmp_path, threads=1)
    done = model.export("onnx", tmp_path / "out")
    assert done.about["proof"]["pictures"] == 23 and done.about["proof"]["different_answers"] == 0
    assert done.about["proof"]["largest_difference"] < 1e-4
    with pytest.raises(fw.FeatherweightError, match=r"Layer 4 \(GELU\) has approximate='none'"):
        model.export("c", tmp_path / "out")
    assert "onnx: by PyTorch's exporter, if it can" in repr(model.summary())
