"""Learning from a teacher: the loss against arithmetic, both engines alike, and only teachers that may teach."""

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

import toy
from featherweight.engine import build_engine
from featherweight.engine.torch_engine import loss_of
from featherweight.errors import UsageError
from featherweight.experiments.recipe import Distil, Recipe
from featherweight.experiments.record import read_record, write_record
from featherweight.training import distillation as teacher
from featherweight.training.runs import run as runs
from featherweight.training.runs import trained

LESSON = Distil(teacher="bars", seeds=(0, 1), share=0.3, temperature=2.5)


def test_the_loss_is_the_arithmetic() -> None:
    z, p, label = (0.2, -1.0, 1.5), (0.6, 0.3, 0.1), 2
    own = math.log(sum(map(math.exp, z))) - z[label]
    soft = [v / 2.5 for v in z]
    theirs = sum(q * (math.log(sum(map(math.exp, soft))) - v) for q, v in zip(p, soft, strict=True))
    got = loss_of(
        torch.tensor([z]), torch.tensor([label]), Recipe(distil=LESSON), taught=torch.tensor([p])
    )  # fmt: skip
    assert got.item() == pytest.approx(0.7 * own + 0.3 * 2.5**2 * theirs, rel=1e-6)


@pytest.mark.parametrize("loss", ["cross_entropy", "nll"])
def test_both_engines_take_the_same_step(loss: str) -> None:
    torch.manual_seed(3)
    layers: list[nn.Module] = [nn.Conv2d(1, 5, 3), nn.BatchNorm2d(5), nn.ReLU(), nn.Flatten(), nn.Linear(405, 7)]
    if loss == "nll":
        layers.append(nn.LogSoftmax(1))
    images, labels = torch.rand(19, 1, 11, 11), torch.randint(0, 7, (19,))
    taught = torch.softmax(2 * torch.randn(19, 7), 1)
    found = []
    for kind in ("torch", "native"):
        network = nn.Sequential(*layers)
        network.zero_grad()
        engine = build_engine(
            kind, network, Recipe(loss=loss, label_smoothing=0.1, batch=19, distil=LESSON),  # type: ignore[arg-type]
            shape=(1, 11, 11), device=torch.device("cpu"),
        )  # fmt: skip
        mean, correct = engine.step(images, labels, 0, taught)
        plain, _ = engine.step(images, labels, 0)
        assert abs(mean.item() - plain.item()) > 0.01
        gradients = torch.cat([p.grad.flatten() for p in network.parameters() if p.grad is not None])
        found.append((mean.item(), correct.item(), gradients))
    assert found[0][:2] == pytest.approx(found[1][:2], rel=1e-5)
    assert torch.allclose(found[0][2], found[1][2], atol=1e-6)


def test_answers_of_another_shape_are_refused() -> None:
    network = nn.Sequential(nn.Flatten(), nn.Linear(9, 4))
    recipe = Recipe(batch=5, distil=LESSON)
    engine = build_engine("native", network, recipe, shape=(1, 3, 3), device=torch.device("cpu"))
    with pytest.raises(UsageError, match=r"probabilities \[5 4\], float32; given torch.float32 \[5 3\]"):
        engine.step(torch.rand(5, 1, 3, 3), torch.zeros(5, dtype=torch.int64), 0, torch.rand(5, 3))


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """Two finished runs of the toy task, and one of a network that may learn from them."""
    monkeypatch.setattr(runs, "data_of", lambda record, directory: toy.data())
    student = replace(toy.experiment(replace(toy.RECIPE, epochs=2, distil=LESSON)), id="student")
    experiments = {"bars": toy.experiment(), "student": student}
    monkeypatch.setattr("featherweight.training.runs.task.find", experiments.__getitem__)
    for seed in (0, 1):
        _finish(runs.new_run(experiments["bars"], toy.data(), seed=seed, out=tmp_path, engine="torch", threads=1))
    return tmp_path


def _finish(run: runs.Run) -> None:
    for _ in runs.train(run):
        pass


def _student(home: Path, **changes: Any) -> runs.Run:
    recipe = replace(toy.RECIPE, epochs=2, distil=replace(LESSON, **changes))
    experiment = replace(toy.experiment(recipe), id="student")
    return runs.new_run(experiment, toy.data(), out=home, engine="torch", threads=1)


def test_a_student_hears_the_mean_of_its_teachers(home: Path) -> None:
    run = _student(home)
    assert run.teacher is not None
    images = torch.rand(6, 1, 11, 13)
    teachers = [trained.load_trained(home / f"bars-seed{seed}").network for seed in (0, 1)]
    with torch.no_grad():
        expected = sum(torch.softmax(network(images) / 2.5, 1) for network in teachers) / 2
    assert torch.allclose(run.teacher(images), expected, atol=1e-6)
    assert any("taught by bars-seed0, bars-seed1" in line for line in run.introduction())


