"""Trials on held-out sixths of a training set: `python -m benchmarks.sixths benchmarks/trials/FILE.py`.

The file defines `TRIALS`: networks and recipes, each by a short name that is never changed, with a title for readers.
Each is trained with the first sixth held out and seed 0, with the second and seed 1, and so on. Figures go to
results/trials/FILE.json; those already there are not computed again. A sixth consists of consecutive images of each
class; docs/log.md explains why. The test set is not used.

A candidate for a record is chosen by its paired difference to the record itself, sixth by sixth, which is printed with
its 95 % interval; the file has the record itself among its trials as `itself("f3")`. The sixths differ by more than the
candidates do, and the pairs take that out. A choice needs six of them or more: where the differences spread by 0.03
points, three sixths give their mean to within 0.075 points, which tells no two good candidates apart, and six to within
0.031.
"""

import argparse
import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from featherweight import data as datasets
from featherweight import dissect
from featherweight.data.dataset import Data
from featherweight.data.split import mean_and_std
from featherweight.engine import Engine, build_engine, processors
from featherweight.experiments.experiment import find, ids
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import percent
from featherweight.experiments.statistics import paired
from featherweight.io import write_text
from featherweight.networks.checks import fingerprint
from featherweight.parallel.messages import Backend
from featherweight.parallel.pool import Pool, open_pool, require_backend, run_works
from featherweight.parallel.transfer import Packed, pack, unpack
from featherweight.training.distillation import answering
from featherweight.training.evaluation import evaluate
from featherweight.training.loop import fit
from featherweight.training.state import State, draw_seed, initial_state

ROOT = Path(__file__).parents[1]
SIXTHS = 6
JUDGED = 5
TEACHERS = 1000
"""Distance between the student's seed and those of its teachers."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One row of the log."""

    title: str = ""
    """What was tried, complete in itself; empty for a teacher, which has no row."""
    record: str
    """The record for which it was tried."""
    network: Callable[[], nn.Module]
    recipe: Recipe
    seeds: int = 3
    """How many sixths are held out in turn: three for a first look, six or more for what may be chosen."""
    optimizer: Callable[[State], torch.optim.Optimizer] | None = None
    """Replaces the recipe's optimiser; the recipe's lr and schedule still apply."""
    after: Callable[[nn.Module, Data], None] | None = None
    """Changes the final network after training; the last epoch's figures are those of the changed network."""
    data: str = "mnist"
    """The data set whose training images are used."""
    teachers: tuple["Trial", ...] = ()
    """Trained first, without the same sixth, each with its own seed; the recipe's `distil` says how they teach."""


def itself(id: str) -> Trial:
    """A record as it is, as the trial that its candidates are compared with, on six sixths."""
    record = find(id)
    title = "the record itself"
    return Trial(title=title, record=id, network=record.build, recipe=record.recipe, seeds=SIXTHS, data=record.data)


