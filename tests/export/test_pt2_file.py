"""A program that PyTorch exported is read without PyTorch's reader, which would evaluate what it holds."""

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from commands import Run
from featherweight.errors import FileError
from featherweight.networks.foreign.pt2_file import read_pt2


class Net(nn.Module):
    """Every operator that is understood but a few, and a sum."""

    def __init__(self) -> None:
        super().__init__()
        norm = nn.BatchNorm2d(8)
        self.first = nn.Sequential(nn.Conv2d(3, 8, 3, 2, 1, bias=False), norm, nn.ReLU6(), nn.MaxPool2d(2))
        depthwise = nn.Conv2d(8, 8, 3, padding="same", groups=8)
        self.inner = nn.Sequential(depthwise, nn.Hardswish(), nn.Conv2d(8, 8, 1), nn.SiLU(), nn.Dropout(0.1))
        self.last = nn.Sequential(nn.AvgPool2d(2), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 5))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        found = self.first(images)
        return torch.softmax(self.last(torch.relu(found + self.inner(found))), 1)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, nn.Module]:
    torch.manual_seed(0)
    network = Net().eval()
    for module in network.modules():
        if isinstance(module, nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
    network.first[1].weight.data.uniform_(0.5, 1.5)
    path = tmp_path_factory.mktemp("pt2") / "it.pt2"
    torch.export.save(torch.export.export(network, (torch.zeros(1, 3, 24, 20),)), path)
    return path, network


def test_it_gives_what_pytorch_gives(saved: tuple[Path, nn.Module]) -> None:
    path, network = saved
    found = read_pt2(path)
    pictures = torch.rand(4, 3, 24, 20)
    with torch.no_grad():
        assert found.shape == (3, 24, 20) and found.ends_in == "probabilities"
        assert (found.network(pictures).softmax(1) - network(pictures)).abs().max() < 1e-6


def test_size_shows_it(run: Run, saved: tuple[Path, nn.Module]) -> None:
    path, network = saved
    status, out, _ = run("size", path, "--json")
    told = json.loads(out)
    assert status == 0 and told["parameters"] == sum(parameter.numel() for parameter in network.parameters())
    assert told["c"]["flash"] > 1000 and told["milliseconds"]


def changed(path: Path, change: Any) -> bytes:
    """The archive with its graph changed."""
    content = io.BytesIO()
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(content, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            if name.endswith("models/model.json"):
                program = json.loads(data)
                change(program["graph_module"])
                data = json.dumps(program).encode()
            new.writestr(name, data)
    return content.getvalue()


def test_what_is_not_understood_or_damaged_is_refused(saved: tuple[Path, nn.Module], tmp_path: Path) -> None:
    path, _ = saved
    whole = path.read_bytes()
    files = [b"", b"PK", whole[:2000]]

    def of(kind: str, **arguments: Any) -> Any:
        def change(program: Any) -> None:
            node = next(node for node in program["graph"]["nodes"] if f".{kind}." in node["target"])
            node["target"] = arguments.pop("target", node["target"])
            node["inputs"] = [one for one in node["inputs"] if one["name"] not in arguments]
            node["inputs"] += [{"name": name, "arg": value} for name, value in arguments.items()]

        return change

    files += [changed(path, change) for change in (
        of("conv2d", target="os.system"), of("conv2d", groups={"as_int": 7}), of("conv2d", stride={"as_ints": [0, 0]}),
        of("max_pool2d", ceil_mode={"as_bool": True}, kernel_size={"as_ints": [5, 5]}),
        of("batch_norm", training={"as_bool": True}),
        of("conv2d", input={"as_tensor": {"name": "nothing"}}), lambda program: program.pop("signature"),
        lambda program: program["graph"]["nodes"].extend(program["graph"]["nodes"] * 400),
        lambda program: program["graph"]["tensor_values"].update(images={"dtype": 7, "sizes": [{"as_int": 9}] * 4}),
    )]  # fmt: skip
    for content in files:
        (tmp_path / "it.pt2").write_bytes(content)
        with pytest.raises(FileError):
            read_pt2(tmp_path / "it.pt2")
    draws = np.random.default_rng(0)
    for _ in range(20):
        mutated = bytearray(whole)
        for place in draws.integers(0, len(whole), 4):
            mutated[place] = int(draws.integers(256))
        (tmp_path / "it.pt2").write_bytes(bytes(mutated))
        try:
            read_pt2(tmp_path / "it.pt2")
        except FileError as problem:
            assert "\n" not in str(problem)
