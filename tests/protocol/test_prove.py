"""The protocol of a record: what is trained, counted, refused and committed, in which order."""

import json
import re
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from statistics import fmean

import pytest
from docs.build import candidate_record

from commands import Run
from featherweight.data import load
from featherweight.errors import FileError, UsageError
from featherweight.experiments.bar import Bar
from featherweight.experiments.experiment import find
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import read_record, write_record
from featherweight.networks.difference import differences
from featherweight.protocol import proof_runs, prove
from featherweight.protocol import records as kept_records
from featherweight.protocol.ledger import Attempt, evaluations_of, note_attempt, read_ledger, recipe_digest
from featherweight.protocol.proof import Proof
from featherweight.protocol.proof_runs import measured_in_c, seconds_of_run
from featherweight.training.loop import fit
from featherweight.training.runs.events import Done, Failed
from featherweight.training.runs.folders import changed_folder
from featherweight.training.runs.task import Task, check_task
from made import record
from proving import OWN, Trainer, keep_run, trained_in_process

ROOT = Path(__file__).parents[2]


def proved(trainer: Trainer, name: str = "smallest") -> Proof:
    return prove.prove(name, seeds=10, trainer=trainer.train, tell=lambda line: None)


# ------------------------------------------------------------------------------------------- the verb, for real


@pytest.fixture
def in_process(monkeypatch: pytest.MonkeyPatch) -> list[Task]:
    return trained_in_process(monkeypatch)


def test_a_proof_from_held_out_evidence_to_exit_status(run: Run, tmp_path: Path, in_process: list[Task]) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    status, out, _ = run("prove", path, "--seeds", 2, "--data", "digits", "--json")
    told = json.loads(out)
    # A twelfth of the 1,437 training digits is 119.
    assert [(task.holdout, task.seed) for task in in_process] == [(119, 0), (119, 1), (119, 2), (0, 0), (0, 1)]
    last = [one["verdict"]["last"] for one in told["runs"]]
    assert status == 0 and told["proved"] and told["shortfalls"] == [] and told["touches"] == 1
    assert told["mean"] == pytest.approx(sum(last) / 2) and told["worst"] == min(last) and told["passed"] == 2
    # Student's 12.706 at one degree of freedom, times half the difference.
    assert told["interval"][1] - told["mean"] == pytest.approx(12.706 * abs(last[0] - last[1]) / 2, rel=1e-4)
    assert all("run" not in one and one["seconds"] > 0 for one in told["runs"])
    ledger = read_ledger(tmp_path / "runs" / "test_evaluations.jsonl")
    assert [(one.experiment, one.seeds) for one in ledger] == [(str(path), (0, 1))]

    path.write_text(OWN.replace("mean=30", "mean=100"))
    status, out, _ = run("prove", path, "--seeds", 2, "--data", "digits")
    assert status == 1 and len(in_process) == 5  # nothing was left to train
    assert "falls short: asked are 100.00 % or more in the mean of the last epochs, reached" in out
    assert "NOT PROVED: own" in out and "resumed: test-set evaluation 1" in out

    path.write_text(OWN.replace("lr=0.05", "lr=0.06"))
    assert "this is test-set evaluation 2" in run("prove", path, "--seeds", 2, "--data", "digits")[1]
    assert len(in_process) == 10  # another recipe: its evidence is held out and trained anew