def held_out_sixth(labels: Tensor, number: int) -> Tensor:
    """Whether each digit is in sixth `number` (0 to 5) of its class, in the order of the data: bool [N].

    >>> held_out_sixth(torch.tensor([0, 1] * 12), 1).nonzero().flatten().tolist()
    [4, 5, 6, 7]
    """
    out = torch.zeros(len(labels), dtype=torch.bool)
    for label in range(int(labels.max()) + 1):
        members = (labels == label).nonzero()[:, 0]
        out[members[number * len(members) // SIXTHS : (number + 1) * len(members) // SIXTHS]] = True
    return out


@cache
def _whole(name: str) -> Data:
    return datasets.load(name)


def without_sixth(number: int, name: str = "mnist", whole: Data | None = None) -> Data:
    """A data set's training images with one sixth held out, which takes the place of the test set."""
    whole = whole or _whole(name)
    out = held_out_sixth(whole.train.labels, number)
    train = whole.train.take((~out).nonzero()[:, 0])
    mean, std = mean_and_std(train.images)
    return replace(whole, train=train, test=whole.train.take(out.nonzero()[:, 0]), mean=mean, std=std)


def _shape(data: Data) -> tuple[int, int, int]:
    _, channels, height, width = data.train.images.shape
    return channels, height, width


def _engine(network: nn.Module, recipe: Recipe, batch: int, data: Data) -> Engine:
    return build_engine("auto", network, recipe, shape=_shape(data), device=torch.device("cpu"), batch=batch)


def _trained(trial: Trial, data: Data, seed: int) -> State:
    """The state after a trial's training, on one thread."""
    recipe = trial.recipe
    teachers = [_trained(one, data, seed + TEACHERS * place).ema_network for place, one in enumerate(trial.teachers, 1)]
    torch.manual_seed(draw_seed(seed, "weights"))
    state = initial_state(trial.network(), recipe, torch.device("cpu"), len(data.train))
    if trial.optimizer:
        state.optimizer = trial.optimizer(state)
    engine, evaluator = (
        _engine(state.network, recipe, recipe.batch, data),
        _engine(state.ema_network, recipe, 1, data),
    )
    heard = [_engine(network, recipe, recipe.batch, data) for network in teachers]
    teacher = answering(heard, recipe.distil) if recipe.distil else None
    for _ in fit(state, data, recipe, seed, engine, evaluator, teacher):
        pass
    return state


def run(name: str, trial: Trial, seed: int, whole: Data | None = None) -> dict[str, Any]:
    """Train a trial with one seed; return its figures on the held-out images and on its training images."""
    data = without_sixth(seed % SIXTHS, trial.data, whole)
    state = _trained(trial, data, seed)
    evaluator = _engine(state.ema_network, trial.recipe, 1, data)
    accuracies, loss = [row.test_accuracy for row in state.rows], state.rows[-1].test_loss
    if trial.after:
        trial.after(state.ema_network, data)
        loss, right = evaluate(evaluator, data.test, data.mean, data.std)
        accuracies[-1] = percent(right, len(data.test))
    own_loss, own = evaluate(evaluator, data.train, data.mean, data.std)
    return {
        "record": trial.record, "trial": name, "title": trial.title, "seed": seed, "block": seed % SIXTHS,
        "parameters": sum(p.numel() for p in state.network.parameters()),
        "macs": dissect(state.network, _shape(data)).macs,
        "last": round(accuracies[-1], 2), "worst": round(min(accuracies[-JUDGED:]), 2), "loss": round(loss, 5),
        "train": round(percent(own, len(data.train)), 3), "train_loss": round(own_loss, 5),
    }  # fmt: skip


def trials_of(path: Path) -> dict[str, Trial]:
    """The `TRIALS` that the file defines."""
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec and spec.loader, path
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    trials: dict[str, Trial] = module.TRIALS
    return trials


def _run_here(path: Path, name: str, seed: int, *, stopped: Any) -> Iterator[dict[str, Any]]:
    yield run(name, trials_of(path)[name], seed)


def _run_there(trial: Trial, name: str, seed: int, packed: Packed, *, stopped: Any) -> Iterator[dict[str, Any]]:
    yield run(name, trial, seed, unpack(packed))


def _works(
    path: Path, trials: dict[str, Trial], missing: Sequence[tuple[str, int]], pool: Pool, on: Backend
) -> list[Any]:
    """The works of a pool; a cluster is sent the trials themselves, with their code, and the data once."""
    if on.local:
        return [(_run_here, path, *one) for one in missing]
    from featherweight.parallel.ray_cluster import by_value

    by_value(run, *(part for trial in trials.values() for part in (trial.network, trial.optimizer, trial.after)))
    data = {name: pool.put(pack(_whole(name))) for name in {trials[name].data for name, _ in missing}}
    return [(_run_there, trials[name], name, seed, data[trials[name].data]) for name, seed in missing]


def _missing(trials: dict[str, Trial], rows: Sequence[dict[str, Any]]) -> list[tuple[str, int]]:
    done = {(row["trial"], row["seed"]) for row in rows}
    wanted = [(name, seed) for name, one in trials.items() for seed in range(one.seeds)]
    return [one for one in wanted if one not in done]


def _write(path: Path, rows: Sequence[dict[str, Any]], order: Sequence[str]) -> None:
    at = {name: place for place, name in enumerate(order)}
    ordered = sorted(rows, key=lambda row: (at.get(row["trial"], len(at)), row["seed"]))
    write_text(path, "[\n" + ",\n".join(json.dumps(row, ensure_ascii=False) for row in ordered) + "\n]\n")


def table(rows: Sequence[dict[str, Any]]) -> list[str]:
    """The rows of the log, one per trial, with means over its seeds."""
    lines = []
    for name in dict.fromkeys(row["trial"] for row in rows):
        of_it = [row for row in rows if row["trial"] == name]
        keys = ("last", "worst", "loss", "train")
        last, worst, loss, own = (sum(row[key] for row in of_it) / len(of_it) for key in keys)
        first = of_it[0]
        lines.append(
            f"| `{first['record']}` | {first['title']} | {first['parameters']:,} | {round(first['macs'] / 1000)} k"
            f" | {len(of_it)} | {last:.2f} | {worst:.2f} | {loss:.4f} | {own:.2f} |"
        )
    return lines


def own_of(trials: dict[str, Trial]) -> dict[str, str]:
    """For each record among the trials' records, the trial that is the record itself, where there is one."""
    found: dict[str, str] = {}
    for name, one in trials.items():
        if one.title and one.record in ids() and not (one.optimizer or one.after or one.teachers):
            record = find(one.record)
            if one.recipe == record.recipe and fingerprint(one.network()) == fingerprint(record.build()):
                found.setdefault(one.record, name)
    return found


def differences(rows: Sequence[dict[str, Any]], own: dict[str, str]) -> list[str]:
    """A line for each trial that shares two sixths or more with the record itself: by how much it is better.

    `own` names the trial that is the record itself, as `own_of` finds it.
    """
    last = {(row["trial"], row["seed"]): float(row["last"]) for row in rows}
    lines = []
    for record, name in dict.fromkeys((row["record"], row["trial"]) for row in rows):
        base = own.get(record)
        seeds = sorted(seed for trial, seed in last if trial == name and (base, seed) in last)
        if base is None or name == base or len(seeds) < 2:
            continue
        test = paired([last[name, seed] for seed in seeds], [last[base, seed] for seed in seeds])
        verdict = "undecided" if not test.decided else "better" if test.difference > 0 else "worse"
        if len(seeds) < SIXTHS:
            verdict += f"; {SIXTHS} sixths or more are needed to choose"
        lines.append(
            f"{name} against {base}: {test.difference:+.3f} points (95 % interval {test.low:+.3f} to {test.high:+.3f},"
            f" {len(seeds)} sixths): {verdict}"
        )
    return lines


def main() -> None:
    """Train what is missing in parallel, writing each figure as it arrives; print the table and the differences."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", type=Path)
    parser.add_argument("--processes", type=int, default=processors(), help="how many are trained side by side")
    parser.add_argument("--on", default="local", help="local, ray or ray://HOST:PORT")
    given = parser.parse_args()
    require_backend(given.on)
    path, on = given.file, Backend(address=given.on)
    trials, target = trials_of(path), ROOT / "results" / "trials" / f"{path.stem}.json"
    rows: list[dict[str, Any]] = json.loads(target.read_text()) if target.exists() else []
    with open_pool(on, given.processes) as pool:
        for _, row in run_works(pool, _works(path, trials, _missing(trials, rows), pool, on)):
            rows.append(row)
            _write(target, rows, list(trials))
            print(json.dumps(rows[-1]), flush=True)
    own = own_of(trials)
    print("\n".join([*table(rows), "", *differences(rows, own)]))
    for record in sorted({one.record for one in trials.values()} - set(own)):
        print(f'No trial is {record} itself; with one made by itself("{record}"), differences to it are shown.')


if __name__ == "__main__":
    main()
