"""How many pictures are read correctly, by kind: pictures made from digits of MNIST and from styles of writing.

`python -m benchmarks.predict calibrate` fits the temperature of `reader` on pictures of training digits and writes it
beside the weights. `unlike` chooses the energy below which an answer is marked as "no digit here?", from training
pictures of MNIST, Fashion-MNIST and CIFAR-10 and made ones. `made` reads pictures of test digits and writes
results/predict/made.json; `hard` reads harder ones and `around` those with other things around the digits, writing
hard.json and around.json. `habits` lets `f3` and `reader` read drawings in ways of writing that MNIST lacks. `develop`,
`develop-around` and `develop-habits` serve to make choices: they use the same kinds with other seeds and the other half
of the test digits, so that nothing is chosen on the committed sets. `mnist` reads every fifth of the 10,000 test digits
as files of 28 x 28 and writes results/predict/mnist.json; `page` updates docs/predict.md. All of them take MNIST from
FEATHERWEIGHT_DATA.
"""

import argparse
import csv
import io
import json
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from docs.build.rendering import with_part_between
from numpy.typing import NDArray
from PIL import Image
from scipy.optimize import minimize_scalar
from tests.synthetic_photos.around import AROUND
from tests.synthetic_photos.drawings import HARD
from tests.synthetic_photos.habits import HABITS, drawing
from tests.synthetic_photos.hands import Writer
from tests.synthetic_photos.hard import Kind
from tests.synthetic_photos.media import KINDS, Hand

from featherweight.data import load
from featherweight.data.split import Split
from featherweight.io import write_text
from featherweight.reading import predict
from featherweight.reading.answers import Answer, best_reading
from featherweight.reading.network import READER, WEIGHTS, shipped, temperature
from featherweight.reading.picture_files import of_image

RESULTS = Path(__file__).parents[1] / "results" / "predict"
PAGE = Path(__file__).parents[1] / "docs" / "predict.md"
TITLES = {"made": "the first set", "hard": "harder pictures", "around": "other things around the digit"}
"""The sets of pictures by the record that holds their figures."""
_BY = "written by `python -m benchmarks.predict page`"
MARKS = (f"<!-- begin: {_BY} -->", f"<!-- end: {_BY} -->")
PER_KIND = {"calibrate": 14, "made": 32, "hard": 8, "develop": 24, "around": 8, "develop-around": 16,
            "habits": 100, "develop-habits": 100, "unlike": 12}  # fmt: skip
SEEDS = {"calibrate": 101, "made": 202, "hard": 303, "develop": 7, "around": 404, "develop-around": 8,
         "habits": 505, "develop-habits": 9, "unlike": 606}  # fmt: skip
WRITTEN = {"hard": HARD, "develop": HARD, "around": AROUND, "develop-around": AROUND}
"""The kinds of pictures in the sets that also contain whole numbers."""
BINS = 15


