"""Searches in this process: what is trained and what is not, what decides, what is kept, what is refused."""

import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import optuna
import pytest
import torch
from optuna.trial import TrialState
from sqlalchemy.exc import OperationalError

from featherweight.data import load
from featherweight.errors import BudgetError, DataError, FileError, TrainingError, UsageError
from featherweight.experiments.experiment import find
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Row, read_record
from featherweight.networks.anatomy import dissect
from featherweight.networks.architecture import build_layers, layer
from featherweight.networks.checks import fingerprint
from featherweight.parallel.messages import Finished, Message
from featherweight.parallel.pool import feed
from featherweight.search import driver, storage, study, trials
from featherweight.search.outcome import Entry, on_pareto_front, pareto, ranked_trials
from featherweight.search.source import source, write_experiment
from featherweight.search.space import Proposal, cost, find_space, propose, stack
from featherweight.search.study import about, counts_of, open_study, trials_of
from featherweight.search.trials import judged, none_within, trial_experiment
from featherweight.training.loop import fit
from featherweight.training.runs.prepare import prepare
from searched import HOLDOUT, InlinePool, data_folder, driven, ends, job, space_file, worked
from searched import session as made


@pytest.fixture
def prepared(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every run that a search makes ready to be trained."""
    runs: list[Any] = []

    def noted(*given: Any, **settings: Any) -> Any:
        runs.append(prepare(*given, **settings))
        return runs[-1]

    monkeypatch.setattr(trials, "prepare", noted)
    return runs


def test_what_is_over_budget_is_counted_and_never_trained(tmp_path: Path, prepared: list[Any]) -> None:
    done = worked(job(tmp_path, trials=6))
    now = counts_of(done.study)
    assert now.ended == 6 == len(prepared) and now.running == 0
    assert all(run.parameters < 500 for run in prepared)
    refused = [trial for trial in trials_of(done.study) if study.end_of(trial) == "refused"]
    assert len(refused) == now.refused >= 2 and now.refused + 6 == len(trials_of(done.study))
    for trial in refused:
        what = trial.user_attrs["proposal"]
        assert what["parameters"] >= 500 and what["over"] == ["parameters"]
        assert trial.constraints == {"excess": pytest.approx((what["parameters"] + 1 - 500) / 500)}
        assert trial.state is TrialState.PRUNED and not trial.intermediate_values


def test_a_search_goes_on_to_as_many_trials_as_are_asked_for(tmp_path: Path, prepared: list[Any]) -> None:
    first = worked(job(tmp_path, trials=2))
    kept = [entry.trial for entry in ranked_trials(first.study)]
    again = worked(job(tmp_path, trials=5), sampler_seed=2)
    assert len(prepared) == 5 and ends(again).count("finished") + ends(again).count("early") == 5
    assert set(kept) < {entry.trial for entry in ranked_trials(again.study)}
    worked(job(tmp_path, trials=5), sampler_seed=3)
    assert len(prepared) == 5


def test_the_figure_is_of_the_last_epochs_over_every_seed(tmp_path: Path) -> None:
    task = job(tmp_path, trials=1, seeds=2)
    [entry] = ranked_trials(worked(task).study)
    space, data = find_space(task.space), load(task.data, holdout=HOLDOUT)
    values, accuracies = [], []
    for seed in (0, 1):
        run = prepare(
            trial_experiment(entry.proposal, space.budget, "again"), data, seed=seed, engine="torch", threads=1
        )
        for _ in fit(run.state, run.data, entry.proposal.recipe, seed, run.engine, run.evaluator):
            pass
        tail = run.state.rows[-2:]  # the budget holds two epochs
        values.append(judged(run.state.rows, 2, HOLDOUT))
        accuracies += [row.test_accuracy for row in tail]
    assert len(set(values)) == 2
    assert entry.value == pytest.approx(sum(values) / 2)
    assert entry.accuracy == pytest.approx(sum(accuracies) / 4) and entry.worst == min(accuracies)
    assert entry.seeds == 2 and entry.epochs == 3


def test_a_lower_loss_decides_between_equals_and_never_more() -> None:
    def row(accuracy: float, loss: float) -> Row:
        return Row(epoch=1, lr=0.1, train_loss=1, train_accuracy=1, test_loss=loss, test_accuracy=accuracy, seconds=1)

    good, poor = judged([row(99.0, 0.01)], 5, 5000), judged([row(99.0, 3.0)], 5, 5000)
    assert poor < good < judged([row(99.02, 50.0)], 5, 5000)  # one of 5,000 images is 0.02 %
    assert int(judged([row(0, 1), row(90, 1), row(98, 1)], 2, 5000)) == 94


def test_the_worse_half_is_stopped_after_the_warm_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(study, "TRAINED_FIRST", 2)
    rates = ('trial.suggest_float("lr", 0.01, 0.3, log=True)', "[0.1, 0.1, 1e-6][trial.number % 3]")
    space = space_file(tmp_path, rates, ("2, 14", "3, 8"), ("epochs=3", "epochs=5"), ("=500", "=5000"))
    done, by = driven(job(tmp_path, space, trials=12))
    stopped = [trial for trial in trials_of(done.study) if study.end_of(trial) == "early"]
    assert len(stopped) >= 3 and any(trial.number % 3 == 2 for trial in stopped)
    for trial in stopped:
        assert 30 <= max(trial.intermediate_values) < 100 and "result" not in trial.user_attrs
    assert {max(entry.intermediate_values) for entry in trials_of(done.study) if entry.value is not None} >= {100}
    assert len(ranked_trials(done.study)) == 12 - len(stopped) >= 3
    assert by._pool.asked_to_stop == {trial.number for trial in stopped}  # type: ignore[attr-defined]


def test_no_proposal_is_trained_twice_and_a_space_can_be_exhausted(
    tmp_path: Path, prepared: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trials, "DRAWS", 15)
    few = (("2, 14", "3, 4"), ('trial.suggest_float("lr", 0.01, 0.3, log=True)', "0.1"))
    done, by = driven(job(tmp_path, space_file(tmp_path, *few), trials=9))
    assert by.exhausted
    networks = {fingerprint(run.state.network) for run in prepared}
    assert len(prepared) == len(networks) == counts_of(done.study).ended <= 4
    assert counts_of(done.study).repeated >= 15 and counts_of(done.study).lost == 0


def test_a_space_all_over_budget_is_refused_with_the_nearest_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prepared: list[Any]
) -> None:
    monkeypatch.setattr(trials, "DRAWS", 8)
    done, by = driven(job(tmp_path, space_file(tmp_path, ("parameters=500", "parameters=20"))))
    assert by.exhausted
    least = min(trial.user_attrs["proposal"]["parameters"] for trial in trials_of(done.study))
    problem = none_within(done.space, done.study)
    assert isinstance(problem, BudgetError) and prepared == []
    assert "(fewer than 20 parameters, at most 5 epochs, a field within the image) in 8 draws" in str(problem)
    assert f"the smallest seen were {least} parameters" in str(problem)


def test_the_test_set_is_never_opened(tmp_path: Path) -> None:
    with pytest.raises(DataError):
        load(str(data_folder(tmp_path)))  # so it is poison indeed
    assert counts_of(worked(job(tmp_path, trials=1)).study).ended == 1
    with pytest.raises(UsageError, match=r"1,000 or more held-out training images.*given --holdout 999"):
        driver.open_search(job(tmp_path, holdout=999))


def test_of_two_who_propose_the_same_one_steps_back_and_the_lower_number_has_the_last_place(tmp_path: Path) -> None:
    one, two = made(job(tmp_path, trials=2), "one"), made(job(tmp_path, trials=2), "two")
    first, second = one.study.ask(), two.study.ask()
    second.set_user_attr("proposal", {"key": "same"})
    assert trials._claimed(two, second, "same") is None  # the other has not said what it proposes
    first.set_user_attr("proposal", {"key": "same"})
    assert trials._claimed(one, first, "same") == "repeated"
    assert trials._claimed(one, first, "other") is None
    third = one.study.ask()
    third.set_user_attr("proposal", {"key": "third"})
    assert trials._claimed(one, third, "third") == "surplus"  # two are all that is asked for
    two.study.tell(second, state=TrialState.FAIL)
    last = made(job(tmp_path, trials=1, name="last"))
    low, high = (last.study.ask() for _ in range(2))
    assert [trials._claimed(last, trial, str(trial.number)) for trial in (high, low)] == ["surplus", None]
    assert trials._claimed(one, third, "third") is None and trials._claimed(one, third, "same") == "repeated"


def test_who_waits_for_trials_elsewhere_draws_none_of_its_own(tmp_path: Path) -> None:
    """Until one of them is lost, whose place is then free."""
    other = made(job(tmp_path, trials=1), "other")
    found = trials.sampled(other)
    assert found is not None
    asking, pool = made(job(tmp_path, trials=1), "here", 2), InlinePool(1)
    by = driver.Driver(asking, pool, [], most=1, deaths=None)
    by.snapshot()
    news, drawn = feed(pool, by, (), 0.0), len(trials_of(asking.study))
    for _ in range(5):
        next(news)
    assert len(trials_of(asking.study)) == drawn
    study.lose(other.study, found[0].number)
    for _ in news:
        pass
    assert counts_of(asking.study).finished == 1 and counts_of(asking.study).lost == 1


class Losing(InlinePool):
    """A pool whose works end at once, in a way of its own."""

    def __init__(self, **end: Any) -> None:
        super().__init__(1)
        self.end = end

    def poll(self, seconds: float) -> list[Message | Finished]:
        return [Finished(number=number, **self.end) for number in [*self._works] if self._works.pop(number)]


@pytest.mark.parametrize(
    ("end", "kind", "lost"),
    [
        ({"sentence": "worker exited with status -9 without a result.", "status": 137, "lost": True}, TrainingError, 3),
        ({"sentence": "no device is called x", "status": 2}, UsageError, 1),
        ({"sentence": "ValueError: no", "status": 1}, TrainingError, 1),
    ],
)
def test_a_search_ends_with_the_words_of_a_trial_that_fails_or_of_workers_that_are_killed(
    tmp_path: Path, end: dict[str, Any], kind: type[Exception], lost: int
) -> None:
    asking, pool = made(job(tmp_path)), Losing(**end)
    by = driver.Driver(asking, pool, [], most=1, deaths=3)
    by.snapshot()
    with pytest.raises(kind, match=end["sentence"].rstrip(".")):
        list(feed(pool, by, (), 0.0))
    assert counts_of(asking.study).lost == lost and counts_of(asking.study).running == 0


@pytest.mark.parametrize("workers", [1, 3])
def test_as_many_trials_as_asked_for_whoever_trains_them(tmp_path: Path, workers: int) -> None:
    done = worked(job(tmp_path, trials=5), workers=workers)
    now = counts_of(done.study)
    assert now.ended == 5 and now.running == now.lost == 0 and len(ends(done)) == 5 + now.refused + now.repeated


def test_a_loss_that_is_no_number_counts_and_the_search_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls = iter(range(100))

    def broken(*given: Any) -> Iterator[Any]:
        if next(calls) == 1:
            raise TrainingError("The training loss became nan.")
        yield from fit(*given)

    monkeypatch.setattr(trials, "fit", broken)
    now = counts_of(worked(job(tmp_path, trials=3)).study)
    assert (now.finished, now.diverged, now.ended, now.lost) == (2, 1, 3, 0)


@pytest.mark.parametrize("sign", ["heartbeat", "beat"])  # the second as an earlier version wrote it
def test_a_silent_worker_s_trial_is_lost_and_its_place_free(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, sign: str
) -> None:
    left = made(job(tmp_path, trials=1))
    found = trials.sampled(left)
    assert found is not None
    silence = study.Heartbeats()
    monkeypatch.setattr(study, "SILENT_SECONDS", 0.0)
    assert silence.silent(left.study) == []  # heard of for the first time
    found[0].set_user_attr(sign, 1.0)
    assert silence.silent(left.study) == []  # it has given a sign
    assert silence.silent(left.study) == [found[0].number]
    study.lose(left.study, found[0].number)
    assert (counts_of(left.study).lost, counts_of(left.study).running) == (1, 0)
    trials.end(left, found[0], "finished", 99.0, accuracy=99.0)  # it was only slow: too late
    assert counts_of(left.study).finished == 0
    assert counts_of(worked(job(tmp_path, trials=1), sampler_seed=2).study).finished == 1


@pytest.mark.parametrize("key", ["outcome", "end"])  # the second as an earlier version wrote it
def test_the_outcome_of_a_trial_is_read_back(tmp_path: Path, key: str) -> None:
    left = made(job(tmp_path, trials=1))
    found = trials.sampled(left)
    assert found is not None
    found[0].set_user_attr(key, "early")
    left.study.tell(found[0], 1.0)
    assert study.end_of(trials_of(left.study)[found[0].number]) == "early" and counts_of(left.study).early == 1


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"holdout": 1001}, r"differs in holdout \(it has 1000; given 1001\); start a new study with --name"),
        ({"seeds": 2}, r"differs in seeds \(it has 1; given 2\)"),
        ({"space": ("2, 14", "2, 9")}, "differs in space's file; start a new study with --name"),
        ({"space": ("parameters=500", "parameters=501")}, "differs in space's file; start"),
    ],
)
def test_a_study_of_something_else_is_not_joined(tmp_path: Path, change: dict[str, Any], sentence: str) -> None:
    begun = made(job(tmp_path))
    given = {**change, "space": space_file(tmp_path, change["space"], name="other.py")} if "space" in change else change
    with pytest.raises(UsageError, match=f"The study 'bars' in .*study.journal {sentence}|is of {sentence}"):
        made(job(tmp_path, **given))
    assert open_study(begun.job, about(begun.space, begun.data, begun.job)).user_attrs == begun.study.user_attrs


def test_workers_that_begin_an_empty_data_base_together_wait_for_its_tables(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The slower one finds tables that it was about to make; whatever else a data base says is told at once."""
    told = ["Table 'studies' already exists", "UNIQUE constraint failed: alembic_version", "no such host"]
    make, tries = optuna.storages.RDBStorage, []

    def other_was_first(url: str, **settings: Any) -> Any:
        tries.append(url)
        if told:
            raise OperationalError("CREATE TABLE studies", None, Exception(told.pop(0)))
        return make(url, **settings)

    monkeypatch.setattr(optuna.storages, "RDBStorage", other_was_first)
    monkeypatch.setattr(storage.random, "uniform", lambda low, high: 0.0)
    with pytest.raises(UsageError, match="no such host"):
        storage.storage_of(f"sqlite:///{tmp_path}/study.db")
    assert len(tries) == 3
    told[:] = ["relation already exists"] * 2
    assert isinstance(storage.storage_of(f"sqlite:///{tmp_path}/study.db"), make) and len(tries) == 6
    told[:] = ["relation already exists"] * 9
    with pytest.raises(UsageError, match="already exists"):
        storage.storage_of(f"sqlite:///{tmp_path}/study.db")
    assert len(tries) == 6 + storage.FIRST_TRIES


def test_a_password_is_not_told() -> None:
    with pytest.raises(UsageError, match=r"The storage nothing://me:\*\*\*@here/it cannot be used") as problem:
        storage.storage_of("nothing://me:secret@here/it")
    assert "secret" not in str(problem.value)


def test_storages_that_cannot_be_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = job(tmp_path)
    note = tmp_path / "note.txt"
    note.write_text("my diary")
    with pytest.raises(FileError, match=r"note.txt is not an Optuna journal"):
        storage.storage_of(str(note))
    assert note.read_text() == "my diary"
    with pytest.raises(UsageError, match="The storage nothing://here cannot be used"):
        storage.storage_of("nothing://here")
    monkeypatch.setattr(study, "ABOUT_SECONDS", 0.1)
    optuna.create_study(storage=storage.storage_of(task.storage), study_name="bars")
    with pytest.raises(UsageError, match="was not made by `featherweight search`"):
        made(task)


def test_a_line_that_was_torn_is_cut_and_the_study_goes_on(tmp_path: Path) -> None:
    worked(job(tmp_path, trials=1))
    path = tmp_path / "study.journal"
    whole = path.read_bytes()
    path.write_bytes(whole + b'{"op_code": 4, "tr')
    assert counts_of(made(job(tmp_path)).study).ended == 1
    lines = path.read_bytes().splitlines()
    assert path.read_bytes().startswith(whole) and all("op_code" in json.loads(line) for line in lines)
    assert counts_of(worked(job(tmp_path, trials=2), sampler_seed=2).study).ended == 2


def test_a_data_base_keeps_a_study_as_well(tmp_path: Path) -> None:
    task = job(tmp_path, trials=2, storage=f"sqlite:///{tmp_path}/study.db")
    worked(replace(task, trials=1))
    assert counts_of(worked(task, sampler_seed=2).study).ended == 2


def _entry(trial: int, accuracy: float, parameters: int, macs: int, seconds: float) -> Entry:
    return Entry(
        trial=trial, value=accuracy, accuracy=accuracy, worst=accuracy, loss=0.1, parameters=parameters, macs=macs,
        field=9, epochs=3, seconds=seconds, seeds=1, engine="torch", machine="here",
        proposal=Proposal(network=stack([3]), recipe=Recipe()),
    )  # fmt: skip


def test_the_front_is_what_nothing_beats() -> None:
    found = [
        _entry(0, 99.0, 100, 500, 5.0),
        _entry(1, 98.0, 100, 500, 5.0),  # beaten by 0
        _entry(2, 98.0, 90, 600, 5.0),  # fewer parameters
        _entry(3, 97.0, 200, 400, 9.0),  # fewer MACs
        _entry(4, 97.0, 200, 700, 4.0),  # faster
        _entry(5, 99.5, 300, 900, 9.0),
        _entry(6, 99.5, 300, 900, 9.0),  # no better and no worse than 5
        _entry(7, 99.4, 300, 900, 9.0),  # beaten by 5
    ]
    assert [entry.trial for entry in on_pareto_front(found)] == [2, 0, 3, 4, 5, 6]
    panels = pareto(found, 99.4).axes
    steps = [next(line for line in axes.lines if line.get_drawstyle() == "steps-post").get_xydata() for axes in panels]
    assert steps[0].tolist() == [[90, 98.0], [100, 99.0], [300, 99.5]]
    assert steps[2].tolist() == [[4.0, 97.0], [5.0, 99.0], [9.0, 99.5]]
    assert [axes.get_xlabel() for axes in panels] == ["parameters", "multiply-adds of one image", "seconds of training"]
    assert panels[1].lines[1].get_xydata().tolist() == [[400, 97.0], [500, 99.0], [900, 99.5]]  # type: ignore[union-attr]
    assert panels[0].lines[2].get_ydata() == [99.4, 99.4]
    assert sum(p.numel() for p in build_layers(found[0].proposal.network).parameters()) == 27 + 6 + 40


@pytest.mark.parametrize("name", ["accurate", "leanest"])
def test_a_proposal_written_out_is_the_proposal(name: str, tmp_path: Path) -> None:
    space, data = find_space(name), load("digits", holdout=HOLDOUT)
    draws = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=5))
    for number in range(4):
        proposal = propose(space, draws.ask())
        try:
            costs = cost(proposal, (1, 28, 28), 10)
        except UsageError:
            continue
        entry = replace(_entry(number, 99.0, costs.parameters, costs.macs, 1.0), proposal=proposal)
        path = tmp_path / f"best{number}.py"
        write_experiment(path, entry, space, data)
        found = find(str(path))
        assert found.recipe == proposal.recipe and found.budget == space.budget and found.id == f"best{number}"
        anatomy = dissect(found.build(), (1, 28, 28))
        assert (anatomy.parameters, anatomy.macs) == (costs.parameters, costs.macs)
    assert list(tmp_path.glob("*.py"))
    done = subprocess.run(
        [sys.executable, "-m", "ruff", "format", "--check", "--line-length", "120", tmp_path], check=False
    )
    assert done.returncode == 0


