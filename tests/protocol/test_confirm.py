"""Fresh seeds confirm a bar that is cleared: when they may run, that they run once, and what is quoted from then on."""

import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest
from docs.build import committed as quoted_records
from docs.build import publish

from commands import Run
from featherweight.errors import UsageError
from featherweight.experiments.experiment import RULES, contenders
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import read_record, write_record
from featherweight.protocol import proof_runs
from featherweight.protocol import prove as protocol
from featherweight.protocol import records as kept_records
from featherweight.protocol.ledger import Attempt, read_ledger, recipe_digest
from featherweight.protocol.proof import Proof
from featherweight.protocol.records import SOURCES
from featherweight.training.runs.events import Done, Failed
from featherweight.training.runs.task import Task
from made import record
from proving import OWN, ROOT, Trainer, keep_run, trained_in_process

MINE = OWN.replace("seeds=2, mean=30", "seeds=2, confirming=3, mean=30")
FRESH = range(10, 30)


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    return trained_in_process(monkeypatch)


def prove(trainer: Trainer, *, confirm: bool = False, name: str = "smallest") -> Proof:
    return protocol.prove(name, confirm=confirm, trainer=trainer.train, tell=lambda line: None)


# ------------------------------------------------------------------------------------------- the verb, for real


def test_a_bar_is_confirmed_after_it_is_cleared_and_once(run: Run, tmp_path: Path, in_process: list[Task]) -> None:
    path, ledger = tmp_path / "own.py", tmp_path / "runs" / "test_evaluations.jsonl"
    path.write_text(MINE)
    words = ("prove", path, "--data", "digits")
    status, _, err = run(*words, "--confirm")
    assert status == 2 and in_process == [] and not ledger.exists()
    assert "own has no cleared bar to confirm: finished held-out runs of seeds 0, 1, 2 are missing." in err

    status, out, _ = run(*words)
    assert status == 0 and "not yet confirmed on fresh seeds: --confirm runs seeds 2 to 4, once" in out
    assert "CONFIRMED" not in out and len(in_process) == 5

    status, out, _ = run(*words, "--confirm", "--json")
    told = json.loads(out)
    assert [(task.holdout, task.seed) for task in in_process[5:]] == [(0, 2), (0, 3), (0, 4)]
    assert status == 0 and told["proved"] and told["confirmed"] and told["touches"] == 2
    assert [one["seed"] for one in told["runs"]] == [0, 1]
    fresh = told["confirming"]
    last = [one["verdict"]["last"] for one in fresh["runs"]]
    assert [one["seed"] for one in fresh["runs"]] == [2, 3, 4] and fresh["shortfalls"] == []
    assert fresh["mean"] == pytest.approx(sum(last) / 3) and fresh["worst"] == min(last) and fresh["passed"] == 3
    assert [one.seeds for one in read_ledger(ledger)] == [(0, 1), (2, 3, 4)]
    assert read_ledger(ledger)[1].note == "fresh seeds, to confirm"

    for again in (words, (*words, "--confirm")):
        status, out, _ = run(*again)
        assert status == 0 and "CONFIRMED: own, on seeds 2 to 4" in out and "not yet" not in out
    assert len(in_process) == 8 and len(read_ledger(ledger)) == 2


def test_what_is_not_cleared_is_not_confirmed(run: Run, tmp_path: Path, in_process: list[Task]) -> None:
    path = tmp_path / "own.py"
    path.write_text(MINE.replace("mean=30", "mean=100"))
    assert run("prove", path, "--data", "digits")[0] == 1
    status, _, err = run("prove", path, "--data", "digits", "--confirm")
    assert status == 2 and len(in_process) == 5
    assert "own has no cleared bar to confirm: asked are 100.00 % or more in the mean of the last epochs" in err
    assert f"Run `featherweight prove {path}` first; once its bar is cleared, --confirm runs seeds 2 to 4." in err
    assert len(read_ledger(tmp_path / "runs" / "test_evaluations.jsonl")) == 1


@pytest.mark.parametrize("seeds", [1, 3])
def test_other_seeds_are_refused(run: Run, tmp_path: Path, in_process: list[Task], seeds: int) -> None:
    (tmp_path / "own.py").write_text(MINE)
    for words in ((), ("--confirm",)):
        status, _, err = run("prove", tmp_path / "own.py", "--data", "digits", "--seeds", seeds, *words)
        assert status == 2 and in_process == []
        assert "own is cleared on seeds 0 to 1 and confirmed on seeds 2 to 4, and on no others" in err


