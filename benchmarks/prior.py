"""Learn which networks a search tries first, from finished searches on several sets.

`python -m benchmarks.prior SET=FOLDER ... [--data-dir DIR]` takes, from each search, the candidates that no other one
beat in both flash and held-out accuracy, and trains each of them briefly on every set, always judged on held-out
training images. `results/search/prior.json` keeps what they reached. The prior is the short list with which, over all
sets and limits of flash, the best one within the limit does best; it is written beside `search/fit/prior.py`. The same
list is also learned without each set in turn, which shows what it is worth on pictures that it has not seen.
"""

import argparse
import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path
from statistics import fmean
from tempfile import TemporaryDirectory
from typing import Any

from featherweight.engine import processors
from featherweight.io import write_text
from featherweight.parallel.messages import THIS_MACHINE
from featherweight.parallel.pool import open_pool, run_works
from featherweight.search.fit import prior
from featherweight.search.fit.candidate import Candidate
from featherweight.search.fit.cost import cost_of
from featherweight.search.fit.planning import shallow_enough
from featherweight.search.fit.resized import ResizedData, resized_data, save
from featherweight.search.fit.state import epochs_for
from featherweight.search.fit.trial import SHARES, TrialTask
from featherweight.search.fit.workers import serve

FILE = Path(__file__).parents[1] / "results" / "search" / "prior.json"
LIMITS = (6_000, 8_000, 12_000, 16_000, 24_000, 32_000, 48_000, 64_000)
"""Bytes of flash: the limits within which the list is to hold something good."""
EACH = 5
"""Networks that are taken from each search, spread over its front."""
IMAGES = 0.4
"""Share of the training images that each is trained on."""
LENGTH = 8
TOO_MUCH = 1 << 30
NOTHING = 0.5
"""The error that counts where nothing on the list is within the limit."""

Row = dict[str, Any]
"""A network: `from`, `genes`, and by set `flash` in bytes and `error`, a share of the held-out images."""


def front(folder: Path) -> list[Candidate]:
    """Candidates of a search on its Pareto front of flash and accuracy, without changes to an augmentation."""
    known: dict[str, tuple[int, float]] = {}
    for line in (folder / "trials.jsonl").read_text(encoding="utf-8").splitlines():
        one = json.loads(line)
        if one["correct"] is not None:
            known[json.dumps(one["genes"])] = (
                one["rung"],
                (one["judged"] - one["correct"] + 0.5) / (one["judged"] + 1),
            )
    shape, classes = _asked(folder)
    priced = []
    for text, (rung, error) in known.items():
        genes = Candidate.from_json(json.loads(text))
        cost = cost_of(genes, shape, classes)
        if cost is not None:
            # What a short training reached is worth more than the same after a long one.
            priced.append((cost.flash, math.log(error) + (-0.35, -0.12, 0.0)[rung], genes))
    best, kept = math.inf, []
    for _, error, genes in sorted(priced, key=lambda one: one[:2]):
        if error < best:
            best = error
            kept.append(_bare(genes))
    kept = list(dict.fromkeys(kept))
    step = max(1.0, (len(kept) - 1) / (EACH - 1))
    return [kept[round(step * place)] for place in range(min(EACH, len(kept)))]


def _asked(folder: Path) -> tuple[tuple[int, int, int], int]:
    asked = json.loads((folder / "asked.json").read_text(encoding="utf-8"))
    return tuple(asked["sizes"][0]), len(asked["classes"])


def _bare(genes: Candidate) -> Candidate:
    return replace(genes, side=0, grey=False, preset="shifts", changes=(), batch=64)