def test_a_bar_for_programs_in_c_is_measured_by_the_protocol(run: Run, tmp_path: Path, in_process: list[Task]) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN.replace("nn.Flatten(), nn.Linear(49, 10)", "nn.Conv2d(1, 10, 7), nn.Flatten()").replace(
        "seeds=2, mean=30", "seeds=2, confirming=2, mean_in_c=30"))  # fmt: skip
    words = ("prove", path, "--seeds", 2, "--data", "digits")
    status, out, _ = run(*words)
    told = re.findall(r"seed (\d) in 8-bit C: ([\d.]+) %, as a network ([\d.]+) %", out)
    assert status == 0 and [seed for seed, _, _ in told] == ["0", "1"] and "PROVED: own" in out
    for seed, in_c, _ in told:  # the figure is that of the verb that exports
        folder = tmp_path / "runs" / f"own-seed{seed}"
        run("export", folder, "--to", "c", "--out", tmp_path / seed)
        [manifest] = (tmp_path / seed).glob("*-c.json")
        assert f"{json.loads(manifest.read_text())['proof']['accuracy']:.2f}" == in_c
    out = run(*words, "--confirm")[1]
    assert "CONFIRMED: own, on seeds 2 to 3" in out and all(f"seed {seed} in 8-bit C: " in out for seed in (2, 3))
    path.write_text(path.read_text().replace("mean_in_c=30", "mean_in_c=100"))
    status, out, _ = run(*words)
    mean = fmean(float(in_c) for _, in_c, _ in told)
    assert status == 1 and f"in the mean of the programs in 8-bit C, reached {mean:.3f} %" in out


def test_a_program_whose_run_is_gone_cannot_be_measured(tmp_path: Path) -> None:
    data = load("digits")
    with pytest.raises(UsageError, match="The run of f3, seed 0, is not in .*, so its program cannot be measured"):
        measured_in_c([record("f3", [99.5] * 15)], [tmp_path], data, print)
    kept = record("f3", [99.5] * 15, c_accuracy=99.4)
    assert measured_in_c([kept], [tmp_path], data, print) == [kept]
    write_record(kept, tmp_path / "record.json")
    assert read_record(tmp_path) == kept
    assert "c_accuracy" not in record("f3", [99.5] * 15).to_json()  # as in all records from before


def test_changed_settings_are_proved_in_a_folder_of_their_own(run: Run, tmp_path: Path, in_process: list[Task]) -> None:
    path = tmp_path / "own.py"
    path.write_text(OWN)
    words = ("prove", path, "--seeds", 2, "--data", "digits", "--lr", 0.06, "--target", 20, "--json")
    status, out, err = run(*words)
    told, changed = json.loads(out), ["`lr` 0.05 → 0.06", "`budget.accuracy` 30 → 20"]
    assert status == 0 and told["changed"] == changed and told["touches"] == 1
    [folder] = (tmp_path / "runs").iterdir()
    assert folder.name.startswith("own-changed-") and f"{', '.join(changed)}; everything goes to" in err
    ended = read_record(folder / "own-seed0")
    assert (ended.recipe["lr"], ended.budget["accuracy"]) == (0.06, 20)
    assert differences(ended, find(str(path))) == changed
    [attempt] = read_ledger(folder / "test_evaluations.jsonl")
    assert attempt.note == f"changed: {', '.join(changed)}" and attempt.seeds == (0, 1)

    run(*words)
    assert len(in_process) == 5  # the same changes find their runs
    # A change that changes nothing is none; what was changed before does not count for what is not.
    told = json.loads(run("prove", path, "--seeds", 2, "--data", "digits", "--lr", 0.05, "--json")[1])
    assert len(in_process) == 10 and told["changed"] == [] and told["touches"] == 1
    assert read_record(tmp_path / "runs" / "own-seed0").recipe["lr"] == 0.05


def test_an_experiment_without_a_bar_has_nothing_to_prove(run: Run) -> None:
    status, _, err = run("prove", "c3", "--data", "digits")
    assert status == 2 and "c3 defines no acceptance criterion" in err and "bar=fw.Bar(seeds=5" in err


