"""The command line as its users see it: documents, sentences and exit statuses."""

import importlib
import json
import os
import re
import signal
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import pytest
from safetensors.numpy import load_file

import featherweight as fw
from braked import braked
from commands import OWN, Run
from featherweight.cli import VERBS
from featherweight.cli.options import ORDER


def test_list_gives_a_document_with_the_promised_keys(run: Run) -> None:
    status, out, _ = run("list", "--json")
    experiments = json.loads(out)["experiments"]
    assert status == 0 and {"f1", "f2", "f3"} <= {entry["id"] for entry in experiments}
    keys = ["id", "parameters", "epochs", "claimed", "measured", "passed", "confirmed", "preprocessing"]
    assert all(list(entry) == keys for entry in experiments)
    assert next(entry for entry in experiments if entry["id"] == "f3")["parameters"] < 8000
    assert [entry["claimed"] for entry in experiments if entry["id"] in ("a10", "c3", "f3")] == [99.6, 99.43, None]


def test_list_groups_what_there_is_within_80_columns(run: Run, tmp_path: Path) -> None:
    status, out, _ = run("list")
    lines = out.splitlines()
    assert status == 0 and max(map(len, lines)) <= 80
    headings = [line.split(":")[0] for line in lines if line.startswith(("Ladder ", "Records", "Your own"))]
    assert headings == [*(f"Ladder {letter}" for letter in "ABCDEFK"), "Records"]
    assert lines.index("Ladder C: Three models (published).") == next(
        place - 1 for place, line in enumerate(lines) if line.startswith("c1 ")
    )
    # No word of a title is lost: it goes on below its first words.
    at = next(place for place, line in enumerate(lines) if line.startswith("c3 "))
    assert lines[at].endswith(" augmentation, a tenth of") and lines[at + 1].strip() == "the rate every 6 epochs"
    explained = [part.split(":")[0] for line in lines[-6:] for part in line.split("; ")]
    for column in ("claimed", "measured", "budget, rule", "-"):
        assert column in explained


def test_list_narrows_to_a_ladder(run: Run) -> None:
    every = json.loads(run("list", "--json")[1])["experiments"]
    status, out, _ = run("list", "--ladder", "C", "--json")
    assert status == 0
    assert json.loads(out)["experiments"] == [entry for entry in every if entry["id"] in ("c1", "c2", "c3")]
    out = run("list", "--ladder", "records")[1]
    assert "smallest" in out and "Ladder" not in out and "a1" not in out
    # A ladder on another set needs no --data, and is judged by that set's rule.
    out = run("list", "--ladder", "g")[1]
    assert "g3" in out and "92.80 %" in out and "99.40 %" not in out
    status, out, err = run("list", "--ladder", "z")
    assert (status, out) == (2, "") and "Unknown ladder 'z'; " in err and "g, h, i, j, k, records." in err
    status, _, err = run("list", "--ladder", "c", "--data", "fashion")
    assert status == 2 and "There are no experiments on 'fashion-mnist' in ladder 'c'; did you mean mnist?" in err


def test_list_shows_own_files_and_their_latest_runs(run: Run, toy_file: Path, tmp_path: Path) -> None:
    marked = "raise SystemExit('executed')\nimport featherweight\nexperiment = None\n"
    (tmp_path / "untried.py").write_text(marked)
    (tmp_path / "unrelated.py").write_text("experiment = 3\n")
    (tmp_path / "runs" / "damaged").mkdir(parents=True)
    (tmp_path / "runs" / "damaged" / "record.json").write_text("{")
    trained = json.loads(run("train", toy_file, "--data", "digits", "--seed", 3, "--json", "--engine", "torch")[1])
    status, out, _ = run("list")
    lines = out[out.index("Your own") :].splitlines()
    assert status == 0 and lines[1].split()[:2] == ["my", "own.py"] and "unrelated" not in out
    last = f"{trained['verdict']['last']:.2f}"
    assert lines[1].split()[2:8] == ["500", "2", "-", last, "yes", "-"]
    assert " ".join(lines[1].split()[8:] + lines[2].split()) == "latest run: seed 3 on digits"
    file = Path(trained["run"]) / "record.json"
    values = json.loads(file.read_text())
    del values["digest"]  # as an earlier version wrote it, or somebody who changed it
    file.write_text(json.dumps(values))
    assert "not checked: its record has no digest" in " ".join(run("list")[1].split())
    assert lines[3].split() == ["untried.py", *"------", "not", "trained", "yet"]
    assert "Your own" not in run("list", "--ladder", "c")[1]


