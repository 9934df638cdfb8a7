"""Training in one call from Python: an experiment or a bare network, data, a budget, and a model comes back."""

import copy
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from torch import nn

from featherweight.api.model import Model
from featherweight.data import load
from featherweight.data.dataset import Data
from featherweight.engine import require_threads
from featherweight.errors import FeatherweightError, UsageError, require_function, require_kinds, whole_number
from featherweight.experiments.budget import Budget
from featherweight.experiments.experiment import Experiment, find
from featherweight.experiments.recipe import OneCycle, Recipe
from featherweight.experiments.record import Row
from featherweight.experiments.settings import overridden
from featherweight.export.estimate import require_form
from featherweight.io import as_path
from featherweight.networks.architecture import describe_network, make
from featherweight.parallel.messages import LOCAL, Backend
from featherweight.parallel.pool import require_backend
from featherweight.parallel.scheduler import train_all
from featherweight.training.runs.custom import Custom
from featherweight.training.runs.events import Done, Event, Failed, Progress, live
from featherweight.training.runs.prepare import RUNS
from featherweight.training.runs.run import Run, new_run
from featherweight.training.runs.task import Task, adapt_budget, run_task
from featherweight.training.runs.trained import load_trained


def train(
    network: "Experiment | nn.Module | Callable[..., nn.Module] | str",
    data: "Data | str | Path" = "auto",
    *,
    budget: Budget | None = None,
    recipe: Recipe | None = None,
    seeds: int | Sequence[int] = 0,
    on_epoch: Callable[[Row], object] | None = None,
    out: "str | Path" = RUNS,
    settings: dict[str, Any] | None = None,
    loss: Callable[..., Any] | None = None,
    augment: Callable[..., Any] | None = None,
    optimizer: Callable[..., Any] | None = None,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    to: str | None = None,
    on: str = LOCAL,
) -> Any:
    """The trained model; for several `seeds`, trained one after another, a list of models in that order.

    `network` is an experiment, its id or file, a bare module, or a function that makes one. A module is not changed: a
    copy of its layers is trained, with initial weights drawn from the seed. `budget` and `recipe` replace the
    experiment's own. By default a bare network has no limit but its own size, and trains with SGD and one cycle of the
    rate over 15 epochs, or as many as the budget allows. `settings` change single fields by name, such as {"recipe.lr":
    0.05}. `loss` (output [N classes], labels [N]) gives the mean loss, `augment` (images [N C H W] from 0 to 1,
    generator) changed images, `optimizer` (parameter groups) an optimiser of PyTorch; each replaces what the recipe
    says, is kept in the record by name and source, and is trained by PyTorch, since no kernel exists for it. A module
    of a class of your own is saved, with a warning that `fw.load` needs that class again. `on_epoch` is called with the
    row of each epoch when it ends. In a notebook a bar shows the progress. The run's folder is `model.folder`, under
    `out`; Ctrl-C leaves a run there that can be resumed. With `to="c"`, and under a budget that limits flash or RAM, a
    network that cannot be exported to C is refused before anything is trained. `on="ray"`, or a cluster's address such
    as "ray://head:10001", trains the seeds side by side on a Ray cluster; the run folders are still written on this
    machine.

    Raises BudgetError before the first step if the network is over the budget, and UsageError for arguments that do not
    fit together, or more `threads` than this process may use processors.

    >>> import tempfile
    >>> model = train("f1", "digits", settings={"recipe.epochs": 1}, out=tempfile.mkdtemp(), threads=1)
    >>> len(model.record.rows), model.record.data["name"]
    (1, 'digits')
    """
    numbers = _seed_numbers([seeds] if isinstance(seeds, int) else seeds)
    require_kinds(
        budget=(budget, Budget | None), recipe=(recipe, Recipe | None), settings=(settings, dict | None),
        engine=(engine, str), device=(device, str), on=(on, str), to=(to, str | None),
    )  # fmt: skip
    require_function("on_epoch", on_epoch)
    folder, source = as_path(out, "out"), data if isinstance(data, Data) else load(data)
    experiment = _as_experiment(network, source, budget, recipe, settings or {})
    require_form(experiment, source, to)
    require_backend(on)
    custom = Custom(loss=loss, augment=augment, optimizer=optimizer)
    _warn_of_foreign(experiment, source)
    if threads is not None and (on == LOCAL or threads < 1):
        require_threads(threads)
    options: dict[str, Any] = {"out": folder, "engine": engine, "device": device, "threads": threads}
    if on == LOCAL:
        runs = (new_run(experiment, source, seed=seed, custom=custom, **options) for seed in numbers)
        models = [_train_to_end(run, on_epoch) for run in runs]
    else:
        custom.require_none(on)
        tasks = [Task(experiment=experiment.name, seed=seed, **options) for seed in numbers]
        models = _trained_there(tasks, Backend(address=on), experiment, source, on_epoch)
    return models[0] if isinstance(seeds, int) else models


