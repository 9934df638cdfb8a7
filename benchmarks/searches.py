"""Three ways of searching, given the same pictures, limits and minutes: `python -m benchmarks.searches [SET ...]`.

* `fit`: the search of `featherweight fit`.
* `random`: networks and augmentations drawn at random from the same family, as wide as the limits allow, each trained
  in full.
* `before`: the space `accurate` of `featherweight search` (stacks of 5 to 8 convolutions, augmentations for digits)
  with Optuna's TPE sampler and median pruner; proposals over the limits are refused before they are trained.

Each has one core. All judge by the same held-out training images, and the test images are never read.
`results/search/ways.json` keeps the best held-out accuracy over time of networks within the limits, and
docs/fits/ways.svg shows it.
"""

import argparse
import json
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

import optuna
import torch

from featherweight.errors import FeatherweightError, TrainingError
from featherweight.export.estimate import deployed
from featherweight.io import write_text
from featherweight.networks.architecture import build_layers
from featherweight.parallel.messages import THIS_MACHINE
from featherweight.parallel.pool import open_pool, run_works
from featherweight.report.figures.style import SERIES, blank, in_house_style
from featherweight.report.figures.svg import svg
from featherweight.search.fit import final_training, planning, prior, search_loop
from featherweight.search.fit.asha import Population
from featherweight.search.fit.candidate import PRESETS, Candidate
from featherweight.search.fit.cost import Cost, Limits
from featherweight.search.fit.folder import TRIALS
from featherweight.search.fit.mutation import sample_candidate
from featherweight.search.fit.resized import ResizedData, part, resized_data, save
from featherweight.search.fit.state import FitState
from featherweight.search.fit.trial import Aim, Trial, TrialTask
from featherweight.search.fit.workers import NO_LIMIT, train_candidate
from featherweight.search.space import propose
from featherweight.search.spaces.accurate import space
from featherweight.search.trials import trial_experiment
from featherweight.training.evaluation import evaluate
from featherweight.training.loop import fit
from featherweight.training.runs.prepare import prepare

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FILE = Path(__file__).parents[1] / "results" / "search" / "ways.json"
ASKED = {
    "cifar10": Limits(flash=48 * 1024, ram=32 * 1024),
    "fashion": Limits(flash=16 * 1024, ram=8 * 1024),
    "mnist": Limits(flash=7_000),
    "usps": Limits(flash=5_000),
}
PICTURE = Path(__file__).parents[1] / "docs" / "fits" / "ways.svg"
Curve = list[tuple[float, float]]
"""Seconds, and the best held-out accuracy until then in percent; one point for each improvement."""


class Random(Population):
    """Candidates drawn at random, each trained in full."""

    def works(self, number: int, genes: Candidate, rung: int, epochs: float) -> list[TrialTask]:
        """The whole training at once."""
        return super().works(number, genes, 2, epochs)

    def promotions(self, passed: float) -> Iterator[tuple[Trial, int]]:
        """None, since there is nothing left to do."""
        return iter(())

    def proposal(self) -> tuple[Candidate, float]:
        """A network and a recipe without regard to what was found."""
        base = Candidate(preset=self._draws.choice(list(PRESETS)))
        return sample_candidate(self._draws, self._sizes, self._coloured, base), 1.0


def searched(views: ResizedData, limits: Limits, seconds: float, seed: int, random: bool) -> Curve:
    """The best candidate over time of a search at random, or of one as `fit` carries it out: with its share of the time
    for training the chosen candidate in full, on the same images as all others here."""
    coloured = views.sizes[0].shape[0] == 3
    kind, race, others = Random, list[Candidate](), list[Candidate]()
    if not random:
        kind, (race, others) = Population, prior.first(coloured, small=len(views.folds) > 1, bits=4)
    population = kind(
        aim=Aim(limits=limits), seed=seed, sizes=len(views.sizes), coloured=coloured, folds=len(views.folds),
        race=race, prior=others,
    )  # fmt: skip
    curve: Curve = []
    with TemporaryDirectory() as folder:
        search = FitState(
            views=views, aim=population.aim, population=population, file=Path(folder) / TRIALS,
            seconds=seconds if random else (1 - planning.FINISH) * seconds, finish=planning.FINISH * seconds,
        )  # fmt: skip
        begun = time.monotonic()
        for look in search_loop.run_search(search, 1):
            if look.ended is not None and not look.ended.failed:
                _improve(curve, time.monotonic() - begun, look.ended.accuracy())
        best = population.best()
        if best is not None and best.rung < 2 and not random:
            save(views, Path(folder))
            search.finish = max(1.0, (seconds - (time.monotonic() - begun)) / final_training.SLOWER)
            epochs = search.epochs(best.price, best.shape, search.rate_of(best))
            (work,) = population.works(best.number, best.genes, 2, epochs)
            *_, last = train_candidate(work, Path(folder), views.classes)
            _improve(curve, time.monotonic() - begun, 100 * (last.correct or 0) / last.judged)
    return curve


def _improve(curve: Curve, seconds: float, accuracy: float) -> None:
    if not curve or accuracy > curve[-1][1]:
        curve.append((round(seconds, 1), round(accuracy, 3)))