def test_what_is_missing_is_said_with_what_to_type_and_how_long_it_takes(
    run: Run, tmp_path: Path, in_process: list[Task], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own.py").write_text(OWN)
    words = ("prove", "own.py", "--data", "digits")
    monkeypatch.setattr(prove, "seconds_of_run", lambda run: 100.0)
    monkeypatch.setattr(prove, "processors", lambda: 2)
    _, out, _ = run(*words)
    [command] = re.findall(r"`featherweight (train [^`]+)` would", out)
    own = str((tmp_path / "own.py").resolve())
    assert command == f"train {own} --holdout 119 --seeds 3 --out runs/heldout --data digits"
    # Three runs two at a time, and two: 3 x 100 s.
    assert "3 runs with 119 images held out, 2 on all; about 5 min on this machine" in out and len(in_process) == 5
    _, out, _ = run(*words)
    assert "to train" not in out and "held-out evidence" not in out
    (tmp_path / "own.py").write_text(OWN.replace("lr=0.05", "lr=0.06"))
    _, out, _ = run(*words)
    assert "not counted" in out and "own-seed0 (`lr` 0.06 → 0.05)" in out and "3 runs with 119" in out


def test_what_it_says_to_type_is_taken_as_evidence(run: Run, tmp_path: Path, in_process: list[Task]) -> None:
    (tmp_path / "own.py").write_text(OWN)
    words = "--holdout 119 --seeds 3 --out runs/heldout --data digits"
    run("train", str((tmp_path / "own.py").resolve()), *words.split())
    held = len(in_process)
    _, out, _ = run("prove", "own.py", "--data", "digits")
    assert "0 runs with 119 images held out, 2 on all" in out and "held-out evidence" not in out
    assert [task.holdout for task in in_process[held:]] == [0, 0]


def test_an_estimate_is_of_the_order_of_the_run_itself() -> None:
    task = Task(experiment="f3", data="digits", epochs=5, threads=1)
    estimated, run = seconds_of_run(check_task(task)), check_task(task)
    started = time.perf_counter()
    for _ in fit(run.state, run.data, run.experiment.recipe, 0, run.engine, run.evaluator):
        pass
    took = time.perf_counter() - started
    assert took / 5 < estimated - 2 < 5 * took + 1  # two seconds are for what is beside the steps


def test_what_new_writes_can_be_proved(run: Run, tmp_path: Path, in_process: list[Task]) -> None:
    run("new", "mine.py", "--from", "c1", "--data", "digits")
    words = ("prove", "mine.py", "--data", "digits", "--epochs", 1, "--json")
    status, out, err = run(*words)
    assert status == 0 and json.loads(out)["proved"], err
    assert len(in_process) == 3 + 5
    run("new", "own.py")  # of the base's own set: four of five seeds within budget
    assert find(str(tmp_path / "own.py")).bar == Bar(seeds=5, confirming=5, passed=4)


# ------------------------------------------------------------------------------------------- in a source tree


def test_a_record_is_committed_with_its_evidence(tree: Path, trainer: Trainer) -> None:
    told: list[str] = []
    proof = prove.prove("smallest", seeds=10, trainer=trainer.train, tell=told.append)
    assert proof.shortfalls == [] and proof.test_evaluations == 1 and proof.root == tree
    assert trainer.batches == [3, 10]  # side by side
    assert [one.seed for one in kept_records.records_of("smallest", tree)] == list(range(10))
    held = sorted((tree / "results/heldout/smallest").iterdir())
    assert [(path.name, read_record(path).data["holdout"]) for path in held] == [
        (f"seed{n}.json", 5000) for n in range(3)
    ]
    # 99.45 to 99.54: mean 99.495.
    assert proof.to_json()["mean"] == pytest.approx(99.495)
    assert "python -m docs.build" in told[-1] and not (tree / "docs/records").exists()  # which quotes them


def test_with_changed_settings_nothing_is_committed(
    tree: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trainer, "tree", tree / "nowhere")  # whose ledger it would wait for
    folders: list[Path] = []

    def train(tasks: Sequence[Task]) -> tuple[list[Done], list[Failed]]:
        folders.extend(task.out for task in tasks)
        assert all(task.settings == (("budget.held", 1),) for task in tasks)
        return [Done(label=task.label, folder=task.out, record=trainer.record(task)) for task in tasks], []

    kept = sorted(path for path in tree.rglob("*") if path.is_file())
    proof = prove.prove("smallest", seeds=10, trainer=train, tell=lambda line: None, settings=(("budget.held", 1),))
    assert proof.root is None and proof.changed == ("`budget.held` 5 → 1",)
    assert proof.lines()[-1].startswith("PROVED: smallest with `budget.held` 5 → 1, over seeds 0 to 9")
    own = changed_folder(Path("runs"), "smallest", proof.changed)
    assert set(folders) == {own, own / "heldout"}
    now = sorted(path for path in tree.rglob("*") if path.is_file())
    assert {path for path in now if path not in kept} == {tree / own / "test_evaluations.jsonl"}


def test_a_record_that_falls_short_is_committed_all_the_same(tree: Path, trainer: Trainer) -> None:
    trainer.last = lambda seed: 99.39 if seed < 2 else 99.45
    proof = proved(trainer)
    assert proof.shortfalls == ["asked are 9 of 10 seeds within budget, reached 8"]
    assert len(kept_records.records_of("smallest", tree)) == 10


def test_an_attempt_that_is_given_up_is_counted_and_taking_it_up_is_not_another(tree: Path, trainer: Trainer) -> None:
    trainer.stop_at = 4
    with pytest.raises(proof_runs.StoppedError, match="1 of 10 runs did not finish") as stopped:
        proved(trainer)
    assert stopped.value.exit_status == 130
    assert len(read_ledger(tree / "results/test_evaluations.jsonl")) == 1 and not (tree / "results/smallest").exists()
    trainer.stop_at, trainer.tasks = -1, []
    (tree / "results/test_evaluations.jsonl").rename(tree / "kept.json")
    shutil.copy(tree / "kept.json", tree / "results/test_evaluations.jsonl")
    assert proved(trainer).test_evaluations == 1
    assert [(task.holdout, task.seed) for task in trainer.tasks] == [(0, 4)]

    shutil.rmtree(tree / "results/smallest")
    for folder in (tree / "runs").glob("smallest-seed*"):
        shutil.rmtree(folder)
    assert proved(trainer).test_evaluations == 2
    assert proved(trainer).test_evaluations == 2


def test_runs_whose_seconds_count_go_one_at_a_time_on_all_cores(
    tree: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proof_runs, "processors", lambda: 16)
    # Seed 3 has been trained beside others, on one thread: its time means nothing.
    keep_run(tree / "runs" / "fastest-seed3-0", trainer.record(Task(experiment="fastest", seed=3, threads=1)))
    told: list[str] = []
    proof = prove.prove("fastest", seeds=10, trainer=trainer.train, tell=told.append)
    assert trainer.batches == [3] + [1] * 10 and {task.threads for task in trainer.tasks[3:]} == {2}
    assert any("one at a time, on 2 threads" in line for line in told)
    assert proof.shortfalls == []


def test_two_engines_among_the_records_are_refused_before_any_is_trained(tree: Path, trainer: Trainer) -> None:
    keep_run(tree / "runs/smallest-seed7", trainer.record(Task(experiment="smallest", seed=7), engine="torch"))
    with pytest.raises(UsageError, match="Seeds 7 of smallest ran on a different engine from this machine's native"):
        proved(trainer)
    assert [task.holdout for task in trainer.tasks] == [5000] * 3


def test_unlike_held_out_runs_are_refused_before_the_test_set_is_opened(tree: Path, trainer: Trainer) -> None:
    other = trainer.record(Task(experiment="smallest", seed=1, holdout=5000), engine="torch")
    keep_run(tree / "runs" / "heldout" / "smallest-seed1", other)
    with pytest.raises(UsageError, match=r"seeds 0, 2 and 1 differ in engine \(native and torch\)"):
        proved(trainer)
    assert [(task.holdout, task.seed) for task in trainer.tasks] == [(5000, 0), (5000, 2)]
    assert not (tree / "results/test_evaluations.jsonl").exists() and not (tree / "results/heldout").exists()


def test_seconds_of_unlike_machines_are_refused(tree: Path, trainer: Trainer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(proof_runs, "processors", lambda: 16)
    place = {"torch": "2.13.0", "threads": 2, "device_type": "cpu", "commit": "abc", "processor": "another"}
    one = trainer.record(Task(experiment="fastest", seed=3, threads=2), environment=place)
    keep_run(tree / "runs" / "fastest-seed3", one)
    with pytest.raises(
        UsageError, match=r"seconds of fastest were measured on different machines: \[\('another', 2\), \('p'"
    ):
        proved(trainer, "fastest")
    assert not (tree / "results/fastest").exists()
    # Where seconds do not count, the machine does not matter.
    (tree / "results/test_evaluations.jsonl").unlink()
    one = trainer.record(Task(experiment="smallest", seed=3), environment=place | {"threads": 1})
    keep_run(tree / "runs" / "smallest-seed3", one)
    assert proved(trainer).shortfalls == []


def test_runs_that_held_digits_out_are_not_taken_for_runs_on_all(tree: Path, trainer: Trainer) -> None:
    for seed in range(10):
        one = trainer.record(Task(experiment="smallest", seed=seed, holdout=5000))
        keep_run(tree / "runs" / f"smallest-seed{seed}-0", one)
    proved(trainer)
    assert [(task.holdout, task.seed) for task in trainer.tasks] == [(0, seed) for seed in range(10)]


def test_committed_seeds_that_would_stay_as_they_are_are_refused(tree: Path, trainer: Trainer) -> None:
    kept_records.keep_record(trainer.record(Task(experiment="smallest", seed=11)), tree)
    with pytest.raises(UsageError, match="results/smallest holds seeds 11, which 10 seeds would leave as they are"):
        proved(trainer)
    assert trainer.tasks == [] and not (tree / "results/test_evaluations.jsonl").exists()


# ------------------------------------------------------------------------------------------- the ledger


ATTEMPT = Attempt(experiment="x", network="n", recipe="r", seeds=(0, 1), commit="abc", date="2026-01-02")


def test_the_ledger_counts_attempts_not_runs(tmp_path: Path) -> None:
    path = tmp_path / "test_evaluations.jsonl"
    path.with_name(f".{path.name}.999999999.part").write_text("{")  # of a process that was killed
    assert (
        read_ledger(path) == []
        and evaluations_of([], "x", committed=True) == 1
        and evaluations_of([], "x", committed=False) == 0
    )
    again = replace(ATTEMPT, seeds=(1, 0), commit="def", date="2026-01-03")
    others = [replace(ATTEMPT, **{name: value}) for name, value in  # type: ignore[arg-type]
              (("network", "m"), ("recipe", "s"), ("seeds", (0, 1, 2)), ("experiment", "y"))]  # fmt: skip
    noted = [note_attempt(path, one, begun=True) for one in (ATTEMPT, again, *others, ATTEMPT)]
    assert noted == [True, False, True, True, True, True, False]
    assert read_ledger(path) == [ATTEMPT, *others]
    assert evaluations_of(read_ledger(path), "x", committed=True) == 4
    assert not note_attempt(path, replace(ATTEMPT, seeds=(1,)), begun=True)  # seed 0 has finished meanwhile
    assert note_attempt(path, again, begun=False)  # the same seeds, but nothing of them is left to be resumed
    assert evaluations_of(read_ledger(path), "x", committed=True) == 5
    assert sorted(one.name for one in tmp_path.iterdir()) == ["test_evaluations.jsonl"]


@pytest.mark.parametrize("text", ["{", "[1]", '[{"experiment": "x"}]', '{"seeds": 1}', "[]\n[]", "7"])
def test_a_damaged_ledger_is_not_written_over(tmp_path: Path, text: str) -> None:
    path = tmp_path / "test_evaluations.jsonl"
    path.write_text(text)
    with pytest.raises(FileError, match="is not an attempt of a ledger of test-set evaluations"):
        note_attempt(path, ATTEMPT, begun=True)
    assert path.read_text() == text


def test_a_chain_that_is_broken_is_refused_with_its_line(tmp_path: Path) -> None:
    path = tmp_path / "test_evaluations.jsonl"
    others = [replace(ATTEMPT, experiment=name) for name in "xyz"]
    for one in others:
        note_attempt(path, one, begun=False)
    lines = path.read_text().splitlines(keepends=True)
    for changed, where in (
        ([lines[0].replace("abc", "abd"), *lines[1:]], 2),  # changed
        ([lines[0], lines[2]], 2),  # left out
        ([lines[1], lines[2]], 1),
        ([lines[0], lines[0].replace('"x"', '"w"'), *lines[1:]], 2),  # put in
        ([lines[1], lines[0], lines[2]], 1),
    ):
        path.write_text("".join(changed))
        with pytest.raises(FileError, match=f"chain is broken at line {where},"):
            note_attempt(path, ATTEMPT, begun=True)
        assert path.read_text() == "".join(changed)
    path.write_text("".join(lines))
    assert read_ledger(path) == others


def test_a_ledger_of_an_earlier_version_is_read_and_goes_on_as_a_chain(tmp_path: Path) -> None:
    earlier, path = tmp_path / "touches.json", tmp_path / "test_evaluations.jsonl"
    earlier.write_text(json.dumps([asdict(ATTEMPT), asdict(replace(ATTEMPT, experiment="y"))]))
    assert [one.experiment for one in read_ledger(path)] == ["x", "y"]
    assert not note_attempt(path, ATTEMPT, begun=True) and not path.exists()
    assert note_attempt(path, replace(ATTEMPT, experiment="z"), begun=False)
    assert [one.experiment for one in read_ledger(path)] == ["x", "y", "z"] and not earlier.exists()
    earlier.write_text(json.dumps([asdict(replace(ATTEMPT, experiment="late"))]))  # by that version, later
    assert [one.experiment for one in read_ledger(path)] == ["x", "y", "z", "late"]


def test_the_committed_ledger_knows_the_flagship_s_looks_at_the_test_set() -> None:
    ledger = read_ledger(ROOT / "results/test_evaluations.jsonl")
    from_log = {
        id: sum(one.experiment == id and "from the log" in one.note for one in ledger) for id in ("f1", "f2", "f3")
    }
    # Records and weights, and two runs of each step's notebook; the quick start trains f3, too.
    assert from_log == {"f1": 1 + 2, "f2": 1 + 2, "f3": 4 + 2 + 2}
    for id in ("f1", "f2"):
        first = read_record(ROOT / "results" / id / "seed0.json")
        digest = recipe_digest(Recipe.from_json(first.recipe))
        looks = [(one.network, one.recipe) for one in ledger if one.experiment == id]
        assert looks[-1] == (first.network, digest) and len(looks) == {"f1": 4, "f2": 4}[id]


def test_evidence_that_is_committed_is_of_the_experiment_as_it_is() -> None:
    for file in sorted((ROOT / "results/heldout").glob("*/seed*.json")):
        kept, experiment = read_record(file), find(file.parent.name)
        assert kept.experiment == experiment.id and Recipe.from_json(kept.recipe) == experiment.recipe
        given = kept.data["train"] - experiment.recipe.strokes + kept.data["holdout"]
        assert kept.finished and kept.data["holdout"] == kept.data["test"] == given // 12


def test_every_proved_record_has_its_line_and_its_evidence() -> None:
    found = {one.id: kept_records.records_of(one.id, ROOT) for one in candidate_record.contenders()}
    for one in candidate_record.gather(found, ROOT):
        assert one.experiment.bar is not None
        if len(one.records) >= one.experiment.bar.seeds:
            assert one.test_evaluations >= 1 and len(one.held_out) >= 3, one.experiment.id


def test_digits_drawn_one_by_one_are_no_evidence(tree: Path, trainer: Trainer) -> None:
    for seed in range(3):
        drawn = trainer.record(Task(experiment="smallest", seed=seed, holdout=5000))
        drawn = replace(drawn, data={name: value for name, value in drawn.data.items() if name != "held_out"})
        keep_run(tree / "runs" / f"smallest-seed{seed}-0", drawn)
    proved(trainer)
    assert [task.seed for task in trainer.tasks if task.holdout] == [0, 1, 2]
