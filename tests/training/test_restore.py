"""A run stands on its own: moved, with its file gone or changed, it is still the network that was trained."""

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

import featherweight as fw
import toy
from featherweight.errors import FileError, UsageError
from featherweight.export import ExportError
from featherweight.networks.checks import fingerprint
from featherweight.training.runs import restore
from featherweight.training.runs import run as runs
from featherweight.training.runs import trained as trained_runs

FILE = '''"""Target: a try."""
from torch import nn
import featherweight as fw
import toy

{extra}

def network(channels: int = 1, classes: int = 4) -> nn.Sequential:
    return nn.Sequential(
        fw.conv_norm_relu(channels, 5), nn.MaxPool2d(2), {layer}, nn.AdaptiveAvgPool2d(1), nn.Flatten(),
        nn.Linear(5, classes),
    )

experiment = fw.Experiment(network=network, recipe=toy.RECIPE, budget=fw.Budget(parameters=1000, held=1, accuracy=0))
'''
SWISH = "class Swish(nn.Module):\n    def forward(self, x):\n        return x * x.sigmoid()\n"


def written(folder: Path, layer: str = "nn.SiLU()", extra: str = "") -> Path:
    path = folder / "own.py"
    path.write_text(FILE.format(layer=layer, extra=extra))
    return path


def finished(experiment: Any, out: Path) -> Path:
    run = fw.new_run(experiment, toy.data(), out=out, engine="torch", threads=1)
    for _ in runs.train(run):
        pass
    return run.folder


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for runs, whose data is that of the toy task."""
    for module in (runs, trained_runs):
        monkeypatch.setattr(module, "data_of", lambda record, directory=None: toy.data())
    return tmp_path


def change(folder: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    record = json.loads((folder / "record.json").read_text())
    record.pop("digest", None)  # as earlier versions wrote it
    edit(record)
    (folder / "record.json").write_text(json.dumps(record))


def test_a_moved_run_is_whole_without_its_file(home: Path) -> None:
    file = written(home)
    folder = finished(fw.find(str(file)), home / "runs")
    assert (folder / "experiment.py").read_text() == file.read_text()
    expected = fw.load(folder).evaluate()["test_accuracy"]
    file.unlink()
    (folder / "experiment.py").write_text("raise SystemExit('nobody may run this')")
    moved = home / "elsewhere" / "mailed"
    moved.parent.mkdir()
    shutil.move(folder, moved)
    model = fw.load(str(moved))
    assert model.evaluate()["test_accuracy"] == expected == model.record.rows[-1].test_accuracy
    assert restore.experiment_of(model.record).build().state_dict().keys() == model.trained.network.state_dict().keys()


def test_a_changed_file_does_not_change_the_run(home: Path) -> None:
    """A ReLU in SiLU's place has the same weights, and other answers."""
    folder = finished(fw.find(str(written(home))), home / "runs")
    before = fw.load(folder).evaluate()
    written(home, layer="nn.ReLU()")
    assert fw.load(folder).evaluate() == before


def test_layers_that_are_not_those_of_the_fingerprint_are_refused(home: Path) -> None:
    folder = finished(fw.find(str(written(home))), home / "runs")

    def other(record: dict[str, Any]) -> None:
        layers = record["architecture"]["layers"][1]
        assert layers[2] == ["nn.SiLU", [], {}]
        layers[2] = ["nn.ReLU", [], {}]

    change(folder, other)
    with pytest.raises(FileError, match="do not match its fingerprint"):
        fw.load(folder)
    change(folder, lambda record: record["architecture"].update(layers=["os.system", ["true"], {}]))
    with pytest.raises(FileError, match="do not form a network: Unknown layer 'os.system'"):
        fw.load(folder)


def test_foreign_modules_need_their_file_by_name(home: Path) -> None:
    file = written(home, layer="Swish()", extra=SWISH)
    folder = finished(fw.find(str(file)), home / "runs")
    with pytest.raises(UsageError, match=r"own.py cannot be rebuilt .*: layer 2 \(Swish\) is not kept as data. Name"):
        fw.load(folder)
    model = fw.load(folder, experiment=file)
    assert model.evaluate()["test_accuracy"] == model.record.rows[-1].test_accuracy
    written(home, layer="nn.ReLU()")
    with pytest.raises(UsageError, match="own.py is no longer the one that was trained; its layers have changed"):
        fw.load(folder, experiment=file)


def test_old_records_find_the_package_s_experiments(home: Path) -> None:
    record = fw.read_record(Path(__file__).parent.parent.parent / "results" / "f3" / "seed0.json")
    assert record.architecture is None and "architecture" not in record.to_json()
    assert fingerprint(restore.network_of(record)) == record.network
    assert restore.experiment_of(record).claims == fw.find("f3").claims
    with pytest.raises(UsageError, match="f3 is no longer the one that was trained"):
        restore.network_of(replace(record, network="0" * 16))
    with pytest.raises(UsageError, match="cannot be rebuilt from its run: its record does not hold it"):
        restore.network_of(replace(record, experiment="/home/somebody/own.py"))


