"""What notebooks show beside the figures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from sklearn.metrics import precision_score, recall_score

import made
import toy
from featherweight.data import load
from featherweight.data.split import Split
from featherweight.errors import UsageError
from featherweight.report import analysis as insight
from featherweight.report import notebook
from featherweight.training.runs.events import Done, Event, Progress, row_line, shower
from featherweight.training.runs.run import new_run
from featherweight.training.runs.task import Task, run_task


def test_the_bar_grows_and_every_epoch_leaves_one_line(tmp_path: Path) -> None:
    run = new_run(toy.experiment(), toy.data(), out=tmp_path, engine="torch", threads=1)
    drawn: list[str] = []
    show = shower(["hello"], drawn.append)
    events: list[Event] = list(run_task(Task(experiment="bars"), run))
    for event in events:
        show(event)
    assert len(drawn) == sum(isinstance(event, Progress | Done) for event in events)
    last = drawn[-1].splitlines()
    assert (
        last[0] == "hello"
        and last[1] == ""
        and last[2].split() == ["epoch", "rate", "loss", "training", "loss", "test", "seconds"]
    )
    assert [int(line.split()[0]) for line in last[3:6]] == [1, 2, 3] and len({len(line) for line in last[2:6]}) == 1
    assert last[3:6] == [row_line(row) for row in run.record.rows]
    assert f" Last epoch {run.record.verdict.last:.2f} % (95 % interval " in last[7] and len(last) == 8
    bars = [text.splitlines()[-1] for text in drawn[:-1]]
    filled = [bar.count("█") for bar in bars]
    assert filled == sorted(filled) and filled[-1] == 30 and all(bar[0] == "[" and bar[31] == "]" for bar in bars)


def test_training_in_a_notebook_shows_one_output_that_is_redrawn(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    display = pytest.importorskip("IPython.display", reason="pip install '.[test]'")
    shown: list[str] = []

    class Handle:
        def update(self, data: dict[str, str], raw: bool) -> None:
            assert raw
            shown.append(data["text/plain"])

    calls: list[bool] = []
    monkeypatch.setattr(display, "display", lambda *data, **how: (calls.append(how["display_id"]), Handle())[1])
    run = new_run(toy.experiment(), toy.data(), out=tmp_path, engine="torch", threads=1)
    record = notebook.train(run)
    assert calls == [True] and record.finished and len(record.rows) == 3
    assert shown[-1].startswith("bars: 416 parameters (fewer than 1,000 allowed), 3 epochs of 53 images")


def test_the_first_images_of_each_class_are_shown_in_order() -> None:
    data = load("digits")
    (axes,) = notebook.examples(data, each=2).axes
    assert [text.get_text() for text in axes.texts] == 2 * list("0123456789")
    labels = data.train.labels.numpy()
    second_of_7 = data.train.images[int(np.flatnonzero(labels == 7)[1])]
    drawn = np.asarray(axes.images[17].get_array())
    assert np.allclose(drawn[..., 0], second_of_7[0].numpy() / 255)


def test_a_class_without_an_image_is_told() -> None:
    data = toy.data()
    few = Split(images=data.train.images[:3], labels=data.train.labels[:3])
    with pytest.raises(UsageError, match="A class of bars has no training image"):
        notebook.examples(replace(data, train=few))


def test_the_class_table_is_scikit_learn_s() -> None:
    draws = np.random.default_rng(3)
    labels, scores = draws.integers(0, 4, 97), draws.random((97, 4))
    answers = insight.Answers(probabilities=scores / scores.sum(1, keepdims=True), labels=labels, classes=tuple("abcd"))
    lines = [line.split() for line in notebook.class_table(insight.class_rows(answers)).splitlines()[1:]]
    chosen = answers.chosen
    assert [int(line[1]) for line in lines] == np.bincount(labels).tolist()
    precision = precision_score(labels, chosen, average=None)
    recall = recall_score(labels, chosen, average=None)
    assert [float(line[4]) for line in lines] == pytest.approx(100 * precision, abs=0.005)
    assert [float(line[5]) for line in lines] == pytest.approx(100 * recall, abs=0.005)
    assert [float(line[3]) for line in lines] == pytest.approx(
        [100 * np.mean((chosen == at) == (labels == at)) for at in range(4)], abs=0.005
    )


def test_the_story_has_the_experiment_s_text_and_what_this_run_says() -> None:
    record = made.record("f1", [98.0] * 9 + [98.9] * 5 + [98.95], train=99.5)
    told = notebook.story(record)
    assert told.startswith("**Target.** 99.0 % at the last epoch") and "\n**Why.** Everything after" in told
    assert "**Result of this run.** FAILED on mnist (10,000 test images): the last epoch is below 99.00 %" in told
    assert "| It reaches 99.00 %. | not borne out | seed 0: best epoch 98.95 %, last epoch 98.95 % |" in told
    assert "| It never reaches 99.40 %. | borne out |" in told
    assert told.count("\n| ") == 1 + 4 and json.dumps(told)
