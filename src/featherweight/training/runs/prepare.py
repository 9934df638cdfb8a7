"""Preparing a training run in memory up to its first step, without a folder or a record."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

import torch
from torch import nn

from featherweight import engine as engines
from featherweight.data.dataset import Data
from featherweight.data.strokes import with_strokes
from featherweight.engine import Engine, processors, require_threads
from featherweight.errors import UsageError
from featherweight.experiments.experiment import Experiment
from featherweight.experiments.recipe import Recipe
from featherweight.experiments.record import Record
from featherweight.networks.anatomy import dissect, parameters_by_layer
from featherweight.networks.checks import check_network, fingerprint
from featherweight.networks.foreign import is_network_file
from featherweight.training import distillation
from featherweight.training.runs import environment
from featherweight.training.runs.custom import Custom, with_own_loss, with_own_optimizer
from featherweight.training.runs.restore import architecture_of
from featherweight.training.state import State, draw_seed, initial_state
from featherweight.training.step import Teacher

RUNS = Path("runs")
"""The default place of run folders."""

MOST_A_PROCESSOR = 16
"""Maximum number of PyTorch's threads that take turns on a processor when a run of a larger machine is resumed."""


@dataclass(frozen=True, kw_only=True)
class Prepared:
    """A training run prepared in memory, before its first step."""

    experiment: Experiment
    seed: int
    data: Data
    """On the training device."""
    state: State
    engine: Engine
    evaluator: Engine
    """Executes the network that is evaluated and saved: the moving average if there is one."""
    teacher: Teacher | None
    """The teacher of a recipe with `distil`."""
    taught_by: tuple[Path, ...]
    """The folders of the teacher's runs."""
    parameters: int
    macs: int | None
    """None if the budget does not limit MACs."""
    device: torch.device
    threads: int
    custom: Custom


def prepare(
    experiment: Experiment,
    data: Data,
    *,
    seed: int = 0,
    engine: str = "auto",
    device: str = "auto",
    threads: int | None = None,
    teachers: Path = RUNS,
    custom: Custom | None = None,
) -> Prepared:
    """Prepare a training run up to its first step; the recipe's teacher, if any, is sought in `teachers` and in the
    package.

    Raises BudgetError if the run exceeds its budget, and UsageError if the network does not fit the data, the teacher
    is missing, or there are fewer processors than threads.
    """
    custom = custom or Custom()
    if custom.named():
        engine = _torch_for(engine, custom)
    data = with_strokes(data, experiment.recipe.strokes)
    require_weights(experiment.recipe, len(data.classes))
    where = environment.device_for(device)
    if threads is None:
        threads = processors() if engine != "torch" and where.type == "cpu" else 1
    require_threads(threads)
    _, channels, height, width = data.train.images.shape
    shape = (channels, height, width)
    torch.manual_seed(draw_seed(seed, "weights"))
    network = experiment.build(channels=shape[0], classes=len(data.classes))
    check_network(network, shape, len(data.classes), experiment.id)
    parameters, macs = _within_budget(experiment, network, shape)
    recipe = experiment.recipe
    if recipe.weight_bits:  # the first layer's weights keep their levels only if C divides all channels by one number
        data = replace(data, std=(sum(data.std) / len(data.std),) * len(data.std))
    taught_by = distillation.teacher_runs(recipe.distil, data.summary(), teachers) if recipe.distil else []
    state = initial_state(network, recipe, where, len(data.train))
    build: Callable[..., Engine] = partial(
        engines.build_engine, kind=engine, recipe=recipe, shape=shape, device=where, threads=threads
    )
    trainer = with_own_loss(network, build(network=network), custom, data)
    with_own_optimizer(state, custom)
    heard = [
        # PyTorch hears a network from a file, which takes images of its own size.
        (partial(build, kind="torch") if is_network_file(str(place)) else build)(
            network=distillation.teacher_network(place, data).to(where)
        )
        for place in taught_by
    ]
    return Prepared(
        experiment=experiment,
        seed=seed,
        data=data.to(where),
        state=state,
        engine=trainer,
        evaluator=trainer if state.averaged is None else build(network=state.ema_network, batch=1),
        teacher=distillation.answering(heard, recipe.distil) if recipe.distil else None,
        taught_by=tuple(taught_by),
        parameters=parameters,
        macs=macs,
        device=where,
        threads=threads,
        custom=custom,
    )


def _torch_for(engine: str, custom: Custom) -> str:
    """The torch engine, which trains what is somebody's own; UsageError if another one was asked for."""
    if engine not in ("auto", "torch"):
        given = " and ".join(f"`{name}`" for name in custom.named())
        raise UsageError(f"There is no kernel for {given} of your own; leave out `engine`, and PyTorch trains.")
    return "torch"


def require_weights(recipe: Recipe, classes: int) -> None:
    """Raise UsageError unless there are no class weights, or one for each class."""
    if recipe.class_weights and len(recipe.class_weights) != classes:
        given = len(recipe.class_weights)
        raise UsageError(f"Recipe.class_weights has {given} weights, and the data have {classes} classes.")


def record_of(prepared: Prepared) -> Record:
    """The record of a training run before its first step."""
    return Record(
        experiment=prepared.experiment.name,
        seed=prepared.seed,
        parameters=prepared.parameters,
        network=fingerprint(prepared.state.network),
        engine=prepared.engine.name,
        budget=prepared.experiment.budget.to_json(),
        macs=prepared.macs,
        recipe=prepared.experiment.recipe.to_json(),
        data=prepared.data.summary(),
        environment=environment.describe_environment(prepared.device, prepared.threads),
        architecture=architecture_of(prepared.state.network),
        teachers=tuple(distillation.teacher_facts(folder) for folder in prepared.taught_by),
        custom=prepared.custom.describe(),
    )


def _within_budget(experiment: Experiment, network: nn.Module, shape: tuple[int, int, int]) -> tuple[int, int | None]:
    """Parameters, and MACs if the budget limits them; BudgetError if a limit is exceeded."""
    layers = parameters_by_layer(network)
    parameters = sum(count for _, count in layers)
    anatomy = None if experiment.budget.macs is None else dissect(network, shape)
    macs, costliest = (anatomy.macs, anatomy.costliest()) if anatomy else (None, [])
    epochs = experiment.recipe.epochs
    experiment.budget.check_before_training(parameters, layers[:3], epochs, macs or 0, costliest)
    return parameters, macs


def with_threads_of(record: Record, prepared: Prepared) -> tuple[Prepared, str]:
    """The run with the record's number of threads if its bits depend on that, and a note if processors are fewer."""
    had, have = record.environment["threads"], prepared.threads
    if had == have:
        return prepared, ""
    lack = f"The run had {had} threads, and this process may use {have} processor{'s' * (have > 1)}"
    if record.engine != "torch":
        return prepared, f"{lack}; it goes on with {have}, which changes no bit."
    if had > MOST_A_PROCESSOR * have:
        raise UsageError(
            f"{lack}. PyTorch's bits depend on the number of threads, and a processor takes {MOST_A_PROCESSOR} at most;"
            " resume it where there are more processors."
        )
    torch.set_num_threads(had)
    return replace(prepared, threads=had), f"{lack}; they take turns, since PyTorch's bits depend on their number."