def test_a_run_from_python_loads_and_resumes(home: Path) -> None:
    whole = finished(toy.experiment(), home / "whole")
    run = fw.new_run(toy.experiment(), toy.data(), out=home / "cut", engine="torch", threads=1)
    events = runs.train(run)
    for _ in range(5):
        next(events)
    events.close()
    for _ in runs.train(runs.resume(run.folder)):
        pass
    assert (run.folder / "weights.safetensors").read_bytes() == (whole / "weights.safetensors").read_bytes()
    assert fw.load(run.folder).record.experiment == "bars"


def test_a_run_without_a_state_begins_anew_only_where_its_layers_draw_its_weights(home: Path) -> None:
    def drawn(channels: int = 1, classes: int = 4) -> nn.Sequential:
        network = toy.network(channels, classes)
        nn.init.zeros_(network[0][1].weight)
        return network

    for network, says in ((toy.network, ""), (drawn, "are not those that its layers draw by themselves")):
        run = fw.new_run(replace(toy.experiment(), network=network), toy.data(), out=home, engine="torch", threads=1)
        if says:
            with pytest.raises(UsageError, match=says):
                runs.resume(run.folder)
        else:
            assert runs.resume(run.folder).state.step == 0


def test_an_export_of_other_weights_than_the_record_s_fails(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from featherweight import export as module

    monkeypatch.setattr(module, "pictures_at_hand", lambda record, directory: toy.data())
    folder = finished(toy.experiment(), home / "runs")
    fw.load(folder).export("c", home / "good")

    def praised(record: dict[str, Any]) -> None:
        record["epochs"][-1]["test_accuracy"] = 100 * (record["epochs"][-1]["test_accuracy"] < 60)

    change(folder, praised)
    with pytest.raises(ExportError, match="test images of bars right, but its record says (0|23); the weights are not"):
        fw.load(folder).export("c", home / "bad")
    assert not (home / "bad").exists()


def test_a_model_is_called_and_predicts_alike_from_every_form() -> None:
    model = fw.load("f3")
    images = fw.load_data("digits").test.images[:5]
    scores = model(images).detach()
    assert torch.allclose(model(images.float() / 255), scores, atol=1e-5)
    expected = [model.classes[at] for at in scores.argmax(1).tolist()]
    shares = scores.softmax(1)
    many = model.predict(images)
    assert [one.name for one in many] == expected and len(many) == 5
    assert many[0].probabilities == pytest.approx(dict(zip(model.classes, shares[0].tolist(), strict=True)), abs=1e-6)
    assert many[0].confidence == pytest.approx(float(shares[0].max()), abs=1e-6) and str(many[0]).endswith(" %)")
    forms: list[Any] = [
        images[0],
        images[0, 0],
        images[0, 0].numpy(),
        images[0].permute(1, 2, 0),
        images[0].float() / 255,
    ]
    forms.append(np.repeat(images[0].permute(1, 2, 0).numpy(), 3, axis=2))  # the same in colour
    for one in [*map(model.predict, forms), model.predict(list(images))[0], model.predict(images[:, 0])[0]]:
        assert one.name == expected[0] and one.probabilities == pytest.approx(many[0].probabilities, abs=1e-6)
    with pytest.raises(UsageError, match=r"takes images \[N 1 28 28\]; given \[5, 1, 14, 28\]"):
        model(images[:, :, :14])
    with pytest.raises(UsageError, match=r"give \[H W\], \[H W C\] or \[C H W\]"):
        model.predict(np.zeros(5))


def test_a_model_reads_files_and_pillow_s_pictures(tmp_path: Path) -> None:
    model = fw.load("f3")
    digit = fw.load_data("digits").test
    picture = Image.fromarray(255 - digit.images[0, 0].numpy()).resize((140, 140))
    picture.save(tmp_path / "one.png")
    name = str(int(digit.labels[0]))
    assert model.predict(tmp_path / "one.png").name == model.predict(picture).name == name
    assert [one.name for one in model.predict(tmp_path)] == [name]
    assert sum(model.predict(picture).probabilities.values()) == pytest.approx(1)
    with pytest.raises(UsageError, match=r"none.png does not exist; name a picture"):
        model.predict(tmp_path / "none.png")


def test_a_model_of_other_pictures_takes_them_whole(home: Path) -> None:
    folder = finished(toy.experiment(), home / "runs")
    model = fw.load(folder)
    assert repr(model) == "<Model bars, seed 0: 416 parameters, images of 1 x 11 x 13, 4 classes of bars>"
    image = toy.data().test.images[3, 0].numpy()
    told = model.predict(image)
    assert set(told.probabilities) == set(toy.CLASSES) and told == model.predict(Image.fromarray(image))
    assert model.predict(np.kron(image, np.ones((3, 3), np.uint8))).name in toy.CLASSES
    assert "Conv2d 3x3" in repr(model.summary())


def test_weights_of_another_seed_are_refused_beside_a_record(tmp_path: Path) -> None:
    packaged = trained_runs.FOLDER
    shutil.copytree(packaged / "f3-seed0", tmp_path / "mixed")
    assert trained_runs.load_trained(tmp_path / "mixed").record.seed == 0
    shutil.copy(packaged / "f3-seed1" / "weights.safetensors", tmp_path / "mixed")
    with pytest.raises(FileError, match="their seed is 1, but the record beside them has 0"):
        trained_runs.load_trained(tmp_path / "mixed")