def test_show_gives_the_table_and_the_document(run: Run) -> None:
    status, out, _ = run("show", "f3", "--json")
    shown = json.loads(out)
    assert status == 0
    assert list(shown) == ["experiment", "parameters", "macs", "layers", "budget"]
    assert shown["parameters"] == sum(layer["parameters"] for layer in shown["layers"])
    assert list(shown["layers"][0]) == ["name", "output", "parameters", "macs", "field", "jump"]
    status, out, _ = run("show", "f3")
    assert status == 0 and "fewer than 8,000 parameters" in out


def test_train_gives_one_document_and_leaves_a_whole_run_folder(run: Run, toy_file: Path, tmp_path: Path) -> None:
    status, out, err = run("train", toy_file, "--data", "digits", "--seed", 3, "--json", "--engine", "torch")
    document = json.loads(out)
    assert list(document) == ["experiment", "parameters", "seed", "engine", "epochs", "verdict", "run"]
    assert (document["parameters"], document["seed"], document["engine"]) == (500, 3, "torch")
    names = ["epoch", "lr", "train_loss", "train_accuracy", "test_loss", "test_accuracy", "seconds"]
    assert [list(row) for row in document["epochs"]] == [names, names]
    kept = ["passed", "last", "worst_of_last", "best"]
    assert list(document["verdict"]) == [*kept, "interval", "decided", "images_needed"]
    assert document["verdict"]["passed"] is True and status == 0
    assert "  1/2 " in err and "test: 360 images" in err
    folder = tmp_path / document["run"]
    assert folder == tmp_path / "runs" / "own-seed3"
    assert sorted(path.name for path in folder.iterdir()) == [
        "experiment.py",
        "metrics.csv",
        "record.json",
        "weights.safetensors",
    ]
    assert (folder / "metrics.csv").read_text().splitlines()[0] == ",".join(names)

    status, out, _ = run("evaluate", folder, "--json")
    figures = json.loads(out)
    assert status == 0 and figures["test_accuracy"] == document["verdict"]["last"]
    assert (figures["tested"], figures["holdout"]) == (360, 0)


def test_a_second_run_gets_a_folder_of_its_own(run: Run, toy_file: Path, tmp_path: Path) -> None:
    for name in ("own-seed0", "own-seed0-2"):
        out = run("train", toy_file, "--data", "digits", "--epochs", 1)[1]
        assert f"run folder runs/{name}\n" in out
        assert (tmp_path / "runs" / name / "weights.safetensors").exists()


def test_a_verdict_that_fails_is_status_1(run: Run, toy_file: Path) -> None:
    toy_file.write_text(toy_file.read_text().replace("accuracy=50", "accuracy=100"))
    status, out, _ = run("train", toy_file, "--data", "digits")
    assert status == 1
    assert "FAILED on digits (360 test images): the last epoch is below 100.00 %" in out


def test_several_seeds_give_a_summary_and_are_those_trained_alone(run: Run, toy_file: Path) -> None:
    status, out, err = run("train", toy_file, "--data", "digits", "--seeds", 3, "--json", "--engine", "torch")
    document = json.loads(out)
    assert status == 0
    assert [one["seed"] for one in document["runs"]] == [0, 1, 2]
    last = [one["verdict"]["last"] for one in document["runs"]]
    assert document["summary"]["mean"] == pytest.approx(sum(last) / 3)
    assert document["summary"]["worst"] == min(last)
    assert document["summary"]["passed"] == document["summary"]["runs"] == 3
    assert document["summary"]["standard_deviation"] > 0
    assert "my own 2       2/2 " in err
    words = ("--data", "digits", "--seed", 1, "--json", "--engine", "torch", "--threads", 1)
    alone = json.loads(run("train", toy_file, *words)[1])
    losses = [[row["test_loss"] for row in one["epochs"]] for one in (document["runs"][1], alone)]
    assert losses[0] == losses[1]