# ------------------------------------------------------------------------------------------- in a source tree


def test_the_figures_of_fresh_seeds_are_the_record_s_in_every_text(tree: Path, trainer: Trainer, run: Run) -> None:
    prove(trainer)
    before = {path: path.read_bytes() for path in (tree / "results").glob("smallest/*")}
    trainer.last = lambda seed: 99.40 + 0.005 * (seed - 10)  # 99.40 to 99.495
    proof = prove(trainer, confirm=True)
    assert proof.holds and proof.test_evaluations == 2 and len(before) == 10
    assert [task.seed for task in trainer.tasks] == [0, 1, 2, *range(10), *FRESH]
    assert {path: path.read_bytes() for path in (tree / "results").glob("smallest/*")} == before
    kept = sorted((tree / "results/confirm/smallest").iterdir())
    assert [(path.name, read_record(path).seed) for path in kept] == [(f"seed{seed}.json", seed) for seed in FRESH]

    publish.write(tree)
    index = json.loads((tree / SOURCES / "index.json").read_text())
    [entry] = [one for one in index if one["id"] == "smallest"]
    assert (entry["measured"], entry["seeds"], entry["confirmed"], entry["passed"]) == (99.4475, 20, True, True)
    assert [len(runs) for runs in quoted_records.measured(tree).values()] == [20]


def test_what_fresh_seeds_do_not_confirm_is_said(tree: Path, trainer: Trainer) -> None:
    prove(trainer)
    # Nine of ten are asked for, so eighteen of twenty.
    trainer.last = lambda seed: 99.39 if seed < 13 else 99.45
    proof = prove(trainer, confirm=True)
    assert proof.unconfirmed == ["asked are 18 of 20 seeds within budget, reached 17"] and not proof.holds
    assert proof.lines()[-1] == "NOT CONFIRMED: smallest, on seeds 10 to 29" and not proof.to_json()["confirmed"]
    assert not prove(trainer).holds and len(trainer.tasks) == 33


def test_the_ledger_is_written_before_and_a_stopped_confirmation_goes_on(tree: Path, trainer: Trainer) -> None:
    prove(trainer)
    ledger, trainer.stop_at = tree / "results/test_evaluations.jsonl", 17

    def train(tasks: Sequence[Task]) -> tuple[list[Done], list[Failed]]:
        assert [one.seeds for one in read_ledger(ledger)] == [tuple(range(10)), tuple(FRESH)]
        return trainer.train(tasks)

    with pytest.raises(proof_runs.StoppedError, match="1 of 20 runs did not finish"):
        protocol.prove("smallest", confirm=True, trainer=train, tell=lambda line: None)
    assert not (tree / "results/confirm").exists() and prove(trainer).fresh == ()
    trainer.stop_at, trainer.tasks = -1, []
    assert prove(trainer, confirm=True).holds and [task.seed for task in trainer.tasks] == [17]
    assert len(read_ledger(ledger)) == 2


def test_one_that_was_stopped_before_its_first_run_goes_on_too(tree: Path, trainer: Trainer) -> None:
    prove(trainer)

    def interrupted(tasks: Sequence[Task]) -> tuple[list[Done], list[Failed]]:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        protocol.prove("smallest", confirm=True, trainer=interrupted, tell=lambda line: None)
    assert prove(trainer, confirm=True).test_evaluations == 2


def test_runs_that_are_gone_are_not_made_again(tree: Path, trainer: Trainer) -> None:
    prove(trainer)
    prove(trainer, confirm=True)
    shutil.rmtree(tree / "runs/confirm")
    assert prove(trainer, confirm=True).holds  # the committed ones are there
    shutil.rmtree(tree / "results/confirm")
    shutil.rmtree(tree / "runs/confirm")
    trainer.tasks = []
    with pytest.raises(UsageError, match="Seeds 10 to 29 of smallest were begun on .* They run once only: bring these"):
        prove(trainer, confirm=True)
    assert trainer.tasks == [] and len(read_ledger(tree / "results/test_evaluations.jsonl")) == 2


def test_runs_by_hand_confirm_nothing(tree: Path, trainer: Trainer) -> None:
    prove(trainer)
    keep_run(tree / "runs" / "smallest-seed12", trainer.record(Task(experiment="smallest", seed=12)))
    prove(trainer, confirm=True)
    assert [task.seed for task in trainer.tasks[13:]] == [*FRESH]


