"""`featherweight compare`: the paired test on records, and what it refuses."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from scipy import stats

from commands import OWN, Run
from featherweight.errors import UsageError
from featherweight.experiments.experiment import find
from featherweight.experiments.record import Record, read_record, write_record
from featherweight.protocol.comparable_runs import RunSet, Side, comparable, side_of
from featherweight.protocol.compare import compare, require_alike
from made import MNIST, record
from proving import trained_in_process

ROOT = Path(__file__).parents[2]
BETTER = [record("c3", [99.0] * 14 + [last], seed) for seed, last in enumerate((99.50, 99.48, 99.55, 99.41))]
WORSE = [record("c2", [99.0] * 14 + [last], seed) for seed, last in ((3, 99.33), (1, 99.36), (0, 99.40), (9, 98.0))]


def test_the_sentence_of_a_difference() -> None:
    it = compare(BETTER, WORSE)
    # Seeds 0, 1 and 3 are common: 0.10, 0.12 and 0.08 are 0.1 ± 4.303 x 0.02 / √3.
    assert it.seeds == (0, 1, 3)
    p = stats.ttest_rel([99.50, 99.48, 99.41], [99.40, 99.36, 99.33]).pvalue
    assert it.test.p == pytest.approx(p, rel=1e-6)
    assert it.sentence() == f"c3 beats c2 by 0.100 points (95 % interval +0.050 to +0.150, p = {p:.3f}, 3 seeds)."
    assert compare(WORSE, BETTER).sentence() == it.sentence()  # whoever is named first


def test_runs_of_one_name_are_called_by_what_was_given() -> None:
    worse = [record("c3", [99.0] * 14 + [last], seed) for seed, last in enumerate((99.40, 99.36, 99.43))]
    assert compare(BETTER, worse, ("fast", "slow")).sentence().startswith("fast beats slow by 0.113 points")
    assert compare(BETTER, WORSE, ("fast", "slow")).sentence().startswith("c3 beats c2 by 0.100 points")


def test_what_is_not_decided_is_called_so() -> None:
    level = [record("c2", [99.0] * 14 + [last], seed) for seed, last in enumerate((99.6, 99.4, 99.5))]
    assert compare(BETTER, level).sentence().startswith("Undecided: c3 is above c2 by 0.010 points (95 % interval -")


def test_drawn_digits_of_a_recipe_do_not_make_another_data_set() -> None:
    more = MNIST | {"train": MNIST["train"] + 1500}
    drawn = [record("reader", [99.0] * 14 + [last], seed, data=more) for seed, last in enumerate((99.5, 99.4, 99.5))]
    assert compare(BETTER, drawn).seeds == (0, 1, 2)
    with pytest.raises(UsageError, match="Only runs on the same data"):
        compare(BETTER, [replace(one, data=MNIST) for one in drawn])


@pytest.mark.parametrize(
    ("runs", "sentence"),
    [
        (WORSE[:1], "c3 and c2 share 1 finished seeds; a comparison needs two or more."),
        ([], "There is no finished run here"),
        ([record("c2", [99.0], seed, data=MNIST | {"holdout": 5000}) for seed in (0, 1)], "Only runs on the same data"),
        ([record("c2", [99.0], 0), record("c2", [99.0], 1, engine="torch")], "seeds 0 and 1 differ in engine"),
        ([record("c2", [99.0], 0), record("c2", [99.0], 1, recipe=BETTER[0].recipe)], "differ in recipe"),
        ([record("c2", [99.0], 0), record("c2", [99.0], 1, network="other")], "differ in network"),
        ([record("c2", [99.0], 0), record("c1", [99.0], 1)], "differ in experiment"),
        ([record("c2", [99.0], 0), record("c2", [99.0], 0)], "two runs of one seed of c2"),
    ],
)
def test_what_cannot_be_compared_is_refused(runs: list[Record], sentence: str) -> None:
    with pytest.raises(UsageError, match=sentence):
        compare(BETTER, runs)


def test_held_out_and_full_runs_do_not_mix() -> None:
    with pytest.raises(UsageError, match="cannot be mixed"):
        require_alike([record("c2", [99.0], 0), record("c2", [99.0], 1, data=MNIST | {"holdout": 5000})])


def test_a_record_made_and_one_read_back_are_alike(tmp_path: Path) -> None:
    write_record(BETTER[0], tmp_path / "record.json")
    require_alike([*side_of(str(tmp_path)).sets[0].records, BETTER[1]])


def test_runs_that_share_a_single_seed_are_passed_over_for_others() -> None:
    def side(name: str, **sets: list[Record]) -> Side:
        found = tuple(RunSet(name=name, where=where, records=tuple(runs)) for where, runs in sets.items())
        return Side(name=name, experiment=find(name), sets=found, left_out=())

    ours, theirs = comparable(side("c3", here=BETTER[:1], packed=BETTER), side("c2", packed=WORSE))
    assert (ours.where, theirs.where) == ("packed", "packed")
    with pytest.raises(UsageError, match="two or more seeds that both have run"):
        comparable(side("c3", here=BETTER[:1]), side("c2", packed=WORSE))


def test_the_verb_finds_committed_records_and_run_folders(run: Run, tmp_path: Path) -> None:
    for one in BETTER:
        folder = tmp_path / "results" / "c3"
        folder.mkdir(parents=True, exist_ok=True)
        write_record(one, folder / f"seed{one.seed}.json")
    held = record("c2", [98.0] * 15, 2, data=MNIST | {"holdout": 5000})
    open_run = record("c2", [98.0] * 3, 5, finished=False)
    for one in [*WORSE, held, open_run]:
        folder = tmp_path / "mine" / f"c2-seed{one.seed}"
        folder.mkdir(parents=True)
        write_record(one, folder / "record.json")
    status, out, _ = run("compare", "c3", "c2", "--out", "mine", "--json")
    told = json.loads(out)
    assert status == 0 and told["seeds"] == [0, 1, 3] and told["decided"] is True
    assert told["difference"] == pytest.approx(0.1) and told["sentence"].startswith("c3 beats c2")
    assert run("compare", "results/c3", "c2", "--out", "mine")[1] == told["sentence"] + "\n"
    (tmp_path / "own.py").write_text(OWN)
    status, _, err = run("compare", "c3", "own.py")
    assert status == 2 and "own.py has no finished run" in err and "`featherweight train own.py --seeds 3`" in err


@pytest.mark.parametrize("id", ["f3", "f1", "leanest"])
def test_a_run_of_today_is_like_the_committed_ones(id: str) -> None:
    """Whatever recipes have gained since: otherwise no seeds could be added to a record."""
    committed = [read_record(path) for path in sorted((ROOT / "results" / id).glob("seed*.json"))]
    assert len(committed) >= 3
    today = replace(committed[0], seed=99, recipe=find(id).recipe.to_json())
    require_alike([*committed, today])


# ------------------------------------------------------------------------------------------- what a name stands for


def keep(folder: Path, *records: Record) -> None:
    for one in records:
        (folder / f"{Path(one.experiment).stem}-seed{one.seed}").mkdir(parents=True)
        write_record(one, folder / f"{Path(one.experiment).stem}-seed{one.seed}" / "record.json")


def test_a_run_here_does_not_hide_the_records_of_the_package(run: Run, tmp_path: Path) -> None:
    before = json.loads(run("compare", "f3", "f2", "--json")[1])
    assert before["seeds"] == [0, 1, 2, 3, 4] and before["runs"] == ["the package", "the package"]
    keep(tmp_path / "runs", record("f3", [99.0] * 15, 7))  # of MNIST, as README's first command leaves it
    digits = MNIST | {"name": "digits", "source": "digits", "train": 1437, "test": 360}
    keep(tmp_path / "runs", *(record("f2", [90.0] * 15, seed, data=digits) for seed in (0, 1)))
    assert json.loads(run("compare", "f3", "f2", "--json")[1]) == before


def test_runs_here_come_before_those_of_the_package(run: Run, tmp_path: Path) -> None:
    keep(tmp_path / "runs", *(record("f3", [99.0 + 0.01 * seed] * 15, seed) for seed in (0, 1, 8)))
    told = json.loads(run("compare", "f3", "f2", "--json")[1])
    assert told["seeds"] == [0, 1] and told["runs"] == ["runs", "the package"] and told["difference"] < 0


def test_runs_of_another_network_or_recipe_are_named_and_not_counted(run: Run, tmp_path: Path) -> None:
    (tmp_path / "own.py").write_text(OWN)
    name, own = str((tmp_path / "own.py").resolve()), find(str(tmp_path / "own.py"))
    good = [record(name, [99.0, 99.1], seed) for seed in (0, 1)]
    keep(tmp_path / "runs", *good)
    slow = record(name, [99.9, 99.9], 2, recipe=own.recipe.to_json() | {"lr": 0.5})
    wide = record(name, [99.9, 99.9], 3, network="another")
    keep(tmp_path / "runs", slow, wide)
    side = side_of("own.py")
    assert [one.seeds for one in side.sets] == [{0, 1}]
    assert side.left_out == ("runs/own-seed2 (`lr` 0.05 → 0.5)", side.left_out[1]) and "own-seed3" in side.left_out[1]
    told = json.loads(run("compare", "own.py", "f2", "--json")[1])
    assert told["seeds"] == [0, 1] and len(told["left_out"]) == 2
    (tmp_path / "own.py").write_text(OWN.replace("lr=0.05", "lr=0.07"))
    status, out, err = run("compare", "own.py", "f2")
    assert (status, out) == (2, "") and "own.py has no finished run" in err and "own-seed0 (`lr` 0.07 → 0.05)" in err


def test_runs_of_a_file_that_was_moved_are_still_its_own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("own[1].py").write_text(OWN.replace("id='own', ", ""))
    keep(Path("runs"), *(record(str(Path("own[1].py").resolve()), [99.0, 99.0], seed) for seed in (0, 1)))
    Path("elsewhere").mkdir()
    Path("own[1].py").rename("elsewhere/own[1].py")
    assert [one.seeds for one in side_of("elsewhere/own[1].py").sets] == [{0, 1}]


def test_what_is_missing_is_said_and_trained(run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tasks = trained_in_process(monkeypatch)
    for name, rate in (("own", "0.05"), ("other", "0.07")):
        (tmp_path / f"{name}.py").write_text(OWN.replace("'own'", f"'{name}'").replace("0.05", rate))
    assert run("train", "own.py", "--data", "digits", "--threads", 1)[0] in (0, 1)
    status, _, err = run("compare", "own.py", "other.py")
    assert status == 2 and "own.py has seed 0 on digits (runs)" in err
    for name in ("own.py", "other.py"):
        assert f"`featherweight train {name} --seeds 3 --data digits`" in err
    status, out, _ = run("compare", "own.py", "other.py", "--train", "--json")
    told = json.loads(out)
    assert status == 0 and told["seeds"] == [0, 1, 2]
    assert [(Path(task.experiment).stem, task.seed) for task in tasks] == [
        ("own", 1),
        ("own", 2),
        *(("other", n) for n in range(3)),
    ]
    run("compare", "own.py", "other.py", "--train")
    assert len(tasks) == 5


def test_a_sentence_names_files_and_not_their_folders() -> None:
    worse = [replace(one, experiment="/home/me/nets/mine.py") for one in BETTER]
    assert "mine.py" in compare(WORSE, worse).sentence() and "/home" not in compare(WORSE, worse).sentence()