def test_holdout_is_said_and_judged_on(run: Run, toy_file: Path) -> None:
    status, out, _ = run("train", toy_file, "--data", "digits", "--holdout", 137)
    assert status == 0
    assert "1,300 images of digits, 137 held out" in out
    assert "held out: 137 images" in out
    assert "PASSED on digits (137 held-out images)" in out


def test_over_budget_is_refused_before_the_first_step(run: Run, toy_file: Path, tmp_path: Path) -> None:
    toy_file.write_text(toy_file.read_text().replace("parameters=600", "parameters=500"))
    status, _, err = run("train", toy_file, "--data", "digits")
    assert status == 2
    assert "has 500 parameters, but its budget allows fewer than 500; its largest layers are 2 (500)" in err
    assert not (tmp_path / "runs").exists()


def test_a_loss_that_is_no_number_stops_with_a_sentence(run: Run, toy_file: Path, tmp_path: Path) -> None:
    toy_file.write_text(toy_file.read_text().replace("lr=0.05", "lr=1e12, weight_decay=1.0"))
    status, _, err = run("train", toy_file, "--data", "digits")
    assert status == 1 and "The training loss became" in err and "lower the recipe's lr" in err
    assert not (tmp_path / "runs" / "own-seed0" / "weights.safetensors").exists()


LONG = "x" * 300
SENTENCES = [
    (["train", "nosuch"], 2, "the closest names are leanest, fashion, h5. `featherweight list` prints all names"),
    (["train", "smalest"], 2, "did you mean smallest, smallest-2200, smallest-deskewed? `featherweight list`"),
    (["train", "f33"], 2, "Unknown experiment 'f33'; did you mean f3?"),
    (["show", "g9"], 2, "Unknown experiment 'g9'; did you mean"),
    (["train", "no/such.py"], 2, "There is no experiment file at no/such.py"),
    (["train", "--data", "mnits"], 2, "did you mean mnist?"),
    (["train", "--data", "no/such/folder"], 2, "no/such/folder does not exist"),
    (["train", "--data", "digits", "--device", "gpu"], 2, "Unknown device 'gpu'; "),
    (["train", "--data", "digits", "--engine", "natve"], 2, "Unknown engine 'natve'; did you mean native?"),
    (["train", "--data", "digits", "--epochs", "16"], 2, "trains for 16 epochs, but the budget allows 15"),
    (["train", "--data", "digits", "--holdout", "1437"], 2, "give a number from 0 to 1,436"),
    (["train", "--data", "digits", "--seed", "1", "--seeds", "2"], 2, "give only one of them"),
    (["train", "--resume", "runs/none"], 2, "There is no run at runs/none"),
    (["train", "--resume", "runs/none", "--seed", "1"], 2, "so leave out --seed;"),
    (["train", "f3", "--resume", "runs/none"], 2, "so leave out experiment;"),
    (["train", "--resume", "runs/none", "--lr", "1", "--holdout", "0"], 2, "so leave out --holdout, --lr; only"),
    (["train", "--resume", "runs/none", "--precision", "bf16"], 2, "so leave out --precision;"),
    (["train", "--resume", "runs/none", "--threads", "1", "--device", "cpu"], 2, "There is no run at runs/none"),
    (["train", "f3", "--experiment", "own.py"], 2, "to start a new run, give only the file"),
    (["train", "--sed", "1"], 2, "No such option: --sed"),
    (["train", "--epochs", "0"], 2, "greater than or equal to 1"),
    (["trian"], 2, "Did you mean 'train'?"),
    (["evaluate", "runs/none"], 2, "There is no run at runs/none"),
    (["ladder", "q"], 2, "Unknown ladder 'q'; "),
    (["ladder", "f", "--write"], 2, "python -m docs.build"),
    (["ladder"], 2, "Missing argument"),
    (["ladder", "ann", "bob", "--seeds", "3", "--lr", "1"], 2, "so leave out --lr, --seeds; a ladder is named alone"),
    (["new", "--ladder", "mine", "--from", "c1"], 2, "--from is for a file"),
    (["compare", "f3", "f2", "--seeds", "5"], 2, "--seeds goes with --train"),
    (["ladder", "d", "--set", "recipe.spin=1"], 2, "Unknown setting 'recipe.spin'"),
]