def test_the_record_names_teachers_and_their_cost(home: Path) -> None:
    run = _student(home)
    _finish(run)
    record = read_record(run.folder)
    assert [by["run"] for by in record.teachers] == ["bars-seed0", "bars-seed1"]
    assert all(by["train_seconds"] > 0 and by["parameters"] == record.parameters for by in record.teachers)
    assert len({by["weights"] for by in record.teachers}) == 2
    assert Recipe.from_json(record.recipe).distil == LESSON


def test_teaching_changes_what_is_learned_and_resumes_bit_for_bit(home: Path) -> None:
    whole, plain = _student(home), _student(home, share=0.0)
    _finish(whole)
    _finish(plain)
    assert whole.record.rows[-1].test_loss != plain.record.rows[-1].test_loss
    left = _student(home)
    events = runs.train(left)
    for _ in range(3):
        next(events)
    events.close()
    again = runs.resume(left.folder)
    assert again.state.step == 3
    _finish(again)
    assert (again.folder / "weights.safetensors").read_bytes() == (whole.folder / "weights.safetensors").read_bytes()


def test_other_teachers_than_those_begun_with_are_refused(home: Path) -> None:
    left = _student(home)
    next(iter(runs.train(left)))
    (home / "bars-seed1").rename(home / "gone")
    _finish(runs.new_run(toy.experiment(replace(toy.RECIPE, epochs=1)), toy.data(), seed=1, out=home, engine="torch"))
    with pytest.raises(UsageError, match="teachers"):
        runs.resume(left.folder)


@pytest.mark.parametrize(
    ("wrong", "because"),
    [({"seeds": (0, 5)}, "seed 5 of bars"), ({"teacher": "student"}, "seed 0 of student")],
)
def test_a_missing_teacher_is_a_sentence_with_the_command(home: Path, wrong: dict[str, Any], because: str) -> None:
    with pytest.raises(UsageError, match=rf"{because}, .* train it first: featherweight train .* --out {home}"):
        _student(home, **wrong)


def test_a_teacher_that_saw_other_images_may_not_teach(home: Path) -> None:
    """Above all one that was trained on the digits that are held out from the student."""
    about = toy.data().summary() | {"holdout": 5, "train": 48}
    with pytest.raises(UsageError, match="the same images of bars; train it first: .* --holdout 5 "):
        teacher.teacher_runs(LESSON, about, home)
    assert len(teacher.teacher_runs(LESSON, toy.data().summary(), home)) == 2
    with pytest.raises(UsageError, match="the same images of bars"):  # as many, but others, held out from the student
        teacher.teacher_runs(LESSON, toy.data().summary() | {"held_out": "together"}, home)


def test_a_teacher_may_have_brackets_in_its_name(home: Path) -> None:
    folder = (home / "bars-seed0").rename(home / "bars[1]-seed0")
    write_record(replace(read_record(folder), experiment="bars[1]"), folder / "record.json")
    assert teacher.teacher_runs(Distil(teacher="bars[1]", seeds=(0,)), toy.data().summary(), home) == [folder]


def test_with_images_held_out_the_run_of_their_seed_teaches(tmp_path: Path) -> None:
    """Each seed holds out others, so no run of another seed may teach, whatever seeds the recipe names."""
    about = {seed: toy.data().summary() | {"holdout": 5, "seed": seed} for seed in (0, 1, 2)}
    for seed in (0, 1):
        _finish(runs.new_run(toy.experiment(), toy.data(), seed=seed, out=tmp_path, engine="torch", threads=1))
        _moved(tmp_path / f"bars-seed{seed}", about[seed])
    for seed in (0, 1):
        assert teacher.teacher_runs(LESSON, about[seed], tmp_path) == [tmp_path / f"bars-seed{seed}"]
    with pytest.raises(UsageError, match="train bars --seed 2 "):
        teacher.teacher_runs(LESSON, about[2], tmp_path)
    with pytest.raises(UsageError, match="train bars --seed 0 "):  # of seed 0, but without the images that seed 1 has
        teacher.teacher_runs(LESSON, about[0], _moved(tmp_path / "bars-seed0", about[1]))


def _moved(folder: Path, data: dict[str, Any]) -> Path:
    """The place of a run, after its record was changed to these data."""
    write_record(replace(read_record(folder), data=data), folder / "record.json")
    return folder.parent


@pytest.mark.parametrize("wrong", [{"seeds": ()}, {"share": 1.1}, {"temperature": 0.5}])
def test_a_lesson_has_limits(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"Distil.{next(iter(wrong))} "):
        replace(LESSON, **wrong)