def test_a_bar_cleared_without_an_entry_in_the_ledger_is_not_confirmed(tree: Path, trainer: Trainer) -> None:
    prove(trainer)
    (tree / "results/test_evaluations.jsonl").write_text("[]")
    with pytest.raises(UsageError, match="has no entry of that attempt"):
        prove(trainer, confirm=True)
    assert len(trainer.tasks) == 13


def test_seconds_are_confirmed_one_run_at_a_time_and_never_again(
    tree: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof_runs, "processors", lambda: 16)
    prove(trainer, name="fastest")
    trainer.batches = []
    prove(trainer, confirm=True, name="fastest")
    assert trainer.batches == [1] * 20 and {task.threads for task in trainer.tasks[3:]} == {2}
    for path in (tree / "runs/confirm/fastest").glob("*/record.json"):
        kept = read_record(path)
        write_record(replace(kept, environment=kept.environment | {"threads": 1}), path)
    with pytest.raises(UsageError, match="did not run on this machine's engine native and 2 threads; they run"):
        prove(trainer, confirm=True, name="fastest")
    assert len(trainer.batches) == 20


def test_fresh_seeds_of_another_recipe_are_dropped(tree: Path, trainer: Trainer) -> None:
    folder = tree / "results/confirm/smallest"
    folder.mkdir(parents=True)
    for seed in FRESH:
        one = trainer.record(Task(experiment="smallest", seed=seed))
        write_record(replace(one, recipe=one.recipe | {"lr": 0.3}), folder / f"seed{seed}.json")
    kept_records.keep_record(trainer.record(Task(experiment="smallest")), tree)
    assert quoted_records.quoted_of("smallest", tree)[0].seed == 0  # they are not of what is here
    prove(trainer)
    assert list(folder.iterdir()) == []


def test_with_changed_settings_it_is_confirmed_in_a_folder_of_its_own(
    run: Run, tmp_path: Path, in_process: list[Task]
) -> None:
    (tmp_path / "own.py").write_text(MINE)
    words = ("prove", tmp_path / "own.py", "--data", "digits", "--lr", 0.06)
    run(*words)
    assert run(*words, "--confirm")[0] == 0
    [folder] = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("own-changed-") and len(list((folder / "confirm/own").iterdir())) == 3
    assert [one.note for one in read_ledger(folder / "test_evaluations.jsonl")] == [
        "changed: `lr` 0.05 → 0.06", "fresh seeds, to confirm; changed: `lr` 0.05 → 0.06"
    ]  # fmt: skip


# ------------------------------------------------------------------------------------------- comparisons, what is here


def test_networks_are_compared_on_the_same_kind_of_seeds() -> None:
    first = {id: [record(id, [99.4 + rise + 0.01 * seed], seed) for seed in range(3)] for id, rise in
             (("f3", 0.0), ("smallest", 0.1))}  # fmt: skip
    fresh = {"smallest": [record("smallest", [99.3 + 0.01 * seed], seed) for seed in range(10, 13)]}
    only_one = kept_records.quoted(first, fresh)
    assert only_one["smallest"] == fresh["smallest"] and only_one["f3"] == first["f3"]
    assert kept_records.compared(only_one, "smallest", "f3").test.difference == pytest.approx(0.1)
    fresh["f3"] = [record("f3", [99.5 + 0.01 * seed], seed) for seed in range(10, 13)]
    assert kept_records.compared(kept_records.quoted(first, fresh), "smallest", "f3").test.difference == pytest.approx(
        -0.2
    )


def test_every_cleared_record_can_be_confirmed() -> None:
    ledger, seen = read_ledger(ROOT / "results/test_evaluations.jsonl"), 0
    for one in contenders():
        kept = kept_records.records_of(one.id, ROOT)
        if one.bar is None or one.bar.shortfalls(kept):
            continue
        digest = recipe_digest(Recipe.from_json(kept[0].recipe))
        first = Attempt(experiment=one.id, network=kept[0].network, recipe=digest, seeds=tuple(range(one.bar.seeds)),
                        commit=None, date="2026-01-02")  # fmt: skip
        assert any(first.same_attempt(line) for line in ledger), one.id
        seen += 1
    assert seen >= 5


def test_committed_fresh_seeds_are_all_there_and_of_the_experiment_as_it_is() -> None:
    for folder in sorted((ROOT / "results/confirm").glob("*")):
        [one] = [one for data in RULES for one in contenders(data) if one.id == folder.name]
        assert one.bar is not None
        assert (
            len(quoted_records.fresh_of(ROOT, {one.id: kept_records.records_of(one.id, ROOT)})[one.id])
            == one.bar.confirming
        )
        assert len(list(folder.iterdir())) == one.bar.confirming