def judged(networks: Sequence[Candidate], views: ResizedData, preset: str) -> tuple[list[int], list[float]]:
    """The flash of each network, in bytes, and its error on the held-out part after a short training; 1 for those that
    are over every limit, which are not trained."""
    shape, classes = views.sizes[0].shape, len(views.classes)
    flash, works = [], []
    for number, genes in enumerate(networks):
        fitting = shallow_enough(genes, shape, classes)
        cost = None if fitting is None else cost_of(fitting, shape, classes)
        flash.append(cost.flash if cost else TOO_MUCH)
        if fitting is not None and flash[-1] <= max(LIMITS):
            epochs = round(epochs_for(len(views.labels)) * SHARES[0])
            works.append(TrialTask(trial=number, genes=replace(fitting, preset=preset), epochs=epochs, share=IMAGES))
    errors = [1.0] * len(networks)
    with TemporaryDirectory() as name:
        save(views, Path(name))
        with open_pool(THIS_MACHINE, processors()) as pool:
            for _, update in run_works(pool, [(serve, work, Path(name), views.classes) for work in works]):
                if update.correct is not None:
                    errors[update.work.trial] = (update.judged - update.correct + 0.5) / (update.judged + 1)
                    print(f"{views.name}: {update.work.trial}, {update.seconds:.0f} s", flush=True)
    return flash, errors


def worth(rows: Iterable[Row], names: Iterable[str]) -> float:
    """The mean logarithm of the least error within each limit on each of these sets; lower is better."""
    rows = list(rows)
    return fmean(
        min([math.log(row["error"][name]) for row in rows if row["flash"][name] <= limit], default=math.log(NOTHING))
        for name in names
        for limit in LIMITS
    )


def chosen(rows: Sequence[Row], names: Sequence[str]) -> list[Row]:
    """The list for these sets: the pool's first network, which compares augmentations, then whichever helps most."""
    taken = [rows[0]]
    while len(taken) < min(LENGTH, len(rows)):
        taken.append(min((row for row in rows if row not in taken), key=lambda row: worth([*taken, row], names)))
    return taken


def prior_of(kept: dict[str, Any]) -> list[Row]:
    """What is written beside `prior.py`, of the figures in `results/search/prior.json`."""
    return [{"from": row["from"], "genes": row["genes"]} for row in chosen(kept["networks"], kept["sets"])]


def learned(folders: dict[str, Path], directory: Path | None) -> dict[str, Any]:
    """Everything that `results/search/prior.json` holds."""
    pool: dict[Candidate, str] = {
        _bare(one): source for one, source in zip(prior.networks(), prior.sources(), strict=True)
    }
    for name, folder in folders.items():
        for genes in front(folder):
            pool.setdefault(genes, f"a search on {name}")
    networks = list(pool)
    rows: list[Row] = [{"from": pool[genes], "genes": _written(genes), "flash": {}, "error": {}} for genes in networks]
    for name, folder in folders.items():
        views = resized_data(name, seed=0, directory=directory)
        best = json.loads((folder / "fit.json").read_text(encoding="utf-8"))["chosen"]["genes"]["preset"]
        for row, flash, error in zip(rows, *judged(networks, views, best), strict=True):
            row["flash"][name] = flash
            row["error"][name] = round(error, 6)
    names, before = list(folders), rows[: len(prior.networks())]
    unseen = {
        name: {
            "learned": round(worth(chosen(rows, [other for other in names if other != name]), [name]), 4),
            "before": round(worth(before, [name]), 4),
        }
        for name in names
    }
    return {"sets": names, "unseen": unseen, "networks": rows}


def _written(genes: Candidate) -> Row:
    """What differs from the default, without what a search chooses by itself."""
    usual, values = Candidate().to_json(), genes.to_json()
    return {
        name: value
        for name, value in values.items()
        if name in ("widths", "depths", "changes") or (value != usual[name] and name not in ("side", "grey", "preset"))
    }


def write(kept: dict[str, Any]) -> None:
    """Write the figures and the prior that follows from them."""
    write_text(FILE, json.dumps(kept, indent=1) + "\n")
    write_text(prior.FILE, "[\n" + ",\n".join(f" {json.dumps(row)}" for row in prior_of(kept)) + "\n]\n")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("searches", nargs="+", metavar="SET=FOLDER")
    parser.add_argument("--data-dir", type=Path)
    given = parser.parse_args()
    write(
        learned({name: Path(folder) for name, folder in (one.split("=", 1) for one in given.searches)}, given.data_dir)
    )