@pytest.mark.parametrize(("words", "status", "sentence"), SENTENCES, ids=[" ".join(case[0]) for case in SENTENCES])
def test_wrong_use_is_one_sentence_and_its_status(run: Run, words: list[str], status: int, sentence: str) -> None:
    got, out, err = run(*words)
    assert (got, out) == (status, "")
    assert sentence in err and "Traceback" not in err


def test_data_that_is_damaged_is_status_3_and_named(run: Run, tmp_path: Path) -> None:
    folder = tmp_path / "mnist"
    folder.mkdir()
    names = ("train-images-idx3", "train-labels-idx1", "t10k-images-idx3", "t10k-labels-idx1")
    for name in names:
        (folder / f"{name}-ubyte").write_bytes(bytes((0, 0, 8, int(name[-1]))) + b"\0\0")
    status, out, err = run("train", "--data", "mnist", "--data-dir", folder)
    assert (status, out) == (3, "")
    assert err.startswith("Error: ") and f"{names[0]}-ubyte" in err and err.count("\n") == 1


@pytest.mark.parametrize(
    "words",
    [
        "evaluate LONG", "fit LONG", "report LONG", "train LONG", "train --resume LONG", "show LONG", "compare LONG f3",
        "ladder LONG", "export f3 --to page --out LONG", "train f1 --data digits --out LONG", "predict a --run LONG",
        "train f1 --data LONG", "fit digits --out LONG", "fit digits --out own.py", "export f3 --to page --out own.py",
        "train f1 --data digits --out own.py",
    ],
)  # fmt: skip
def test_names_that_no_file_can_have_and_files_in_the_place_of_folders(run: Run, toy_file: Path, words: str) -> None:
    before = toy_file.read_bytes()
    status, out, err = run(*(toy_file if word == "own.py" else word.replace("LONG", LONG) for word in words.split()))
    assert (status, out) == (2, "") and "Error: " in err and err.count("\n") == 1 and len(err) < 900
    assert toy_file.read_bytes() == before and ("LONG" in words or "(File exists)" in err)


def test_the_place_of_a_drawing_page_must_be_a_file_s(run: Run, toy_file: Path, tmp_path: Path) -> None:
    for place, says in ((toy_file / "page.html", "(File exists)"), (tmp_path, "is a folder")):
        status, out, err = run("draw", "--no-open", "--out", place)
        assert (status, out) == (2, "") and err.startswith("Error: ") and says in err and err.count("\n") == 1


