"""A researcher's own modules, losses, augmentations, optimisers and data, and scikit-learn's view of a network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import parametrize_with_checks
from torch import Tensor, nn

import featherweight as fw
import toy
from featherweight.errors import UsageError
from featherweight.export.card import hub_head

BUDGET = fw.Budget(parameters=100_000, epochs=50, accuracy=0, held=1)
QUICK: dict[str, Any] = {"budget": BUDGET, "threads": 1}


class Doubled(nn.Module):
    """A module that no record can hold."""

    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.MaxPool2d(3), nn.Flatten(), nn.Linear(12, 4))

    def forward(self, images: Tensor) -> Tensor:
        return 2 * self.inner(images)


def network(channels: int = 1, classes: int = 4) -> nn.Sequential:
    return nn.Sequential(nn.MaxPool2d(3), nn.Flatten(), nn.Linear(12, classes))


def test_a_module_of_one_s_own_is_loaded_again_with_its_class(tmp_path: Path) -> None:
    with pytest.warns(UserWarning, match=r"\(Doubled\): a class of your own.*network="):
        model = fw.train(Doubled(), toy.data(), recipe=toy.RECIPE, out=tmp_path, **QUICK)
    images = toy.data().test.images
    for given in (Doubled, Doubled(), lambda: Doubled()):
        assert torch.equal(fw.load(model.folder, network=given)(images), model(images))
    with pytest.raises(UsageError, match="Doubled"):
        fw.load(model.folder)
    with pytest.raises(UsageError, match="no longer the one"):
        fw.load(model.folder, network=network)
    for wrong in (dict, type, print, lambda: None, lambda: 3, Doubled().to("meta"), "Doubled", len):
        with pytest.raises(UsageError, match="network"):
            fw.load(model.folder, network=wrong)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="give one of them"):
        fw.load(model.folder, network=Doubled, experiment="own.py")
    with pytest.raises(UsageError, match="`experiment`"):
        fw.load(model.folder, experiment=5)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="There is no run"):
        fw.load("a" * 5000 + "/b")


def test_the_model_remembers_data_in_memory(tmp_path: Path) -> None:
    model = fw.train(network, toy.data(), recipe=toy.RECIPE, out=tmp_path, **QUICK)
    assert model.evaluate()["tested"] == 23 and len(model.data().train) == 53
    assert model.export("c", tmp_path / "c").about["form"] == "c"
    again = fw.load(model.folder)
    with pytest.raises(UsageError, match="There is no data set 'bars'"):
        again.evaluate()
    assert again.evaluate(toy.data())["correct"] == model.evaluate()["correct"]


def test_a_model_draws_its_curves() -> None:
    model = fw.load("f3")
    assert {axes.get_xlabel() for axes in model.plot("loss").axes} == {"epoch"}
    assert model.plot().axes and model.plot("learning_rate").axes
    with pytest.raises(UsageError, match="did you mean loss"):
        model.plot("los")


def test_class_weights_are_pytorch_s(tmp_path: Path) -> None:
    weights = (1.0, 2.0, 0.5, 7.0)
    from featherweight.engine.torch_engine import loss_of

    scores, labels = torch.randn(11, 4, generator=torch.Generator().manual_seed(1)), torch.arange(11) % 4
    for smoothing in (0.0, 0.1):
        wanted = nn.CrossEntropyLoss(torch.tensor(weights), label_smoothing=smoothing)(scores, labels)
        recipe = fw.Recipe(class_weights=weights, label_smoothing=smoothing)
        assert torch.allclose(loss_of(scores, labels, recipe), wanted)
        logs = fw.Recipe(loss="nll", class_weights=weights, label_smoothing=smoothing)
        assert torch.allclose(loss_of(scores.log_softmax(1), labels, logs), wanted)
    assert "class_weights" not in fw.Recipe().to_json()
    settings = {"recipe.epochs": 1, "recipe.class_weights": weights}
    model = fw.train(network, toy.data(), settings=settings, out=tmp_path, **QUICK)
    assert model.record.engine == "torch" and tuple(model.record.recipe["class_weights"]) == weights
    with pytest.raises(UsageError, match="2 weights, and the data have 4 classes"):
        fw.train(network, toy.data(), settings={"recipe.class_weights": (1.0, 2.0)}, out=tmp_path, **QUICK)


def squared(output: Tensor, labels: Tensor) -> Tensor:
    return (output.softmax(1) - nn.functional.one_hot(labels, 4)).square().sum(1).mean()


def test_functions_of_one_s_own_train_and_are_recorded_by_name_and_source(tmp_path: Path) -> None:
    seen: list[tuple[float, float]] = []

    def inverted(images: Tensor, draws: torch.Generator) -> Tensor:
        seen.append((float(images.min()), float(images.max())))
        return 1 - images

    def rms(groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        return torch.optim.RMSprop(groups)

    recipe = fw.Recipe(epochs=2, batch=16, lr=0.01)
    own: dict[str, Any] = {"loss": squared, "augment": inverted, "optimizer": rms}
    plain = fw.train(network, toy.data(), recipe=recipe, engine="torch", out=tmp_path, **QUICK)
    for name, function in own.items():
        model = fw.train(network, toy.data(), recipe=recipe, out=tmp_path, **{name: function}, **QUICK)
        kept = fw.read_record(model.folder).custom
        assert kept is not None and [*kept] == [name] and function.__name__ in kept[name]["source"]
        assert model.record.engine == "torch" and model.record.rows[-1].test_loss != plain.record.rows[-1].test_loss
    assert len(seen) == 2 * 4 and min(low for low, _ in seen) > -1e-6 and max(high for _, high in seen) < 1 + 1e-6
    assert plain.record.custom is None and "custom" not in plain.record.to_json()
    with pytest.raises(UsageError, match="no kernel for `loss`"):
        fw.train(network, toy.data(), recipe=recipe, loss=squared, engine="native", out=tmp_path, **QUICK)
    with pytest.raises(UsageError, match="mean over the batch"):
        fw.train(network, toy.data(), loss=lambda output, labels: output, out=tmp_path, **QUICK)
    blended = fw.Recipe(augment=fw.Augment(mixup=0.2))  # whose targets a loss of labels would pass over
    with pytest.raises(UsageError, match="targets beside them"):
        fw.train(network, toy.data(), recipe=blended, loss=squared, out=tmp_path, **QUICK)


def test_functions_of_one_s_own_do_not_go_to_a_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("featherweight.api.train.require_backend", lambda address: None)
    with pytest.raises(UsageError, match=r"own \(loss\) train on this machine alone; leave out on='ray'"):
        fw.train(toy.network, toy.data(), loss=nn.functional.cross_entropy, on="ray", out=tmp_path)


def test_a_stopped_run_with_own_functions_needs_them_and_ends_the_same(tmp_path: Path) -> None:
    recipe = fw.Recipe(epochs=2, batch=16, lr=0.01)

    def stop(row: object) -> None:
        raise KeyboardInterrupt

    whole = fw.train(network, toy.data(), recipe=recipe, loss=squared, out=tmp_path / "a", **QUICK)
    with pytest.raises(KeyboardInterrupt):
        fw.train(network, toy.data(), recipe=recipe, loss=squared, on_epoch=stop, out=tmp_path / "b", **QUICK)
    folder = tmp_path / "b" / whole.folder.name
    with pytest.raises(UsageError, match="functions of its own: loss; give them to fw.resume"):
        fw.resume(folder, data=toy.data())
    run = fw.resume(folder, data=toy.data(), custom={"loss": squared})
    assert [*fw.steps(run)] and run.record.rows[-1].test_loss == whole.record.rows[-1].test_loss


def test_a_card_s_head_is_yaml_whatever_a_folder_is_called() -> None:
    text = hub_head('my: "net"', "a\n---\nb: #c", 98.25)
    head, rest = text.removeprefix("---\n").split("\n---\n", 1)
    read = yaml.safe_load(head)
    [one] = read["model-index"]
    assert one["name"] == 'my: "net"' and one["results"][0]["dataset"]["name"] == "a\n---\nb: #c"
    assert one["results"][0]["metrics"][0]["value"] == 0.9825 and read["pipeline_tag"] == "image-classification"
    assert rest.strip() == ""


# ------------------------------------------------------------------------------------------- scikit-learn


@parametrize_with_checks([fw.Classifier(epochs=8, random_state=0)])
def test_scikit_learn_s_checks(estimator: Any, check: Any) -> None:
    check(estimator)


def test_images_and_a_search_over_parameters() -> None:
    bars = toy.data()
    images, labels = bars.train.images[:, 0].numpy(), np.array(bars.classes)[bars.train.labels.numpy()]
    search = GridSearchCV(fw.Classifier(epochs=6, random_state=1), {"lr": [0.0001, 0.2]}, cv=2).fit(images, labels)
    assert search.best_params_ == {"lr": 0.2} and search.best_score_ > 0.5
    assert search.predict(images[:3]).dtype == labels.dtype and search.predict_proba(images[:3]).shape == (3, 4)