def pictures(
    digits: Split, kinds: Sequence[str], per_kind: int, seed: int, largest: int = 1200
) -> Iterator[tuple[str, int, Image.Image]]:
    """Yield (kind, label, picture): half from the digits, half from styles of writing, each seeded by its position.

    `largest` is the maximum of their sides in pixels.
    """
    images, labels = digits.images[:, 0].numpy(), digits.labels.numpy()
    for kind in kinds:
        for place in range(per_kind):
            rng = np.random.default_rng([seed, sorted(KINDS).index(kind), place])
            chosen = int(rng.integers(len(labels)))
            if place % 2:
                hand = Hand(digit=int(labels[chosen]), image=images[chosen], largest=largest)
            else:
                hand = Hand(digit=place // 2 % 10, image=None, largest=largest)
            yield kind, hand.digit, KINDS[kind](hand, rng)


def written_pictures(
    kinds: Mapping[str, Kind], digits: Split, per_kind: int, seed: int
) -> Iterator[tuple[str, str, Image.Image]]:
    """Yield (kind, what is written, picture), each seeded by its position."""
    writer = Writer(images=digits.images[:, 0].numpy(), labels=digits.labels.numpy())
    for number, kind in enumerate(sorted(kinds)):
        for place in range(per_kind):
            text, image = kinds[kind](writer, np.random.default_rng([seed, number, place]))
            yield kind, text, image


def answered(
    made: Sequence[tuple[str, int | str, Image.Image]], experiment: str = READER
) -> tuple[list[Answer], float]:
    """The answers of this experiment's weights for the pictures, saved as PNG files, and the seconds per picture."""
    with tempfile.TemporaryDirectory() as folder:
        names = [f"{folder}/{place:05d}.png" for place in range(len(made))]
        for name, (_, _, image) in zip(names, made, strict=True):
            image.save(name)
        started = time.perf_counter()
        answers = predict(names, run=experiment)
        return answers, (time.perf_counter() - started) / len(made)


def right(answer: Answer, label: int | str) -> bool:
    """Whether exactly the written digit or digits were found."""
    return "".join(digit.name for digit in answer.digits) == str(label)


def calibration_error(confidence: NDArray[np.float64], correct: NDArray[np.bool_]) -> float:
    """The expected calibration error over bins of equal width: the mean of |accuracy - confidence|, weighted by count.

    Guo et al., 2017.
    """
    bins = np.minimum((confidence * BINS).astype(int), BINS - 1)
    gaps = np.zeros(BINS)
    np.add.at(gaps, bins, correct.astype(float) - confidence)
    return float(np.abs(gaps).sum() / len(confidence))


def fitted(scores: NDArray[np.floating[Any]], labels: NDArray[np.int64]) -> float:
    """The temperature with the lowest cross-entropy."""

    def loss(warmth: float) -> float:
        warm = scores.astype(np.float64) / warmth
        top = warm.max(1)
        return float(np.mean(top + np.log(np.exp(warm - top[:, None]).sum(1)) - warm[np.arange(len(labels)), labels]))

    return float(minimize_scalar(loss, bounds=(0.3, 10), method="bounded").x)


def calibrate() -> dict[str, Any]:
    """The temperature, fitted on pictures in which one digit was found; only training digits are used."""
    digits = load("mnist", holdout=10_000).test
    made = list(pictures(digits, sorted(KINDS), PER_KIND["calibrate"], SEEDS["calibrate"]))
    answers, _ = answered(made)
    one = [
        (answer.digits[0], label)
        for answer, (_, label, _) in zip(answers, made, strict=True)
        if len(answer.digits) == 1
    ]
    labels = np.array([label for _, label in one])
    # A constant added to all scores of a digit does not matter, so log-probabilities serve as scores.
    scores = temperature() * np.log(np.maximum([digit.probabilities for digit, _ in one], 1e-30))
    return {"temperature": round(fitted(scores, labels), 4), "pictures": len(made), "fitted_on": len(one),
            "seed": SEEDS["calibrate"], "digits": "training"}  # fmt: skip


def unlike() -> dict[str, Any]:
    """The least energy that a digit has, but for one in 400: made pictures of training digits, and MNIST's as files.

    Beside it, which share of pictures of other things has less: clothes and photographs of training sets.
    """
    train, rng = load("mnist").train, np.random.default_rng(SEEDS["unlike"])
    digits = [image for _, _, image in pictures(train, sorted(KINDS), PER_KIND["unlike"], SEEDS["unlike"], largest=480)]
    images = train.images[rng.choice(len(train), 400, replace=False), 0].numpy()
    energies = _energies([*digits, *map(Image.fromarray, images)])
    least = round(float(np.quantile(energies, 1 / 400)), 2)
    others = {}
    for name in ("fashion", "cifar10"):
        whole = load(name).train
        chosen = whole.images[rng.choice(len(whole), 150, replace=False)].permute(0, 2, 3, 1).numpy()
        shown = [Image.fromarray(one.squeeze()).resize((280, 280), Image.Resampling.BICUBIC) for one in chosen]
        others[name] = round(float((_energies(shown) < least).mean()), 3)
    return {"least_energy": least, "energy_of": len(energies), "others_below": others}


def _energies(images: Sequence[Image.Image]) -> NDArray[np.float64]:
    """The least energy of each picture's digits; minus infinity where none is found."""
    found = []
    for image in images:
        best = best_reading(of_image(image).pixels, shipped(), temperature())
        found.append(-np.inf if best is None else best.energy)
    return np.array(found)


def measure_made() -> dict[str, Any]:
    """Correct, several and none by kind; the calibration error of those with one; seconds a picture."""
    made = list(pictures(load("mnist").test, sorted(KINDS), PER_KIND["made"], SEEDS["made"], largest=480))
    answers, seconds = answered(made)
    kinds: dict[str, dict[str, int]] = {}
    for answer, (kind, label, _) in zip(answers, made, strict=True):
        row = kinds.setdefault(kind, {"pictures": 0, "right": 0, "several": 0, "none": 0})
        row["pictures"] += 1
        row["right"] += right(answer, label)
        row["several"] += len(answer.digits) > 1
        row["none"] += not answer.digits
    one = [(answer, label) for answer, (_, label, _) in zip(answers, made, strict=True) if len(answer.digits) == 1]
    sure = np.array([answer.digits[0].confidence for answer, _ in one])
    good = np.array([right(answer, label) for answer, label in one])
    return {
        "pictures": len(made),
        "right": sum(row["right"] for row in kinds.values()),
        "kinds": kinds,
        "temperature": temperature(),
        "calibration_error": round(calibration_error(sure, good), 4),
        "seconds_a_picture": round(seconds, 3),
        "seed": SEEDS["made"],
    }


def measure_written(what: str) -> dict[str, Any]:
    """Correct answers by kind; the sets used for choices take the last 5,000 test digits, the others the first."""
    test = load("mnist").test
    half = slice(5000, None) if what.startswith("develop") else slice(0, 5000)
    digits = replace(test, images=test.images[half], labels=test.labels[half])
    made = list(written_pictures(WRITTEN[what], digits, PER_KIND[what], SEEDS[what]))
    answers, seconds = answered(made)
    kinds: dict[str, dict[str, int]] = {}
    for answer, (kind, text, _) in zip(answers, made, strict=True):
        row = kinds.setdefault(kind, {"pictures": 0, "right": 0})
        row["pictures"] += 1
        row["right"] += right(answer, text)
    return {"pictures": len(made), "right": sum(row["right"] for row in kinds.values()), "kinds": kinds,
            "seconds_a_picture": round(seconds, 3), "seed": SEEDS[what]}  # fmt: skip


def measure_habits(what: str) -> dict[str, Any]:
    """Correct answers of `f3` and of `reader` by habit."""
    made = [
        (habit, *drawing(habit, np.random.default_rng([SEEDS[what], number, place])))
        for number, habit in enumerate(HABITS)
        for place in range(PER_KIND[what])
    ]
    kinds: dict[str, dict[str, int]] = {habit: {"pictures": PER_KIND[what]} for habit in HABITS}
    for experiment in ("f3", READER):
        for answer, (habit, digit, _) in zip(answered(made, experiment)[0], made, strict=True):
            kinds[habit][experiment] = kinds[habit].get(experiment, 0) + right(answer, digit)
    return {"kinds": kinds, "seed": SEEDS[what]}


def measure_mnist() -> dict[str, Any]:
    """Every fifth test digit as a PNG file of 28 x 28: correct as files, and correct by the network on the arrays."""
    test = load("mnist").test
    labels, images = test.labels[::5].numpy(), test.images[::5, 0].numpy()
    answers, seconds = answered(
        [("mnist", int(label), Image.fromarray(image)) for label, image in zip(labels, images, strict=True)]
    )
    return {
        "pictures": len(labels),
        "right": sum(right(answer, int(label)) for answer, label in zip(answers, labels, strict=True)),
        "right_from_arrays": int(
            (np.concatenate([shipped()(part) for part in np.array_split(images, 40)]).argmax(1) == labels).sum()
        ),
        "seconds_a_picture": round(seconds, 4),
    }


def table(results: Path = RESULTS) -> str:
    """The tables of docs/predict.md, from the records."""
    found = {name: json.loads((results / f"{name}.json").read_text()) for name in (*TITLES, "mnist")}
    lines = ["| pictures | kinds | number | right |", "|---|--:|--:|--:|"]
    for name, title in TITLES.items():
        one = found[name]
        share = 100 * one["right"] / one["pictures"]
        lines.append(f"| {title} | {len(one['kinds'])} | {one['pictures']} | **{share:.1f} %** |")
    lines += ["", "Tables: [each kind of picture](../results/predict/kinds.csv).", *_habit_rows(results)]
    made, mnist = found["made"], found["mnist"]
    direct = 100 * mnist["right_from_arrays"] / mnist["pictures"]
    read = 100 * mnist["right"] / mnist["pictures"]
    return "\n".join(lines) + (
        f"\n\nExpected calibration error of the first set: {100 * made['calibration_error']:.1f} points, at a"
        f" temperature of {made['temperature']:.2f}. {mnist['pictures']:,} of MNIST's test digits as files of 28 x 28:"
        f" {read:.2f} % right; straight into the network: {direct:.2f} %."
    )


def kinds_csv(results: Path = RESULTS) -> str:
    """A row for each kind of picture of each set, as CSV, from the records."""
    made = io.StringIO()
    rows = csv.writer(made, lineterminator="\n")
    rows.writerow(("set", "kind", "what it is", "number", "right, %"))
    for name, title in TITLES.items():
        kinds = json.loads((results / f"{name}.json").read_text())["kinds"]
        for kind, row in sorted(kinds.items()):
            about = WRITTEN[name][kind].__doc__ if name in WRITTEN else KINDS[kind].__doc__
            what = (about or "").splitlines()[0].rstrip(".")
            rows.writerow((title, kind, what, row["pictures"], f"{100 * row['right'] / row['pictures']:.1f}"))
    return made.getvalue()


def _habit_rows(results: Path) -> list[str]:
    """The table of habits, both networks side by side."""
    kinds = json.loads((results / "habits.json").read_text())["kinds"]
    lines = [
        "",
        "| ways of writing, drawn anew | number | right with `f3` | right with `reader` |",
        "|---|--:|--:|--:|",
    ]
    total = {key: sum(row[key] for row in kinds.values()) for key in ("pictures", "f3", READER)}
    for habit, row in [*kinds.items(), ("all", total)]:
        about = (HABITS[habit][1].__doc__ or "").rstrip(".") if habit in HABITS else habit
        shares = [f"{100 * row[name] / row['pictures']:.1f} %" for name in ("f3", READER)]
        lines.append(f"| {about} | {row['pictures']} | {shares[0]} | {shares[1]} |")
    return lines


def write_page(page: Path = PAGE) -> None:
    """Update the tables in docs/predict.md, and the one that they link to."""
    write_text(RESULTS / "kinds.csv", kinds_csv())
    write_text(page, with_part_between(page.read_text(encoding="utf-8"), MARKS, table(), page))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "what", choices=["calibrate", "unlike", "made", *WRITTEN, "habits", "develop-habits", "mnist", "page"]
    )
    what = parser.parse_args().what
    if what == "page":
        write_page()
        return
    measures = {"calibrate": calibrate, "unlike": unlike, "made": measure_made, "mnist": measure_mnist}
    others = measure_habits if what.endswith("habits") else measure_written
    found = measures[what]() if what in measures else others(what)
    of_weights = what in ("calibrate", "unlike")
    path = WEIGHTS / "calibration.json" if of_weights else RESULTS / f"{what}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    before = json.loads(path.read_text()) if of_weights else {}
    kept = before | {READER: before[READER] | found} if of_weights else found
    path.write_text(json.dumps(kept, indent=1) + "\n")
    print(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