def test_a_written_margin_may_be_of_oblong_maps_or_of_none(tmp_path: Path) -> None:
    task = job(tmp_path)
    space, data = find_space(task.space), load(task.data, holdout=HOLDOUT)
    entry = _entry(0, 99.0, 1, 1, 1.0)
    oblong = (layer("nn.Conv2d", "channels", 3, 5), layer("nn.AdaptiveAvgPool2d", 1), layer("nn.Flatten"),
              layer("nn.Linear", 3, "classes"))  # fmt: skip
    text = source(replace(entry, proposal=Proposal(network=oblong, recipe=Recipe())), space, data, "x")
    assert "# channels height width field, of 1 x 11 x 13" in text
    assert "nn.Conv2d(channels, 3, 5),  # 3 7 9     5\n" in text and "# 3 1 1 11x13\n" in text
    assert "conv_norm_relu" not in text and "1 convolution and no pools" in text
    flat = (layer("nn.Flatten"), layer("nn.Linear", 143, "classes"))
    text = source(replace(entry, proposal=Proposal(network=flat, recipe=Recipe())), space, data, "x")
    assert "        nn.Flatten(),\n        nn.Linear(143, classes),\n" in text


def test_the_page_s_front_is_that_of_the_search_that_was_run() -> None:
    root = Path(__file__).parents[2]
    found = json.loads((root / "results" / "search" / "leanest.json").read_text())
    text = (root / "docs" / "search.md").read_text().split("## Example\n")[1].split("\n## ")[0]
    lines = [line for line in text.splitlines() if line.startswith("| ")][1:]
    shown = [one for one in found["trials"] if one["trial"] in found["front"]]
    shown.sort(key=lambda one: -one["accuracy"])
    assert len(lines) == len(shown) == 9
    for line, one in zip(lines, shown, strict=True):
        assert [cell.strip() for cell in line.strip("|").split("|")] == [
            str(one["trial"]), f"{one['accuracy']:.2f}", f"{one['worst']:.2f}", f"{one['parameters']:,}",
            f"{one['macs']:,}", f"{one['seconds']:.0f}",
        ]  # fmt: skip
    counts = found["counts"]
    said = f"{counts['finished']} finished, {counts['early']} stopped early, {counts['refused']} proposals over budget"
    assert said in " ".join(text.split())
    records = [read_record(root / "results" / "heldout" / "leanest" / f"seed{seed}.json") for seed in range(3)]
    held = sum(record.verdict.last for record in records) / 3
    assert f"which reaches {held:.2f} % on the same digits" in " ".join(text.split())


def test_a_trial_learns_from_the_teacher_that_its_recipe_names(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    recipe = 'recipe = Recipe(distil=Distil(teacher="bars"), epochs=3,'
    changes = ("recipe = Recipe(epochs=3,", recipe), ("import Recipe", "import Distil, Recipe")
    heard, made = [], trials.prepare

    def prepared(experiment: Any, data: Any, **settings: Any) -> Any:
        plain = replace(experiment, recipe=replace(experiment.recipe, distil=None))

        def teacher(images: torch.Tensor) -> torch.Tensor:
            heard.append(len(images))
            return torch.full((len(images), 4), 0.25)

        return replace(made(plain, data, **settings), experiment=experiment, teacher=teacher)

    monkeypatch.setattr(trials, "prepare", prepared)
    worked(job(tmp_path, space_file(tmp_path, *changes), trials=1))
    assert heard == 3 * [32, 32, 32, 7]  # three epochs of the 103 images that are not held out