def test_a_folder_without_pictures_is_status_2(run: Run, tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        (tmp_path / "pictures" / name).mkdir(parents=True)
    status, out, err = run("train", "--data", tmp_path / "pictures")
    assert (status, out) == (2, "")
    assert err.startswith("Error: ") and "cats" in err and err.count("\n") == 1


def test_an_experiment_file_that_is_none(run: Run, tmp_path: Path) -> None:
    empty, broken = tmp_path / "empty.py", tmp_path / "broken.py"
    empty.write_text("")
    broken.write_text("1 / 0")
    assert run("show", empty)[::2] == (2, f"Error: {empty} does not define `experiment`; write `experiment = Experiment(...)` in it.\n")  # fmt: skip  # noqa: E501
    assert "failed with ZeroDivisionError: division by zero" in run("show", broken)[2]


WRONG_NETWORKS = [
    ("raise ValueError('no')", "The network of own failed with ValueError: no"),
    ("return None", "returns None; it must return an nn.Module"),
    ("return nn.Flatten()", "has no parameters to train"),
    ("return nn.Sequential(nn.Flatten(), nn.Linear(9, 10))", "cannot take images of 1 x 28 x 28"),
    ("return nn.Sequential(nn.Flatten(), nn.Linear(784, 7))", "returns shape (2, 7); the data needs (2, 10)"),
]


@pytest.mark.parametrize(("body", "sentence"), WRONG_NETWORKS, ids=[case[1] for case in WRONG_NETWORKS])
def test_a_network_that_does_not_fit_is_a_sentence_and_leaves_no_folder(
    run: Run, toy_file: Path, tmp_path: Path, body: str, sentence: str
) -> None:
    text = re.sub(r"return nn.*", lambda _: body, toy_file.read_text()).replace("parameters=600", "parameters=9000")
    toy_file.write_text(text)
    status, _, err = run("train", toy_file, "--data", "digits")
    assert status == 2 and sentence in err
    assert not (tmp_path / "runs").exists()


def test_an_output_folder_that_cannot_be_is_a_sentence(run: Run, toy_file: Path, tmp_path: Path) -> None:
    (tmp_path / "dangling").symlink_to(tmp_path / "nowhere" / "at all")
    status, _, err = run("train", toy_file, "--data", "digits", "--out", tmp_path / "dangling")
    assert status == 2 and "No run folder can be created in" in err


def test_damaged_run_folders_are_refused(run: Run, toy_file: Path, tmp_path: Path) -> None:
    run("train", toy_file, "--data", "digits")
    folder = tmp_path / "runs" / "own-seed0"
    weights = folder / "weights.safetensors"
    content = weights.read_bytes()
    weights.write_bytes(content[:-100])
    status, _, err = run("evaluate", folder)
    assert status == 4 and "does not hold the weights of" in err
    weights.unlink()
    assert run("evaluate", folder)[0] == 2
    (folder / "record.json").write_text("{}")
    status, _, err = run("evaluate", folder)
    assert status == 4 and "is not the record of a run" in err


def test_a_finished_run_is_not_resumed(run: Run, toy_file: Path) -> None:
    run("train", toy_file, "--data", "digits")
    status, _, err = run("train", "--resume", "runs/own-seed0")
    assert status == 2 and "is finished" in err


LONGER = OWN.replace("epochs=2,", "epochs=5, batch=16,")
Longer = tuple[list[dict[str, float]], dict[str, bytes]]


def _weights(folder: Path) -> dict[str, bytes]:
    """The tensors alone: beside them a file names the experiment by its path."""
    return {name: tensor.tobytes() for name, tensor in load_file(folder / "weights.safetensors").items()}


@pytest.fixture(scope="module")
def never_stopped(tmp_path_factory: pytest.TempPathFactory) -> Longer:
    """The epochs and the weights of the longer run, trained in one go."""
    folder = tmp_path_factory.mktemp("never stopped")
    (folder / "own.py").write_text(LONGER)
    run = fw.new_run(fw.find(str(folder / "own.py")), fw.load_data("digits"), out=folder, engine="torch", threads=1)
    for _ in fw.steps(run):
        pass
    return [asdict(row) for row in run.record.rows], _weights(run.folder)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_stopped_run_is_saved_and_ends_as_one_never_stopped(
    run: Run,
    toy_file: Path,
    tmp_path: Path,
    never_stopped: tuple[list[dict[str, float]], dict[str, bytes]],
    number: int,
) -> None:
    brake = tmp_path / "brake"
    brake.touch()
    toy_file.write_text(braked(LONGER, brake, seconds=0.01))
    words = [sys.executable, "-m", "featherweight", "train", toy_file, "--data", "digits", "--engine", "torch"]
    process = subprocess.Popen(
        [*map(str, words), "--threads", "1"], cwd=tmp_path, env=os.environ | {"PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout is not None
    while " 2/5 " not in process.stdout.readline():
        assert process.poll() is None
    process.send_signal(number)
    _, err = process.communicate(timeout=600)
    brake.unlink()
    assert process.returncode == 128 + number
    assert "resume it with: featherweight train --resume runs/own-seed0" in err
    folder = tmp_path / "runs" / "own-seed0"
    assert (folder / "state.safetensors").exists()

    status, out, _ = run("train", "--resume", "runs/own-seed0", "--json")
    epochs, whole = json.loads(out)["epochs"], [dict(row) for row in never_stopped[0]]
    assert status == 0 and len(epochs) == 5
    for row in (*epochs, *whole):
        del row["seconds"]
    assert epochs == whole
    assert _weights(folder) == never_stopped[1]


def test_every_verb_is_found_in_the_module_that_adds_it() -> None:
    """Only that module is imported for it, so a verb that is listed wrongly would be unknown."""
    listed = [verb for verbs in VERBS.values() for verb in verbs.split()]
    assert sorted(listed) == sorted(ORDER)
    for module, verbs in VERBS.items():
        source = Path(str(importlib.import_module(f"featherweight.cli.{module}").__file__)).read_text()
        assert source.count("@app.command(") == len(verbs.split()), module
        assert all(f"def {verb}" in source or f'command("{verb}")' in source for verb in verbs.split())
