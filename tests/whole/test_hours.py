"""What a new user types in the first hours, from an installed wheel, in an empty folder far from any checkout.

Each hour is a function that is handed `say`, which types a command and gives its status, output and errors, and `ask`,
which runs a few lines of Python; each asserts what came of it, and later ones go on with what earlier ones left.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from featherweight._version import __version__
from forks import forks

ROOT = Path(__file__).parents[2]
Say = Callable[..., tuple[int, str, str]]
FILE = '''"""Target: a try."""
from torch import nn
import featherweight as fw

def network(channels: int = 1, classes: int = 10) -> nn.Sequential:
    return nn.Sequential(fw.conv_norm_relu(channels, 6), nn.MaxPool2d(2), LAYER, nn.AdaptiveAvgPool2d(1),
                         nn.Flatten(), nn.Linear(6, classes))

experiment = fw.Experiment(network=network, recipe=fw.Recipe(epochs=2), budget=fw.Budget(accuracy=5, held=1))
'''


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty folder, beside one into which the wheel was installed."""
    place = tmp_path_factory.mktemp("hours")
    # From a copy, so that nothing is built into the checkout.
    copy = place / "source"
    ignored = shutil.ignore_patterns("*.so", "__pycache__", "*.egg-info")
    shutil.copytree(ROOT / "src", copy / "src", ignore=ignored)
    for name in ("pyproject.toml", "setup.py", "README.md", "LICENSE", "MANIFEST.in"):
        shutil.copy(ROOT / name, copy / name)
    code = "import setuptools.build_meta as b, sys; print(b.build_wheel(sys.argv[1]))"
    done = subprocess.run(
        [sys.executable, "-c", code, str(place)], cwd=copy, capture_output=True, text=True, check=False,
        env={**os.environ, "CXX": "false", "CC": "false"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    [wheel] = place.glob("*.whl")
    with zipfile.ZipFile(wheel) as packed:
        packed.extractall(place / "installed")
    shutil.rmtree(copy)
    (place / "work").mkdir()
    return place / "work"


@pytest.fixture(scope="module")
def around(home: Path) -> dict[str, str]:
    """The variables of the environment in which commands are typed."""
    kept = ("PATH", "LANG", "LC_ALL", "SYSTEMROOT")
    named = {name: os.environ[name] for name in kept if name in os.environ}
    return named | {"HOME": str(home.parent), "PYTHONPATH": str(home.parent / "installed"), "COLUMNS": "200",
                    "OMP_NUM_THREADS": "1",
                    "http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}  # fmt: skip


@pytest.fixture(scope="module")
def say(home: Path, around: dict[str, str]) -> Iterator[Say]:
    """Types words after `featherweight`, or Python after `-c`."""
    with forks(home, around) as python:

        def typed(*words: object) -> tuple[int, str, str]:
            module = [] if words[0] == "-c" else ["-m", "featherweight"]
            done = python(*module, *map(str, words))
            return done.returncode, done.stdout, done.stderr

        yield typed


ALONE = ("--threads", 1)
"""PyTorch's threads wait for each other: two of them are many times slower where others need the processors."""
ENDS = (
    ("-c", "import sys; print(sys.argv, sys.path[0], __name__); print('half', end=''); sys.exit(3)", "a", "b"),
    ("-c", "raise SystemExit('no')"),
    ("-c", "import atexit, threading, time; atexit.register(print, 'last')\n"
           "threading.Thread(target=lambda: (time.sleep(0.1), print('before'))).start()\n1 / 0"),
    ("-c", "import os; print(os.getcwd(), sorted(os.environ), flush=True); os.kill(os.getpid(), 15)"),
    ("list", "--json"), ("show", "f33"), ("train", "--sed", "1"),
)  # fmt: skip


@pytest.mark.parametrize("words", ENDS, ids=lambda words: words[-1][-20:])
def test_0_a_forked_command_ends_as_a_fresh_one(
    words: tuple[str, ...], say: Say, home: Path, around: dict[str, str]
) -> None:
    module = [] if words[0] == "-c" else ["-m", "featherweight"]
    fresh = subprocess.run(
        [sys.executable, *module, *words], cwd=home, env=around, capture_output=True, text=True, check=False
    )
    status, out, err = say(*words)
    assert (status, out) == (fresh.returncode, fresh.stdout)
    # A traceback names the file that forks too; what was raised is its last line.
    assert err.splitlines()[-1:] == fresh.stderr.splitlines()[-1:] and bool(err) == bool(fresh.stderr)


@pytest.fixture(scope="module")
def own(home: Path, say: Say) -> Path:
    """The run of a file of one's own, which is then gone."""
    file = home / "own.py"
    file.write_text(FILE.replace("LAYER", "nn.ReLU()"))
    status, out, err = say("train", "own.py", "--data", "digits", "--threads", 1)
    assert status == 0 and "PASSED on digits" in out, out + err
    return home / "runs" / "own-seed0"


@pytest.fixture(scope="module")
def flowers(home: Path) -> Path:
    """Colour pictures of 36 x 30 in the folders that people have."""
    draws = np.random.default_rng(5)
    for half, count in (("train", 12), ("val", 6)):
        for name, colour in (("rose", (200, 30, 40)), ("violet", (90, 40, 200)), ("leaf", (30, 180, 50))):
            folder = home / "flowers" / half / name
            folder.mkdir(parents=True)
            for at in range(count):
                noise = draws.integers(-30, 30, (30, 36, 3))
                pixels = np.clip(np.array(colour) + noise, 0, 255).astype(np.uint8)
                Image.fromarray(pixels).save(folder / f"{at}.{'tiff' if at % 2 else 'png'}")
    return home / "flowers"


@pytest.fixture(scope="module")
def garden(say: Say, flowers: Path, home: Path) -> Path:
    """f2 trained on them."""
    status, out, err = say(
        "train", "f2", "--data", "flowers", "--epochs", 3, "--target", 90, "--held", 1, *ALONE, "--json"
    )
    assert status in (0, 1), err
    assert "for 3 channels and 3 classes its budget is" in err
    return home / json.loads(out)["run"]


def test_1_the_version(say: Say, home: Path) -> None:
    assert say("--version")[:2] == (0, f"featherweight {__version__}\n")
    assert str(home.parent) in say("-c", "import featherweight; print(featherweight.__file__)")[1]


def test_2_what_there_is(say: Say) -> None:
    entries = json.loads(say("list", "--json")[1])["experiments"]
    assert len(entries) > 25 and {"f3", "smallest"} <= {entry["id"] for entry in entries}


def test_3_a_network_s_layers(say: Say) -> None:
    status, out, _ = say("show", "f3")
    assert status == 0 and "7,864 parameters, 470,580 MACs" in out and "bytes of flash" in out
    status, out, _ = say("show", "f3", "--data", "flowers_that_are_not_there")
    assert status == 2


def test_4_two_networks_compared_without_a_checkout(say: Say) -> None:
    told = json.loads(say("compare", "f3", "f2", "--json")[1])
    assert told["pairs"] == 5 and told["decided"] and told["difference"] > 0.2


def test_5_a_network_of_the_package_evaluated_by_name(say: Say) -> None:
    figures = json.loads(say("evaluate", "f3", "--data", "digits", "--json")[1])
    assert figures["tested"] == 360 and figures["test_accuracy"] > 90
    assert figures["interval"][0] < figures["test_accuracy"] < figures["interval"][1]


def test_6_a_file_to_begin_with(say: Say, home: Path) -> None:
    assert say("new", "my.py", "--from", "smallest")[0] == 0
    status, out, _ = say("show", "my.py", "--json")
    assert status == 0 and json.loads(out)["parameters"] == 3352
    status, _, err = say("new", "my.py")
    assert status == 2 and "my.py exists; name a new file" in err


def test_7_settings_on_the_command_line(say: Say, home: Path) -> None:
    words = ("--epochs", 1, "--lr", 0.05, "--batch", 32, "--set", "recipe.augment.rotate_deg=3", "--target", 1)
    status, out, err = say(
        "train", "my.py", "--data", "digits", *words, "--held", 1, *ALONE, "--json", "--out", "other"
    )
    assert status == 0 and "`lr` " in err and "→ 0.05" in err, err
    record = json.loads((home / json.loads(out)["run"] / "record.json").read_text())
    assert (record["recipe"]["lr"], record["recipe"]["batch"], record["recipe"]["augment"]["rotate_deg"]) == (
        0.05,
        32,
        3,
    )
    assert (record["budget"]["accuracy"], record["budget"]["held"], len(record["epochs"])) == (1, 1, 1)


def test_8_a_setting_that_is_none(say: Say) -> None:
    status, _, err = say("train", "f3", "--data", "digits", "--set", "recipe.learning=1")
    assert status == 2 and "Unknown setting 'recipe.learning'" in err
    status, _, err = say("train", "f3", "--data", "digits", "--max-params", 7000)
    assert status == 2 and "7,864 parameters, but its budget allows fewer than 7,000" in err


def test_9_a_changed_file_is_not_another_network(say: Say, own: Path, home: Path) -> None:
    before = json.loads(say("evaluate", own, "--json")[1])
    (home / "own.py").write_text(FILE.replace("LAYER", "nn.SiLU()"))
    assert json.loads(say("evaluate", own, "--json")[1]) == before
    (home / "own.py").unlink()
    (own / "experiment.py").write_text("raise SystemExit(7)")
    assert json.loads(say("evaluate", own, "--json")[1]) == before
    assert before["correct"] == round(
        json.loads((own / "record.json").read_text())["epochs"][-1]["test_accuracy"] * 3.6
    )


def test_10_a_mailed_folder(say: Say, own: Path, home: Path) -> None:
    shutil.copytree(own, home / "mail" / "from a friend")
    friend = "mail/from a friend"
    assert json.loads(say("evaluate", friend, "--json")[1])["tested"] == 360
    status, out, _ = say("show", friend)
    assert status == 0 and "seed 0 on digits" in out
    assert say("report", friend)[0] == 0 and (home / friend / "report.html").stat().st_size > 10_000
    assert say("draw", "--run", friend, "--no-open", "--out", "mine.html")[0] == 0
    assert say("compare", friend, "f3")[0] == 2  # one seed alone


def test_11_exports_of_one_s_own(say: Say, own: Path, home: Path) -> None:
    for form, name in (("onnx", "own.onnx"), ("c", "own/own.c"), ("page", "own.html")):
        status, _, err = say("export", own, "--to", form)
        assert status == 0 and (home / "exports" / name).is_file(), err
    about = json.loads((home / "exports" / "own-onnx.json").read_text())
    assert about["proof"]["different_answers"] == 0 and about["proof"]["pictures"] == 360


def test_12_an_export_of_other_weights_fails(say: Say, own: Path, home: Path) -> None:
    shutil.copytree(own, home / "bad")
    record = json.loads((home / "bad" / "record.json").read_text())
    del record["digest"]  # as earlier versions wrote it
    record["epochs"][-1]["test_accuracy"] = 95.0
    (home / "bad" / "record.json").write_text(json.dumps(record))
    status, _, err = say("export", "bad", "--to", "c", "--out", "no")
    assert status == 1 and "its record says 342" in err and not (home / "no").exists()


def test_13_foreign_modules_say_so(say: Say, home: Path) -> None:
    text = FILE.replace("LAYER", "Half()").replace(
        "def network", "class Half(nn.Module):\n    def forward(self, x):\n        return x / 2\n\ndef network", 1
    )
    (home / "foreign.py").write_text(text)
    assert say("train", "foreign.py", "--data", "digits", "--epochs", 1, "--threads", 1)[0] in (0, 1)
    status, _, err = say("evaluate", "runs/foreign-seed0")
    assert status == 2 and "layer 2 (Half) is not kept as data" in err and "--experiment FILE" in err
    assert say("evaluate", "runs/foreign-seed0", "--experiment", "foreign.py")[0] == 0


def test_14_a_stopped_run_goes_on_without_its_file(say: Say, home: Path) -> None:
    program = (
        "import featherweight as fw, shutil\n"
        "experiment = fw.find('two.py')\n"
        "run = fw.new_run(experiment, fw.load_data('digits'), threads=1)\n"
        "for state in fw.steps(run):\n"
        "    if state.epoch == 1: break\n"
        "print(run.folder)\n"
    )
    (home / "two.py").write_text(FILE.replace("LAYER", "nn.ReLU()"))
    status, out, err = say("-c", program)
    assert status == 0, err
    (home / "two.py").unlink()
    status, out, err = say("train", "--resume", out.strip(), "--json")
    assert status == 0 and len(json.loads(out)["epochs"]) == 2, err


def test_15_fifty_images_decide_nothing(say: Say) -> None:
    program = (
        "import featherweight as fw, numpy as np\n"
        "x = np.zeros((300, 8, 8), np.uint8); y = np.arange(300) % 2; x[y == 1] = 200\n"
        "data = fw.Data.from_arrays(x, y, name='halves')\n"
        "from torch import nn\n"
        "net = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))\n"
        "model = fw.train(net, data, budget=fw.Budget(parameters=500, epochs=3, held=1), threads=1)\n"
        "v = model.record.verdict\n"
        "print(len(data.test), v.last, v.decided, v.images_needed)\n"
    )
    status, out, err = say("-c", program)
    assert status == 0 and out.split() == ["50", "100.0", "False", "637"], err


def test_16_colour_folders_train(garden: Path) -> None:
    record = json.loads((garden / "record.json").read_text())
    assert garden.name == "f2-flowers-seed0" and record["data"]["shape"] == [3, 30, 36]
    assert record["data"]["classes"] == ["leaf", "rose", "violet"] and record["data"]["test"] == 18


def test_17_pictures_get_every_class_s_name(say: Say, garden: Path) -> None:
    status, out, _ = say("predict", "flowers/val/rose/0.png", "--run", garden)
    assert status == 0 and re.search(r"(rose|violet|leaf) +\d+\.\d % +(rose|violet|leaf): ", out)


def test_18_a_size_of_choice(say: Say, flowers: Path) -> None:
    status, out, _ = say("show", "f2", "--data", "flowers", "--size", "40x32", "--json")
    assert status == 0 and json.loads(out)["layers"][0]["output"] == [8, 38, 30]
    assert say("show", "f2", "--data", "flowers", "--size", "large")[0] == 2
    coloured = json.loads(out)["parameters"]
    status, out, _ = say("show", "f2", "--data", "flowers", "--size", "40x32", "--grey", "--json")
    assert status == 0 and json.loads(out)["parameters"] == coloured - 2 * 9 * 8  # two planes of the first 3 x 3 x 8


def test_19_a_starting_file_for_one_s_own_pictures(say: Say, home: Path, flowers: Path) -> None:
    assert say("new", "garden.py", "--data", "flowers")[0] == 0
    text = (home / "garden.py").read_text()
    assert "def network(channels: int = 3, classes: int = 3)" in text and "its budget is" in text
    status, out, _ = say("show", "garden.py", "--data", "flowers")
    assert status == 0 and "are within it" in out


def test_20_a_missing_picture_is_wrong_use(say: Say, home: Path) -> None:
    assert say("predict", "nothing.png")[0] == 2
    (home / "broken.png").write_bytes(b"no picture")
    assert say("predict", "broken.png")[0] == 4


def test_21_load_and_call(say: Say) -> None:
    program = (
        "import featherweight as fw\n"
        "model = fw.load('f3'); digits = fw.load_data('digits').test\n"
        "told = model.predict(digits.images[:100])\n"
        "print(sum(one.name == str(int(label)) for one, label in zip(told, digits.labels)))\n"
        "print(round(sum(told[0].probabilities.values()), 6), tuple(model(digits.images[:7]).shape))\n"
    )
    status, out, err = say("-c", program)
    lines = out.splitlines()
    assert status == 0 and int(lines[0]) > 90 and lines[1] == "1.0 (7, 10)", err


def test_22_load_one_s_own_by_path(say: Say, own: Path) -> None:
    program = (
        "import featherweight as fw; from pathlib import Path\n"
        "one, other = fw.load('runs/own-seed0'), fw.load(Path('runs/own-seed0'))\n"
        "print(one.evaluate()['correct'] == other.evaluate()['correct'], one.classes == tuple('0123456789'))\n"
        "print(one.export('c', 'again').about['form'], 'MaxPool2d' in repr(one.summary()))\n"
    )
    status, out, err = say("-c", program)
    assert status == 0 and out.split() == ["True", "True", "c", "True"], err


def test_23_data_from_a_dataset(say: Say) -> None:
    program = (
        "import featherweight as fw; from PIL import Image\n"
        "rows = [(Image.new('RGB', (20 + n, 20), (9 * n, 0, 0)), 'ab'[n % 2]) for n in range(24)]\n"
        "print(fw.Data.from_dataset(rows, size=(16, 16), name='reds'))\n"
        "fw.Data.from_dataset(rows)\n"
    )
    status, out, err = say("-c", program)
    assert status == 1 and out == "<Data reds: 20 training and 4 test images of 3 x 16 x 16, 2 classes>\n"
    assert err.strip().endswith("give size=(height, width) to resize them to one.")


def test_24_train_in_one_call_and_load_again(say: Say) -> None:
    program = (
        "import featherweight as fw\n"
        "rows = []\n"
        "model = fw.train('f1', 'digits', settings={'recipe.epochs': 1}, on_epoch=rows.append, threads=1)\n"
        "again = fw.load(model.folder)\n"
        "print(len(rows), again.record.rows[0].test_accuracy == rows[0].test_accuracy, model.folder.name)\n"
    )
    status, out, err = say("-c", program)
    assert status == 0 and out.split() == ["1", "True", "f1-seed0"], err


def test_25_what_a_network_is_made_of(say: Say) -> None:
    program = (
        "import featherweight as fw; from torch import nn\n"
        "print(fw.summary(nn.Sequential(fw.Residual(nn.Conv2d(3, 3, 3, padding=1)), nn.Flatten()), (3, 8, 8)))\n"
    )
    out = say("-c", program)[1]
    assert "Residual" in out and "84 parameters, 5,184 MACs" in out and "  add" in out


def test_26_a_report_of_the_package_s_network(say: Say, home: Path) -> None:
    status, _, _ = say("report", "f3", "--out", "f3.html")
    assert status == 0 and "7,864" in (home / "f3.html").read_text()


def test_27_completion_is_there(say: Say) -> None:
    assert "--install-completion" in say("--help")[1]


def test_28_a_summary_of_one_s_own_run(say: Say, garden: Path) -> None:
    shown = json.loads(say("show", garden, "--json")[1])
    record = json.loads((garden / "record.json").read_text())
    assert shown["parameters"] == record["parameters"] and shown["budget"] == record["budget"]


def test_29_evaluate_on_the_wrong_data_is_said(say: Say, garden: Path) -> None:
    status, _, err = say("evaluate", garden, "--data", "digits")
    assert status == 2 and "distinguishes 3 classes of (3, 30, 36) images; digits has 10" in err


@pytest.mark.parametrize(("half", "ending"), [("valid", "ppm"), ("validation", "tif"), ("test", "pgm")])
def test_30_folders_as_people_have_them(say: Say, home: Path, half: str, ending: str) -> None:
    for part, count in (("train", 12), (half, 6)):
        for name, shade in (("dark", 40), ("light", 200)):
            folder = home / f"of_{half}" / part / name
            folder.mkdir(parents=True)
            for at in range(count):
                Image.new("L" if ending == "pgm" else "RGB", (128, 96), shade + at).save(folder / f"{at}.{ending}")
    words = ("train", "f2", "--data", f"of_{half}", "--epochs", 1, "--target", 1, "--held", 1, "--json")
    status, out, err = say(*words)
    assert status == 0 and "are brought to 28 x 28; choose with --size HEIGHTxWIDTH, or --size own" in err, err
    record = json.loads((home / json.loads(out)["run"] / "record.json").read_text())
    assert record["data"]["shape"] == [1 if ending == "pgm" else 3, 28, 28]
    assert (record["data"]["train"], record["data"]["test"]) == (24, 12)


def test_31_multiply_adds_of_what_is_no_digit(say: Say, flowers: Path) -> None:
    status, _, err = say("train", "leanest", "--data", "flowers", "--set", "budget.macs=1000")
    assert status == 2 and "537,108 MACs an image" in err and "digit" not in err
    status, out, _ = say("show", "leanest", "--data", "flowers")
    assert status == 0 and "MACs an image" in out and "a digit" not in out


def test_32_a_run_says_what_was_changed(say: Say, home: Path) -> None:
    status, out, _ = say(
        "train", "f1", "--data", "digits", "--epochs", 1, "--batch", 32, "--out", "changed", *ALONE, "--json"
    )
    assert status == 1
    status, out, _ = say("show", json.loads(out)["run"])
    assert status == 0 and "changed from f1: `epochs` 15 → 1, `batch` 128 → 32" in out
    program = (
        "import featherweight as fw\n"
        "print(fw.differences(fw.load('changed/f1-seed0').record, fw.find('f1')))\n"
    )  # fmt: skip
    assert say("-c", program)[1] == "['`epochs` 15 → 1', '`batch` 128 → 32']\n"


def test_33_c_asked_for_before_training(say: Say, home: Path) -> None:
    (home / "soft.py").write_text(FILE.replace("LAYER", "nn.Softplus()"))
    status, _, err = say("train", "soft.py", "--data", "digits", "--to", "c")
    assert status == 2 and "layer 2 (Softplus)" in err and not (home / "runs" / "soft-seed0").exists()


def test_34_onnx_of_what_has_no_step_here(say: Say, home: Path) -> None:
    pytest.importorskip("onnxscript", reason="pip install '.[onnx]'")
    (home / "soft.py").write_text(FILE.replace("LAYER", "nn.Softplus()"))
    assert say("train", "soft.py", "--data", "digits", "--target", 1, "--threads", 1)[0] == 0
    assert say("export", "runs/soft-seed0", "--to", "c")[0] == 2
    status, _, err = say("export", "runs/soft-seed0", "--to", "onnx")
    assert status == 0, err
    proof = json.loads((home / "exports" / "soft-onnx.json").read_text())["proof"]
    assert proof["pictures"] == 360 and proof["different_answers"] == 0
