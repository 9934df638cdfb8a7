"""A size with a way of fitting is one thing from the folder of pictures to the program in C."""

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import featherweight as fw
from commands import Run
from featherweight.data.pictures import fit_to_shape, read
from featherweight.errors import UsageError
from featherweight.experiments.record import read_record, size_of_facts
from featherweight.report.page.cards import command

NETWORK = '''"""Small."""
from torch import nn
from featherweight import Budget, Experiment, Recipe

def network(channels, classes):
    return nn.Sequential(nn.Conv2d(channels, 4, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(144, classes))

experiment = Experiment(id='own', title='own', network=network, recipe=Recipe(epochs=1, lr=0.05),
                        budget=Budget(parameters=2000, epochs=20, accuracy=0, held=1))
'''


@pytest.fixture
def folder(alone: Path) -> Path:
    """Pictures of 30 x 50 whose middle tells their class, and whose sides tell nothing."""
    draws = np.random.default_rng(0)
    for label, name in enumerate(("dark", "light")):
        Path("pictures", name).mkdir(parents=True)
        for number in range(12):
            pixels = draws.integers(0, 256, (30, 50, 3), dtype=np.uint8)
            pixels[:, 10:40] = 40 + 170 * label
            Image.fromarray(pixels).save(Path("pictures", name, f"{number}.png"))
    Path("own.py").write_text(NETWORK)
    return Path("pictures")


@pytest.mark.parametrize("fitting", ["centre", "fit"])
def test_training_prediction_and_c_take_the_same_picture(run: Run, folder: Path, fitting: str) -> None:
    size = f"14x14:{fitting}"
    assert run("train", "own.py", "--data", folder, "--size", size, "--out", "runs")[0] in (0, 1)
    [out] = Path("runs").iterdir()
    record = read_record(out)
    assert (record.data["size"], record.data["fitting"]) == ([14, 14], fitting)
    assert size_of_facts(record.data) == (14, 14, fitting) and f"--size {size}" in command(record)
    data = fw.load_data(str(folder), size=(14, 14, fitting))
    file = folder / "dark" / "3.png"
    expected = fit_to_shape(read(file).pixels, (3, 14, 14), (14, 14, fitting))
    assert any((image.numpy() == expected).all() for image in [*data.train.images, *data.test.images])
    corner = int(expected[:, 0, 7].max())
    assert corner == (0 if fitting == "fit" else 40)
    status, shown, _ = run("predict", file, "--run", out, "--json")
    chances = json.loads(shown)["pictures"][0]["probabilities"]
    model = fw.load(out)
    assert status == 0 and chances == pytest.approx(
        list(model.predict(expected[None])[0].probabilities.values()), abs=1e-6
    )
    assert run("evaluate", out)[0] == 0
    assert run("export", out, "--to", "c", "--out", "c")[0] == 0
    assert f"#define FITTING {fitting.upper()} " in Path("c/own/own_frame.c").read_text()
    assert ("black beside it" in Path("c/own-card.md").read_text()) is (fitting == "fit")


def test_other_ways_are_refused(run: Run, folder: Path) -> None:
    for words in ("14x14:crop", "14x14:", "14:fit"):
        status, _, err = run("train", "own.py", "--data", folder, "--size", words)
        assert status == 2 and ":centre" in err
    with pytest.raises(UsageError, match="centre"):
        fw.load_data(str(folder), size=(14, 14, "crop"))  # type: ignore[arg-type]