def before(views: ResizedData, limits: Limits, seconds: float, seed: int) -> Curve:
    """The best network over time of the space as it was, within the limits."""
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(
        direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed, multivariate=True),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4, n_warmup_steps=2),
    )  # fmt: skip
    curve: Curve = []
    unlimited = replace(space, budget=NO_LIMIT)
    with TemporaryDirectory() as folder:
        save(views, Path(folder))
        data = part(Path(folder), 0, False, 0, views.classes)
        shape = views.sizes[0].shape
        begun = time.monotonic()
        while time.monotonic() - begun < seconds:
            trial = study.ask()
            proposal = propose(space, trial)
            try:
                cost = deployed(
                    build_layers(proposal.network, shape[0], len(views.classes)).eval(), shape, len(views.classes)
                )
            except FeatherweightError:
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            if limits.excess(Cost(flash=cost.flash, ram=cost.ram, macs=cost.macs, parameters=0, cycles=0)):
                study.tell(trial, state=optuna.trial.TrialState.FAIL)
                continue
            run = prepare(trial_experiment(proposal, unlimited.budget, f"trial{trial.number}"), data, seed=0, threads=1)
            state, epoch = optuna.trial.TrialState.COMPLETE, 0
            try:
                for now in fit(run.state, run.data, run.experiment.recipe, run.seed, run.engine, run.evaluator):
                    if now.step == 0 and now.epoch > epoch:
                        epoch = now.epoch
                        trial.report(now.rows[-1].test_accuracy, epoch)
                        if trial.should_prune() or time.monotonic() - begun > seconds:
                            state = optuna.trial.TrialState.PRUNED
                            break
                if state is optuna.trial.TrialState.COMPLETE:
                    _, correct = evaluate(run.evaluator, data.test, data.mean, data.std)
                    _improve(curve, time.monotonic() - begun, 100 * correct / len(data.test))
                    study.tell(trial, 100 * correct / len(data.test))
                    continue
            except TrainingError:
                state = optuna.trial.TrialState.FAIL
            study.tell(trial, state=state)
    return curve


WAYS: dict[str, Callable[[ResizedData, Limits, float, int], Curve]] = {
    "fit": lambda views, limits, seconds, seed: searched(views, limits, seconds, seed, False),
    "random": lambda views, limits, seconds, seed: searched(views, limits, seconds, seed, True),
    "before": before,
}


def _run(name: str, way: str, minutes: float, seed: int, directory: Path | None, *, stopped: Any) -> Iterator[Curve]:
    torch.set_num_threads(1)
    yield WAYS[way](resized_data(name, seed=0, directory=directory), ASKED[name], 60 * minutes, seed)


def measured(
    names: list[str], ways: list[str], minutes: float, seed: int, directory: Path | None
) -> dict[str, dict[str, Curve]]:
    """The curves of these ways on each set, two at a time."""
    todo = [(name, way) for name in names for way in ways]
    found: dict[str, dict[str, Curve]] = {name: {} for name in names}
    with open_pool(THIS_MACHINE, 2) as pool:
        for number, curve in run_works(pool, [(_run, *one, minutes, seed, directory) for one in todo]):
            name, way = todo[number]
            found[name][way] = curve
            print(name, way, curve[-1:], flush=True)
    return found


def in_time(curve: Curve, minutes: float) -> Curve:
    """What was found within the time; a training that went on for longer does not count."""
    return [(seconds, accuracy) for seconds, accuracy in curve if seconds <= 60 * minutes]


@in_house_style
def figure_of(kept: dict[str, Any]) -> "Figure":
    """One panel a set: the best held-out accuracy over minutes."""
    figure = blank(2.9, 9.2)
    panels = figure.subplots(1, len(kept["sets"]))
    for axes, (name, ways) in zip(panels, kept["sets"].items(), strict=True):
        for way, colour in zip(WAYS, SERIES, strict=False):
            curve = ways[way]
            minutes, accuracies = [seconds / 60 for seconds, _ in curve], [accuracy for _, accuracy in curve]
            if curve:
                axes.step([*minutes, kept["minutes"]], [*accuracies, accuracies[-1]], where="post", color=colour,
                          label=WORDS[way])  # fmt: skip
        ends = [curve[-1][1] for curve in ways.values() if curve]
        highest, lowest = max(ends), min(ends)
        axes.set(title=name, xlabel="minutes", xlim=(0, kept["minutes"]))
        axes.set_ylim(lowest - 2 * max(0.1, highest - lowest), highest + 0.3 * max(0.1, highest - lowest))
        axes.grid(axis="y")
    panels[0].set(ylabel="held out, %")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper left", ncols=3)
    return figure


WORDS = {"fit": "fit", "random": "at random, each trained in full", "before": "stacks, TPE and median pruning"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("names", nargs="*", default=list(ASKED))
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--minutes", type=float, default=6.0)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data-dir", type=Path)
    given = parser.parse_args()
    kept = json.loads(FILE.read_text(encoding="utf-8")) if FILE.exists() else {"sets": {}}
    kept |= {"minutes": given.minutes, "seed": given.seed, "torch": torch.__version__}
    for name, found in measured(given.names, given.ways, given.minutes, given.seed, given.data_dir).items():
        cut = {way: in_time(curve, given.minutes) for way, curve in found.items()}
        kept["sets"][name] = kept["sets"].get(name, {}) | cut
    write_text(FILE, json.dumps(kept, indent=1) + "\n")
    write_text(PICTURE, svg(figure_of(kept)))