def _warn_of_foreign(experiment: Experiment, data: Data) -> None:
    """Warn, before anything is trained, where the run alone will not be enough to load the network again."""
    _, channels, _, _ = data.train.images.shape
    _, foreign = describe_network(experiment.build(int(channels), len(data.classes)))
    if foreign and (experiment.file is None or not experiment.file.is_file()):
        warnings.warn(
            f"{foreign}: a class of your own, which the run does not hold: keep it, and load the run with"
            " fw.load(folder, network=...), the class or a function that makes the network.",
            UserWarning,
            stacklevel=3,
        )


def _seed_numbers(seeds: Any) -> list[int]:
    try:
        numbers = [] if isinstance(seeds, str) else list(seeds)
    except TypeError:  # not even a tensor of no dimensions can be gone through
        numbers = []
    if not numbers:
        raise UsageError(f"`seeds` is a whole number, or a list of one or more; given {seeds!r:.60}.")
    return [whole_number(seed, "A seed") for seed in numbers]


def _train_to_end(run: Run, on_epoch: Callable[[Row], object] | None) -> Model:
    show = _event_display(run)
    for event in run_task(Task(experiment=run.experiment.name, seed=run.record.seed), run):
        show(event)
        if on_epoch is not None and isinstance(event, Progress) and event.row is not None:
            on_epoch(event.row)
    trained = load_trained(run.folder, made=copy.deepcopy(run.state.ema_network))
    return Model(trained=trained, folder=run.folder, seen=run.data)


def _trained_there(
    tasks: Sequence[Task], on: Backend, experiment: Experiment, data: Data, on_epoch: Callable[[Row], object] | None
) -> list[Model]:
    """The models of tasks that a cluster carries out, in their order; raises the first failure once all have ended."""
    done: dict[str, Path] = {}
    failed: list[Failed] = []
    for event in train_all(tasks, on, (experiment, data)):
        if on_epoch is not None and isinstance(event, Progress) and event.row is not None:
            on_epoch(event.row)
        if isinstance(event, Done):
            done[event.label] = event.folder
        elif isinstance(event, Failed):
            failed.append(event)
    if failed:
        problem = FeatherweightError(f"{failed[0].label}: {failed[0].sentence}")
        problem.exit_status = failed[0].exit_status
        raise problem
    _, channels, _, _ = data.train.images.shape
    return [
        Model(
            trained=load_trained(folder, made=experiment.build(int(channels), len(data.classes))),
            folder=folder,
            seen=data,
        )
        for folder in (done[task.label] for task in tasks)
    ]


def _event_display(run: Run) -> Callable[[Event], object]:
    """What shows events in a notebook; elsewhere nothing does."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    if shell is None or not hasattr(shell, "kernel"):
        return lambda event: None
    return live(run)


def _as_experiment(
    network: Any, data: Data, budget: Budget | None, recipe: Recipe | None, settings: dict[str, Any]
) -> Experiment:
    """What is named or given, with what replaces parts of it; its own budget grows with the data's channels and
    classes."""
    if isinstance(network, str | Path):
        network = find(str(network))
    if not isinstance(network, Experiment):
        network = _of_network(network, data, budget, recipe)
    given = {name: value for name, value in (("budget", budget), ("recipe", recipe)) if value is not None}
    changed: Experiment = replace(network, **given)
    return overridden(changed if budget else adapt_budget(changed, data)[0], settings)


def _of_network(network: Any, data: Data, budget: Budget | None, recipe: Recipe | None) -> Experiment:
    """A bare network, or what makes one, as an experiment."""
    if not callable(network):
        raise UsageError(f"train takes an experiment, a network or a function that makes one; given {network!r:.60}.")
    fresh = _again(network) if isinstance(network, nn.Module) else network
    name = getattr(network, "__name__", type(network).__name__)
    bare = Experiment(network=fresh, recipe=recipe or Recipe(), id=name.strip("<>").lower(), title=name)
    built = bare.build(channels=int(data.train.images.shape[1]), classes=len(data.classes))
    size = sum(parameter.numel() for parameter in built.parameters())
    allowed = budget or Budget(parameters=size + 1, accuracy=0, held=1)
    ends_in_log = isinstance([*built.modules()][-1], nn.LogSoftmax)
    usual = Recipe(epochs=min(15, allowed.epochs), schedule=OneCycle(), loss="nll" if ends_in_log else "cross_entropy")
    return replace(bare, recipe=recipe or usual, budget=allowed)


def _again(network: nn.Module) -> Callable[..., nn.Module]:
    """What makes the network anew, its weights drawn again."""
    layers, _ = describe_network(network)

    def fresh(channels: int = 1, classes: int = 10) -> nn.Module:
        if layers is not None:
            return make(layers)
        drawn = copy.deepcopy(network).cpu()
        for module in drawn.modules():
            if callable(reset := getattr(module, "reset_parameters", None)):
                reset()
        return drawn

    return fresh
